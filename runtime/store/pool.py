"""The runtime's connections: a small pool for work, and one connection that listens for wake-ups.

Every session has timeouts, and no transaction is ever held across a tool call. Nothing here depends on session state, so
the pool works through PgBouncer in transaction mode; the listening connection must reach PostgreSQL directly.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from runtime.errors import DatabaseUnavailable
from runtime.store.connect import CONNECT_TIMEOUT_SECONDS, SESSION_OPTIONS, address, unavailable

Pool = AsyncConnectionPool[psycopg.AsyncConnection[DictRow]]


async def open_pool(conninfo: str, *, size: int = 4) -> Pool:
    """Open a pool of autocommit connections and make sure that one of them works.

    Raises:
        DatabaseUnavailable: ORD301 not reachable, ORD302 refused.
    """
    pool: Pool = AsyncConnectionPool(
        conninfo,
        min_size=1,
        max_size=size,
        open=False,
        timeout=CONNECT_TIMEOUT_SECONDS,
        reconnect_timeout=CONNECT_TIMEOUT_SECONDS,
        kwargs={
            "autocommit": True,
            "row_factory": dict_row,
            "application_name": "ordinaut runtime",
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "options": SESSION_OPTIONS,
        },
    )
    try:
        # One plain connection first: the pool retries quietly, this one says what is wrong.
        async with await psycopg.AsyncConnection.connect(
            conninfo, connect_timeout=CONNECT_TIMEOUT_SECONDS
        ):
            pass
        await pool.open(wait=True, timeout=2 * CONNECT_TIMEOUT_SECONDS)
    except psycopg.OperationalError as error:
        await pool.close()
        raise unavailable(conninfo, error) from error
    except PoolTimeout as error:
        await pool.close()
        raise DatabaseUnavailable(f"{address(conninfo)} cannot be reached: {error}") from error
    return pool


async def fetch_all(pool: Pool, statement: bytes, params: dict[str, Any]) -> list[DictRow]:
    """Run one statement on a pooled connection and return its rows."""
    async with pool.connection() as connection:
        cursor = await connection.execute(statement, params)
        return await cursor.fetchall() if cursor.description else []
