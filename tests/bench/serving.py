"""Embedded servers with their ordinary, durable settings, and what they and this process spend on what is measured.

CPU time is counted from /proc, so it needs Linux. It is the figure to compare on a shared machine: beside other work the
same runs take longer, and hardly more CPU time.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

import psycopg

from runtime.app import Place
from runtime.embedded import EmbeddedServers
from runtime.store.migrate import migrate

_TICK = os.sysconf("SC_CLK_TCK")
_STATEMENTS = "select coalesce(sum(calls), 0) from pg_stat_statements where query !~ 'pg_stat_statements|public[.]bench'"


@dataclass(frozen=True, slots=True)
class Spent:
    """What went by between two looks: seconds of the wall clock, CPU seconds, and statements that PostgreSQL was given.

    Attributes:
        statements: 0 where they are not counted.
    """

    wall: float
    worker: float
    postgres: float
    valkey: float
    statements: float

    def __sub__(self, earlier: Spent) -> Spent:
        return Spent(
            self.wall - earlier.wall,
            self.worker - earlier.worker,
            self.postgres - earlier.postgres,
            self.valkey - earlier.valkey,
            self.statements - earlier.statements,
        )


@dataclass(frozen=True, slots=True)
class Site:
    """Where a measurement takes place."""

    place: Place
    postgres_pid: int
    valkey_pid: int
    counts_statements: bool

    @property
    def database(self) -> str:
        return self.place.database_url

    async def spent(self) -> Spent:
        """What was spent until now; only differences mean anything."""
        return Spent(
            perf_counter(),
            process_time(),
            _family_seconds(self.postgres_pid),
            _process_seconds(self.valkey_pid),
            await asyncio.to_thread(self._statements) if self.counts_statements else 0,
        )

    def _statements(self) -> float:
        with psycopg.connect(self.database, autocommit=True) as connection:
            row = connection.execute(_STATEMENTS).fetchone()
        return float(row[0]) if row else 0.0


@asynccontextmanager
async def serving(*, count_statements: bool = False) -> AsyncIterator[Site]:
    """Start both servers, empty but for our tables; counting statements makes each of them a little dearer."""
    settings = {"shared_preload_libraries": "pg_stat_statements"} if count_statements else {}
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        async with EmbeddedServers(state, postgres_settings=settings) as urls:
            await asyncio.to_thread(migrate, urls.database)
            if count_statements:
                with psycopg.connect(urls.database, autocommit=True) as connection:
                    connection.execute("create extension pg_stat_statements")
            postmaster = int((state / "postgres" / "postmaster.pid").read_text().split()[0])
            yield Site(
                Place(urls.database, urls.redis, Path(folder)),
                postmaster,
                _valkey_pid(postmaster),
                count_statements,
            )


def _valkey_pid(postmaster: int) -> int:
    """Both servers are children of this process."""
    (pid,) = (pid for pid in _children(os.getpid()) if pid != postmaster)
    return pid


def _family_seconds(postmaster: int) -> float:
    """CPU seconds of a server and all its sessions, ended ones included."""
    own = _stat(postmaster)
    ended = (int(own[13]) + int(own[14])) / _TICK
    return ended + sum(map(_process_seconds, [postmaster, *_children(postmaster)]))


def _process_seconds(pid: int) -> float:
    try:
        stat = _stat(pid)
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(stat[11]) + int(stat[12])) / _TICK


def _stat(pid: int) -> list[str]:
    """What follows the name of the program, which may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found
