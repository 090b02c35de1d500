"""A runtime behind a pooler in transaction mode: PgBouncer where it is installed, and a stand-in everywhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from redis.asyncio import Redis

from runtime.app import Place, running
from runtime.config import Config
from runtime.errors import ConfigError, DatabaseUnavailable
from runtime.store.pool import fetch_all, open_pool
from runtime.store.statements import statement
from tests.support.cli import Cli
from tests.support.installed import install, queue_run, schedule, task
from tests.support.pgbouncer import pgbouncer, program
from tests.support.pooler import Pooler
from tests.support.probes import eventually

Through = Callable[..., AbstractAsyncContextManager[str]]
_NEEDED = {
    "statement_timeout": "60s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
    "enable_partition_pruning": "off",
}


@pytest.fixture(
    params=[
        "stand-in",
        pytest.param(
            "PgBouncer",
            marks=pytest.mark.skipif(program() is None, reason="PgBouncer is not installed"),
        ),
    ]
)
def through(request: pytest.FixtureRequest, database: str, tmp_path: Path) -> Through:
    """The URL of the test's database through a pooler."""

    @asynccontextmanager
    async def stand_in(*, drops_options: bool = True) -> AsyncIterator[str]:
        async with Pooler(database, drops_options=drops_options) as pooler:
            yield pooler.url

    def real(*, drops_options: bool = True) -> AbstractAsyncContextManager[str]:
        return pgbouncer(database, tmp_path, drops_options=drops_options)

    return stand_in if request.param == "stand-in" else real


@pytest.fixture
async def settings(connection: psycopg.AsyncConnection) -> None:
    """What the hint of the refusal says, for this test's database alone."""
    name = sql.Identifier(connection.info.dbname)
    for setting, value in _NEEDED.items():
        await connection.execute(
            sql.SQL("alter role current_user in database {} set {} = {}").format(
                name, sql.Identifier(setting), sql.Literal(value)
            )
        )


async def test_it_is_a_pooler_in_transaction_mode(through: Through) -> None:
    """What the tests below are worth: whoever prepares statements, or keeps a session for himself, fails here."""
    async with (
        through() as url,
        await psycopg.AsyncConnection.connect(url, autocommit=True) as connection,
    ):
        async with (
            await psycopg.AsyncConnection.connect(url) as other,
            connection.transaction(),
            other.transaction(),
        ):
            # Now it has two sessions to choose from.
            await other.execute("select 1")
            await connection.execute("select 1")
        connection.prepare_threshold = 0
        with pytest.raises(psycopg.errors.InvalidSqlStatementName):
            await _ask_often(connection)


async def _ask_often(connection: psycopg.AsyncConnection) -> None:
    for _ in range(4):
        await connection.execute("select %s::integer", [1])


@pytest.mark.usefixtures("settings")
async def test_a_runtime_works_and_is_woken_past_the_pooler(
    through: Through,
    database: str,
    redis_url: str,
    connection: psycopg.AsyncConnection,
    tmp_path: Path,
) -> None:
    timed = await install(connection, task(schedule={"every": "1s"}))
    cursor = await connection.execute(
        "select date_trunc('second', now()), date_trunc('second', now()) + interval '1 s'"
    )
    await schedule(connection, timed, *(await cursor.fetchone() or ()))
    installed = await install(connection, task("asked"))
    config = Config(state_dir=tmp_path, poll=timedelta(hours=1))
    async with (
        through() as url,
        running(config, Place(url, redis_url, tmp_path, database)),
        Redis.from_url(redis_url, decode_responses=True) as bus,
    ):
        asked = await asyncio.gather(
            *(queue_run(connection, installed, str(number)) for number in range(40))
        )
        await connection.execute("notify ordinaut_wake")

        async def published() -> bool:
            entries = await bus.xrange("ordinaut:events")
            ends = [
                json.loads(fields["data"])
                for _, fields in entries
                if fields["type"] == "ordinaut.run.succeeded"
            ]
            told = {UUID(end["run_id"]) for end in ends}
            return told.issuperset(asked) and "schedule" in [end["trigger"] for end in ends]

        await eventually(published, "all are told on the stream", seconds=30)

    cursor = await connection.execute("select count(*) from ordinaut.run where state = 'failed'")
    assert await cursor.fetchone() == (0,)


