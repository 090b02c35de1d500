"""What a pool gives out works, and what falls silent is given up."""

from __future__ import annotations

import asyncio
import select

import psycopg
import pytest

from runtime.store.pool import Pool, fetch_all, open_pool
from tests.support.probes import eventually, within
from tests.support.proxy import Proxy

SIZE = 4


async def grow(pool: Pool) -> None:
    """Have the pool open all its connections."""
    everyone_is_here = asyncio.Barrier(SIZE)

    async def hold() -> None:
        async with pool.connection():
            await everyone_is_here.wait()

    await within(asyncio.gather(*(hold() for _ in range(SIZE))), "a full pool")


async def test_after_a_restart_of_the_server_every_statement_succeeds(
    pool: Pool, connection: psycopg.AsyncConnection
) -> None:
    await grow(pool)
    others = (
        "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        " and application_name = 'ordinaut runtime'"
    )
    await connection.execute(f"select pg_terminate_backend(pid) {others}".encode())

    async def are_gone() -> bool:
        cursor = await connection.execute(f"select count(*) {others}".encode())
        return await cursor.fetchone() == (0,)

    await eventually(are_gone, "the end of the old connections")

    for _ in range(SIZE):
        assert await fetch_all(pool, b"select 1 as one", {}) == [{"one": 1}]


async def test_a_farewell_is_understood_before_the_connection_ends(
    pool: Pool, connection: psycopg.AsyncConnection
) -> None:
    """The server says that it ends a connection, and closes it only then: any word between two statements is that one."""
    async with pool.connection() as talking:
        pid = talking.info.backend_pid
    async with pool.connection() as talking:
        assert talking.info.backend_pid == pid
        await talking.execute("listen farewell")
    await connection.execute("notify farewell")

    async def has_been_said() -> bool:
        return bool(select.select([talking.fileno()], [], [], 0)[0])

    await eventually(has_been_said, "the word")

    assert await fetch_all(pool, b"select pg_backend_pid() <> %(pid)s as new", {"pid": pid}) == [
        {"new": True}
    ]


async def test_a_server_that_falls_silent_costs_a_connection_and_not_for_ever(
    database: str,
) -> None:
    async with Proxy(database) as network:
        pool = await open_pool(network.url)
        network.blackhole()

        with pytest.raises(psycopg.OperationalError):
            await within(fetch_all(pool, b"select 1", {}, seconds=0.1), "the end of patience")

        await network.resume()
        assert await fetch_all(pool, b"select 1 as one", {}) == [{"one": 1}]
        await pool.close()


async def test_a_session_plans_each_statement_once(pool: Pool) -> None:
    """Planning the large ones takes longer than what they do."""
    async with pool.connection() as ours:
        for _ in range(2):
            await ours.execute("select 1 where 1 = any(%(ones)s::integer[])", {"ones": [1]})

        cursor = await ours.execute(
            "select generic_plans, custom_plans from pg_prepared_statements where statement like '%%any(%%'",
            prepare=False,
        )

        assert [tuple(row.values()) for row in await cursor.fetchall()] == [(2, 0)]
