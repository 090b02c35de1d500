"""A run that happened becomes a test, which passes when it is played at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import psycopg
import pytest
import yaml

from reconciler.recording import NotRecordable, RecordedTest, record
from runtime.actor import Actor
from runtime.core.leftopen import LeftOpen
from runtime.store.recording import load_recorded_run
from runtime.store.settling import Settled, list_unsettled, settle_call
from runtime.store.waits import answer_wait, list_asked
from tests.support.courses import COURSES
from tests.support.executing import RETRY, Bench, step
from tests.support.scripted_tools import ScriptedTools, failed, ok

ASK: dict[str, Any] = {"with": {"message": "Pay?", "timeout": "30m"}}
PAY = step("pay", effect="once", on_unknown="ask")


async def recorded(bench: Bench, database: str) -> RecordedTest:
    """The test of the one run."""
    run_id = await bench.row("select run_id from ordinaut.run")

    def make() -> RecordedTest:
        with psycopg.connect(database, autocommit=True) as connection:
            return record(load_recorded_run(connection, run_id), "it")

    return await asyncio.to_thread(make)


async def decide(database: str, *, approved: bool) -> None:
    def say() -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            [asked] = list_asked(connection)
            answer_wait(connection, asked, approved=approved, by=Actor("ana"), reason="too dear")

    await asyncio.to_thread(say)


async def settle(database: str, settled: Settled, result: Any = None) -> None:
    def say() -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            [call] = list_unsettled(connection)
            settle_call(
                connection, call, settled=settled, result=result, by=Actor("ana"), reason=""
            )

    await asyncio.to_thread(say)


def tools(**more: Any) -> ScriptedTools:
    return ScriptedTools(
        tool__do=ok(4), tool__fail=failed("rejected"), tool__lose=failed("lost"), **more
    )


@pytest.mark.parametrize("course", COURSES)
async def test_what_was_recorded_passes_at_once(bench: Bench, database: str, course: str) -> None:
    fields = COURSES[course] | {"params": {"n": 1, "list": [1, 2, 3]}, "retry": RETRY}
    await bench.queue(**fields, params_given={"n": 1})
    await bench.go(tools())

    test = await recorded(bench, database)

    assert test.problems == ()
    document = yaml.safe_load(test.text)
    assert document["params"] == {"n": 1}
    assert len(document["expect"]["calls"]) == await bench.row(
        "select count(*) from ordinaut.step_result where attempt > 0 and iteration >= 0"
    )


async def test_tries_are_recorded_one_by_one(bench: Bench, database: str) -> None:
    await bench.queue(pipeline=[step("a", "tool.shaky")], retry=RETRY)
    shaky = tools(tool__shaky=[failed(), failed("not_sent"), ok(5)])
    for _ in range(3):
        await bench.go(shaky)
        await bench.clock.advance(20)

    test = await recorded(bench, database)

    assert test.problems == ()
    assert [one.get("outcome") for one in yaml.safe_load(test.text)["given"]["a"]] == [
        "tool_error",
        "not_sent",
        None,
    ]


@pytest.mark.parametrize("approved", [True, False])
async def test_a_decision_is_recorded_with_who_and_how_long(
    bench: Bench, database: str, *, approved: bool
) -> None:
    await bench.queue(pipeline=[step("ask", "ordinaut.approve", **ASK), step("a")])
    await bench.go(tools())
    await bench.clock.advance(120)
    await decide(database, approved=approved)
    await bench.go(tools())

    test = await recorded(bench, database)

    assert test.problems == ()
    assert yaml.safe_load(test.text)["given"]["ask"] == {
        "approval": {"approved": approved, "by": "ana", "reason": "too dear", "takes": "120s"}
    }


async def test_an_approval_before_a_call_stands_beside_its_answer(
    bench: Bench, database: str
) -> None:
    await bench.queue(pipeline=[step("a", approval={"by": ["ana"]})])
    await bench.go(tools())
    await decide(database, approved=True)
    await bench.go(tools())

    test = await recorded(bench, database)

    assert test.problems == ()
    assert yaml.safe_load(test.text)["given"]["a"].keys() == {"approval", "result"}


async def test_a_call_that_asked_in_its_middle_is_recorded_as_one(
    bench: Bench, database: str
) -> None:
    await bench.queue(pipeline=[step("a", "tool.asks")])
    visit = {"q": {"message": "Pay first", "url": "https://pay.example"}}
    asks = replace(failed("input_required"), left_open=LeftOpen("s1", visit))
    asking = tools(tool__asks=[asks, ok(2)])
    await bench.go(asking)
    await decide(database, approved=True)
    await bench.go(asking)

    test = await recorded(bench, database)

    assert test.problems == ()
    assert yaml.safe_load(test.text)["given"]["a"] == {"result": 2}


async def test_nobody_and_nothing_is_recorded_as_such(bench: Bench, database: str) -> None:
    wait = {"with": {"event": "paid", "timeout": "10m"}}
    await bench.queue(
        timeout="5h",
        pipeline=[
            step("ask", "ordinaut.approve", **ASK, on_error="continue"),
            step("until", "ordinaut.wait_for", **wait),
        ],
    )
    for _ in range(3):
        await bench.go(tools())
        await bench.clock.advance(1800)

    test = await recorded(bench, database)

    assert test.problems == ()
    assert yaml.safe_load(test.text)["given"] == {
        "ask": {"approval": "nobody"},
        "until": {"outcome": "timeout"},
    }


async def test_a_run_that_waits_is_expected_to(bench: Bench, database: str) -> None:
    await bench.queue(pipeline=[step("a"), step("ask", "ordinaut.approve", **ASK), step("b")])
    await bench.go(tools())

    test = await recorded(bench, database)

    assert test.problems == ()
    assert yaml.safe_load(test.text)["expect"]["state"] == "waiting"


@pytest.mark.parametrize("settled", ["happened", "failed", "try_again"])
async def test_what_people_said_of_a_call_is_recorded(
    bench: Bench, database: str, settled: Settled
) -> None:
    await bench.queue(pipeline=[PAY | {"uses": "tool.shaky"}])
    shaky = tools(tool__shaky=[failed("lost"), ok(2)])
    await bench.go(shaky)
    await settle(database, settled, {"id": 1} if settled == "happened" else None)
    await bench.go(shaky)

    test = await recorded(bench, database)

    assert test.problems == ()
    assert f"settled: {settled}" in test.text


async def test_a_run_out_of_time_is_recorded_with_how_long_calls_took(
    bench: Bench, database: str
) -> None:
    async def slow(_: Any) -> Any:
        await bench.clock.advance(40)
        return ok(1)

    async def slower(_: Any) -> Any:
        await bench.clock.advance(20)
        return failed("timeout")

    steps = [step("a", "tool.slow"), step("b", "tool.slower"), step("c")]
    await bench.queue(pipeline=steps, timeout="60s")
    await bench.go(tools(tool__slow=slow, tool__slower=slower))

    test = await recorded(bench, database)

    assert yaml.safe_load(test.text)["given"]["b"]["takes"] == "20000ms"
    assert test.problems == ()


async def test_computed_values_are_expected(bench: Bench, database: str) -> None:
    value = {"with": {"value": {"twice": "${steps.a}"}}}
    await bench.queue(pipeline=[step("a"), step("b", "ordinaut.transform", save_as="c", **value)])
    await bench.go(tools(ordinaut__transform=ok({"twice": 4})))

    test = await recorded(bench, database)

    assert test.problems == ()
    assert yaml.safe_load(test.text)["expect"]["results"] == {"c": {"twice": 4}}


async def test_what_is_not_found_again_is_told(bench: Bench, database: str) -> None:
    await bench.queue(pipeline=[step("a", **{"with": {"n": 1}})])
    await bench.go(tools())
    await bench.row("update ordinaut.step_result set input = '{\"n\": 2}' returning 1")

    test = await recorded(bench, database)

    assert [problem.code for problem in test.problems] == ["ORD703"]


async def test_a_run_whose_id_its_calls_hold_is_played_under_it(
    bench: Bench, database: str
) -> None:
    keyed = step("b", idempotency={"argument": "key"})
    await bench.queue(pipeline=[step("a", **{"with": {"run": "${run.id}"}}), keyed])
    await bench.go(tools())

    test = await recorded(bench, database)

    assert test.problems == ()
    assert yaml.safe_load(test.text)["run_id"] == str(
        await bench.row("select run_id from ordinaut.run")
    )


async def test_a_run_that_is_not_over_or_was_cancelled_is_refused(
    bench: Bench, database: str
) -> None:
    await bench.queue(pipeline=[step("a")])

    with pytest.raises(NotRecordable, match="queued"):
        await recorded(bench, database)


async def test_a_result_that_fits_into_no_file_is_refused(bench: Bench, database: str) -> None:
    await bench.queue(pipeline=[step("a")])
    await bench.go(ScriptedTools(tool__do=ok("x" * 70_000)))

    with pytest.raises(NotRecordable, match="does not fit"):
        await recorded(bench, database)
