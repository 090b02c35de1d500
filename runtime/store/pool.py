"""The runtime's connections: a small pool for work, and one connection that listens for wake-ups.

Every session has timeouts, and no transaction is ever held across a tool call. A server that does not answer, because
it hangs or because the network drops what it says, costs a connection and an `OperationalError`, and nobody waits for
ever.

Nothing here depends on session state, so the pool works through a pooler in transaction mode, such as PgBouncer: it is told by
the process it pretends to be, and then no statement is prepared. What sessions ask for when they begin does not get
through one, so the role must have it; and the listening connection must reach PostgreSQL directly.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from runtime.cancellation import heeding_cancellation
from runtime.core.diagnosis.server import missing_settings
from runtime.store.connect import (
    CONNECT_TIMEOUT_SECONDS,
    SESSION_OPTIONS,
    read_numbers_as_written,
    unavailable,
    unreadable,
    unset,
)
from runtime.store.statements import statement

Connection = psycopg.AsyncConnection[DictRow]

# Longer than a session waits for a lock, so that the server is the one to say what is wrong, if it can.
SILENCE: Final = timedelta(seconds=15)
# Our statements are few and large, and go through indexes whatever they are given: planning one takes longer than what it
# does. Left to itself PostgreSQL plans each of them ten times before it keeps a plan, in every session: in a quiet
# installation for ever. A plan is most often made while there is nothing in the tables, when reading all of one looks as
# good as an index, and kept while they grow; so indexes are what there is. Where a scan cannot be helped, older versions
# think it so dear that they would compile it.
_PLANNED_ONCE: Final = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off"


class Pool(AsyncConnectionPool[Connection]):
    """Connections, and what is known of the way to the server.

    Attributes:
        silence: how long the server may say nothing before its connection is given up.
        is_pooled: a pooler is between, so that two transactions of one connection may meet different sessions.
    """

    silence: timedelta = SILENCE
    is_pooled: bool = False


async def open_pool(conninfo: str, *, size: int = 4, silence: timedelta = SILENCE) -> Pool:
    """Open a pool of autocommit connections and make sure that one of them works.

    Raises:
        DatabaseUnavailable: ORD301 not reachable, ORD302 refused.
        ConfigError: ORD306 the connection string cannot be read; or a pooler is between, and the role lacks settings.
    """
    try:
        # One plain connection first: the pool retries quietly, this one says what is wrong.
        is_pooled = await _look(conninfo)
        way = _Way(silence, is_pooled)
        pool = _pool(conninfo, "ordinaut runtime", way, spare=1, size=size, is_ours=True)
        try:
            await pool.open(wait=True, timeout=2 * CONNECT_TIMEOUT_SECONDS)
        except BaseException:
            await pool.close()
            raise
    except psycopg.OperationalError as error:
        raise unavailable(conninfo, error) from error
    except psycopg.ProgrammingError:
        raise unreadable() from None
    return pool


async def _look(conninfo: str) -> bool:
    """Whether a pooler is between; then the role must have what our sessions ask for."""
    async with await psycopg.AsyncConnection.connect(
        conninfo,
        autocommit=True,
        prepare_threshold=None,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        options=SESSION_OPTIONS,
        row_factory=dict_row,
    ) as connection:
        cursor = await connection.execute(statement("read_session"))
        session = await cursor.fetchone()
        assert session is not None  # noqa: S101 - it has one row
        is_pooled = bool(session["backend_pid"] != connection.info.backend_pid)
        if is_pooled and (missing := missing_settings(session["version"], session["settings"])):
            raise unset(session["role"], missing)
        return is_pooled


async def open_side_pool(conninfo: str, name: str, *, beside: Pool, size: int = 4) -> Pool:
    """Open a pool that connects only when it is needed.

    Args:
        conninfo: where to.
        name: what `pg_stat_activity` shows.
        beside: a pool that leads the same way.
        size: how many connections it has at most.
    """
    way = _Way(beside.silence, beside.is_pooled)
    pool = _pool(conninfo, name, way, spare=0, size=size, is_ours=False)
    await pool.open()
    return pool


@dataclass(frozen=True, slots=True)
class _Way:
    """What is known of the way to a server."""

    silence: timedelta
    is_pooled: bool


def _pool(conninfo: str, name: str, way: _Way, *, spare: int, size: int, is_ours: bool) -> Pool:
    """A pool; `is_ours` says that every statement is one of our own."""
    is_planned_once = is_ours and not way.is_pooled
    pool = Pool(
        conninfo,
        min_size=spare,
        max_size=size,
        open=False,
        timeout=min(CONNECT_TIMEOUT_SECONDS, way.silence.total_seconds()),
        reconnect_timeout=CONNECT_TIMEOUT_SECONDS,
        configure=_configure,
        kwargs={
            "autocommit": True,
            "row_factory": dict_row,
            "application_name": name,
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "options": f"{SESSION_OPTIONS} {_PLANNED_ONCE}"
            if is_planned_once
            else SESSION_OPTIONS,
            # Never behind a pooler: what was prepared in one session is not there in the next. What is not ours as by default.
            "prepare_threshold": None if way.is_pooled else 0 if is_ours else 5,
        },
    )
    pool.silence, pool.is_pooled = way.silence, way.is_pooled
    return pool


async def _configure(connection: Connection) -> None:
    read_numbers_as_written(connection)


@asynccontextmanager
async def borrow(pool: Pool, *, seconds: float | None = None) -> AsyncIterator[Connection]:
    """A connection for a block that takes at most `seconds`; after that it is broken, and its user is told so.

    Without `seconds` it may take as long as the server may be silent.

    Raises:
        psycopg.OperationalError: the database is away, or silent; whether it did what it was asked is unknown. Or no
            connection became free (PoolTimeout is one).
    """
    with heeding_cancellation():
        connection = await _living(pool)
        try:
            limit = pool.silence.total_seconds() if seconds is None else seconds
            with _answered_within(limit, connection):
                yield connection
        finally:
            await pool.putconn(connection)


async def fetch_all(
    pool: Pool, statement: bytes, params: dict[str, Any], *, seconds: float | None = None
) -> list[DictRow]:
    """Run one statement on a pooled connection and return its rows; errors are those of `borrow`."""
    async with borrow(pool, seconds=seconds) as connection:
        cursor = await connection.execute(statement, params)
        return await cursor.fetchall() if cursor.description else []


async def _living(pool: Pool) -> Connection:
    """A connection that the server has not closed meanwhile; after a restart of the server all the old ones are."""
    connection = await pool.getconn()
    for _ in range(pool.max_size):
        if not _is_over(connection):
            break
        await connection.close()
        await pool.putconn(connection)
        connection = await pool.getconn()
    return connection


def _is_over(connection: Connection) -> bool:
    """Whether the server said something that nobody asked for: on a connection at rest that is its farewell.

    Its last word comes before the end of the connection does, so the end is not waited for. What else it could be, such
    as news of a changed setting, costs a new connection and no more.
    """
    unread = select.poll()
    unread.register(connection.fileno(), select.POLLIN)
    return bool(unread.poll(0))


@contextmanager
def _answered_within(seconds: float, connection: Connection) -> Iterator[None]:
    # Not by cancelling: psycopg would ask the silent server to cancel, and wait for its answer.
    timer = asyncio.get_running_loop().call_later(seconds, _sever, connection)
    try:
        yield
    finally:
        timer.cancel()


def _sever(connection: Connection) -> None:
    with socket.socket(fileno=os.dup(connection.fileno())) as our_end:
        our_end.shutdown(socket.SHUT_RDWR)
