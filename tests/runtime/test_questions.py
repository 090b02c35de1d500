"""What a tool server asks in the middle of a call: people answer, and the same call goes on, whoever was lost since."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import psycopg
import pytest

from runtime.actor import Actor
from runtime.core.answering import responses_of
from runtime.core.leftopen import BEGINS, MOST_ROUNDS, GoingOn, LeftOpen
from runtime.core.outcomes import CallError, CallOutcome
from runtime.store.waits import NotAsked, answer_wait, list_asked
from schemas.asked import Asked
from tests.support.executing import RETRY, Bench, step
from tests.support.scripted_tools import ScriptedTools, failed, ok

FORM = {"type": "object", "properties": {"sure": {"type": "boolean"}}, "required": ["sure"]}
REQUESTS = {"q": {"message": "Are you sure?", "schema": FORM}}
YES = {"q": {"sure": True}}
ANSWERED = {"q": {"action": "accept", "content": {"sure": True}}}
ENDED = "select state, error ->> 'code' from ordinaut.run"
RESULT = "select outcome, attempt, output from ordinaut.step_result where step = 'pay'"


def asks(state: str | None = "s1", requests: Mapping[str, Any] = REQUESTS) -> CallOutcome:
    """The server asks back."""
    error = CallError("ORD411", "tool.do asks for input: Are you sure?")
    return CallOutcome(
        "input_required", error=error, sent=True, left_open=LeftOpen(state, requests)
    )


def asked_now(database: str) -> list[Asked]:
    with psycopg.connect(database, autocommit=True) as connection:
        return list_asked(connection)


async def answer(
    database: str, *, approved: bool = True, by: str = "ana", which: int = 0, **data: Any
) -> bool:
    """What a person says, from a process of their own."""

    def say() -> bool:
        with psycopg.connect(database, autocommit=True) as connection:
            asked = list_asked(connection)[which]
            wanted = asked.asked.get("requests", {}) if approved else {}
            responses = responses_of(wanted, data or YES) if wanted else {}
            return answer_wait(
                connection, asked, approved=approved, by=Actor(by), reason="", responses=responses
            )

    return await asyncio.to_thread(say)


async def test_a_question_waits_for_a_person_and_the_same_call_goes_on_with_the_answer(
    bench: Bench, database: str
) -> None:
    pay = step("pay", **{"with": {"sum": 100, "nth": "${run.attempt}"}})
    await bench.queue(timeout="90d", pipeline=[pay, step("end", "tool.end")])
    tools = ScriptedTools(tool__do=[asks(), ok("paid")], tool__end=ok())
    await bench.go(tools)

    assert await bench.row(
        "select state, lease_until::text from ordinaut.run join ordinaut.due_work using (run_id)"
    ) == ("waiting", "-infinity")
    (one,) = asked_now(database)
    call = {"uses": "tool.do", "arguments": {"sum": 100, "nth": 1}}
    assert (one.step, one.attempt, one.until) == ("pay", 1, None)
    assert one.asked == call | {"by": [], "requests": REQUESTS}
    assert await answer(database)
    assert await bench.seconds_until_ready() == 0
    # Nothing is known any more but what is on record; what templates give now is not what they gave.
    await bench.connection.execute("update ordinaut.due_work set attempt = 6")
    await bench.go(tools)

    assert tools.calls[:2] == [("tool.do", {"sum": 100, "nth": 1})] * 2
    assert tools.going_on[:2] == [BEGINS, GoingOn("s1", ANSWERED)]
    assert len({meta["dev.ordinaut/idempotency-key"] for meta in tools.metas[:2] if meta}) == 1
    assert await bench.row(RESULT) == ("ok", 2, "paid")
    events = await bench.events()
    assert [
        one for one in events if one in {"step.waiting", "step.answered", "step.retrying"}
    ] == [
        "step.waiting",
        "step.answered",
    ]
    assert not asked_now(database)


async def test_a_server_that_is_told_no_is_not_called_again(bench: Bench, database: str) -> None:
    await bench.queue(pipeline=[step("pay"), step("end", "tool.end")])
    tools = ScriptedTools(tool__do=asks())
    await bench.go(tools)

    assert await answer(database, approved=False)
    await bench.go(tools)

    assert len(tools.calls) == 1
    assert await bench.row(ENDED) == ("failed", "ORD413")


async def test_an_approval_says_who_may_answer_and_for_how_long(
    bench: Bench, database: str
) -> None:
    approval = {"by": ["ana"], "timeout": "1h", "on_timeout": "skip"}
    await bench.queue(timeout="90d", pipeline=[step("pay", approval=approval)])
    tools = ScriptedTools(tool__do=asks())
    await bench.go(tools)
    assert await answer(database)
    await bench.go(tools)

    assert len(tools.calls) == 1
    with pytest.raises(NotAsked):
        await answer(database, by="bob")
    await bench.clock.advance(3601)
    assert not await answer(database)
    await bench.go(tools)

    # The call had begun: it cannot be left out any more.
    assert len(tools.calls) == 1
    assert await bench.row(ENDED) == ("failed", "ORD414")
    assert await bench.row(RESULT) == ("timeout", 2, None)


async def test_each_item_asks_for_itself(bench: Bench, database: str) -> None:
    pay = step("pay", foreach="${`[1, 2]`}", max_parallel=2, **{"with": {"n": "${item}"}})
    await bench.queue(timeout="90d", pipeline=[pay])

    def of_item(arguments: Mapping[str, Any]) -> CallOutcome:
        return asks(f"item {arguments['n']}") if len(tools.calls) < 3 else ok(arguments["n"])

    tools = ScriptedTools(tool__do=of_item)
    await bench.go(tools)
    assert [one.asked["item"] for one in asked_now(database)] == [0, 1]
    assert await answer(database, which=1)
    await bench.go(tools)
    assert await answer(database)
    await bench.go(tools)

    assert tools.going_on[2:] == [GoingOn("item 2", ANSWERED), GoingOn("item 1", ANSWERED)]
    assert await bench.row("select state from ordinaut.run") == "succeeded"


async def test_an_item_that_is_a_secret_is_asked_about_and_handed_on_as_it_is(
    bench: Bench, database: str
) -> None:
    pay = step("pay", foreach="${[secrets.token]}", **{"with": {"token": "${item}"}})
    await bench.queue(timeout="90d", pipeline=[pay])
    tools = ScriptedTools(tool__do=[asks(), ok()])
    await bench.go(tools)
    (one,) = asked_now(database)
    assert await answer(database)
    await bench.go(tools)

    assert "s3cr3t-token" not in str(one.asked)
    assert [arguments for _, arguments in tools.calls] == [{"token": "s3cr3t-token"}] * 2


async def test_an_answer_is_heard_while_another_branch_is_busy(
    bench: Bench, database: str
) -> None:
    gate, entered = asyncio.Event(), asyncio.Event()

    async def slow(_: Mapping[str, Any]) -> CallOutcome:
        entered.set()
        await gate.wait()
        return ok()

    tools = ScriptedTools(tool__slow=slow, tool__do=[asks(), ok()], tool__after=ok())
    steps = [step("slow", "tool.slow"), step("pay", needs=[]), step("after", "tool.after")]
    steps[2]["needs"] = ["pay"]
    await bench.queue(timeout="90d", pipeline=steps)
    going = asyncio.create_task(bench.go(tools))
    await entered.wait()
    while not asked_now(database) or not bench.attention._listening:
        await asyncio.to_thread(lambda: None)

    assert await answer(database)
    while not any(name == "tool.after" for name, _ in tools.calls):
        await bench.attention.run_once()
    gate.set()
    await going

    assert await bench.row("select state from ordinaut.run") == "succeeded"
    assert "run.waiting" not in await bench.events()


async def test_a_server_that_only_wants_to_be_called_again_is_and_nobody_is_asked(
    bench: Bench, database: str
) -> None:
    await bench.queue(pipeline=[step("pay")])
    tools = ScriptedTools(tool__do=[asks("again", {}), ok()])
    await bench.go(tools)

    assert not asked_now(database)
    await bench.clock.advance(1)
    await bench.go(tools)

    assert tools.going_on == [BEGINS, GoingOn("again", {})]
    assert await bench.row(RESULT) == ("ok", 2, None)


async def test_a_server_that_asks_for_ever_is_left(bench: Bench) -> None:
    await bench.queue(pipeline=[step("pay")], timeout="90d")
    tools = ScriptedTools(tool__do=asks("again", {}))

    for _ in range(MOST_ROUNDS):
        await bench.go(tools)
        await bench.clock.advance(1)
    await bench.go(tools)

    assert len(tools.calls) == MOST_ROUNDS + 1
    assert await bench.row(ENDED) == ("failed", "ORD411")


@pytest.mark.parametrize("kind", ["not_sent", "lost"])
async def test_an_answer_that_may_not_have_arrived_is_given_again(
    bench: Bench, database: str, kind: str
) -> None:
    retry = RETRY | {"attempts": 2, "retry_on": [kind]}
    await bench.queue(timeout="90d", pipeline=[step("pay", retry=retry)])
    tools = ScriptedTools(tool__do=[asks(), failed(kind), ok()])
    await bench.go(tools)
    assert await answer(database)
    await bench.go(tools)
    await bench.clock.advance(11)
    await bench.go(tools)

    # What it was asked did not count as one of two tries.
    assert tools.going_on == [BEGINS, GoingOn("s1", ANSWERED), GoingOn("s1", ANSWERED)]
    assert await bench.row(RESULT) == ("ok", 3, None)


async def test_a_call_that_failed_after_the_answer_begins_anew(
    bench: Bench, database: str
) -> None:
    retry = RETRY | {"retry_on": ["tool_error"]}
    await bench.queue(timeout="90d", pipeline=[step("pay", retry=retry)])
    tools = ScriptedTools(tool__do=[asks(), failed(), ok()])
    await bench.go(tools)
    assert await answer(database)
    await bench.go(tools)
    await bench.clock.advance(11)
    await bench.go(tools)

    assert tools.going_on == [BEGINS, GoingOn("s1", ANSWERED), BEGINS]


async def test_a_call_that_must_not_be_repeated_is_in_doubt_once_its_answer_was_on_the_way(
    bench: Bench, database: str
) -> None:
    await bench.queue(timeout="90d", pipeline=[step("pay", effect="once")])
    await bench.go(ScriptedTools(tool__do=asks()))
    assert await answer(database)
    entered = asyncio.Event()

    async def stuck(_: Any) -> Any:
        entered.set()
        await asyncio.Event().wait()

    work = asyncio.create_task(bench.go(ScriptedTools(tool__do=stuck)))  # type: ignore[arg-type]  # never answers
    await entered.wait()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await bench.clock.advance(16)
    after = ScriptedTools(tool__do=ok())
    await bench.go(after)

    assert after.calls == []
    assert await bench.row(ENDED) == ("failed", "ORD415")


async def test_a_call_that_must_not_be_repeated_goes_on_while_its_answer_was_not_on_the_way(
    bench: Bench, database: str
) -> None:
    await bench.queue(timeout="90d", pipeline=[step("pay", effect="once")])
    await bench.go(ScriptedTools(tool__do=asks()))
    # Its runtime is lost, and another looks before anybody has answered.
    await bench.connection.execute("update ordinaut.due_work set ready_at = ordinaut.now()")
    await bench.go(ScriptedTools())
    assert await answer(database)
    tools = ScriptedTools(tool__do=ok())
    await bench.go(tools)

    assert tools.going_on == [GoingOn("s1", ANSWERED)]
    assert await bench.row("select state from ordinaut.run") == "succeeded"


async def test_a_run_that_is_over_takes_no_answer(bench: Bench, database: str) -> None:
    await bench.queue(timeout="1h", pipeline=[step("pay")])
    tools = ScriptedTools(tool__do=asks())
    await bench.go(tools)
    (one,) = asked_now(database)
    await bench.clock.advance(3601)
    await bench.go(tools)

    assert await bench.row(ENDED) == ("failed", "ORD504")
    assert not asked_now(database)
    with psycopg.connect(database, autocommit=True) as connection:
        assert not answer_wait(connection, one, approved=True, by=Actor("ana"), reason="")


async def test_no_secret_is_asked_for_or_kept(bench: Bench, database: str) -> None:
    tells = {"q": {"message": "Is it s3cr3t-token?", "schema": FORM}}
    argument = {"with": {"token": "${secrets.token}"}}
    await bench.queue(timeout="90d", pipeline=[step("pay", **argument), step("next", **argument)])
    tools = ScriptedTools(tool__do=[asks("s1", tells), ok(), asks("s3cr3t-token", {})])
    await bench.go(tools)

    (one,) = asked_now(database)
    assert one.asked["requests"]["q"]["message"] == "Is it [redacted]?"
    assert await answer(database)
    await bench.go(tools)

    assert [arguments for _, arguments in tools.calls] == [{"token": "s3cr3t-token"}] * 3
    assert await bench.row(ENDED) == ("failed", "ORD411")
    assert await bench.row(
        "select string_agg(left_open::text, '') from ordinaut.step_attempt"
    ) == ('{"state": "s1", "arguments": {"token": "[secret token]"}}')
