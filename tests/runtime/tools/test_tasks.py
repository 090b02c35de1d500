"""Calls that a tool server goes on with by itself, as tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from mcp import MCPError
from pydantic import ValidationError

from runtime.actor import Actor
from runtime.clock import SYSTEM_CLOCK
from runtime.core.answering import responses_of
from runtime.core.leftopen import GoingOn
from runtime.core.outcomes import CallOutcome
from runtime.store.waits import answer_wait, list_asked
from runtime.tools.answers import Call, outcome_of_error, outcome_of_result
from runtime.tools.catalogue import ToolInfo
from runtime.tools.definition import Locked, ServerDefinition, StdioTransport
from runtime.tools.following import follow
from runtime.tools.redact import NOTHING_TO_BLOT
from runtime.tools.tasks import TaskFailed, Working, _Task
from runtime.tools.toolbox import Toolbox
from tests.runtime.tools.conftest import OpenToolbox
from tests.runtime.tools.servers import SUPPORT, kill
from tests.support.clock import FakeClock
from tests.support.executing import RETRY, Bench, step
from tests.support.probes import eventually
from tests.support.scripted_tools import failed, ok

RESULT = "select outcome, attempt, output, error ->> 'code' from ordinaut.step_result"
Go = Callable[[], Coroutine[Any, Any, None]]
LONG = 60_000


def tasks(folder: Path) -> ServerDefinition:
    """The server that makes tasks of its calls."""
    transport = StdioTransport("python", (str(SUPPORT / "task_server.py"), str(folder)))
    return ServerDefinition(key="tasks", transport=transport, protocol="2026-07-28")


def diary(folder: Path) -> list[str]:
    """What was asked for, without repetitions."""
    return list(dict.fromkeys((folder / "diary").read_text().splitlines()))


@pytest.fixture
def go(bench: Bench, tmp_path: Path) -> Go:
    """A runtime, which takes the run as far as it goes, and is lost with its server."""

    async def _go() -> None:
        async with Toolbox([tasks(tmp_path)], SYSTEM_CLOCK, tmp_path) as box:
            await bench.go(box)  # type: ignore[arg-type]  # the real one
            kill(box.status()[0].pid)

    return _go


async def queue(bench: Bench, tool: str = "work", pause: int = LONG, **fields: Any) -> None:
    work = step("a", f"tasks.{tool}", **{"with": {"name": "it", "pause": pause}}, **fields)
    await bench.queue(timeout="2h", retry=RETRY, pipeline=[work])


async def soon(bench: Bench, go: Go) -> None:
    """The same, where a task is to be left alone for a moment only."""
    going = asyncio.create_task(go())
    await eventually(lambda: bool(bench.clock.sleepers), "the task is left alone", seconds=20)
    await bench.clock.advance(1)
    await going


@pytest.mark.parametrize("effect", ["once", "idempotent"])
async def test_a_task_is_asked_for_its_result_by_whoever_has_the_run_and_not_begun_again(
    bench: Bench, tmp_path: Path, go: Go, effect: str
) -> None:
    await queue(bench, effect=effect)

    await go()
    assert await bench.seconds_until_ready() == 60
    await bench.clock.advance(61)
    await go()
    assert diary(tmp_path) == ["began work it", "asked for work it"]
    await bench.clock.advance(61)
    (tmp_path / "done").touch()
    await go()

    assert diary(tmp_path) == ["began work it", "asked for work it"]
    assert await bench.row(RESULT) == ("ok", 2, "work it is done", None)


async def test_what_a_task_asks_is_answered_by_a_person(
    bench: Bench, database: str, tmp_path: Path, go: Go
) -> None:
    await queue(bench, "paint")
    await go()
    await bench.clock.advance(61)
    await go()

    with psycopg.connect(database, autocommit=True) as connection:
        (asked,) = list_asked(connection)
        requests = asked.asked["requests"]
        responses = responses_of(requests, {"colour": {"colour": "red"}})
        assert answer_wait(
            connection, asked, approved=True, by=Actor("ana"), reason="", responses=responses
        )
    (tmp_path / "done").touch()
    await go()
    await bench.clock.advance(61)
    await go()

    assert diary(tmp_path) == ["began paint it", "asked for paint it", "told paint it"]
    assert await bench.row(RESULT) == ("ok", 3, "paint it is done in red", None)


async def test_a_task_whose_question_is_denied_is_asked_to_stop(
    bench: Bench, database: str, tmp_path: Path, go: Go
) -> None:
    await queue(bench, "paint")
    await go()
    await bench.clock.advance(61)
    await go()
    with psycopg.connect(database, autocommit=True) as connection:
        (asked,) = list_asked(connection)
        assert answer_wait(connection, asked, approved=False, by=Actor("ana"), reason="")
    await go()

    assert diary(tmp_path)[-1] == "cancelled paint it"
    assert await bench.row(RESULT) == ("denied", 3, None, "ORD413")


@pytest.mark.parametrize(
    ("tool", "ended"),
    [("crash", ("rejected", 2, None, "ORD408")), ("give_up", ("tool_error", 2, None, "ORD404"))],
)
async def test_a_task_that_fails_ends_its_step(
    bench: Bench, tmp_path: Path, go: Go, tool: str, ended: Any
) -> None:
    (tmp_path / "done").touch()
    await queue(bench, tool, pause=100, retry=RETRY | {"attempts": 1})

    await soon(bench, go)

    assert await bench.row(RESULT) == ended


@pytest.mark.parametrize(("effect", "ended"), [("once", ("unknown", 1)), ("pure", ("ok", 2))])
async def test_a_task_that_its_server_forgot_may_have_happened(
    bench: Bench, tmp_path: Path, go: Go, effect: str, ended: Any
) -> None:
    await queue(bench, effect=effect, retry=RETRY | {"retry_on": ["lost"]})
    await go()
    (tmp_path / "work it").unlink()
    (tmp_path / "done").touch()
    for _ in range(4):
        if await bench.row(RESULT) is None:
            await bench.clock.advance(61)
            await go()

    begun = (tmp_path / "diary").read_text().count("began work it")
    assert ((await bench.row(RESULT))[0], begun) == ended


async def test_a_task_that_is_not_done_in_time_is_asked_to_stop(
    bench: Bench, tmp_path: Path, go: Go
) -> None:
    await queue(bench, timeout="90s")
    await go()
    await bench.clock.advance(91)
    await go()

    assert diary(tmp_path) == ["began work it", "cancelled work it"]
    assert await bench.row(RESULT) == ("timeout", 2, None, "ORD405")


async def test_a_task_that_is_asked_for_often_is_followed_in_its_slot(
    bench: Bench, tmp_path: Path, go: Go
) -> None:
    (tmp_path / "done").touch()
    await queue(bench, pause=100)

    await soon(bench, go)

    assert await bench.row(RESULT) == ("ok", 2, "work it is done", None)
    assert "run.waiting" not in await bench.events()


async def test_whoever_cannot_come_back_for_a_task_waits_for_it(
    open_toolbox: OpenToolbox, tmp_path: Path
) -> None:
    box = await open_toolbox(tasks(tmp_path))

    late = await box.call("tasks.work", {"name": "late"}, timedelta(seconds=0.5))
    (tmp_path / "done").touch()
    outcome = await box.call("tasks.work", {"name": "it"}, timedelta(seconds=9))

    assert (late.kind, late.sent) == ("timeout", True)
    assert diary(tmp_path)[:3] == ["began work late", "asked for work late", "cancelled work late"]
    assert (outcome.kind, outcome.value) == ("ok", "work it is done")


def test_a_server_that_does_not_say_how_a_task_stands_in_time_is_asked_again() -> None:
    call = Call(
        ToolInfo("tasks", "work", "", {}, None, {}), 1, 1000, NOTHING_TO_BLOT, follows=True
    )

    late = outcome_of_error(call, MCPError(-32001, "Request 'tasks/get' timed out"))

    assert late.kind == "timeout"


@pytest.mark.parametrize("task", ["a\0b", "x" * 65_537])
def test_a_task_whose_id_cannot_be_kept_is_not_followed(task: str) -> None:
    call = Call(ToolInfo("tasks", "work", "", {}, None, {}), 1, 1000, NOTHING_TO_BLOT)

    outcome = outcome_of_result(call, Working(task, 1.0))

    assert (outcome.kind, outcome.sent, outcome.left_open) == ("contract_error", True, None)


@pytest.mark.parametrize(
    ("code", "says"), [(-32000, "Connection closed"), (-32042, "first visit"), (-32602, "no dog")]
)
def test_a_task_that_failed_is_not_taken_for_a_request_that_did(code: int, says: str) -> None:
    call = Call(
        ToolInfo("tasks", "work", "", {}, None, {}), 1, 1000, NOTHING_TO_BLOT, follows=True
    )
    visits = {"mode": "url", "message": "Log in", "url": "https://a.example", "elicitationId": "e"}

    failed = outcome_of_error(call, TaskFailed(code, says, {"elicitations": [visits]}))

    assert (failed.kind, failed.sent, failed.left_open) == ("rejected", True, None)


@pytest.mark.parametrize("error", [{"code": "dead", "message": "it"}, {"message": "it"}, "it"])
def test_a_failure_outside_of_the_protocol_is_no_sign_of_life_to_wait_for(error: object) -> None:
    call = Call(
        ToolInfo("tasks", "work", "", {}, None, {}), 1, 1000, NOTHING_TO_BLOT, follows=True
    )

    with pytest.raises(ValidationError) as refused:
        _Task.model_validate({"status": "failed", "error": error}, by_name=False)

    assert outcome_of_error(call, refused.value).kind == "contract_error"


async def test_a_server_may_be_away_for_as_long_as_the_time_of_its_task() -> None:
    clock = FakeClock()
    tries = 0

    async def ask(going_on: GoingOn, at_most: timedelta) -> CallOutcome:
        nonlocal tries
        tries += 1
        return failed("not_sent") if tries < 1100 else ok("done")

    task = GoingOn(None, {}, "t1")
    following = asyncio.create_task(follow(ask, task, clock, until=1e6, pause=0.0))
    while not following.done():
        await clock.advance(31)

    assert (await following).value == "done"


async def test_the_result_of_a_task_is_taken_though_its_tool_is_no_longer_what_was_locked(
    open_toolbox: OpenToolbox, tmp_path: Path
) -> None:
    (tmp_path / "done").touch()
    (tmp_path / "work it").write_text('{"kind": "work", "pause": 100}')
    locked = {"work": Locked("another contract", destructive=False)}
    box = await open_toolbox(replace(tasks(tmp_path), locked=locked))

    refused = await box.call("tasks.work", {"name": "it"})
    taken = await box.call("tasks.work", {"name": "it"}, going_on=GoingOn(None, {}, "work it"))

    assert refused.kind == "contract_error"
    assert (taken.kind, taken.value) == ("ok", "work it is done")


async def test_a_server_that_is_away_has_not_lost_a_task_and_is_asked_again() -> None:
    clock = FakeClock()
    answers = [failed("lost"), failed("not_sent"), ok("done")]

    async def ask(going_on: GoingOn, at_most: timedelta) -> CallOutcome:
        assert (going_on.task, at_most.total_seconds() > 90) == ("t1", True)
        return answers.pop(0)

    task = GoingOn(None, {}, "t1")
    following = asyncio.create_task(follow(ask, task, clock, until=100.0, pause=0.0))
    for pause in (2, 4):
        await eventually(lambda: bool(clock.sleepers), "the server is left alone")
        assert clock.wakes_in == pause
        await clock.advance(pause)

    assert (await following).value == "done"
