"""PostgreSQL falls over and comes up again in the middle of the work: what was committed counts, and the rest is done."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from runtime.embedded import temporarily
from runtime.store.migrate import migrate
from tests.faults.site import Site
from tests.support.installed import install, task
from tests.support.probes import eventually

_STEPS = [{"id": name, "uses": "llm.plan", "with": {"n": name}} for name in ("one", "two")]
_RUNS = 100


@pytest.fixture
def own_database(tmp_path: Path) -> Iterator[str]:
    """A server that nobody else needs."""
    with temporarily(tmp_path / "servers") as urls:
        migrate(urls.database)
        yield urls.database


@pytest.fixture
async def own_site(own_database: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    env = {"ORDINAUT_DATABASE_URL": own_database, "ORDINAUT_REDIS_URL": redis_url}
    async with await psycopg.AsyncConnection.connect(own_database, autocommit=True) as connection:
        yield Site(tmp_path, connection, env)


async def finished(database: str) -> int | None:
    """How many runs have succeeded; None while the server does not answer."""
    try:
        async with await psycopg.AsyncConnection.connect(database) as connection:
            cursor = await connection.execute(
                "select count(*) from ordinaut.run where state = 'succeeded'"
            )
            row = await cursor.fetchone()
    except psycopg.OperationalError:
        return None
    return int(row[0]) if row else 0


@pytest.mark.slow
async def test_a_server_that_crashes_under_load_costs_time_and_no_run(
    own_site: Site, own_database: str
) -> None:
    """Asserts: a process of PostgreSQL is killed (SIGKILL) while 100 runs are executed, so that the server ends all sessions and
    recovers. The same runtime goes on with it, all runs succeed, and each step of each has one result.
    """
    await own_site.queue_many(await install(own_site.connection, task(pipeline=_STEPS)), _RUNS)
    victim = own_site.connection.info.backend_pid
    async with own_site.runtime(concurrency="2"):

        async def has(count: int) -> bool:
            return (await finished(own_database) or 0) >= count

        await eventually(lambda: has(1), "work has begun", seconds=30)
        os.kill(victim, signal.SIGKILL)
        before = await eventually(lambda: finished(own_database), "the server is back", seconds=30)
        await eventually(lambda: has(_RUNS), "every run succeeds", seconds=60)

    assert before is not None
    async with await psycopg.AsyncConnection.connect(own_database) as connection:
        cursor = await connection.execute("select count(*) from ordinaut.step_result")
        assert await cursor.fetchone() == (2 * _RUNS,)
