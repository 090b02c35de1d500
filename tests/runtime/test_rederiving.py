"""When the program knows newer time zone data, what comes next is found again, and whatever moves is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from runtime.core.zonedata import tzdata_version
from runtime.rederiving import Rederiver
from runtime.store.pool import Pool, open_pool
from runtime.store.rederiving import Derived, Moved, rederive_schedules
from schemas.event import ScheduleRederived
from tests.runtime.test_app import Start, start
from tests.support.clock import START, FakeClock
from tests.support.installed import Installed, install, schedule, task
from tests.support.locks import somebody_is_blocked
from tests.support.probes import eventually
from tests.support.scheduling import make_scheduler

__all__ = ["start"]

OLD, NEWER = "2016a", "2999z"
# By the data of old, some zone had other clocks: the occurrence was expected half an hour late.
RIGHT = START + timedelta(hours=1)
WRONG = RIGHT + timedelta(minutes=30)


@pytest.fixture
def rederiver(pool: Pool, clock: FakeClock) -> Rederiver:
    return Rederiver(pool, clock)


async def hourly(
    connection: psycopg.AsyncConnection,
    name: str = "tick",
    *,
    next_for: datetime = WRONG,
    tzdata: str = OLD,
    **fields: Any,
) -> Installed:
    """A task that fires every hour, decided up to `START`."""
    installed = await install(connection, task(name, **{"schedule": {"every": "1h"}, **fields}))
    await schedule(connection, installed, START, next_for)
    await connection.execute(
        "update ordinaut.schedule set tzdata = %s where task_uid = %s", [tzdata, installed.uid]
    )
    return installed


async def rows(connection: psycopg.AsyncConnection, query: str) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(query.encode())
    return await cursor.fetchall()


async def standing(connection: psycopg.AsyncConnection) -> list[tuple[Any, ...]]:
    return await rows(
        connection,
        "select tzdata, next_for, next_due_at from ordinaut.schedule order by task_uid",
    )


async def told(connection: psycopg.AsyncConnection) -> list[ScheduleRederived]:
    found = await rows(
        connection, "select data from ordinaut.event_log where type = 'schedule.rederived'"
    )
    return [ScheduleRederived.model_validate(data) for (data,) in found]


@asynccontextmanager
async def serving(rederiver: Rederiver) -> AsyncIterator[None]:
    service = asyncio.create_task(rederiver.run())
    try:
        yield
    finally:
        service.cancel()
        await asyncio.gather(service, return_exceptions=True)


async def test_an_occurrence_that_newer_data_move_is_set_right_and_told(
    rederiver: Rederiver, connection: psycopg.AsyncConnection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ordinaut.rederiving")
    await hourly(connection, schedule={"every": "1h", "jitter": "1m"})

    assert await rederiver.run_once() == [Moved("tick", WRONG, RIGHT)]

    [(tzdata, next_for, next_due_at)] = await standing(connection)
    assert (tzdata, next_for) == (tzdata_version(), RIGHT)
    assert RIGHT <= next_due_at < RIGHT + timedelta(minutes=1)
    assert await told(connection) == [
        ScheduleRederived(
            task="tick",
            before=WRONG,
            after=RIGHT,
            tzdata_before=OLD,
            tzdata_after=tzdata_version(),
        )
    ]
    assert [record.getMessage() for record in caplog.records] == [
        f"time zone data {tzdata_version()}: tick fires at {RIGHT}, not at {WRONG}"
    ]


async def test_an_occurrence_that_stays_is_only_marked(
    rederiver: Rederiver, connection: psycopg.AsyncConnection
) -> None:
    await hourly(connection, next_for=RIGHT)

    assert await rederiver.run_once() == []

    assert await standing(connection) == [(tzdata_version(), RIGHT, RIGHT)]
    assert await told(connection) == []


@pytest.mark.parametrize("tzdata", [tzdata_version(), NEWER])
async def test_what_the_same_or_newer_data_found_is_left_alone(
    rederiver: Rederiver, connection: psycopg.AsyncConnection, tzdata: str
) -> None:
    await hourly(connection, tzdata=tzdata)

    assert await rederiver.run_once() == []

    assert await standing(connection) == [(tzdata, WRONG, WRONG)]


async def test_a_paused_schedule_is_derived_again_too(
    rederiver: Rederiver, connection: psycopg.AsyncConnection
) -> None:
    await hourly(connection)
    await connection.execute("update ordinaut.schedule set paused_at = ordinaut.now()")

    assert await rederiver.run_once() == [Moved("tick", WRONG, RIGHT)]
    assert await rows(connection, "select paused_at is not null from ordinaut.schedule") == [(True,)]  # fmt: skip


async def test_a_retired_task_is_left_alone(
    rederiver: Rederiver, connection: psycopg.AsyncConnection
) -> None:
    await hourly(connection)
    await connection.execute("update ordinaut.spec set retired_at = ordinaut.now()")

    assert await rederiver.run_once() == []
    assert await standing(connection) == [(OLD, WRONG, WRONG)]


async def test_a_schedule_may_end_by_newer_data(
    rederiver: Rederiver, connection: psycopg.AsyncConnection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ordinaut.rederiving")
    await hourly(connection, namespace="ops", schedule={"at": "2026-01-05T07:59Z"})

    assert await rederiver.run_once() == [Moved("ops/tick", WRONG, None)]

    assert await standing(connection) == [(tzdata_version(), None, None)]
    assert [one.after for one in await told(connection)] == [None]
    assert caplog.messages[0].endswith(f"ops/tick fires at no time, not at {WRONG}")


async def test_many_are_derived_in_batches_and_told_in_a_few_lines(
    rederiver: Rederiver, connection: psycopg.AsyncConnection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ordinaut.rederiving")
    for number in range(401):
        await hourly(connection, f"tick-{number}")

    assert len(await rederiver.run_once()) == 401

    assert {row[:2] for row in await standing(connection)} == {(tzdata_version(), RIGHT)}
    assert len(await told(connection)) == 401
    assert len(caplog.messages) == 11
    assert caplog.messages[-1] == f"time zone data {tzdata_version()}: and 391 more tasks"


async def test_one_broken_schedule_does_not_hold_up_the_others(
    rederiver: Rederiver, connection: psycopg.AsyncConnection, caplog: pytest.LogCaptureFixture
) -> None:
    broken = await hourly(connection, "broken")
    await hourly(connection, "sound")
    await connection.execute(
        "update ordinaut.spec set body = jsonb_set(body, '{schedule,0,every}', '\"0s\"') where uid = %s",
        [broken.uid],
    )

    assert await rederiver.run_once() == [Moved("sound", WRONG, RIGHT)]

    assert [tzdata for tzdata, _, _ in await standing(connection)] == [OLD, tzdata_version()]
    assert "cannot be expanded" in caplog.text


@pytest.mark.parametrize(
    "change",
    [
        "generation = generation + 1",
        "cursor_for = cursor_for + interval '1 h'",
        f"tzdata = '{NEWER}'",
    ],
)
async def test_a_schedule_that_changed_since_it_was_read_stays_as_it_is(
    rederiver: Rederiver, connection: psycopg.AsyncConnection, database: str, change: str
) -> None:
    await hourly(connection)
    async with connection.transaction():
        await connection.execute(f"update ordinaut.schedule set {change}".encode())
        before = await standing(connection)
        racing = asyncio.create_task(rederiver.run_once())
        await somebody_is_blocked(database)

    assert await racing == []
    assert await standing(connection) == before
    assert await told(connection) == []


async def test_of_two_newer_programs_neither_undoes_the_other(
    pool: Pool, connection: psycopg.AsyncConnection
) -> None:
    installed = await hourly(connection)
    read = Derived(installed.uid, 1, START, OLD, RIGHT, RIGHT)

    await rederive_schedules(pool, [read], tzdata=NEWER)
    assert await rederive_schedules(pool, [read], tzdata=tzdata_version()) == []

    assert await standing(connection) == [(NEWER, RIGHT, RIGHT)]


async def test_runtimes_that_start_together_tell_a_move_once(
    clock: FakeClock, connection: psycopg.AsyncConnection, database: str
) -> None:
    for number in range(50):
        await hourly(connection, f"tick-{number}")
    pools = [await open_pool(database) for _ in range(4)]

    moved = await asyncio.gather(*(Rederiver(pool, clock).run_once() for pool in pools))
    for pool in pools:
        await pool.close()

    assert sum(map(len, moved)) == 50
    assert len(await told(connection)) == 50


async def test_it_looks_again_after_an_hour_and_not_before(
    rederiver: Rederiver, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    async with serving(rederiver):
        await eventually(lambda: clock.sleepers, "the first look is over")
        await hourly(connection)

        await clock.advance(3599)
        assert clock.sleepers == 1
        await clock.advance(1)
        await eventually(lambda: told(connection), "the second look")


async def test_a_database_that_is_away_is_asked_again_soon(
    rederiver: Rederiver, pool: Pool, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    await pool.close()

    async with serving(rederiver):
        await eventually(lambda: clock.sleepers, "it waits")
        await clock.advance(5)
        await eventually(lambda: clock.sleepers, "it waits again")

    assert [text.partition(":")[0] for text in caplog.messages] == ["schedules not derived again"] * 2  # fmt: skip


async def test_a_runtime_that_starts_sets_right_what_older_data_found(
    start: Start, connection: psycopg.AsyncConnection
) -> None:
    installed = await install(connection, task("tick", schedule={"every": "1s"}))
    [(now,)] = await rows(connection, "select date_trunc('second', now())")
    await schedule(connection, installed, now, now + timedelta(days=1))
    await connection.execute("update ordinaut.schedule set tzdata = %s", [OLD])

    async def fired() -> bool:
        return bool(await rows(connection, "select from ordinaut.run"))

    async with start(poll=timedelta(hours=1)):
        await eventually(fired, "the schedule fires when it should")


async def test_who_fires_a_schedule_marks_what_comes_next_as_found_by_its_own_data(
    pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock, database: str
) -> None:
    """Or the mark of a newer program would cover what an older one found, and nobody would look at it again."""
    await clock.attach(database)
    await hourly(connection, next_for=RIGHT, tzdata=NEWER)
    await clock.advance(3600)

    await make_scheduler(pool, clock).run_once()

    following = RIGHT + timedelta(hours=1)
    assert await standing(connection) == [(tzdata_version(), following, following)]
