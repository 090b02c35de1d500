"""Runtimes that ask a tool whose answers the test writes down, step by step."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import psycopg

from runtime.config import Config
from runtime.core.outcomes import CallOutcome
from runtime.keyring import Keyring
from runtime.poller import Poller
from runtime.registry import Registry
from runtime.store.pool import Pool
from runtime.tools.definition import ServerDefinition
from runtime.turns import Turns
from runtime.wake import Bell
from tests.support.clock import FakeClock
from tests.support.installed import Installed, arm, install, task
from tests.support.probes import within
from tests.support.scripted_tools import Answer, ScriptedTools, ok

MINUTE = 60


class Meter(ScriptedTools):
    """The tool of most tests: `meter.read`."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__(meter__read=list(answers))

    def replace(self, definitions: tuple[ServerDefinition, ...]) -> None:
        """There are no servers."""


def level(value: int) -> CallOutcome:
    """What the meter says."""
    return ok({"level": value})


class Gate:
    """An answer that comes when the test says so."""

    def __init__(self, outcome: CallOutcome) -> None:
        self._outcome = outcome
        self.open = asyncio.Event()

    async def __call__(self, _: object) -> CallOutcome:
        await self.open.wait()
        return self._outcome


class Polling:
    """A database, a clock, and as many runtimes as a test wants."""

    def __init__(
        self,
        pool: Pool,
        connection: psycopg.AsyncConnection,
        clock: FakeClock,
        database: str,
        folder: Path,
    ) -> None:
        self.pool = pool
        self.connection = connection
        self.clock = clock
        self.turns = Turns(pool, clock, Bell(clock), Bell(clock))
        self._database = database
        self._folder = folder

    def poller(self, tools: Meter, runtime_id: int = 1, pool: Pool | None = None) -> Poller:
        return Poller(
            runtime_id=runtime_id,
            pool=pool or self.pool,
            registry=Registry(self.pool, tools, self.clock, Keyring(self._folder, self.clock)),
            tools=tools,
            clock=self.clock,
            bell=Bell(self.clock),
            work=Bell(self.clock),
            related=Bell(self.clock),
            turns=self.turns,
            config=Config(),
        )

    async def watch(
        self, *conditions: dict[str, Any], name: str = "watch", **fields: Any
    ) -> Installed:
        """A task with these conditions, as an apply leaves it; by default one asked every minute."""
        asked = [
            {
                "condition": {"uses": "meter.read", "every": "1m", "when": "result.level > `3`"}
                | one
            }
            for one in conditions or ({},)
        ]
        installed = await install(self.connection, task(name, schedule=asked, **fields))
        arm(self._database, installed)
        return installed

    async def minutes(self, poller: Poller, count: int = 1) -> None:
        """Let minutes pass, with a look and all its polls at the end of each."""
        for _ in range(count):
            await self.clock.advance(MINUTE)
            await self.look(poller)

    async def look(self, poller: Poller) -> int:
        begun = await poller.run_once()
        await within(asyncio.gather(*begun), "the polls end")
        return len(begun)

    async def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        cursor = await self.connection.execute(query.encode(), parameters)
        return await cursor.fetchall()

    async def runs(self) -> list[tuple[str, str, str | None]]:
        """When each run stands for, its state, and why it was skipped."""
        return await self.rows(
            "select to_char(occurrence_for at time zone 'UTC', 'HH24:MI'), state, reason"
            " from ordinaut.run where trigger = 'condition' order by run_id"
        )

    async def fired(self) -> list[str]:
        return [at for at, _, _ in await self.runs()]

    async def state(self, *columns: str) -> Any:
        """These columns of the only condition there is."""
        (row,) = await self.rows(f"select {', '.join(columns)} from ordinaut.condition")
        return row

    async def events(self) -> list[tuple[str, str, dict[str, Any]]]:
        return await self.rows(
            "select type, subject, data from ordinaut.event_log order by sequence"
        )

    async def pause(self, installed: Installed) -> None:
        """Let somebody pause the task."""
        await self.connection.execute(
            "insert into ordinaut.task_override (task_uid, kind, reason, actor) values (%s, 'pause', '', 'ada')",
            [installed.uid],
        )