@pytest.mark.usefixtures("settings")
async def test_without_a_direct_way_it_says_so_and_looks_by_itself(
    through: Through,
    redis_url: str,
    connection: psycopg.AsyncConnection,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    installed = await install(connection, task())
    config = Config(state_dir=tmp_path, poll=timedelta(milliseconds=50))
    async with through() as url, running(config, Place(url, redis_url, tmp_path)):
        await queue_run(connection, installed)

        async def succeeded() -> bool:
            cursor = await connection.execute("select state from ordinaut.run")
            return await cursor.fetchone() == ("succeeded",)

        await eventually(succeeded, "the run is noticed by a poll")

    assert "passes no wake-ups on" in caplog.text


async def test_a_role_that_lacks_what_sessions_ask_for_is_refused_with_what_to_do(
    through: Through, database: str
) -> None:
    async with through() as url:
        with pytest.raises(ConfigError) as refused:
            await open_pool(url)
        cli = Cli({"ORDINAUT_DATABASE_URL": url, "ORDINAUT_DIRECT_URL": database})
        told = await asyncio.to_thread(cli, "doctor")

    assert refused.value.code == "ORD306"
    assert "it leads through a pooler, where sessions begin without" in refused.value.message
    assert "set enable_partition_pruning = off" in refused.value.hint
    assert "set statement_timeout = '60s'" in refused.value.hint
    assert "pooler: sessions begin without statement_timeout" in told.stdout


async def test_a_pooler_that_refuses_what_sessions_ask_for_is_told_what_to_set(
    through: Through,
) -> None:
    async with through(drops_options=False) as url:
        with pytest.raises(DatabaseUnavailable) as refused:
            await open_pool(url)

    assert "ignore_startup_parameters = extra_float_digits,options" in refused.value.hint


@pytest.mark.usefixtures("settings")
async def test_no_statement_is_prepared_behind_a_pooler(through: Through) -> None:
    async with through() as url:
        pool = await open_pool(url, size=1)
        for _ in range(20):
            await fetch_all(pool, statement("read_clock"), {})
        await pool.close()


@pytest.mark.usefixtures("settings")
async def test_statements_of_steps_are_committed_through_it_and_leave_nothing_behind(
    through: Through,
    database: str,
    redis_url: str,
    connection: psycopg.AsyncConnection,
    tmp_path: Path,
) -> None:
    await connection.execute("create table public.entry (n integer)")
    await connection.execute("grant insert, select on public.entry to ordinaut_sql")
    arguments = {
        "statement": "insert into entry values ($1) returning n",
        "parameters": ["${item}"],
    }
    book = {"id": "book", "uses": "ordinaut.sql", "effect": "transactional", "with": arguments}
    steps = [{**book, "foreach": "${`[1, 2, 3, 4, 5, 6]`}", "max_parallel": 6}]
    installed = await install(connection, task(pipeline=steps))
    config = Config(state_dir=tmp_path, poll=timedelta(hours=1))
    ended = "select count(*) = 4 from ordinaut.run where state = 'succeeded'"

    async with through() as url, running(config, Place(url, redis_url, tmp_path, database)):
        for number in range(4):
            await queue_run(connection, installed, str(number))
        await connection.execute("notify ordinaut_wake")

        async def all_succeeded() -> bool:
            return await (await connection.execute(ended.encode())).fetchone() == (True,)

        await eventually(all_succeeded, "four runs succeed", seconds=20)

    cursor = await connection.execute("select count(*), sum(n) from public.entry")
    assert await cursor.fetchone() == (24, 84)
