"""A run that is run again: what of the one before stays, which calls are made, and with which keys."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
import pytest

from runtime.actor import Actor
from runtime.core.identity import KEY_META
from runtime.errors import NotFound
from runtime.manual import RunRefused
from runtime.rerunning import Rerun, rerun_run
from runtime.store.connect import connect
from runtime.store.runs import load_run
from runtime.store.settling import list_unsettled, settle_call
from schemas.run import RunReport
from tests.support.executing import Bench, step
from tests.support.installed import install, task
from tests.support.scripted_tools import ScriptedTools, failed, ok

STEPS = [
    step("read", "tool.read"),
    step("pay", "tool.pay", **{"with": {"sum": "${steps.read}"}}),
    step("tell", "tool.tell", **{"with": {"paid": "${steps.pay}"}}),
]
GOOD = {"tool__read": ok(5), "tool__pay": ok("paid"), "tool__tell": ok(None)}


def again(database: str, run_id: UUID, **asked: Any) -> UUID:
    with connect(database) as connection:
        return rerun_run(connection, run_id, Rerun(**asked), actor=Actor("ada"))


def load(database: str, run_id: UUID) -> RunReport:
    with connect(database) as connection:
        return load_run(connection, run_id)


def keys(tools: ScriptedTools) -> list[str]:
    return [(meta or {})[KEY_META] for meta in tools.metas]


def names(tools: ScriptedTools) -> list[str]:
    return [name.removeprefix("tool.") for name, _ in tools.calls]


async def ran(bench: Bench, **answers: Any) -> tuple[UUID, ScriptedTools]:
    """A run of STEPS that is over."""
    await bench.queue(pipeline=STEPS, params={"city": "Chisinau"}, params_given={"city": "Iași"})
    tools = ScriptedTools(**GOOD | answers)
    return (await bench.go(tools)).run_id, tools


async def in_doubt(bench: Bench, pay: dict[str, Any], *, attempt: int) -> UUID:
    """A run that is over, and of which nobody knows whether that try of its call was made."""
    await bench.queue(pipeline=[pay])
    claim = await bench.claim()
    await bench.connection.execute(
        "insert into ordinaut.step_intent (run_id, step, attempt, lease_epoch, idempotency_key)"
        " values (%s, 'pay', %s, 1, 'k')",
        [claim.run_id, attempt],
    )
    await bench.connection.execute("delete from ordinaut.due_work")
    await bench.connection.execute(
        "update ordinaut.run set state = 'failed', finished_at = ordinaut.now()"
    )
    return claim.run_id


async def test_all_of_it_is_done_once_more_with_new_keys(bench: Bench, database: str) -> None:
    before, first = await ran(bench)

    run_id = again(database, before)
    tools = ScriptedTools(**GOOD)
    assert (await bench.go(tools)).run_id == run_id

    assert names(tools) == ["read", "pay", "tell"]
    assert not set(keys(tools)) & set(keys(first))
    run = load(database, run_id)
    assert (run.state, run.trigger, run.rerun_of, run.replay_no) == (
        "succeeded",
        "rerun",
        before,
        1,
    )
    assert run.params == {"city": "Iași"}
    old = load(database, before)
    assert (old.reruns, run.occurrence_for) == ((run_id,), old.occurrence_for)


async def test_from_a_step_on_what_was_recorded_before_it_stays(
    bench: Bench, database: str
) -> None:
    before, first = await ran(bench)

    run_id = again(database, before, start="pay")
    tools = ScriptedTools(**GOOD)
    await bench.go(tools)

    assert tools.calls[0] == ("tool.pay", {"sum": 5})
    assert names(tools) == ["pay", "tell"]
    assert not set(keys(tools)) & set(keys(first))
    assert [one.state for one in load(database, run_id).steps] == ["succeeded"] * 3


async def test_what_failed_is_done_again_with_the_keys_it_had(bench: Bench, database: str) -> None:
    before, first = await ran(bench, tool__pay=failed())
    assert load(database, before).state == "failed"

    run_id = again(database, before, only_failed=True)
    tools = ScriptedTools(**GOOD)
    await bench.go(tools)

    assert names(tools) == ["pay", "tell"]
    assert keys(tools)[0] == keys(first)[1]
    run = load(database, run_id)
    assert (run.state, run.replay_no) == ("succeeded", 0)


async def test_each_time_that_is_asked_for_has_keys_of_its_own(
    bench: Bench, database: str
) -> None:
    before, first = await ran(bench)
    seen = [keys(first)]
    for _ in range(2):
        last = again(database, before)
        tools = ScriptedTools(**GOOD)
        await bench.go(tools)
        seen.append(keys(tools))
    # Of a rerun too: what counts is the run that all of them go back to.
    third = again(database, last)
    tools = ScriptedTools(**GOOD)
    await bench.go(tools)
    seen.append(keys(tools))

    assert len({key for some in seen for key in some}) == 12
    assert load(database, third).replay_no == 3


async def test_a_call_that_may_have_been_made_is_not_simply_made_again(
    bench: Bench, database: str
) -> None:
    before = await in_doubt(bench, step("pay", "tool.pay", effect="once"), attempt=1)

    redriven = again(database, before, only_failed=True)
    tools = ScriptedTools(tool__pay=ok())
    await bench.go(tools)
    assert (load(database, redriven).state, tools.calls) == ("failed", [])

    # Asked for by name, it is.
    anew = again(database, before, start="pay")
    await bench.go(tools)
    assert (load(database, anew).state, names(tools)) == ("succeeded", ["pay"])


async def test_about_a_second_try_that_may_have_been_made_people_are_asked_once(
    bench: Bench, database: str, connection: psycopg.AsyncConnection
) -> None:
    pay = step("pay", "tool.pay", effect="once", on_unknown="ask")
    redriven = again(database, await in_doubt(bench, pay, attempt=2), only_failed=True)
    tools = ScriptedTools(tool__pay=ok())
    await bench.go(tools)

    # Of two doubts about one call the answer to one might not be heard for the other.
    cursor = await connection.execute(
        "select attempt from ordinaut.step_intent where run_id = %s", [redriven]
    )
    assert await cursor.fetchall() == [(1,)]
    with connect(database) as people:
        (call,) = list_unsettled(people)
        assert settle_call(
            people, call, settled="try_again", result=None, by=Actor("ana"), reason=""
        )
    await bench.go(tools)
    assert (load(database, redriven).state, names(tools)) == ("succeeded", ["pay"])


async def test_a_call_that_ended_as_unknown_is_in_doubt_again_and_not_simply_made_again(
    bench: Bench, database: str
) -> None:
    await bench.queue(pipeline=[step("pay", "tool.pay", effect="once")])
    before = (await bench.go(ScriptedTools(tool__pay=failed("lost")))).run_id

    redriven = again(database, before, only_failed=True)
    tools = ScriptedTools(tool__pay=ok())
    await bench.go(tools)

    assert (load(database, redriven).state, tools.calls) == ("failed", [])


async def test_a_call_that_the_newest_revision_lets_be_repeated_is_made_again(
    bench: Bench, database: str
) -> None:
    before = await in_doubt(bench, step("pay", "tool.pay", effect="once"), attempt=1)
    await install(bench.connection, task(pipeline=[step("pay", "tool.pay", effect="idempotent")]))

    redriven = again(database, before, only_failed=True, latest=True)
    tools = ScriptedTools(tool__pay=ok())
    await bench.go(tools)

    assert (load(database, redriven).state, names(tools)) == ("succeeded", ["pay"])


async def test_of_items_those_that_failed_are_called_again(bench: Bench, database: str) -> None:
    fan = step("all", "tool.do", foreach="${params.list}", **{"with": {"n": "${item}"}})
    await bench.queue(pipeline=[fan], params={"list": [1, 2, 3]})
    broken = ScriptedTools(tool__do=lambda args: failed() if args["n"] == 2 else ok(args["n"]))
    before = (await bench.go(broken)).run_id

    run_id = again(database, before, only_failed=True)
    tools = ScriptedTools(tool__do=lambda args: ok(args["n"]))
    await bench.go(tools)

    # What had not begun when the second failed is done too.
    called = [args["n"] for _, args in tools.calls]
    assert called in ([2], [2, 3])
    assert load(database, run_id).steps[0].items == 3


async def test_by_the_newest_revision_it_does_what_that_says(bench: Bench, database: str) -> None:
    before, _ = await ran(bench)
    newer = [STEPS[0], step("pay", "tool.transfer"), step("file", "tool.file")]
    installed = await install(bench.connection, task(pipeline=newer))

    run_id = again(database, before, start="pay", latest=True)
    tools = ScriptedTools(tool__transfer=ok(), tool__file=ok())
    await bench.go(tools)

    assert names(tools) == ["transfer", "file"]
    assert load(database, run_id).revision == installed.revision_id


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"start": "nothing"}, NotFound, "has no step nothing to begin at"),
        ({"only_failed": True}, RunRefused, "succeeded, so nothing of it is left"),
        ({"needs_runtime": True}, RunRefused, "no runtime is alive"),
    ],
)
async def test_what_cannot_be_is_refused(
    bench: Bench, database: str, asked: dict[str, Any], error: type[Exception], said: str
) -> None:
    before, _ = await ran(bench)

    with pytest.raises(error, match=said):
        again(database, before, **asked)


async def test_a_step_whose_needs_have_no_result_is_no_beginning(
    bench: Bench, database: str
) -> None:
    before, _ = await ran(bench, tool__pay=failed())

    with pytest.raises(RunRefused, match="step tell needs pay, which has no result"):
        again(database, before, start="tell")


async def test_a_run_that_is_not_over_is_not_run_again(bench: Bench, database: str) -> None:
    await bench.queue()
    claim = await bench.claim()

    with pytest.raises(RunRefused, match="is running, so it cannot be run again"):
        again(database, claim.run_id)
    with pytest.raises(NotFound):
        again(database, UUID(int=5))


async def test_the_overlap_policy_of_the_task_lets_it_in(bench: Bench, database: str) -> None:
    before, _ = await ran(bench)
    again(database, before)

    with pytest.raises(RunRefused, match="another run of briefing is active"):
        again(database, before)
    again(database, before, may_overlap=True)
    await bench.connection.execute("update ordinaut.spec set retired_at = now()")
    with pytest.raises(NotFound, match="retired"):
        again(database, before)


@pytest.mark.parametrize(
    ("overlap", "states"),
    [("queue_one", ["queued", "queued"]), ("cancel_running", ["cancelled", "queued"])],
)
async def test_it_waits_for_its_turn_or_takes_the_place_of_another(
    bench: Bench, database: str, overlap: str, states: list[str]
) -> None:
    await bench.queue(overlap=overlap)
    before = (await bench.go(ScriptedTools(llm__plan=ok()))).run_id
    first = again(database, before)
    await bench.clock.advance(1)
    second = again(database, before)

    assert [load(database, run_id).state for run_id in (first, second)] == states
