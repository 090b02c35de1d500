"""A task whose runs fail one after another is paused, so many runs as it says and no more, and a resumed one begins anew."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from runtime.actor import Actor
from runtime.failing import Failing
from runtime.overrides import resume_task
from runtime.store.connect import connect
from runtime.store.pool import Pool
from runtime.wake import Told
from schemas.event import EVENTS
from tests.runtime.test_app import Start, start
from tests.support.clock import FakeClock
from tests.support.factories import insertion
from tests.support.installed import Installed, install, queue_run, schedule, task
from tests.support.probes import eventually

__all__ = ["start"]

FAILS = [{"id": "no", "uses": "ordinaut.assert", "with": {"that": False}}]


class History:
    """A task and its runs that are over, one a minute."""

    def __init__(
        self, connection: psycopg.AsyncConnection, clock: FakeClock, installed: Installed
    ) -> None:
        self.connection = connection
        self.clock = clock
        self.installed = installed

    async def ends(self, *states: str) -> None:
        for state in states:
            await self.clock.advance(60)
            run_id = await queue_run(self.connection, self.installed)
            await self.connection.execute("delete from ordinaut.due_work")
            reason = "overlap" if state == "skipped" else None
            await self.connection.execute(
                "update ordinaut.run set state = %s, reason = %s, finished_at = ordinaut.now() where run_id = %s",
                [state, reason, run_id],
            )

    async def pauses(self) -> list[tuple[Any, ...]]:
        cursor = await self.connection.execute(
            "select actor, reason, until, (select paused_at is not null from ordinaut.schedule)"
            " from ordinaut.task_override where ended_at is null"
        )
        return await cursor.fetchall()


async def look(pool: Pool, history: History) -> None:
    """As a runtime does after a failed run of the task."""
    failing = Failing(pool, history.clock)
    failing.pass_on([history.installed.uid])
    await failing.look()


@pytest.fixture
def failures(request: pytest.FixtureRequest) -> int:
    """After how many failed runs the task is paused."""
    return getattr(request, "param", 3)


@pytest.fixture
async def history(
    connection: psycopg.AsyncConnection, clock: FakeClock, database: str, failures: int
) -> History:
    await clock.attach(database)
    installed = await install(
        connection, task(schedule={"every": "1h"}, pause_after_failures=failures)
    )
    await schedule(connection, installed, clock.now(), clock.now())
    return History(connection, clock, installed)


PAUSED = [("ordinaut", "the last 3 runs failed", None, True)]


@pytest.mark.parametrize(
    ("states", "pauses"),
    [
        (["failed"] * 2, []),
        (["failed"] * 3, PAUSED),
        (["failed", "succeeded", "failed", "failed"], []),
        (["succeeded", "failed", "failed", "failed"], PAUSED),
        (["failed", "skipped", "failed", "cancelled", "failed"], PAUSED),
        (["failed", "failed", "failed", "succeeded"], []),
    ],
)
async def test_so_many_failed_runs_in_a_row_pause_a_task(
    history: History, pool: Pool, states: list[str], pauses: list[Any]
) -> None:
    await history.ends(*states)

    await look(pool, history)

    assert await history.pauses() == pauses


@pytest.mark.parametrize("failures", [1], indirect=True)
async def test_it_is_told_once_with_the_reason(history: History, pool: Pool) -> None:
    await history.ends("failed")

    await asyncio.gather(*(look(pool, history) for _ in range(5)))

    cursor = await history.connection.execute("select type, data from ordinaut.event_log")
    ((kind, data),) = await cursor.fetchall()
    assert kind == "task.paused"
    told = EVENTS[kind].model_validate(data).model_dump()
    assert (told["actor"], told["reason"], told["failures"]) == (
        "ordinaut",
        "the last run failed",
        1,
    )


async def test_resuming_the_task_begins_to_count_anew(
    history: History, pool: Pool, database: str
) -> None:
    await history.ends("failed", "failed", "failed")
    await look(pool, history)

    await history.clock.advance(60)
    with connect(database) as connection:
        resume_task(connection, "briefing", actor=Actor("ada"))
    await history.ends("failed", "failed")
    await look(pool, history)
    assert await history.pauses() == []

    await history.ends("failed")
    await look(pool, history)
    assert await history.pauses() == PAUSED


async def test_a_pause_that_somebody_set_keeps_its_reason(history: History, pool: Pool) -> None:
    await history.ends("failed", "failed", "failed")
    row = {"task_uid": history.installed.uid, "kind": "pause", "reason": "mine", "actor": "ada"}
    await history.connection.execute(*insertion("task_override", row))

    await look(pool, history)

    assert [(actor, reason) for actor, reason, *_ in await history.pauses()] == [("ada", "mine")]


async def test_a_database_that_is_away_is_asked_again(
    history: History, pool: Pool, connection: psycopg.AsyncConnection
) -> None:
    await history.ends("failed", "failed", "failed")
    await connection.execute("alter table ordinaut.task_override rename to away")
    failing = Failing(pool, history.clock)
    failing.pass_on([history.installed.uid])
    with pytest.raises(psycopg.Error):
        await failing.look()

    await connection.execute("alter table ordinaut.away rename to task_override")
    await failing.look()

    assert await history.pauses() == PAUSED


def test_a_task_that_is_told_of_while_it_is_looked_at_is_looked_at_again() -> None:
    told = Told()
    told.tell([1, 2])

    with told.taken(1) as first:
        told.tell([1])
    with told.taken(9) as rest:
        assert not told

    assert (first, rest) == ([1], [2, 1])


async def test_while_the_database_is_away_it_is_tried_again_and_said(
    clock: FakeClock, pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    await pool.close()
    failing = Failing(pool, clock)
    failing.pass_on([1])

    serving = asyncio.create_task(failing.run())
    await eventually(lambda: "failing tasks not looked at" in caplog.text, "it is said")
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def test_runtimes_pause_a_task_whose_runs_fail_and_no_other(
    start: Start, connection: psycopg.AsyncConnection
) -> None:
    failing = await install(connection, task(pipeline=FAILS, pause_after_failures=3))
    patient = await install(
        connection,
        task("patient", pipeline=FAILS),
    )

    async def are_paused() -> bool:
        cursor = await connection.execute(
            "select task_uid from ordinaut.task_override where ended_at is null"
        )
        return await cursor.fetchall() == [(failing.uid,)]

    async with start(), start():
        for installed in (failing, patient):
            for place in range(3):
                await queue_run(connection, installed, str(place))
        await connection.execute("notify ordinaut_wake")
        await eventually(are_paused, "the task is paused")
