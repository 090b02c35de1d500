"""What every runtime does to the database when it starts, at whatever moment the others do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from runtime.store.pool import Pool, open_pool
from runtime.store.runtimes import ensure_partitions
from tests.support.clock import FakeClock

MONTHS = 6


@pytest.fixture
async def pools(database: str) -> AsyncIterator[list[Pool]]:
    """One pool for each of several runtimes."""
    pools = [await open_pool(database) for _ in range(4)]
    yield pools
    for pool in pools:
        await pool.close()


async def test_runtimes_that_start_together_make_the_same_partitions(
    pools: list[Pool], connection: psycopg.AsyncConnection, clock: FakeClock, database: str
) -> None:
    await clock.attach(database)

    for _ in range(MONTHS):
        await asyncio.gather(*(ensure_partitions(pool) for pool in pools))
        await clock.advance(31 * 86_400)

    cursor = await connection.execute(
        "select to_regclass('ordinaut.run_202512'), to_regclass('ordinaut.run_202608')"
    )
    assert None not in (await cursor.fetchone() or (None,))
