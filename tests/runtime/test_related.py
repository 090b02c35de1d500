"""A run that waits for another hears at once that it was ended over its head, whoever ended it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from runtime.actor import Actor
from runtime.app import Place, running
from runtime.cancelling import cancel_run
from runtime.config import Config
from runtime.manual import request_run
from runtime.store.connect import connect
from runtime.store.events import Event, arrive
from tests.support.installed import Installed, install, queue_run, schedule, task
from tests.support.probes import eventually

WAIT = {"id": "wait", "uses": "ordinaut.wait_for", "with": {"event": "go", "timeout": "1h"}}
CALL = {"id": "call", "uses": "ordinaut.run", "with": {"task": "report"}}
# Whoever waits looks by itself every half minute.
SECONDS = 10.0


class Family:
    """A run with a step that waits for a run of another task; a scheduler and a worker, each a runtime of its own."""

    def __init__(self, connection: psycopg.AsyncConnection, database: str) -> None:
        self.connection = connection
        self.database = database

    async def install(self, **fields: Any) -> Installed:
        """The task of the child, whose step waits for an event."""
        body = {"schedule": {"every": "1s"}, "timeout": "90d", "pipeline": [WAIT], **fields}
        return await install(self.connection, task("report", **body))

    async def begin(self, child: str = "waiting") -> None:
        """Start the parent, whose child gets as far as that."""
        parent = await install(self.connection, task(timeout="90d", pipeline=[CALL]))
        await queue_run(self.connection, parent)
        await self.wake()
        await eventually(lambda: self._are("waiting", child), "the parent waits", seconds=20)

    async def wake(self) -> None:
        await self.connection.execute("notify ordinaut_wake")

    async def hears(self, child: str) -> None:
        """The parent has failed with its child."""
        await eventually(lambda: self._are("failed", child), "it hears of it", seconds=SECONDS)

    async def is_past_its_deadline(self) -> bool:
        (late,) = await self._row("select start_until < ordinaut.now() from ordinaut.backlog")
        return bool(late)

    async def in_a_second(self) -> tuple[Any, ...]:
        now = "date_trunc('second', ordinaut.now())"
        return await self._row(f"select {now}, {now} + interval '1 s'")

    async def _are(self, parent: str, child: str) -> bool:
        query = (
            "select p.state, c.state from ordinaut.run c"
            " join ordinaut.run p on p.run_id = split_part(c.trigger_key, ':', 1)::uuid where c.trigger = 'run'"
        )
        cursor = await self.connection.execute(query)
        return await cursor.fetchall() == [(parent, child)]

    async def _row(self, query: str) -> tuple[Any, ...]:
        row = await (await self.connection.execute(query.encode())).fetchone()
        assert row is not None
        return row


@pytest.fixture
async def family(
    connection: psycopg.AsyncConnection, database: str, tmp_path: Path
) -> AsyncIterator[Family]:
    async with AsyncExitStack() as stack:
        for duty in ("scheduler", "worker"):
            config = Config(state_dir=tmp_path / duty)
            place = Place(database, None, tmp_path)
            await stack.enter_async_context(running(config, place, duties=frozenset({duty})))
        yield Family(connection, database)


async def by_a_request(family: Family, report: Installed) -> None:
    with connect(family.database) as people:
        request_run(
            people, "report", {}, may_overlap=False, needs_runtime=False, actor=Actor("ada")
        )


async def by_its_schedule(family: Family, report: Installed) -> None:
    await schedule(family.connection, report, *await family.in_a_second())
    await family.wake()


@pytest.mark.parametrize("replace", [by_a_request, by_its_schedule])
async def test_a_child_whose_place_another_run_takes_is_heard_of(
    family: Family, replace: Callable[[Family, Installed], Awaitable[None]]
) -> None:
    report = await family.install(overlap="cancel_running")
    await family.begin()

    await replace(family, report)

    await family.hears("cancelled")


async def by_a_cancellation(family: Family, active: UUID) -> None:
    with connect(family.database) as people:
        cancel_run(people, active, reason="", actor=Actor("ada"))


async def by_its_own_end(family: Family, active: UUID) -> None:
    await arrive(family.connection, Event("go", None, "test", "1"))
    await family.wake()


@pytest.mark.parametrize("end", [by_a_cancellation, by_its_own_end])
async def test_a_child_that_waited_for_its_turn_for_too_long_is_heard_of(
    family: Family, end: Callable[[Family, UUID], Awaitable[None]]
) -> None:
    report = await family.install(overlap="queue_all", start_deadline="1s")
    active = await queue_run(family.connection, report)
    await family.begin("queued")
    await eventually(family.is_past_its_deadline, "it is too late to begin")

    await end(family, active)

    await family.hears("skipped")
