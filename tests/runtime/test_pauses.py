"""While a task is paused nothing of it fires; a pause ends by itself in time, and nothing that fell into it is lost."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import psycopg
import pytest

from runtime.actor import Actor
from runtime.overrides import pause_task, resume_task
from runtime.scheduler import Look, Scheduler
from runtime.store.connect import connect
from runtime.store.pool import Pool, fetch_all
from runtime.store.runtimes import beat_runtime
from runtime.store.statements import statement
from schemas.event import EVENTS
from tests.runtime.test_app import Start, bus, start
from tests.runtime.test_scheduler import fates, minutely
from tests.support.clock import START, FakeClock
from tests.support.installed import install, schedule, task
from tests.support.locks import somebody_is_blocked
from tests.support.probes import eventually
from tests.support.scheduling import make_scheduler

__all__ = ["bus", "start"]


@pytest.fixture
async def _time_is_the_tests(clock: FakeClock, database: str) -> None:
    await clock.attach(database)


@pytest.fixture
def scheduler(pool: Pool, clock: FakeClock, _time_is_the_tests: None) -> Scheduler:
    return make_scheduler(pool, clock)


def pause(database: str, until: str | None = None, label: str = "tick") -> None:
    with connect(database) as connection:
        pause_task(connection, label, until=until, reason="", actor=Actor("ada"))


def resume(database: str) -> None:
    with connect(database) as connection:
        resume_task(connection, "tick", actor=Actor("ada"))


async def paused(connection: psycopg.AsyncConnection) -> tuple[datetime | None, int]:
    """Since when the schedule is paused, and how many overrides are in force."""
    cursor = await connection.execute(
        "select (select paused_at from ordinaut.schedule),"
        " (select count(*) from ordinaut.task_override where ended_at is null)"
    )
    row = await cursor.fetchone()
    assert row is not None
    return row


async def test_what_falls_into_a_pause_is_decided_by_the_catch_up_policy_when_it_ends(
    scheduler: Scheduler, connection: psycopg.AsyncConnection, clock: FakeClock, database: str
) -> None:
    await minutely(connection)
    pause(database)

    await clock.advance(3 * 60)
    assert await scheduler.run_once() == Look()
    assert await fates(connection) == []

    resume(database)
    assert (await scheduler.run_once()).due == 1
    assert await fates(connection) == [
        ("08:01", "skipped", "catch_up_latest"),
        ("08:02", "skipped", "catch_up_latest"),
        ("08:03", "queued", None),
    ]


async def test_a_pause_ends_by_itself_when_its_time_is_over_and_not_before(
    scheduler: Scheduler,
    pool: Pool,
    connection: psycopg.AsyncConnection,
    clock: FakeClock,
    database: str,
) -> None:
    await minutely(connection)
    pause(database, "90s")

    await clock.advance(89)
    assert (await beat_runtime(pool, 1, draining=False)).resumed == 0
    assert await paused(connection) == (START, 1)
    await clock.advance(6)
    assert (await beat_runtime(pool, 1, draining=False)).resumed == 1
    assert (await beat_runtime(pool, 1, draining=False)).resumed == 0

    assert await paused(connection) == (None, 0)
    cursor = await connection.execute("select ended_at from ordinaut.task_override")
    assert await cursor.fetchall() == [(START + timedelta(seconds=90),)]
    cursor = await connection.execute(
        "select type, data from ordinaut.event_log order by sequence"
    )
    kinds = await cursor.fetchall()
    assert [(kind, data["task"]) for kind, data in kinds] == [
        ("task.paused", "tick"),
        ("task.resumed", "tick"),
    ]
    assert [EVENTS[kind].model_validate(data).task for kind, data in kinds] == ["tick", "tick"]  # type: ignore[attr-defined] # both are of a task
    await scheduler.run_once()
    assert await fates(connection) == [("08:01", "queued", None)]


@pytest.mark.usefixtures("_time_is_the_tests")
async def test_a_pause_without_an_end_does_not_end_by_itself(
    pool: Pool,
    connection: psycopg.AsyncConnection,
    clock: FakeClock,
    database: str,
) -> None:
    await minutely(connection)
    pause(database)

    await clock.advance(365 * 86_400)

    assert (await beat_runtime(pool, 1, draining=False)).resumed == 0
    assert await paused(connection) == (START, 1)


@pytest.mark.usefixtures("_time_is_the_tests")
async def test_runtimes_that_beat_at_once_end_a_pause_once(
    pool: Pool,
    connection: psycopg.AsyncConnection,
    clock: FakeClock,
    database: str,
) -> None:
    for number in range(20):
        await minutely(connection, f"tick-{number}")
        pause(database, "1m", f"tick-{number}")
    await clock.advance(60)

    beats = [beat_runtime(pool, number, draining=False) for number in range(4)]
    ended = await asyncio.gather(*beats)

    assert sum(beat.resumed for beat in ended) == 20
    cursor = await connection.execute(
        "select count(*) from ordinaut.event_log where type = 'task.resumed'"
    )
    assert await cursor.fetchone() == (20,)


@pytest.mark.usefixtures("_time_is_the_tests")
async def test_a_beat_does_not_wait_for_somebody_who_changes_the_pause_nor_undo_that(
    pool: Pool,
    connection: psycopg.AsyncConnection,
    clock: FakeClock,
    database: str,
) -> None:
    await minutely(connection)
    pause(database, "1m")
    await clock.advance(61)

    async with connection.transaction():
        await connection.execute("select from ordinaut.spec for no key update")
        assert (await beat_runtime(pool, 1, draining=False)).resumed == 0
        await connection.execute("update ordinaut.task_override set until = null")
    assert (await beat_runtime(pool, 1, draining=False)).resumed == 0

    assert await paused(connection) == (START, 1)


@pytest.mark.usefixtures("_time_is_the_tests")
@pytest.mark.parametrize("change", ["until = null", "ended_at = ordinaut.now()"])
async def test_a_beat_that_saw_a_pause_before_somebody_changed_it_leaves_it_alone(
    pool: Pool,
    connection: psycopg.AsyncConnection,
    clock: FakeClock,
    database: str,
    change: str,
) -> None:
    await minutely(connection)
    pause(database, "1m")
    await clock.advance(61)
    seen = b"from ordinaut.task_override o"
    gate = b"from (select pg_advisory_xact_lock_shared(1)) as gate cross join ordinaut.task_override o"
    halted = statement("beat_runtime").replace(seen, gate)
    assert halted != statement("beat_runtime")
    await connection.execute("select pg_advisory_lock(1)")

    params = {"runtime_id": 1, "draining": False, "newest_migration": 0}
    beating = asyncio.create_task(fetch_all(pool, halted, params))
    await somebody_is_blocked(database)
    await connection.execute(f"update ordinaut.task_override set {change}".encode())
    await connection.execute("select pg_advisory_unlock(1)")

    assert [row["resumed"] for row in await beating] == [0]
    cursor = await connection.execute("select paused_at from ordinaut.schedule")
    assert await cursor.fetchall() == [(START,)]


async def test_a_firing_that_meets_a_pause_writes_nothing(
    scheduler: Scheduler, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    await minutely(connection)
    await clock.advance(60)
    async with connection.transaction():
        await connection.execute("update ordinaut.schedule set paused_at = ordinaut.now()")
        assert await scheduler.run_once() == Look(due=1, held_up=1)

    assert await scheduler.run_once() == Look()
    assert await fates(connection) == []


async def test_a_running_runtime_goes_on_within_seconds_of_the_end(
    start: Start, connection: psycopg.AsyncConnection, database: str
) -> None:
    installed = await install(connection, task("tick", schedule={"every": "1s"}))
    cursor = await connection.execute("select date_trunc('second', now())")
    row = await cursor.fetchone()
    assert row is not None
    await schedule(connection, installed, row[0], row[0] + timedelta(seconds=1))
    pause(database, "1s")

    async def fired() -> bool:
        return bool(await fates(connection))

    # Nothing but the end of the pause wakes the scheduler in this hour.
    async with start(poll=timedelta(hours=1)):
        await eventually(fired, "the schedule fires again", seconds=30)

    cursor = await connection.execute(
        "select min(created_at) - (select until from ordinaut.task_override) < interval '15 s' from ordinaut.run"
    )
    assert await cursor.fetchone() == (True,)
