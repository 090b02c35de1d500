"""While a task is snoozed nothing of it fires; what is due then is recorded as left out, and what comes after it runs."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from runtime.actor import Actor
from runtime.overrides import pause_task, resume_task, snooze_task
from runtime.scheduler import Scheduler
from runtime.store.connect import connect
from runtime.store.pool import Pool
from runtime.store.schedules import list_due_schedules
from schemas.event import EVENTS
from schemas.override import SnoozeReport
from tests.runtime.test_scheduler import fates, minutely
from tests.support.clock import START, FakeClock
from tests.support.scheduling import make_scheduler


@pytest.fixture
async def scheduler(pool: Pool, clock: FakeClock, database: str) -> Scheduler:
    await clock.attach(database)
    return make_scheduler(pool, clock)


def snooze(database: str, until: str = "3m", reason: str = "") -> SnoozeReport:
    with connect(database) as connection:
        return snooze_task(connection, "tick", until=until, reason=reason, actor=Actor("ada"))


def resume(database: str) -> None:
    with connect(database) as connection:
        resume_task(connection, "tick", actor=Actor("ada"))


async def test_what_is_due_meanwhile_is_skipped_when_its_time_comes(
    scheduler: Scheduler, connection: psycopg.AsyncConnection, clock: FakeClock, database: str
) -> None:
    await minutely(connection)

    done = snooze(database)

    assert (done.outcome, done.left_out, done.next_for) == (
        "snoozed",
        2,
        START + timedelta(minutes=3),
    )
    for _ in range(3):
        await clock.advance(60)
        await scheduler.run_once()
    assert await fates(connection) == [
        ("08:01", "skipped", "snoozed"),
        ("08:02", "skipped", "snoozed"),
        ("08:03", "queued", None),
    ]


async def test_after_downtime_only_what_was_due_in_the_snooze_is_left_out(
    scheduler: Scheduler, connection: psycopg.AsyncConnection, clock: FakeClock, database: str
) -> None:
    await minutely(connection, catch_up={"policy": "all"}, overlap="allow")
    await clock.advance(90)
    snooze(database, "1m")

    # 08:01 was missed before it began, 08:02 falls into it, 08:03 comes after.
    await clock.advance(100)
    await scheduler.run_once()

    assert await fates(connection) == [
        ("08:01", "queued", None),
        ("08:02", "skipped", "snoozed"),
        ("08:03", "queued", None),
    ]


async def test_resuming_ends_it_and_what_was_left_out_stays_so(
    scheduler: Scheduler, connection: psycopg.AsyncConnection, clock: FakeClock, database: str
) -> None:
    await minutely(connection)
    snooze(database, "1h")
    await clock.advance(60)
    await scheduler.run_once()
    await clock.advance(30)
    resume(database)
    await clock.advance(30)
    await scheduler.run_once()

    assert await fates(connection) == [("08:01", "skipped", "snoozed"), ("08:02", "queued", None)]
    cursor = await connection.execute(
        "select type, data from ordinaut.event_log where type like 'task.%' order by sequence"
    )
    told = [(kind, EVENTS[kind].model_validate(data)) for kind, data in await cursor.fetchall()]
    assert [kind for kind, _ in told] == ["task.snoozed", "task.resumed"]
    assert told[1][1].model_dump()["kind"] == "snooze"


async def test_a_firing_that_did_not_know_of_it_is_decided_again(
    scheduler: Scheduler,
    connection: psycopg.AsyncConnection,
    pool: Pool,
    clock: FakeClock,
    database: str,
) -> None:
    await minutely(connection)
    await clock.advance(60)
    (due,) = await list_due_schedules(pool, limit=10, broken={})

    snooze(database)

    (again,) = await list_due_schedules(pool, limit=10, broken={})
    assert again.generation > due.generation
    assert again.snoozed == ((START + timedelta(minutes=1), START + timedelta(minutes=4)),)


async def test_a_snooze_after_another_that_is_over_begins_anew(
    scheduler: Scheduler, connection: psycopg.AsyncConnection, clock: FakeClock, database: str
) -> None:
    await minutely(connection)
    snooze(database, "30s")
    await clock.advance(90)

    # No runtime came round to end the first.
    done = snooze(database, "1m")

    assert (done.outcome, done.snooze.since) == ("snoozed", START + timedelta(seconds=90))
    await scheduler.run_once()
    assert await fates(connection) == [("08:01", "queued", None)]


@pytest.mark.parametrize("ended", ["by_itself", "by_somebody"])
async def test_a_snooze_forgets_nothing_of_one_before_that_nobody_has_come_round_to(
    scheduler: Scheduler,
    connection: psycopg.AsyncConnection,
    clock: FakeClock,
    database: str,
    ended: str,
) -> None:
    await minutely(connection, catch_up={"policy": "all"}, overlap="allow")
    snooze(database, "90s" if ended == "by_itself" else "9m")
    await clock.advance(90)
    if ended == "by_somebody":
        resume(database)
    await clock.advance(60)
    snooze(database, "1m")
    await clock.advance(60)

    await scheduler.run_once()

    assert await fates(connection) == [
        ("08:01", "skipped", "snoozed"),
        ("08:02", "queued", None),
        ("08:03", "skipped", "snoozed"),
    ]


async def test_the_one_in_force_gets_another_end(
    scheduler: Scheduler, connection: psycopg.AsyncConnection, clock: FakeClock, database: str
) -> None:
    await minutely(connection)
    first = snooze(database, "2026-01-05T08:02Z")

    assert snooze(database, "2026-01-05T08:02Z").outcome == "unchanged"
    changed = snooze(database, "2026-01-05T08:05Z", "longer")

    assert (changed.outcome, changed.before) == ("changed", first.snooze)
    assert changed.snooze.since == first.snooze.since


async def test_a_pause_beside_it_holds_what_is_decided_afterwards(
    scheduler: Scheduler, connection: psycopg.AsyncConnection, clock: FakeClock, database: str
) -> None:
    await minutely(connection)
    snooze(database, "90s")
    with connect(database) as holding:
        pause_task(holding, "tick", until=None, reason="", actor=Actor("ada"))
    await clock.advance(120)
    await scheduler.run_once()
    assert await fates(connection) == []

    resume(database)
    await scheduler.run_once()

    assert await fates(connection) == [("08:01", "skipped", "snoozed"), ("08:02", "queued", None)]
