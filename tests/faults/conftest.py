"""Fixtures of the tests of failure: a place where real runtime processes work."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from runtime.store.pool import open_pool
from tests.faults.site import Site
from tests.support.agreeing import require_dashboard_agrees, require_status_agrees
from tests.support.clock import FakeClock
from tests.support.executing import Bench, opened_bench


@pytest.fixture(autouse=True)
def _what_is_shown_is_what_there_is(request: pytest.FixtureRequest) -> Iterator[None]:
    """After every test of failure that has a database, `ordinaut status` and the dashboard agree with it.

    Asks for the database before all others do, so that whoever works in it has ended by then.
    """
    if "database" not in request.fixturenames:
        yield
        return
    database = request.getfixturevalue("database")
    yield
    require_status_agrees(database)
    require_dashboard_agrees(database)


@pytest.fixture
def site(
    database: str, redis_url: str, connection: psycopg.AsyncConnection, tmp_path: Path
) -> Site:
    """A project folder with this test's database and Redis."""
    env = {"ORDINAUT_DATABASE_URL": database, "ORDINAUT_REDIS_URL": redis_url}
    return Site(tmp_path, connection, env)


@pytest.fixture
async def bench(
    database: str, connection: psycopg.AsyncConnection, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[Bench]:
    """Runs that are executed step by step, in this process."""
    pool = await open_pool(database)
    async with opened_bench(pool, connection, clock, database, tmp_path) as bench:
        yield bench
    await pool.close()
