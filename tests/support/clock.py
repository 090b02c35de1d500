"""A clock that stands still until a test moves it, for Python and for SQL alike."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta

import psycopg

from runtime.clock import SYSTEM_CLOCK

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)

_ATTACH = """
create table public.test_clock (only_one boolean primary key default true check (only_one), instant timestamptz not null);
grant select on public.test_clock to public;
create or replace function ordinaut.now() returns timestamptz
    language sql stable parallel safe
    begin atomic select instant from public.test_clock; end
"""
_TURNS = 10_000


def stop_the_clock(connection: psycopg.Connection, at: datetime) -> None:
    """From now on it is always this instant in the database, or until the next call."""
    found = connection.execute("select to_regclass('public.test_clock') is null").fetchone()
    if found == (True,):
        connection.execute(_ATTACH.encode())
        connection.execute("insert into public.test_clock (instant) values (%s)", [at])
    connection.execute("update public.test_clock set instant = %s", [at])


class FakeClock:
    """A `runtime.clock.Clock` whose time passes only in `advance`.

    Args:
        at: the first instant, aware UTC.
    """

    def __init__(self, at: datetime = START) -> None:
        self._now = at
        self._elapsed = timedelta()
        self._order = itertools.count()
        self._sleepers: list[tuple[timedelta, int, asyncio.Future[None]]] = []
        self._databases: list[psycopg.AsyncConnection] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._elapsed.total_seconds()

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await SYSTEM_CLOCK.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        due = self._elapsed + timedelta(seconds=seconds)
        heapq.heappush(self._sleepers, (due, next(self._order), woken))
        await woken

    async def reach(self, instant: float) -> None:
        await self.sleep(instant - self.monotonic())

    @property
    def sleepers(self) -> int:
        """How many tasks sleep on this clock."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    @property
    def wakes_in(self) -> float | None:
        """Seconds until the next of them wakes."""
        due = [at for at, _, woken in self._sleepers if not woken.done()]
        return (min(due) - self._elapsed).total_seconds() if due else None

    async def advance(self, seconds: float) -> None:
        """Let time pass, waking every sleeper at its own instant, in order.

        After each, all tasks run until they wait for something. A task that waits for a socket has not yet finished
        when this returns: await what it does (`probes`).
        """
        await settle()
        until = self._elapsed + timedelta(seconds=seconds)
        while self._sleepers and self._sleepers[0][0] <= until:
            due, _, woken = heapq.heappop(self._sleepers)
            if woken.done():  # its task was cancelled
                continue
            await self._pass(max(timedelta(), due - self._elapsed))
            if not woken.done():
                woken.set_result(None)
            await settle()
        await self._pass(until - self._elapsed)
        await settle()

    async def set(self, instant: datetime) -> None:
        """Set the wall clock, forwards or back, as an operator would; no sleeper wakes and `monotonic` stays."""
        self._now = instant
        await self._tell_databases()

    async def attach(self, conninfo: str) -> None:
        """From now on `ordinaut.now()` in this database is this clock, for every session of every process."""
        connection = await psycopg.AsyncConnection.connect(conninfo, autocommit=True)
        self._databases.append(connection)
        await connection.execute(_ATTACH)
        await connection.execute(
            "insert into public.test_clock (instant) values (%s)", (self._now,)
        )

    async def close(self) -> None:
        """Detach from all databases, which keep the last instant."""
        while self._databases:
            await self._databases.pop().close()

    async def _pass(self, span: timedelta) -> None:
        if span:
            self._elapsed += span
            self._now += span
            await self._tell_databases()

    async def _tell_databases(self) -> None:
        for connection in self._databases:
            await connection.execute("update public.test_clock set instant = %s", (self._now,))


async def settle() -> None:
    """Let every task run until it waits for a future, a timer or a socket."""
    ready = asyncio.get_running_loop()._ready  # asyncio tells nobody else what is ready to run
    for _ in range(_TURNS):
        await SYSTEM_CLOCK.sleep(0)
        if not ready:
            return
    raise AssertionError(f"a task is still busy after {_TURNS} turns of the loop: it never waits")
