"""Fixtures of the runtime's tests: a pool, and parts of a runtime that are driven step by step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from runtime.arrivals import Arrivals
from runtime.live import Live
from runtime.recorder import Recorder
from runtime.secrets import Secrets
from runtime.store.pool import Pool, open_pool
from runtime.turns import Turns
from runtime.wake import Bell
from tests.support.clock import FakeClock
from tests.support.executing import Bench
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
async def bench(
    pool: Pool,
    connection: psycopg.AsyncConnection,
    clock: FakeClock,
    database: str,
    tmp_path: Path,
) -> AsyncIterator[Bench]:
    """One run under test, and the secret `token`."""
    await clock.attach(database)
    (tmp_path / "token").write_text("s3cr3t-token\n")
    recorder = Recorder(pool, clock, Bell(clock), Turns(pool, clock, Bell(clock)))
    serving = asyncio.create_task(recorder.run())
    secrets = Secrets({"token": {"file": "token"}}, tmp_path)
    yield Bench(
        pool, connection, recorder, clock, Live(), secrets, Arrivals(pool, clock, Bell(clock))
    )
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
