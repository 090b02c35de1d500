"""What is due in a moment is decided before, and written at its instant, unless something has come between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from runtime.scheduler import Scheduler
from runtime.store.pool import Pool
from runtime.store.statements import statement
from runtime.wake import Bell
from tests.support.clock import START, FakeClock
from tests.support.installed import Installed, install, queue_run, schedule, task
from tests.support.probes import eventually
from tests.support.scheduling import make_scheduler

MINUTELY = {"every": "1m"}
DUE = START + timedelta(minutes=1)
PAST_IT = 0.51
"""Seconds from where it is foreseen until its instant has surely come: who last heard of the time before allows for what
clocks drift."""
Fates = list[tuple[str, str | None, int]]


@pytest.fixture(autouse=True)
async def _time_is_the_tests(clock: FakeClock, database: str) -> None:
    await clock.attach(database)


@pytest.fixture
async def tick(connection: psycopg.AsyncConnection) -> Installed:
    return await due(connection)


async def due(connection: psycopg.AsyncConnection, name: str = "tick", **fields: Any) -> Installed:
    """A task that is due in a minute, and every minute from then."""
    installed = await install(connection, task(name, schedule=MINUTELY, **fields))
    await schedule(connection, installed, START, DUE)
    return installed


@asynccontextmanager
async def foreseeing(
    scheduler: Scheduler, clock: FakeClock, *, after: float = 59.5
) -> AsyncIterator[asyncio.Task[None]]:
    """The service, half a second before the instant."""
    service = asyncio.create_task(scheduler.run())
    try:
        await eventually(lambda: clock.sleepers, "it sleeps")
        await clock.advance(after)
        await eventually(lambda: scheduler._foreseen and clock.sleepers, "it foresees")
        yield service
    finally:
        service.cancel()
        await asyncio.gather(service, return_exceptions=True)


async def fates(connection: psycopg.AsyncConnection) -> Fates:
    cursor = await connection.execute(
        "select state, reason, revision_id from ordinaut.run where trigger = 'schedule' order by run_id"
    )
    return await cursor.fetchall()  # type: ignore[return-value] - three columns


async def test_what_was_foreseen_is_fired_at_its_instant_without_another_look(
    connection: psycopg.AsyncConnection, pool: Pool, clock: FakeClock, tick: Installed
) -> None:
    scheduler = make_scheduler(pool, clock, poll_seconds=3600)
    async with foreseeing(scheduler, clock):
        assert await fates(connection) == []
        # Another look would pass it over.
        scheduler._broken[tick.uid] = tick.revision_id

        await clock.advance(PAST_IT)

        await eventually(lambda: fates(connection), "it is fired")
    assert await fates(connection) == [("queued", None, tick.revision_id)]


@pytest.mark.parametrize(
    "what", ["ordinaut.schedule set paused_at", "ordinaut.spec set retired_at"]
)
async def test_a_pause_or_a_retirement_before_the_instant_is_heeded(
    connection: psycopg.AsyncConnection,
    pool: Pool,
    clock: FakeClock,
    tick: Installed,
    what: str,
) -> None:
    scheduler = make_scheduler(pool, clock, poll_seconds=3600)
    async with foreseeing(scheduler, clock):
        await connection.execute(f"update {what} = ordinaut.now()".encode())

        await clock.advance(PAST_IT)

        await eventually(lambda: not scheduler._foreseen and clock.sleepers, "it has looked")
    assert await fates(connection) == []


async def test_a_revision_before_the_instant_is_what_runs(
    connection: psycopg.AsyncConnection, pool: Pool, clock: FakeClock, tick: Installed
) -> None:
    scheduler = make_scheduler(pool, clock, poll_seconds=3600)
    async with foreseeing(scheduler, clock):
        newer = await install(connection, task("tick", schedule=MINUTELY, priority=9))

        await clock.advance(PAST_IT)

        await eventually(lambda: fates(connection), "it is fired")
    assert await fates(connection) == [("queued", None, newer.revision_id)]


async def test_what_is_put_off_before_the_instant_waits_for_the_new_one(
    connection: psycopg.AsyncConnection, pool: Pool, clock: FakeClock, tick: Installed
) -> None:
    """Newer time zone data do that, and touch nothing else of a schedule."""
    scheduler = make_scheduler(pool, clock, poll_seconds=3600)
    async with foreseeing(scheduler, clock):
        await connection.execute(
            "update ordinaut.schedule set next_due_at = next_due_at + interval '1 h'"
        )

        await clock.advance(PAST_IT)

        await eventually(lambda: not scheduler._foreseen and clock.sleepers, "it has looked")
    assert await fates(connection) == []


async def test_a_run_that_somebody_asks_for_before_the_instant_is_not_overlapped(
    connection: psycopg.AsyncConnection, pool: Pool, clock: FakeClock, tick: Installed
) -> None:
    scheduler = make_scheduler(pool, clock, poll_seconds=3600)
    async with foreseeing(scheduler, clock):
        await connection.execute(statement("keep_others_from_starting"), {"task_uid": tick.uid})
        await queue_run(connection, tick)

        await clock.advance(PAST_IT)

        await eventually(lambda: fates(connection), "it is decided")
    assert await fates(connection) == [("skipped", "overlap", tick.revision_id)]


async def test_the_servers_clock_set_back_keeps_the_instant_from_coming_early(
    connection: psycopg.AsyncConnection, pool: Pool, clock: FakeClock, tick: Installed
) -> None:
    scheduler = make_scheduler(pool, clock, poll_seconds=3600)
    async with foreseeing(scheduler, clock):
        await clock.set(DUE - timedelta(seconds=10))

        await clock.advance(PAST_IT)
        await eventually(lambda: not scheduler._foreseen and clock.sleepers, "it has looked")
        assert await fates(connection) == []
        await clock.advance(9.0)
        await eventually(lambda: scheduler._foreseen and clock.sleepers, "it foresees again")
        await clock.advance(PAST_IT)

        await eventually(lambda: fates(connection), "it is fired")
    assert await fates(connection) == [("queued", None, tick.revision_id)]


async def test_a_decision_whose_instant_was_slept_through_is_made_again(
    connection: psycopg.AsyncConnection, pool: Pool, clock: FakeClock
) -> None:
    """A machine that is put to sleep wakes up to a clock that has gone on, while what it counts itself has not."""
    late = await due(connection, catch_up={"policy": "skip", "window": "1h", "max": 100})
    scheduler = make_scheduler(pool, clock, poll_seconds=3600)
    async with foreseeing(scheduler, clock):
        await clock.set(DUE + timedelta(seconds=90))

        await clock.advance(PAST_IT)

        await eventually(lambda: fates(connection), "it is decided")
    assert (await fates(connection))[0] == ("skipped", "catch_up_skip", late.revision_id)


async def test_of_two_that_foresee_the_same_one_fires_it(
    connection: psycopg.AsyncConnection, pool: Pool, clock: FakeClock
) -> None:
    for number in range(30):
        await due(connection, f"tick-{number}", overlap="allow")
    one, other = (make_scheduler(pool, clock, poll_seconds=3600) for _ in range(2))
    async with foreseeing(one, clock), foreseeing(other, clock, after=0):
        assert (len(one._foreseen), len(other._foreseen)) == (30, 30)

        await clock.advance(PAST_IT)

        async def have_fired() -> bool:
            return clock.sleepers == 2 and not (one._foreseen or other._foreseen)

        await eventually(have_fired, "both have fired, and sleep")
    cursor = await connection.execute(
        "select count(*), count(distinct task_uid) from ordinaut.run"
    )
    assert await cursor.fetchone() == (30, 30)


async def test_what_is_new_meanwhile_is_heard_of_and_not_waited_for(
    connection: psycopg.AsyncConnection, pool: Pool, clock: FakeClock, tick: Installed
) -> None:
    bell = Bell(clock)
    scheduler = make_scheduler(pool, clock, bell=bell, poll_seconds=3600)
    async with foreseeing(scheduler, clock):
        sooner = await install(
            connection, task("sooner", schedule={"at": "2026-01-05T08:00:59.750Z"})
        )
        await schedule(connection, sooner, START, DUE - timedelta(seconds=0.25))
        bell.ring()
        await eventually(
            lambda: len(scheduler._foreseen) == 2 and clock.sleepers, "both are foreseen"
        )

        await clock.advance(0.25)

        await eventually(lambda: fates(connection), "the sooner is fired")
    assert [fate[2] for fate in await fates(connection)] == [sooner.revision_id]
