"""Schedules fire when their time has come, once, whoever races."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from runtime.core.zonedata import tzdata_version
from runtime.scheduler import Look, Scheduler
from runtime.store.due_work import claim_due
from runtime.store.pool import Pool, open_pool
from runtime.store.schedules import list_due_schedules
from runtime.store.statements import statement
from runtime.wake import Bell
from tests.support.clock import START, FakeClock
from tests.support.installed import Installed, install, queue_run, schedule, task
from tests.support.probes import eventually, within
from tests.support.scheduling import RUNTIME, make_scheduler

MINUTELY = {"every": "1m"}


@pytest.fixture(autouse=True)
async def _time_is_the_tests(clock: FakeClock, database: str) -> None:
    await clock.attach(database)


@pytest.fixture
def scheduler(pool: Pool, clock: FakeClock) -> Scheduler:
    return make_scheduler(pool, clock)


async def minutely(
    connection: psycopg.AsyncConnection,
    name: str = "tick",
    *,
    since: datetime = START,
    **fields: Any,
) -> Installed:
    """A task that is due every minute and decided up to `since`."""
    installed = await install(connection, task(name, schedule=MINUTELY, **fields))
    await schedule(connection, installed, since, since + timedelta(minutes=1))
    return installed


async def fates(connection: psycopg.AsyncConnection) -> list[tuple[str, str, str | None]]:
    cursor = await connection.execute(
        "select to_char(occurrence_for at time zone 'UTC', 'HH24:MI'), state, reason from ordinaut.run order by run_id"
    )
    return await cursor.fetchall()


async def test_an_occurrence_is_queued_when_it_is_due_and_not_before(
    scheduler: Scheduler, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    await minutely(connection)

    await clock.advance(59)
    assert await scheduler.run_once() == Look()
    await clock.advance(1)
    assert await scheduler.run_once() == Look(due=1, queued=1)
    assert await scheduler.run_once() == Look()

    assert await fates(connection) == [("08:01", "queued", None)]


async def test_schedulers_that_race_decide_each_occurrence_once(
    connection: psycopg.AsyncConnection, clock: FakeClock, database: str
) -> None:
    for number in range(100):
        await minutely(connection, f"tick-{number}", overlap="allow")
    pools = [await open_pool(database) for _ in range(8)]
    racers = [make_scheduler(pool, clock) for pool in pools]

    for _ in range(3):
        await clock.advance(60)
        await asyncio.gather(*(racer.run_once() for racer in racers))
    for pool in pools:
        await pool.close()

    cursor = await connection.execute(
        "select occurrence_for from ordinaut.run where state = 'queued'"
    )
    assert Counter(Counter(await cursor.fetchall()).values()) == {100: 3}
    cursor = await connection.execute("select count(*) from ordinaut.due_work")
    assert await cursor.fetchone() == (300,)


async def test_after_downtime_the_latest_runs_and_every_other_is_recorded_with_its_reason(
    scheduler: Scheduler, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    await minutely(connection)

    await clock.advance(3 * 60 + 5)
    assert await scheduler.run_once() == Look(due=1, queued=1, skipped=2)

    assert await fates(connection) == [
        ("08:01", "skipped", "catch_up_latest"),
        ("08:02", "skipped", "catch_up_latest"),
        ("08:03", "queued", None),
    ]
    cursor = await connection.execute("select type, data ->> 'reason' from ordinaut.event_log")
    assert await cursor.fetchall() == [("run.skipped", "catch_up_latest")] * 2


async def test_a_run_that_is_due_while_another_is_active_is_skipped_unless_overlap_is_allowed(
    scheduler: Scheduler, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    await queue_run(connection, await minutely(connection, "careful"))
    await queue_run(connection, await minutely(connection, "careless", overlap="allow"))

    await clock.advance(60)
    assert await scheduler.run_once() == Look(due=2, queued=1, skipped=1)

    cursor = await connection.execute(
        "select s.name, r.state, r.reason from ordinaut.run r join ordinaut.spec s on s.uid = r.task_uid"
        " where r.trigger = 'schedule' order by s.name"
    )
    assert await cursor.fetchall() == [
        ("careful", "skipped", "overlap"),
        ("careless", "queued", None),
    ]


async def test_what_a_calendar_excludes_is_recorded_with_where_it_was_moved(
    scheduler: Scheduler, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    daily = {
        "cron": "0 9 * * *",
        "timezone": "UTC",
        "exclude": ["rest"],
        "on_excluded": "next_included",
    }
    installed = await install(connection, task(schedule=daily))
    await connection.execute(
        "update ordinaut.spec set body = body || %s",
        [Jsonb({"calendars": {"rest": {"timezone": "UTC", "days": ["2026-01-05"]}}})],
    )
    await schedule(connection, installed, START, START + timedelta(hours=1))

    await clock.advance(3600)
    assert await scheduler.run_once() == Look(due=1, skipped=1)

    cursor = await connection.execute(
        "select reason, detail, decided_by, tzdata from ordinaut.run"
    )
    moved = "rest: moved to 2026-01-06T09:00:00+00:00"
    assert await cursor.fetchall() == [("calendar", moved, RUNTIME, tzdata_version())]
    cursor = await connection.execute("select data ->> 'detail' from ordinaut.event_log")
    assert await cursor.fetchall() == [(moved,)]


async def test_a_schedule_that_changed_since_it_was_read_fires_nothing(
    scheduler: Scheduler, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    installed = await minutely(connection)
    await clock.advance(60)
    async with connection.transaction():
        await connection.execute(
            "update ordinaut.schedule set generation = generation + 1, next_for = next_for + interval '1 h',"
            " next_due_at = next_due_at + interval '1 h' where task_uid = %s",
            [installed.uid],
        )
        assert await scheduler.run_once() == Look(due=1, held_up=1)

    assert await scheduler.run_once() == Look()
    assert await fates(connection) == []


@pytest.mark.parametrize(
    "meanwhile",
    [
        "generation = generation + 1",
        "cursor_for = next_for, next_for = next_for + interval '1 min', next_due_at = next_due_at + interval '1 min'",
        "paused_at = ordinaut.now()",
    ],
    ids=["applied", "fired", "paused"],
)
async def test_what_changed_between_the_look_and_the_firing_is_left_as_it_is(
    scheduler: Scheduler,
    pool: Pool,
    connection: psycopg.AsyncConnection,
    clock: FakeClock,
    meanwhile: str,
) -> None:
    await minutely(connection)
    await clock.advance(60)
    due = await list_due_schedules(pool, limit=10, broken={})
    part = await scheduler._next_part(due, 10, in_thread=False)
    await connection.execute(f"update ordinaut.schedule set {meanwhile}".encode())
    planned = "select cursor_for, next_for, next_due_at from ordinaut.schedule"
    before = await (await connection.execute(planned)).fetchall()

    assert (await scheduler._fire(part, Look())).held_up == 1

    assert await fates(connection) == []
    assert await (await connection.execute(planned)).fetchall() == before


async def test_a_schedule_that_somebody_holds_is_fired_later_and_holds_up_no_other(
    scheduler: Scheduler, connection: psycopg.AsyncConnection, clock: FakeClock, database: str
) -> None:
    held = await minutely(connection, "held")
    await minutely(connection, "other")
    await clock.advance(60)

    async with await psycopg.AsyncConnection.connect(database) as applying:
        await applying.execute(
            "select from ordinaut.schedule where task_uid = %s for update", [held.uid]
        )
        assert await scheduler.run_once() == Look(due=2, queued=1, held_up=1)

    assert await scheduler.run_once() == Look(due=1, queued=1)


async def test_what_is_held_is_looked_for_again_soon_and_not_without_a_pause(
    scheduler: Scheduler, connection: psycopg.AsyncConnection, clock: FakeClock, database: str
) -> None:
    held = await minutely(connection)
    await clock.advance(60)

    async def is_fired() -> bool:
        return await fates(connection) == [("08:01", "queued", None)]

    async with await psycopg.AsyncConnection.connect(database) as applying:
        await applying.execute(
            "select from ordinaut.schedule where task_uid = %s for update", [held.uid]
        )
        service = asyncio.create_task(scheduler.run())
        await eventually(lambda: clock.sleepers == 1, "it sleeps")
    await clock.advance(0.05)
    await eventually(is_fired, "it is fired")
    service.cancel()
    await asyncio.gather(service, return_exceptions=True)


async def test_a_run_that_somebody_asks_for_while_a_schedule_fires_is_not_overlapped(
    scheduler: Scheduler, connection: psycopg.AsyncConnection, clock: FakeClock, database: str
) -> None:
    installed = await minutely(connection)
    await clock.advance(60)

    async with await psycopg.AsyncConnection.connect(database) as asking:
        await asking.execute(statement("keep_others_from_starting"), {"task_uid": installed.uid})
        await queue_run(asking, installed)
        assert await scheduler.run_once() == Look(due=1, held_up=1)

    assert await scheduler.run_once() == Look(due=1, skipped=1)


async def test_a_paused_schedule_does_not_fire(
    scheduler: Scheduler, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    await minutely(connection)
    await connection.execute("update ordinaut.schedule set paused_at = ordinaut.now()")

    await clock.advance(600)

    assert await scheduler.run_once() == Look()


async def test_one_broken_schedule_does_not_hold_up_the_others(
    scheduler: Scheduler,
    connection: psycopg.AsyncConnection,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = await minutely(connection, "broken")
    await minutely(connection, "sound")
    await connection.execute(
        "update ordinaut.spec set body = jsonb_set(body, '{schedule,0,every}', '\"0s\"') where uid = %s",
        [broken.uid],
    )

    await clock.advance(60)

    assert (await scheduler.run_once()).queued == 1
    assert "cannot be expanded" in caplog.text


async def test_a_schedule_that_the_database_refuses_to_fire_holds_up_no_other(
    scheduler: Scheduler,
    connection: psycopg.AsyncConnection,
    pool: Pool,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = await minutely(connection, "broken", overlap="cancel_running")
    for name in ("sound", "whole"):
        await minutely(connection, name, overlap="allow")
    await clock.advance(60)
    await scheduler.run_once()
    await claim_due(pool, runtime_id=1, limit=9, lease=timedelta(hours=1))
    # The active run is to end, and what comes finally is no list.
    await connection.execute(
        "update ordinaut.spec_revision set body = body || '{\"finally\": 7}' where uid = %s",
        [broken.uid],
    )

    await clock.advance(60)

    assert (await scheduler.run_once()).queued == 2
    assert "schedule of task" in caplog.text
    assert "cannot be fired" in caplog.text
    assert (await scheduler.run_once()).due == 0


async def test_a_broken_schedule_is_passed_over_until_its_next_revision(
    connection: psycopg.AsyncConnection, clock: FakeClock, pool: Pool
) -> None:
    """It used to be looked at again and again, without a pause, for as long as it was overdue."""
    broken = await minutely(connection, "broken")
    await connection.execute(
        "update ordinaut.spec set body = jsonb_set(body, '{schedule,0,every}', 'null') where uid = %s",
        [broken.uid],
    )
    await clock.advance(60)
    bell = Bell(clock)
    service = asyncio.create_task(
        make_scheduler(pool, clock, bell=bell, poll_seconds=3600.0).run()
    )

    # Asleep on the clock: it waits for its poll, and not for what is overdue.
    await eventually(lambda: clock.sleepers, "a sleeping scheduler")
    await install(connection, task("broken", schedule={"every": "60s"}))
    bell.ring()
    await eventually(lambda: fates(connection), "an occurrence")

    service.cancel()
    await asyncio.gather(service, return_exceptions=True)


async def test_a_schedule_that_has_ended_plans_nothing_more(
    scheduler: Scheduler, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    installed = await install(connection, task(schedule={"at": "2026-01-05T08:01:00Z"}))
    await schedule(connection, installed, START, START + timedelta(minutes=1))

    await clock.advance(60)
    await scheduler.run_once()

    cursor = await connection.execute("select next_for, next_due_at from ordinaut.schedule")
    assert await cursor.fetchone() == (None, None)


async def test_the_service_sleeps_until_the_next_occurrence(
    connection: psycopg.AsyncConnection, clock: FakeClock, pool: Pool
) -> None:
    await minutely(connection)
    bell, work = Bell(clock), Bell(clock)
    service = asyncio.create_task(
        make_scheduler(pool, clock, bell=bell, work=work, poll_seconds=3600.0).run()
    )
    # It looks half a second before: an answer that seems as old as that would put the instant off.
    await eventually(lambda: clock.sleepers, "a sleeping scheduler")
    await clock.advance(59.5)
    await eventually(lambda: clock.sleepers, "a sleeping scheduler")

    # A little longer: who last heard of the time before allows for what clocks drift.
    await clock.advance(0.51)
    await within(work.sleep(10**6), "the worker is woken")

    assert await fates(connection) == [("08:01", "queued", None)]
    service.cancel()
    await asyncio.gather(service, return_exceptions=True)
