"""A rehearsed run is executed as any other: what the database records of one, the rehearsal says of the same."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.core.program import Program, compile_program
from runtime.live import Live
from runtime.rehearsal.given import Scene
from runtime.rehearsal.play import play
from schemas.spec import KINDS
from schemas.testing import Answer, Given, GivenForm
from tests.support.clock import START
from tests.support.courses import COURSES
from tests.support.executing import RETRY, Bench, step
from tests.support.installed import task
from tests.support.scripted_tools import ScriptedTools, failed, ok

ANSWERS = {
    "tool.do": Given(result=4),
    "tool.fail": Given(outcome="rejected", code="ORD404", message="it was rejected"),
    "tool.lose": Given(outcome="lost", code="ORD404", message="it was lost"),
}
RECORDED = """
select coalesce(jsonb_object_agg(step, outcome), '{}') from ordinaut.step_result
where step <> '(over)' and (iteration = -1 or not exists (
    select from ordinaut.step_result w where w.step = ordinaut.step_result.step and w.iteration = -1))
"""
STATES = {"ok": "succeeded", "skipped": "skipped"}


def _program(fields: dict[str, Any]) -> Program:
    document = KINDS["Task"].model_validate(task(**fields))
    return compile_program(
        document.model_dump(mode="json", by_alias=True, exclude_none=True), "home"
    )


@pytest.mark.parametrize("course", COURSES)
async def test_it_says_what_the_database_records_of_the_same_run(
    bench: Bench, course: str
) -> None:
    fields = COURSES[course] | {"params": {"n": 1, "list": [1, 2, 3]}, "retry": RETRY}
    tools = ScriptedTools(tool__do=ok(4), tool__fail=failed("rejected"), tool__lose=failed("lost"))
    await bench.queue(**fields)
    await bench.go(tools)

    program = _program(fields)
    given = {one.name: ANSWERS[one.uses] for one in (*program.steps, *program.last)}
    played = await asyncio.to_thread(play, program, Scene("it", START, given=given), Live())

    assert [(one.uses, one.arguments) for one in played.calls] == tools.calls
    assert played.state == await bench.row("select state from ordinaut.run")
    assert played.error == await bench.row("select error from ordinaut.run")
    recorded = await bench.row(RECORDED)
    assert {
        name: one.state for name, one in played.steps.items() if one.state != "not_reached"
    } == {name: STATES.get(outcome, "failed") for name, outcome in recorded.items()}


async def test_a_run_that_goes_to_sleep_goes_on_where_its_record_ends(bench: Bench) -> None:
    fields: dict[str, Any] = {
        "pipeline": [
            step("a"),
            step("b", "tool.shaky"),
            step("c", **{"with": {"n": "${steps.b}"}}),
        ],
        "retry": RETRY,
    }
    tools = ScriptedTools(tool__do=ok(4), tool__shaky=[failed(), failed(), ok(5)])
    await bench.queue(**fields)
    for _ in range(3):
        await bench.go(tools)
        await bench.clock.advance(20)

    program = _program(fields)
    shaky = (Answer(outcome="tool_error"), Answer(outcome="tool_error"), Answer(result=5))
    given: dict[str, GivenForm] = {"a": Given(result=4), "b": shaky, "c": Given(result=4)}
    played = await asyncio.to_thread(play, program, Scene("it", START, given=given), Live())

    assert [(one.uses, one.arguments) for one in played.calls] == tools.calls
    assert played.state == await bench.row("select state from ordinaut.run") == "succeeded"
    assert played.steps["b"].tries == await bench.row(
        "select attempt from ordinaut.step_result where step = 'b'"
    )
    assert played.seconds == 30.0
