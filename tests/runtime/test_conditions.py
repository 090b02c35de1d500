"""Conditions from the specs to the steps: a real tool server, whole runtimes, and a clock that the test moves."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from runtime.app import Place, Runtime, running
from runtime.config import Config
from runtime.store.connect import connect
from tests.support.applying import Bench
from tests.support.clock import START, FakeClock
from tests.support.probes import eventually

SERVER = """\
from pathlib import Path
from mcp.server.mcpserver import MCPServer

FOLDER = Path(__file__).parent
server = MCPServer("meter")

@server.tool()
async def read(room: str) -> dict[str, int]:
    with (FOLDER / "asked").open("a") as diary:
        diary.write(room + "\\n")
    return {"level": int((FOLDER / "level").read_text())}

@server.tool()
async def tell(text: str) -> str:
    with (FOLDER / "told").open("a") as diary:
        diary.write(text + "\\n")
    return text

server.run()
"""
SPECS = """\
kind: ToolServer
name: meter
stdio: {{command: python, args: ["{script}"]}}
protocol: legacy
---
kind: Task
name: watch
overlap: allow
params: {{room: cellar}}
schedule:
  condition: {{uses: meter.read, with: {{room: "${{params.room}}"}}, every: 1m, when: "result.level > `3`"{more}}}
pipeline:
  - {{id: tell, uses: meter.tell, with: {{text: "${{event.result.level}} ${{trigger.kind}}"}}}}
"""


class House:
    """A tool server whose level the test sets, specs that watch it, and runtimes."""

    def __init__(self, database: str, redis_url: str, folder: Path, clock: FakeClock) -> None:
        self._place = Place(database, redis_url, folder)
        self._folder = folder
        self._clock = clock
        (folder / "meter.py").write_text(SERVER)
        self.level(0)

    def apply(self, more: str = "") -> None:
        with connect(self._place.database_url, name="test") as connection:
            specs = SPECS.format(script=self._folder / "meter.py", more=more)
            Bench(self._place.database_url, connection).apply(specs)

    def level(self, value: Any) -> None:
        (self._folder / "level").write_text(str(value))

    def runtime(self, name: str = "one") -> AbstractAsyncContextManager[Runtime]:
        # A lease that outlasts the minutes that pass between two looks at the clock.
        config = Config(state_dir=self._folder / name, lease=timedelta(hours=1))
        return running(config, self._place, clock=self._clock)

    async def minute(self, level: Any) -> None:
        """Let a minute pass in which the level is this, and wait until somebody has asked and every run is over."""
        self.level(level)
        await self._clock.advance(60)
        # Whoever looked while the time passed may have seen a moment of it, and would sleep on when it stands still.
        async with await self._connect() as connection:
            await connection.execute("notify ordinaut_wake")
        await eventually(self._is_settled, "the tool was asked", seconds=20)

    async def _is_settled(self) -> bool:
        query = (
            "select every(polled_at = ordinaut.now()) and not exists (select from ordinaut.due_work)"
            " from ordinaut.condition"
        )
        async with await self._connect() as connection:
            row = await (await connection.execute(query.encode())).fetchone()
        return bool(row and row[0])

    async def _connect(self) -> psycopg.AsyncConnection:
        return await psycopg.AsyncConnection.connect(self._place.database_url, autocommit=True)

    async def minutes(self, *levels: Any) -> None:
        for level in levels:
            await self.minute(level)

    @property
    def told(self) -> list[str]:
        return self._lines("told")

    @property
    def asked(self) -> list[str]:
        return self._lines("asked")

    def _lines(self, name: str) -> list[str]:
        diary = self._folder / name
        return diary.read_text().splitlines() if diary.exists() else []


@pytest.fixture
async def house(database: str, redis_url: str, tmp_path: Path, clock: FakeClock) -> House:
    await clock.attach(database)
    return House(database, redis_url, tmp_path, clock)


@pytest.mark.parametrize(
    ("more", "levels", "told"),
    [
        ("", (1, 4, 5, 2, 6), ["4", "6"]),
        (", edge: level", (1, 4, 5, 2, 6), ["4", "5", "6"]),
        (", rearm: 'result.level < `2`'", (4, 3, 5, 1, 6), ["4", "6"]),
        (", for: 2m", (4, 1, 5, 6, 7, 8), ["7"]),
    ],
    ids=["rising", "level", "rearm", "for"],
)
async def test_the_steps_of_a_run_see_the_answer_that_started_it(
    house: House, more: str, levels: tuple[int, ...], told: list[str]
) -> None:
    house.apply(more)

    async with house.runtime():
        await house.minutes(*levels)

    assert house.told == [f"{level} condition" for level in told]
    assert house.asked == ["cellar"] * len(levels)


async def test_a_restart_neither_fires_again_nor_forgets(house: House) -> None:
    house.apply()
    async with house.runtime():
        await house.minutes(4)

    async with house.runtime():
        await house.minutes(5, 1)
    async with house.runtime():
        await house.minutes(6)

    assert house.told == ["4 condition", "6 condition"]


async def test_a_tool_that_fails_fires_nothing_and_asking_goes_on(
    house: House, connection: psycopg.AsyncConnection
) -> None:
    house.apply()

    async with house.runtime():
        await house.minutes(4, "broken", "broken", 5, 1, 6)

    assert house.told == ["4 condition", "6 condition"]
    cursor = await connection.execute(
        "select type from ordinaut.event_log where type like 'condition.%' order by sequence"
    )
    assert await cursor.fetchall() == [("condition.failed",), ("condition.recovered",)]


async def test_two_runtimes_ask_once(house: House) -> None:
    house.apply(", edge: level")

    async with house.runtime(), house.runtime("two"):
        await house.minutes(4, 5, 6)

    assert len(house.asked) == 3
    assert house.told == ["4 condition", "5 condition", "6 condition"]


async def test_a_changed_condition_begins_anew(house: House, clock: FakeClock) -> None:
    house.apply()
    async with house.runtime():
        await house.minutes(4, 5)
        house.apply(", rearm: 'result.level < `1`'")
        await house.minutes(6, 7)

    assert house.told == ["4 condition", "6 condition"]
    assert clock.now() == START + timedelta(minutes=4)
