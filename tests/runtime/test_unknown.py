"""Calls that may have happened and must not be repeated: what is done about them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from runtime.actor import Actor
from runtime.errors import LeaseLost
from runtime.store.settling import Settled, list_unsettled, settle_call
from schemas.unsettled import Unsettled
from tests.support.executing import RETRY, Bench, step
from tests.support.scripted_tools import Busy, ScriptedTools, failed, ok

ONCE = {"effect": "once"}
ASK = {**ONCE, "on_unknown": "ask"}
VERIFY = {
    **ONCE,
    "on_unknown": {
        "verify": "tool.look",
        "with": {"order": "${params.order}"},
        "when": "result.status == 'paid'",
    },
}
ENDED = "select state, error ->> 'code' from ordinaut.run"
RESULT = "select outcome, output, attempt from ordinaut.step_result where step = 'pay'"


def unsettled(database: str) -> list[Unsettled]:
    with psycopg.connect(database, autocommit=True) as connection:
        return list_unsettled(connection)


async def settle(
    database: str, settled: Settled, *, result: Any = None, reason: str = "", which: int = 0
) -> bool:
    """What a person says, from a process of their own."""

    def say() -> bool:
        with psycopg.connect(database, autocommit=True) as connection:
            call = list_unsettled(connection)[which]
            return settle_call(
                connection, call, settled=settled, result=result, by=Actor("ana"), reason=reason
            )

    return await asyncio.to_thread(say)


async def cut_off(bench: Bench, **tools: Any) -> ScriptedTools:
    """Execute the run up to its call of `tool.do`, and lose the runtime there."""
    entered = asyncio.Event()

    async def stuck(_: Any) -> Any:
        entered.set()
        await asyncio.Event().wait()

    before = ScriptedTools(tool__do=stuck, **tools)
    work = asyncio.create_task(bench.execute(await bench.claim(), before))
    await entered.wait()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await bench.clock.advance(16)
    return before


@pytest.mark.parametrize("kind", ["lost", "timeout"])
async def test_by_itself_an_unknown_outcome_ends_the_step_as_unknown(
    bench: Bench, kind: str
) -> None:
    await bench.queue(retry=RETRY, pipeline=[step("pay", **ONCE), step("end", "tool.end")])
    tools = ScriptedTools(tool__do=failed(kind))

    await bench.go(tools)

    assert len(tools.calls) == 1
    assert await bench.row(ENDED) == ("failed", "ORD415")
    assert await bench.row(RESULT) == ("unknown", None, 1)
    assert kind in await bench.row("select error ->> 'message' from ordinaut.run")


@pytest.mark.parametrize("effect", ["pure", "idempotent"])
async def test_where_repeating_is_harmless_nothing_is_unknown(bench: Bench, effect: str) -> None:
    await bench.queue(pipeline=[step("pay", effect=effect)])

    await bench.go(ScriptedTools(tool__do=failed("lost")))

    assert await bench.row(RESULT) == ("lost", None, 1)


async def test_a_call_that_certainly_failed_is_not_unknown(bench: Bench, database: str) -> None:
    await bench.queue(pipeline=[step("pay", **ASK)])

    await bench.go(ScriptedTools(tool__do=failed("tool_error")))

    assert await bench.row(RESULT) == ("tool_error", None, 1)
    assert unsettled(database) == []


async def test_people_are_asked_with_everything_they_need_to_look_it_up(
    bench: Bench, database: str
) -> None:
    pay = step("pay", **ASK, **{"with": {"sum": 100, "token": "${secrets.token}"}})
    await bench.queue(pipeline=[pay])
    await bench.go(ScriptedTools(tool__do=failed("lost")))

    (call,) = unsettled(database)
    assert (call.step, call.iteration, call.attempt, len(call.idempotency_key)) == (
        "pay",
        0,
        1,
        32,
    )
    assert call.asked == {
        "uses": "tool.do",
        "arguments": {"sum": 100, "token": "[secret token]"},
        "problem": {"code": "ORD404", "message": "it was lost"},
    }
    assert await bench.row(
        "select state, lease_until::text from ordinaut.run join ordinaut.due_work using (run_id)"
    ) == ("waiting", "-infinity")
    waits = "select data ->> 'reason' from ordinaut.event_log where type = 'run.waiting'"
    assert await bench.row(waits) == "unknown"


async def test_what_happened_is_the_result_and_the_run_goes_on(
    bench: Bench, database: str
) -> None:
    end = step("end", "tool.end", **{"with": {"id": "${steps.pay.id}"}})
    await bench.queue(pipeline=[step("pay", **ASK), end])
    tools = ScriptedTools(tool__do=failed("lost"), tool__end=ok())
    await bench.go(tools)

    assert await settle(database, "happened", result={"id": 7})
    assert await bench.seconds_until_ready() == 0
    await bench.go(tools)

    assert [name for name, _ in tools.calls] == ["tool.do", "tool.end"]
    assert tools.calls[1][1] == {"id": 7}
    assert await bench.row("select state from ordinaut.run") == "succeeded"
    assert await bench.row(RESULT) == ("ok", {"id": 7}, 1)
    assert "step.settled" in await bench.events()
    assert unsettled(database) == []


async def test_an_answer_counts_that_comes_before_its_question_by_a_clock_that_was_set_back(
    bench: Bench, database: str
) -> None:
    await bench.queue(pipeline=[step("pay", **ASK), step("end", "tool.end")])
    tools = ScriptedTools(tool__do=failed("lost"), tool__end=ok())
    await bench.go(tools)
    await bench.clock.set(bench.clock.now() - timedelta(minutes=5))
    await settle(database, "happened")

    await bench.go(tools)

    assert await bench.row("select state from ordinaut.run") == "succeeded"


async def test_what_did_not_happen_is_tried_again_with_the_same_key_and_may_be_in_doubt_again(
    bench: Bench, database: str
) -> None:
    await bench.queue(pipeline=[step("pay", **ASK)])
    tools = ScriptedTools(tool__do=[failed("lost"), failed("timeout"), ok("paid")])
    await bench.go(tools)
    assert await settle(database, "try_again")
    await bench.go(tools)
    (second,) = unsettled(database)
    assert await settle(database, "try_again")
    await bench.go(tools)

    assert second.attempt == 2
    assert await bench.row(RESULT) == ("ok", "paid", 3)
    assert len({(meta or {})["dev.ordinaut/idempotency-key"] for meta in tools.metas}) == 1
    assert await bench.row("select array_agg(outcome order by attempt) from ordinaut.step_attempt") == ["unknown", "unknown"]  # fmt: skip


async def test_what_failed_ends_the_step_with_who_and_why(bench: Bench, database: str) -> None:
    await bench.queue(pipeline=[step("pay", **ASK)])
    await bench.go(ScriptedTools(tool__do=failed("lost")))

    assert await settle(database, "failed", reason="paid by hand")
    await bench.go(ScriptedTools())

    assert await bench.row(ENDED) == ("failed", "ORD416")
    assert await bench.row("select error ->> 'message' from ordinaut.run") == "ana settled that it failed: paid by hand"  # fmt: skip


async def test_only_the_first_answer_counts(bench: Bench, database: str) -> None:
    await bench.queue(pipeline=[step("pay", **ASK)])
    await bench.go(ScriptedTools(tool__do=failed("lost")))
    (call,) = unsettled(database)

    def say(settled: Settled) -> bool:
        with psycopg.connect(database, autocommit=True) as connection:
            return settle_call(
                connection, call, settled=settled, result=None, by=Actor("ana"), reason=""
            )

    answers: list[Settled] = ["happened", "try_again", "failed", "happened"]
    said = await asyncio.gather(*(asyncio.to_thread(say, one) for one in answers))

    assert sum(said) == 1


async def test_a_run_that_is_over_cannot_be_settled(bench: Bench, database: str) -> None:
    await bench.queue(pipeline=[step("pay", **ASK)])
    await bench.go(ScriptedTools(tool__do=failed("lost")))
    (call,) = unsettled(database)
    await bench.connection.execute("delete from ordinaut.due_work")
    await bench.connection.execute(
        "update ordinaut.run set state = 'cancelled', finished_at = ordinaut.now()"
    )

    assert unsettled(database) == []
    with psycopg.connect(database, autocommit=True) as connection:
        assert not settle_call(connection, call, settled="happened", result=None, by=Actor("ana"), reason="")  # fmt: skip


async def test_a_runtime_that_was_lost_in_the_call_leaves_the_question_to_the_next(
    bench: Bench, database: str
) -> None:
    await bench.queue(pipeline=[step("pay", **ASK)])
    await cut_off(bench)
    tools = ScriptedTools(tool__do=ok("paid"))

    await bench.go(tools)
    (call,) = unsettled(database)
    assert await settle(database, "try_again")
    await bench.go(tools)

    assert call.asked["problem"]["code"] == "ORD406"
    assert len(tools.calls) == 1
    assert await bench.row(RESULT) == ("ok", "paid", 2)


async def test_the_timeout_of_the_run_stands_still_while_people_are_asked(
    bench: Bench, database: str
) -> None:
    await bench.queue(timeout="10m", pipeline=[step("pay", **ASK), step("end", "tool.end")])
    tools = ScriptedTools(tool__do=failed("lost"), tool__end=ok())
    await bench.go(tools)

    for _ in range(3):
        await bench.clock.advance(86_400)
        await bench.go(tools)
        assert len(unsettled(database)) == 1
    assert await settle(database, "happened")
    await bench.clock.advance(300)
    await bench.go(tools)

    assert await bench.row("select state from ordinaut.run") == "succeeded"
    assert [name for name, _ in tools.calls] == ["tool.do", "tool.end"]


async def test_after_the_answer_the_timeout_of_the_run_goes_on(
    bench: Bench, database: str
) -> None:
    await bench.queue(timeout="10m", pipeline=[step("pay", **ASK), step("end", "tool.end")])
    tools = ScriptedTools(tool__do=failed("lost"), tool__end=ok())
    await bench.go(tools)
    await bench.clock.advance(86_400)
    assert await settle(database, "happened")
    await bench.clock.advance(601)
    await bench.go(tools)

    assert await bench.row(ENDED) == ("failed", "ORD504")


async def test_an_answer_that_comes_while_the_run_is_held_is_not_slept_over(
    bench: Bench, database: str
) -> None:
    busy = Busy()
    await bench.queue(pipeline=[step("pay", **ASK), step("slow", "tool.slow", needs=[])])
    tools = ScriptedTools(tool__do=failed("lost"), tool__slow=busy)
    going = asyncio.create_task(bench.go(tools))
    await busy.entered.wait()
    while not unsettled(database):
        await asyncio.to_thread(unsettled, database)
    assert await settle(database, "happened")
    busy.gate.set()
    await going

    assert await bench.seconds_until_ready() == 0
    await bench.go(tools)
    assert await bench.row("select state from ordinaut.run") == "succeeded"


async def test_a_run_that_fails_elsewhere_records_what_is_in_doubt(
    bench: Bench, database: str
) -> None:
    async def last(_: Any) -> Any:
        while not unsettled(database):
            await asyncio.to_thread(unsettled, database)
        return failed()

    await bench.queue(pipeline=[step("pay", **ASK), step("bad", "tool.bad", needs=[])])

    await bench.go(ScriptedTools(tool__do=failed("lost"), tool__bad=last))

    assert await bench.row(ENDED) == ("failed", "ORD404")
    assert await bench.row(RESULT) == ("unknown", None, 1)
    assert unsettled(database) == []


async def test_a_doubt_that_comes_after_the_run_has_failed_is_recorded_and_nobody_is_asked(
    bench: Bench, database: str
) -> None:
    async def late(_: Any) -> Any:
        while await bench.row("select count(*) from ordinaut.step_result") == 0:
            pass
        return failed("lost")

    await bench.queue(pipeline=[step("pay", **ASK), step("bad", "tool.bad", needs=[])])

    await bench.go(ScriptedTools(tool__do=late, tool__bad=failed()))

    assert await bench.row(RESULT) == ("unknown", None, 1)
    assert await bench.row("select count(*) from ordinaut.step_intent where asked is not null") == 0  # fmt: skip


async def test_a_runtime_that_lost_its_lease_asks_nobody(bench: Bench, database: str) -> None:
    await bench.queue(pipeline=[step("pay", **ASK)])
    stale = await bench.claim()

    async def late(_: Any) -> Any:
        await bench.clock.advance(16)
        await bench.claim()
        return failed("lost")

    with pytest.raises(LeaseLost):
        await bench.execute(stale, ScriptedTools(tool__do=late))

    assert unsettled(database) == []
    assert "step.waiting" not in await bench.events()


async def test_each_item_is_settled_for_itself(bench: Bench, database: str) -> None:
    pay = step("pay", **ASK, foreach="${`[1, 2]`}", max_parallel=2)
    await bench.queue(pipeline=[pay])
    tools = ScriptedTools(tool__do=[failed("lost"), failed("lost"), ok("again")])
    await bench.go(tools)

    assert [(call.iteration, call.asked["item"]) for call in unsettled(database)] == [(0, 0), (1, 1)]  # fmt: skip
    assert await settle(database, "happened", result="first")
    await bench.go(tools)
    assert await settle(database, "try_again")
    await bench.go(tools)

    outputs = "select array_agg(output order by iteration) from ordinaut.step_result where iteration >= 0"
    assert await bench.row(outputs) == ["first", "again"]


async def test_a_call_that_was_approved_and_is_in_doubt_is_not_approved_again(
    bench: Bench, database: str
) -> None:
    await bench.queue(pipeline=[step("pay", **ASK, approval={"by": ["ana"]})])
    await bench.go(ScriptedTools())
    await bench.connection.execute(
        "update ordinaut.wait set answered_at = now(),"
        """ answer = '{"approved": true, "by": "ana", "reason": ""}'"""
    )
    await bench.connection.execute("update ordinaut.due_work set ready_at = ordinaut.now()")
    tools = ScriptedTools(tool__do=[failed("lost"), ok()])
    await bench.go(tools)
    assert await settle(database, "try_again")
    await bench.go(tools)

    assert len(tools.calls) == 2
    assert await bench.row("select state from ordinaut.run") == "succeeded"


async def test_a_step_of_finally_is_settled_too_and_the_run_ends_as_its_steps_did(
    bench: Bench, database: str
) -> None:
    last = step("refund", "tool.refund", **ASK)
    await bench.queue(pipeline=[step("pay")], **{"finally": [last]})
    tools = ScriptedTools(tool__do=failed("rejected"), tool__refund=failed("lost"))
    await bench.go(tools)

    assert [call.step for call in unsettled(database)] == ["refund"]
    assert await settle(database, "happened")
    await bench.go(tools)

    assert [name for name, _ in tools.calls] == ["tool.do", "tool.refund"]
    assert await bench.row(ENDED) == ("failed", "ORD404")


async def test_what_a_tool_says_that_happened_is_the_result(bench: Bench) -> None:
    await bench.queue(params={"order": 17}, pipeline=[step("pay", **VERIFY)])
    tools = ScriptedTools(tool__do=failed("lost"), tool__look=ok({"status": "paid", "id": 4}))

    await bench.go(tools)

    assert tools.calls == [("tool.do", {}), ("tool.look", {"order": 17})]
    assert await bench.row(RESULT) == ("ok", {"status": "paid", "id": 4}, 1)
    call, check = [meta or {} for meta in tools.metas]
    assert check["dev.ordinaut/verifies"] == call["dev.ordinaut/idempotency-key"]
    assert "dev.ordinaut/idempotency-key" not in check


async def test_what_a_tool_says_that_did_not_happen_is_tried_again(bench: Bench) -> None:
    await bench.queue(params={"order": 17}, retry={**RETRY, "attempts": 1}, pipeline=[step("pay", **VERIFY)])  # fmt: skip
    tools = ScriptedTools(tool__do=[failed("lost"), ok("paid")], tool__look=ok({"status": "none"}))

    await bench.go(tools)
    assert await bench.seconds_until_ready() == 10
    await bench.clock.advance(10)
    await bench.go(tools)

    assert [name for name, _ in tools.calls] == ["tool.do", "tool.look", "tool.do"]
    assert await bench.row(RESULT) == ("ok", "paid", 2)


async def test_what_never_happens_ends_after_its_tries(bench: Bench) -> None:
    retry = {"attempts": 3, "initial": "1ms", "jitter": "none"}
    await bench.queue(params={"order": 17}, pipeline=[step("pay", **VERIFY, retry=retry)])
    tools = ScriptedTools(tool__do=failed("lost"), tool__look=ok({"status": "none"}))

    for _ in range(3):
        await bench.go(tools)
        await bench.clock.advance(1)

    assert [name for name, _ in tools.calls] == ["tool.do", "tool.look"] * 3
    assert await bench.row(ENDED) == ("failed", "ORD416")


async def test_a_tool_that_cannot_tell_is_asked_again_and_then_the_outcome_stays_unknown(
    bench: Bench,
) -> None:
    await bench.queue(params={"order": 17}, pipeline=[step("pay", **VERIFY)])
    tools = ScriptedTools(tool__do=failed("lost"), tool__look=failed("not_sent"))

    going = asyncio.create_task(bench.go(tools))
    while not going.done():
        await bench.clock.advance(1)
    await going

    assert [name for name, _ in tools.calls] == ["tool.do"] + ["tool.look"] * 6
    assert await bench.row(ENDED) == ("failed", "ORD415")
    assert "could not tell" in await bench.row("select error ->> 'message' from ordinaut.run")


@pytest.mark.parametrize(
    ("how", "answer"),
    [
        ({"when": "result.status == 'paid'"}, failed("rejected")),
        ({"when": "length(result.status) > `0`"}, ok({"status": 5})),
        ({"when": "result", "with": {"order": "${params.nothing}"}}, ok(True)),
    ],
    ids=["refused", "no condition over it", "no arguments"],
)
async def test_a_check_that_makes_no_sense_leaves_the_outcome_unknown(
    bench: Bench, how: dict[str, Any], answer: Any
) -> None:
    pay = step("pay", **ONCE, on_unknown={"verify": "tool.look", **how})
    await bench.queue(pipeline=[pay])

    await bench.go(ScriptedTools(tool__do=failed("lost"), tool__look=answer))

    assert await bench.row(ENDED) == ("failed", "ORD415")


async def test_a_call_that_was_cut_off_is_verified_by_the_next_runtime(bench: Bench) -> None:
    await bench.queue(params={"order": 17}, pipeline=[step("pay", **VERIFY)])
    await cut_off(bench)
    tools = ScriptedTools(tool__look=ok({"status": "paid"}))

    await bench.go(tools)

    assert tools.calls == [("tool.look", {"order": 17})]
    assert await bench.row("select state from ordinaut.run") == "succeeded"
