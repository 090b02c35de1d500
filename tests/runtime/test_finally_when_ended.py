"""Steps of `finally` of runs that end over the head of whoever executes them: cancelled, replaced, or given up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from runtime.actor import Actor
from runtime.cancelling import RunOver, cancel_run
from runtime.core.callback import callback_token
from runtime.errors import LeaseLost
from runtime.manual import request_run
from runtime.store.children import settle_children
from runtime.store.connect import connect
from runtime.store.due_work import Claim
from runtime.store.events import CallbackRefused, arrive_by_token, load_callback_key
from runtime.store.pool import borrow
from runtime.store.settling import list_unsettled, settle_call
from runtime.store.waits import answer_wait, list_asked
from schemas.asked import Asked
from schemas.event import EVENTS
from schemas.run import CancelReport
from schemas.unsettled import Unsettled
from tests.runtime.test_overlap import Place, place
from tests.support.executing import Bench, step
from tests.support.installed import install, task
from tests.support.scripted_tools import ScriptedTools, failed, ok

__all__ = ["place"]

REST = step("rest", "ordinaut.sleep", **{"with": {"for": "1h"}})
TELL = step(
    "tell", "tool.tell", **{"with": {"outcome": "${run.outcome}", "error": "${run.error}"}}
)
SWEEP = step("sweep", "tool.sweep")
LAST = {"finally": [TELL, SWEEP]}
CANCELLED = {"code": "ORD510", "message": "ada cancelled the run: wrong month"}
TOLD = [("tool.tell", {"outcome": "cancelled", "error": CANCELLED}), ("tool.sweep", {})]


async def cancel(database: str, run_id: UUID, *, at_once: bool = False) -> CancelReport:
    def end() -> CancelReport:
        with connect(database) as connection:
            return cancel_run(
                connection, run_id, reason="wrong month", actor=Actor("ada"), at_once=at_once
            )

    return await asyncio.to_thread(end)


async def end_of(bench: Bench) -> Any:
    return await bench.row("select state, reason, ended_by, detail, error from ordinaut.run")


def both(**answers: Any) -> ScriptedTools:
    return ScriptedTools(**{"tool__tell": ok(), "tool__sweep": ok(), **answers})


async def test_they_run_after_a_cancellation_and_know_of_it(bench: Bench, database: str) -> None:
    await bench.queue(timeout="90d", pipeline=[REST, step("never")], **LAST)
    claim = await bench.go(ScriptedTools())
    done = await cancel(database, claim.run_id)
    tools = both()

    await bench.go(tools)

    assert (done.outcome, done.was) == ("ending", "waiting")
    assert tools.calls == TOLD
    assert await end_of(bench) == ("cancelled", "cancelled", "ada", "wrong month", None)
    told = await bench.row("select data from ordinaut.event_log where type = 'run.cancelled'")
    event = EVENTS["run.cancelled"].model_validate(told).model_dump()
    assert (event["reason"], event["actor"], event["detail"]) == (
        "cancelled",
        "ada",
        "wrong month",
    )
    assert (await bench.events())[-1] == "run.cancelled"


async def test_who_executes_the_run_is_fenced_off(bench: Bench, database: str) -> None:
    entered = asyncio.Event()

    async def hang(_: object) -> Any:
        entered.set()
        await answered.wait()
        return ok()

    answered = asyncio.Event()
    await bench.queue(pipeline=[step("do"), step("never")], **LAST)
    claim = await bench.claim()
    before = asyncio.create_task(bench.execute(claim, both(tool__do=hang)))
    await entered.wait()

    done = await cancel(database, claim.run_id)
    answered.set()
    with pytest.raises(LeaseLost):
        await before
    await bench.go(both())

    assert (done.outcome, done.was_executed) == ("ending", True)
    results = "select array_agg(step || ' ' || outcome order by step) from ordinaut.step_result"
    assert await bench.row(results) == ["(over) cancelled", "sweep ok", "tell ok"]


async def test_a_cancellation_that_is_repeated_cuts_nothing_off(
    bench: Bench, database: str
) -> None:
    await bench.queue(timeout="90d", pipeline=[REST], **LAST)
    claim = await bench.go(ScriptedTools())
    await cancel(database, claim.run_id)

    again = await cancel(database, claim.run_id)
    tools = both()
    await bench.go(tools)

    assert again.outcome == "unchanged"
    assert tools.calls == TOLD
    assert await end_of(bench) == ("cancelled", "cancelled", "ada", "wrong month", None)


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
async def test_a_cancellation_that_comes_while_they_run_is_refused_and_cuts_nothing_off(
    bench: Bench, database: str, outcome: str
) -> None:
    do = ok() if outcome == "succeeded" else failed()
    await bench.queue(timeout="90d", pipeline=[step("do")], **{"finally": [REST, SWEEP]})
    claim = await bench.go(ScriptedTools(tool__do=do))

    with pytest.raises(RunOver, match="those of `finally` run") as refused:
        await cancel(database, claim.run_id)
    await bench.clock.advance(3600)
    tools = both()
    await bench.go(tools)

    assert (refused.value.code, "--now" in str(refused.value.hint)) == ("ORD314", True)
    assert [name for name, _ in tools.calls] == ["tool.sweep"]
    assert (await end_of(bench))[:3] == (outcome, None, None)


@pytest.mark.parametrize("at_last", [True, False], ids=["while_they_run", "before_they_begin"])
async def test_cancelled_at_once_the_run_ends_without_them(
    bench: Bench, database: str, *, at_last: bool
) -> None:
    await bench.queue(timeout="90d", pipeline=[REST], **LAST)
    claim = await bench.go(ScriptedTools())
    if at_last:
        await cancel(database, claim.run_id)

    ended = await cancel(database, claim.run_id, at_once=True)
    again = await cancel(database, claim.run_id, at_once=True)

    assert (ended.outcome, again.outcome) == ("cancelled", "unchanged")
    assert await end_of(bench) == ("cancelled", "cancelled", "ada", "wrong month", None)
    assert await bench.row("select count(*) from ordinaut.due_work") == 0


async def test_a_run_that_has_not_begun_has_nothing_to_finish(bench: Bench, database: str) -> None:
    await bench.queue(pipeline=[step("do")], **LAST)

    done = await cancel(database, await bench.row("select run_id from ordinaut.run"))

    assert done.outcome == "cancelled"
    assert await bench.row("select count(*) from ordinaut.due_work") == 0


async def test_a_failure_among_them_leaves_the_run_cancelled(bench: Bench, database: str) -> None:
    await bench.queue(timeout="90d", pipeline=[REST], **LAST)
    claim = await bench.go(ScriptedTools())
    await cancel(database, claim.run_id)

    await bench.go(both(tool__tell=failed()))

    assert (await end_of(bench))[0] == "cancelled"
    assert "run.failed" not in await bench.events()


async def test_what_the_cancelled_steps_asked_people_is_asked_no_more(
    bench: Bench, database: str
) -> None:
    asks = step("ask", "ordinaut.approve", **{"with": {"message": "Go on?"}})
    late = step("late", "ordinaut.approve", **{"with": {"message": "Is it swept?"}})
    await bench.queue(timeout="90d", pipeline=[asks], **{"finally": [late]})
    claim = await bench.go(ScriptedTools())
    await bench.clock.advance(1)
    await cancel(database, claim.run_id)
    await bench.go(ScriptedTools())

    def asked() -> list[str]:
        with connect(database) as connection:
            return [one.step for one in list_asked(connection)]

    assert await asyncio.to_thread(asked) == ["late"]


async def test_answers_to_what_the_cancelled_steps_asked_count_no_more(
    bench: Bench, database: str
) -> None:
    steps = [
        step("ask", "ordinaut.approve", needs=[], **{"with": {"message": "Go on?"}}),
        step("pay", "tool.pay", needs=[], effect="once", on_unknown="ask"),
        step("wait", "ordinaut.wait_for", needs=[], **{"with": {"callback": True}}),
    ]
    await bench.queue(timeout="90d", pipeline=steps, **{"finally": [REST]})
    claim = await bench.go(ScriptedTools(tool__pay=failed("lost")))
    await bench.clock.advance(1)

    def answer(asked: Sequence[Asked], unsettled: Sequence[Unsettled]) -> list[bool]:
        with connect(database) as people:
            return [
                answer_wait(people, asked[0], approved=True, by=Actor("ana"), reason=""),
                settle_call(
                    people, unsettled[0], settled="failed", result=None, by=Actor("ana"), reason=""
                ),
            ]

    with connect(database) as people:
        asked, unsettled = list_asked(people), list_unsettled(people)
    await cancel(database, claim.run_id)
    await bench.go(ScriptedTools())

    assert await asyncio.to_thread(answer, asked, unsettled) == [False, False]
    async with borrow(bench.pool) as outside:
        token = callback_token(await load_callback_key(bench.pool), claim.run_id, "wait")
        with pytest.raises(CallbackRefused, match="has expired"):
            await arrive_by_token(outside, token, {})


async def test_children_end_before_them_and_have_theirs(bench: Bench, database: str) -> None:
    """Each of the two is cancelled once, however often somebody looks."""
    await install(bench.connection, task("report", timeout="90d", pipeline=[REST], **LAST))
    child = step("child", "ordinaut.run", **{"with": {"task": "report"}})
    await bench.queue(timeout="90d", pipeline=[child], **LAST)
    parent = await bench.go(ScriptedTools())
    await bench.go(ScriptedTools())
    await bench.clock.advance(1)

    await cancel(database, parent.run_id)
    await bench.arrivals.run_once()
    await bench.arrivals.run_once()
    tools = both()
    claims = [await bench.go(tools) for _ in range(2)]

    assert {claim.task for claim in claims} == {"briefing", "report"}
    assert [name for name, _ in tools.calls] == ["tool.tell", "tool.sweep"] * 2
    assert await bench.row("select array_agg(state) from ordinaut.run") == ["cancelled"] * 2


async def test_a_child_that_has_come_to_them_is_left_alone_when_its_parent_is_over(
    bench: Bench, database: str
) -> None:
    body = {"timeout": "90d", "pipeline": [step("do")], "finally": [REST]}
    await install(bench.connection, task("report", **body))
    child = step("child", "ordinaut.run", **{"with": {"task": "report"}})
    await bench.queue(timeout="90d", pipeline=[child])
    parent = await bench.go(ScriptedTools())
    await bench.go(ScriptedTools(tool__do=ok()))
    await bench.clock.advance(1)

    await cancel(database, parent.run_id)
    await bench.arrivals.run_once()

    states = "select state from ordinaut.run where trigger = 'run'"
    assert await bench.row(states) == "waiting"
    async with borrow(bench.pool) as connection:
        assert await settle_children(connection) == (0, [])
    await bench.clock.advance(3600)
    await bench.go(ScriptedTools())
    assert await bench.row(states) == "succeeded"


class TestInAnothersPlace:
    """A run that is replaced ends with its last steps, and the next one waits for that."""

    async def begin(self, place: Place, database: str) -> Claim:
        await place.clock.attach(database)
        await place.minutely("cancel_running", **LAST)
        await place.fire()
        return await place.claim_one()

    async def test_the_next_occurrence_waits_for_them(self, place: Place, database: str) -> None:
        first = await self.begin(place, database)

        await place.fire()

        assert place.ended == [first.run_id]
        assert not await place.finish(first)
        ending = await place.claim_one()
        assert (ending.run_id, ending.attempt) == (first.run_id, 1)
        assert await place.waiting() == 1
        await place.finish(ending, "cancelled")
        assert (await place.claim_one()).run_id != first.run_id
        assert await place.fates() == [
            ("08:01", "cancelled", "overlap"),
            ("08:02", "running", None),
        ]

    async def test_one_after_the_next_takes_its_place_and_cuts_nothing_off(
        self, place: Place, database: str
    ) -> None:
        first = await self.begin(place, database)
        await place.fire()
        ending = await place.claim_one()

        await place.fire()
        asked = await asyncio.to_thread(self.ask, database)

        assert await place.finish(ending, "cancelled")
        assert ending.run_id == first.run_id
        assert (await place.claim_one()).run_id == asked
        assert [state for _, state, _ in await place.fates()] == ["cancelled"] * 3 + ["running"]

    def ask(self, database: str) -> UUID:
        with connect(database) as connection:
            return request_run(
                connection, "tick", {}, may_overlap=False, needs_runtime=False, actor=Actor("ada")
            )[0]

    async def test_a_run_that_is_asked_for_waits_for_them_too(
        self, place: Place, database: str
    ) -> None:
        first = await self.begin(place, database)

        asked = await asyncio.to_thread(self.ask, database)

        ending = await place.claim_one()
        assert ending.run_id == first.run_id
        await place.finish(ending, "cancelled")
        assert (await place.claim_one()).run_id == asked
