"""A runtime keeps history for as long as its settings say, and tries again where somebody is in its way."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import psycopg
import pytest

from runtime.config import Config
from runtime.retention import Retention
from runtime.store.answers import Answers
from runtime.store.pool import Pool
from tests.support.clock import FakeClock
from tests.support.installed import install, queue_run, task
from tests.support.probes import eventually

YEAR = 365 * 86_400
_CLOSED = "the pool 'retention' is not open yet"


@pytest.fixture
async def retention(pool: Pool, clock: FakeClock, database: str) -> Retention:
    await clock.attach(database)
    return Retention(
        pool, clock, Config(keep_runs=timedelta(days=90), keep_events=timedelta(days=1))
    )


async def test_old_months_go_and_new_ones_come(
    retention: Retention, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    await retention.run_once()
    await clock.advance(YEAR)

    assert await retention.run_once()

    cursor = await connection.execute(
        "select inhrelid::regclass::text from pg_inherits"
        " where inhparent = 'ordinaut.run'::regclass order by 1"
    )
    assert [name[-7:] for (name,) in await cursor.fetchall()] == [
        "_202612", "_202701", "_202702", "_202703", "default",
    ]  # fmt: skip


async def test_answers_that_may_be_reused_no_longer_go(
    retention: Retention, connection: psycopg.AsyncConnection, pool: Pool, clock: FakeClock
) -> None:
    await Answers(pool).keep(b"short", 1, 1, timedelta(minutes=1))
    await Answers(pool).keep(b"long", 1, 1, timedelta(days=1))
    await clock.advance(60)

    await retention.run_once()

    cursor = await connection.execute("select key from ordinaut.answer")
    assert await cursor.fetchall() == [(b"long",)]


async def test_a_table_that_somebody_reads_is_told_once_and_tried_again_a_minute_later(
    retention: Retention,
    connection: psycopg.AsyncConnection,
    clock: FakeClock,
    database: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "ordinaut.retention")
    await retention.run_once()
    await clock.advance(31 * 86_400)
    async with await psycopg.AsyncConnection.connect(database) as reader:
        await reader.execute("select count(*) from ordinaut.event_log")
        assert not await retention.run_once()
        serving = asyncio.create_task(retention.run())
        await eventually(lambda: clock.sleepers, "the first look of the service")

    await clock.advance(61)

    def told() -> list[str]:
        return [r.getMessage() for r in caplog.records if "event_log_202601" in r.getMessage()]

    await eventually(lambda: len(told()) > 1, "the second look of the service")
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    cursor = await connection.execute("select to_regclass('ordinaut.event_log_202601')")
    assert await cursor.fetchone() == (None,)
    assert told() == [
        "ordinaut.event_log_202601 not dropped yet: somebody reads the table, or is at its partitions",
        "ordinaut.event_log_202601 dropped: its time is over",
    ]


async def test_a_month_that_is_wanted_is_told_and_strays_are_swept(
    retention: Retention,
    connection: psycopg.AsyncConnection,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runtime.store.retention._MOST_MOVED", 0)
    await retention.run_once()
    installed = await install(connection, task())
    await queue_run(connection, installed)
    await clock.advance(YEAR)
    # Of two years ago: it never had a partition, and ended long ago.
    await connection.execute(
        "insert into ordinaut.run (run_id, task_uid, revision_id, trigger, occurrence_for, due_at, state, finished_at)"
        " select ordinaut.run_id_floor(at), 1, 1, 'backfill', at, at, 'succeeded', at"
        " from (select ordinaut.now() - interval '2 years' as at) past"
    )

    assert await retention.run_once()

    assert "ordinaut.run_202601 not dropped yet: it holds much of runs that are not over" in [
        record.getMessage() for record in caplog.records
    ]
    cursor = await connection.execute("select state from ordinaut.run")
    assert await cursor.fetchall() == [("queued",)]


async def test_a_database_that_is_away_is_asked_again_a_minute_later(
    retention: Retention, pool: Pool, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    await pool.close()
    serving = asyncio.create_task(retention.run())
    await clock.advance(61)

    assert [r.getMessage() for r in caplog.records] == [
        f"history not looked at: the pool {pool.name!r} is already closed"
    ] * 2
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
