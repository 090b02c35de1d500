"""Calendars from the specs to the record: what they exclude is skipped with its reason, what they move runs there."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from runtime.scheduler import Scheduler
from runtime.store.pool import Pool
from tests.support.applying import Bench, specs, task
from tests.support.clock import FakeClock
from tests.support.scheduling import make_scheduler

# Time begins on Monday, 5 January 2026, at 08:00 UTC.
HOLIDAYS = (
    "kind: Calendar\nname: holidays\ntimezone: UTC\nranges: [{from: 2026-01-06, to: 2026-01-07}]"
)
QUIET = (
    "kind: Calendar\nname: quiet\ntimezone: Europe/Chisinau\n"
    "windows: [{from: '22:00', to: '07:00'}]\ndefer: 9h"
)
DAY = timedelta(days=1).total_seconds()

Fate = tuple[str, str, str | None, str | None]


@pytest.fixture
async def scheduler(pool: Pool, clock: FakeClock, database: str) -> Scheduler:
    await clock.attach(database)
    return make_scheduler(pool, clock)


def apply(database: str, *documents: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        Bench(database, connection).apply(specs(*documents))


async def fates(connection: psycopg.AsyncConnection) -> list[Fate]:
    cursor = await connection.execute(
        "select to_char(occurrence_for at time zone 'UTC', 'DD HH24:MI'), state, reason, detail"
        " from ordinaut.run order by run_id"
    )
    return await cursor.fetchall()


async def live_through(days: int, scheduler: Scheduler, clock: FakeClock) -> None:
    """Let the days pass, an hour at a time."""
    for _ in range(days * 24):
        await clock.advance(3600)
        await scheduler.run_once()


async def test_a_holiday_is_recorded_with_its_calendar(
    scheduler: Scheduler, connection: psycopg.AsyncConnection, clock: FakeClock, database: str
) -> None:
    apply(
        database,
        HOLIDAYS,
        task("brief", "cron: '0 9 * * *', timezone: UTC, exclude: [holidays]", "overlap: allow"),
    )

    await live_through(4, scheduler, clock)

    assert await fates(connection) == [
        ("05 09:00", "queued", None, None),
        ("06 09:00", "skipped", "calendar", "holidays"),
        ("07 09:00", "skipped", "calendar", "holidays"),
        ("08 09:00", "queued", None, None),
    ]


async def test_what_moves_is_recorded_where_it_was_and_runs_where_it_is(
    scheduler: Scheduler, connection: psycopg.AsyncConnection, clock: FakeClock, database: str
) -> None:
    apply(
        database,
        QUIET,
        task("late", "cron: '30 20 * * *', timezone: UTC, exclude: [quiet]", "overlap: allow"),
    )

    await live_through(1, scheduler, clock)

    assert await fates(connection) == [
        ("05 20:30", "skipped", "calendar", "quiet: moved to 2026-01-06T05:00:00+00:00"),
        ("06 05:00", "queued", None, None),
    ]


async def test_several_that_move_to_one_instant_are_one_run_also_after_downtime(
    scheduler: Scheduler, connection: psycopg.AsyncConnection, clock: FakeClock, database: str
) -> None:
    schedule = (
        "cron: '0 9 6,7 * *', timezone: UTC, exclude: [holidays], on_excluded: next_included"
    )
    apply(database, HOLIDAYS, task("twice", schedule))

    await clock.advance(4 * DAY)
    await scheduler.run_once()

    assert await fates(connection) == [
        ("06 09:00", "skipped", "calendar", "holidays: moved to 2026-01-08T09:00:00+00:00"),
        ("07 09:00", "skipped", "calendar", "holidays: moved to 2026-01-08T09:00:00+00:00"),
        ("08 09:00", "queued", None, None),
    ]


async def test_an_edited_calendar_counts_from_its_apply_on(
    scheduler: Scheduler, connection: psycopg.AsyncConnection, clock: FakeClock, database: str
) -> None:
    brief = task(
        "brief", "cron: '0 9 * * *', timezone: UTC, exclude: [holidays]", "overlap: allow"
    )
    apply(database, HOLIDAYS, brief)
    await live_through(1, scheduler, clock)

    await clock.advance(2 * 3600)
    await scheduler.run_once()
    apply(database, HOLIDAYS.replace("2026-01-07", "2026-01-06"), brief)
    await live_through(1, scheduler, clock)

    assert await fates(connection) == [
        ("05 09:00", "queued", None, None),
        ("06 09:00", "skipped", "calendar", "holidays"),
        ("07 09:00", "queued", None, None),
    ]


async def test_what_was_missed_does_not_run_in_quiet_hours_either(
    scheduler: Scheduler, connection: psycopg.AsyncConnection, clock: FakeClock, database: str
) -> None:
    apply(
        database,
        QUIET,
        task("brief", "cron: '30 18 * * *', timezone: UTC, exclude: [quiet]", "overlap: allow"),
    )

    # Nothing runs at 20:30 in Chisinau, and at 23:00 a runtime is back.
    await clock.advance(13 * 3600)
    await scheduler.run_once()

    cursor = await connection.execute(
        "select to_char(r.due_at at time zone 'UTC', 'DD HH24:MI'), w.ready_at = r.due_at"
        " from ordinaut.run r join ordinaut.due_work w using (run_id)"
    )
    # It begins at 07:00 there.
    assert await cursor.fetchall() == [("06 05:00", True)]


async def test_what_is_a_little_late_is_not_put_off(
    scheduler: Scheduler, connection: psycopg.AsyncConnection, clock: FakeClock, database: str
) -> None:
    apply(
        database,
        QUIET,
        task("brief", "cron: '59 19 * * *', timezone: UTC, exclude: [quiet]", "overlap: allow"),
    )

    # It is due a minute before quiet hours, and decided when they begin.
    await clock.advance(12 * 3600)
    await scheduler.run_once()

    cursor = await connection.execute("select ready_at <= ordinaut.now() from ordinaut.due_work")
    assert await cursor.fetchall() == [(True,)]
