"""Fixtures of the runtime's tests: a pool, and parts of a runtime that are driven step by step."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from runtime.store.pool import Pool, open_pool
from tests.support.clock import FakeClock
from tests.support.executing import Bench, opened_bench
from tests.support.hearing import Listening
from tests.support.polling import Polling


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    """A pool on this test's database."""
    pool = await open_pool(database)
    yield pool
    await pool.close()


@pytest.fixture
async def polling(
    pool: Pool,
    connection: psycopg.AsyncConnection,
    clock: FakeClock,
    database: str,
    tmp_path: Path,
) -> Polling:
    """Runtimes that ask, on this test's database and clock."""
    await clock.attach(database)
    return Polling(pool, connection, clock, database, tmp_path)


@pytest.fixture
async def listening(
    pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock, database: str
) -> Listening:
    """Runtimes that hear, on this test's database and clock."""
    await clock.attach(database)
    return Listening(pool, connection, clock, database)


@pytest.fixture
async def bench(
    pool: Pool,
    connection: psycopg.AsyncConnection,
    clock: FakeClock,
    database: str,
    tmp_path: Path,
) -> AsyncIterator[Bench]:
    """One run under test, and the secret `token`."""
    async with opened_bench(pool, connection, clock, database, tmp_path) as bench:
        yield bench
