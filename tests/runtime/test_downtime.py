"""Many schedules at once, after any length of downtime: each occurrence is decided once, and nobody is held up."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from runtime.core.misfire import BATCH
from runtime.scheduler import Scheduler
from runtime.store.pool import Pool, open_pool
from runtime.turns import Turns
from runtime.wake import Bell
from tests.support.clock import START, FakeClock
from tests.support.installed import Installed, install, schedule, task
from tests.support.scheduling import RUNTIME, make_scheduler

WEEK_MINUTES = 7 * 24 * 60


@pytest.fixture(autouse=True)
async def _time_is_the_tests(clock: FakeClock, database: str) -> None:
    await clock.attach(database)


async def minutely(
    connection: psycopg.AsyncConnection, name: str = "tick", **fields: Any
) -> Installed:
    """A task that is due every minute from 08:01."""
    installed = await install(connection, task(name, schedule={"every": "1m"}, **fields))
    await schedule(connection, installed, START, START + timedelta(minutes=1))
    return installed


async def thousand(connection: psycopg.AsyncConnection, **fields: Any) -> None:
    """A thousand such tasks, copies of one."""
    original = await minutely(connection, **fields)
    await connection.execute(
        "with made as (insert into ordinaut.spec"
        " (project, environment, kind, namespace, name, revision_id, body, digest)"
        " select project, environment, kind, namespace, name || '-' || n, revision_id,"
        " jsonb_set(body, '{name}', to_jsonb(name || '-' || n)), digest"
        " from ordinaut.spec, generate_series(2, 1000) n where uid = %s returning uid)"
        " insert into ordinaut.schedule (task_uid, cursor_for, next_for, next_due_at, tzdata)"
        " select m.uid, s.cursor_for, s.next_for, s.next_due_at, s.tzdata from made m, ordinaut.schedule s",
        [original.uid],
    )


async def counts(connection: psycopg.AsyncConnection) -> dict[str, int]:
    """Occurrences by their state, or the reason why they do not run."""
    cursor = await connection.execute(
        "select coalesce(reason, state), count(*) from ordinaut.run group by 1"
    )
    return dict(await cursor.fetchall())


async def decide_all(scheduler: Scheduler) -> int:
    """Look until nothing is due; returns how many looks that took."""
    looks = 0
    while (await scheduler.run_once()).due:
        looks += 1
    return looks


@pytest.mark.parametrize("overlap", ["skip", "queue_one", "cancel_running", "allow"])
@pytest.mark.parametrize("runtimes", [2, 8])
async def test_runtimes_that_race_over_a_thousand_schedules_decide_a_thousand_occurrences(
    connection: psycopg.AsyncConnection,
    clock: FakeClock,
    database: str,
    runtimes: int,
    overlap: str,
) -> None:
    await thousand(connection, overlap=overlap)
    pools = [await open_pool(database, size=2) for _ in range(runtimes)]
    racers = [make_scheduler(pool, clock, runtime_id=n) for n, pool in enumerate(pools)]
    await clock.advance(60)

    await asyncio.gather(*(decide_all(racer) for racer in racers))
    for pool in pools:
        await pool.close()

    cursor = await connection.execute(
        "select count(*), count(distinct task_uid), count(distinct occurrence_for)"
        " from ordinaut.run where state = 'queued'"
    )
    assert await cursor.fetchone() == (1000, 1000, 1)
    cursor = await connection.execute("select count(*) from ordinaut.due_work")
    assert await cursor.fetchone() == (1000,)


class TestAWeek:
    """A runtime that comes back after a week, to a task of every minute."""

    @pytest.mark.parametrize(
        ("policy", "expected"),
        [
            ("latest", {"queued": 1, "catch_up_latest": 1439, "catch_up_window": 8640}),
            ("skip", {"queued": 1, "catch_up_skip": 1439, "catch_up_window": 8640}),
            ("all", {"queued": 100, "catch_up_max": 1340, "catch_up_window": 8640}),
        ],
    )
    async def test_the_policy_is_obeyed_and_every_occurrence_told(
        self,
        pool: Pool,
        connection: psycopg.AsyncConnection,
        clock: FakeClock,
        policy: str,
        expected: dict[str, int],
    ) -> None:
        await minutely(connection, catch_up={"policy": policy})
        await clock.advance(WEEK_MINUTES * 60 + 5)

        looks = await decide_all(make_scheduler(pool, clock))

        assert looks == WEEK_MINUTES // BATCH + 1
        assert await counts(connection) == expected
        cursor = await connection.execute(
            "select count(distinct run_id) from ordinaut.event_log where type = 'run.skipped'"
        )
        assert await cursor.fetchone() == (WEEK_MINUTES - expected["queued"],)
        cursor = await connection.execute(
            "select count(distinct occurrence_for), min(occurrence_for), max(occurrence_for),"
            " count(*) filter (where decided_by = %s and tzdata <> '') from ordinaut.run",
            [RUNTIME],
        )
        week = timedelta(minutes=WEEK_MINUTES)
        first = START + timedelta(minutes=1)
        assert await cursor.fetchone() == (WEEK_MINUTES, first, START + week, WEEK_MINUTES)

    async def test_what_was_missed_runs_one_at_a_time(
        self, pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock
    ) -> None:
        await minutely(connection, catch_up={"policy": "all"})
        await clock.advance(WEEK_MINUTES * 60)
        turns = Turns(pool, clock, Bell(clock), Bell(clock))

        await decide_all(make_scheduler(pool, clock, turns=turns))
        await turns.look()

        cursor = await connection.execute(
            "select (select count(*) from ordinaut.due_work), (select count(*) from ordinaut.backlog)"
        )
        assert await cursor.fetchone() == (1, 99)

    async def test_another_task_is_not_held_up(
        self, pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock
    ) -> None:
        await minutely(connection, "behind")
        await clock.advance(WEEK_MINUTES * 60)
        installed = await install(connection, task("fresh", schedule={"every": "1m"}))
        await schedule(connection, installed, clock.now(), clock.now() + timedelta(minutes=1))
        await clock.advance(60)

        await make_scheduler(pool, clock).run_once()

        cursor = await connection.execute(
            "select state from ordinaut.run where task_uid = %s", [installed.uid]
        )
        assert await cursor.fetchall() == [("queued",)]

    async def test_tasks_on_time_go_before_more_late_ones_than_a_look_takes(
        self, pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock
    ) -> None:
        await thousand(connection)
        await clock.advance(3600)
        installed = await install(connection, task("fresh", schedule={"every": "1m"}))
        await schedule(connection, installed, clock.now(), clock.now() + timedelta(minutes=1))
        await clock.advance(60)

        await make_scheduler(pool, clock).run_once()

        cursor = await connection.execute(
            "select count(*) from ordinaut.run where task_uid = %s", [installed.uid]
        )
        assert await cursor.fetchone() == (1,)

    @pytest.mark.parametrize(("minutes", "is_aside"), [(1, False), (WEEK_MINUTES, True)])
    async def test_the_event_loop_goes_on_meanwhile(
        self,
        pool: Pool,
        connection: psycopg.AsyncConnection,
        clock: FakeClock,
        caplog: pytest.LogCaptureFixture,
        *,
        minutes: int,
        is_aside: bool,
    ) -> None:
        """Where it is decided shows in what the log says of a schedule that cannot be."""
        await minutely(connection)
        await connection.execute(
            "update ordinaut.spec set body = jsonb_set(body, '{schedule,0,every}', 'null')"
        )
        await clock.advance(60 * minutes)

        await make_scheduler(pool, clock).run_once()

        (record,) = caplog.records
        assert (record.threadName != threading.main_thread().name) == is_aside
