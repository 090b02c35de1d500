"""The heart looks for all services at once, and rings for those that have missed something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from runtime.heart import Heart
from runtime.store.due_work import claim_due
from runtime.store.pool import Pool
from runtime.store.runtimes import Beat, beat_runtime
from tests.support.clock import FakeClock
from tests.support.installed import install, queue_run, schedule, task
from tests.support.probes import eventually

NOTHING = Beat(
    resumed=0,
    newest_revision=0,
    are_schedules_due=False,
    is_work_ready=False,
    is_gate_busy=False,
    are_events_left=False,
)
LEASE = timedelta(seconds=15)


@pytest.fixture
async def _time_is_the_tests(clock: FakeClock, database: str) -> None:
    await clock.attach(database)


@pytest.fixture
async def beats(pool: Pool, clock: FakeClock) -> AsyncIterator[list[Beat]]:
    """What a heart tells while the test lasts."""
    told: list[Beat] = []
    heart = Heart(pool, 1, clock, poll_seconds=5, missed=told.append, newest=lambda _: None)
    beating = asyncio.create_task(heart.run())
    yield told
    beating.cancel()
    await asyncio.gather(beating, return_exceptions=True)


async def look(pool: Pool) -> Beat:
    """What a look finds, whatever the revision."""
    return replace(await beat_runtime(pool, 1, draining=False), newest_revision=0)


async def test_a_heart_beats_again_and_again_and_tells_what_it_found(
    beats: list[Beat], clock: FakeClock
) -> None:
    await eventually(lambda: len(beats) == 1 and clock.sleepers == 1, "the first beat")
    await clock.advance(5)
    await eventually(lambda: len(beats) == 2, "the second")

    assert beats == [NOTHING, NOTHING]


@pytest.mark.usefixtures("_time_is_the_tests")
async def test_work_is_ready_until_it_is_leased_and_again_when_the_lease_is_over(
    pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    await queue_run(connection, await install(connection, task()))
    assert await look(pool) == replace(NOTHING, is_work_ready=True)

    await claim_due(pool, runtime_id=1, limit=1, lease=LEASE)
    await connection.execute("delete from ordinaut.outbox")
    assert await look(pool) == NOTHING

    await clock.advance(16)
    assert await look(pool) == replace(NOTHING, is_work_ready=True)


@pytest.mark.usefixtures("_time_is_the_tests")
async def test_a_schedule_is_due_when_its_time_has_come_and_it_is_not_paused(
    pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    installed = await install(connection, task(schedule={"every": "1h"}))
    await schedule(connection, installed, clock.now(), clock.now() + timedelta(minutes=1))
    assert await look(pool) == NOTHING

    await clock.advance(60)
    assert await look(pool) == replace(NOTHING, are_schedules_due=True)

    await connection.execute("update ordinaut.schedule set paused_at = ordinaut.now()")
    assert await look(pool) == NOTHING


async def test_what_stands_at_the_gate_and_what_is_not_published_is_seen(
    pool: Pool, connection: psycopg.AsyncConnection
) -> None:
    await queue_run(connection, await install(connection, task()), lane=105)
    await connection.execute(
        "insert into ordinaut.event_log (type, subject, data) values ('a', 'b', '{}')"
    )

    assert await look(pool) == replace(NOTHING, is_gate_busy=True, are_events_left=True)
