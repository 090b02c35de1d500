"""Steps side by side, the items of `foreach`, and what failures do to the rest of a run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from runtime.core.outcomes import CallOutcome
from tests.support.executing import RETRY, Bench, step
from tests.support.scripted_tools import ScriptedTools, failed, ok

LIST = {"foreach": "${params.list}"}


class Gates:
    """A tool whose calls wait until they are let go, each by its argument `n`."""

    def __init__(self) -> None:
        self.entered: list[Any] = []
        self.most = 0
        self._gates: dict[Any, asyncio.Future[CallOutcome]] = {}
        self._moved = asyncio.Event()
        self._inside = 0

    async def __call__(self, arguments: Mapping[str, Any]) -> CallOutcome:
        number = arguments["n"]
        self.entered.append(number)
        self._inside += 1
        self.most = max(self.most, self._inside)
        self._gates[number] = asyncio.get_running_loop().create_future()
        self._moved.set()
        try:
            return await self._gates[number]
        finally:
            self._inside -= 1

    async def wait_for(self, *numbers: Any) -> None:
        """Until these have been entered."""
        while not set(numbers) <= set(self._gates):
            self._moved.clear()
            await self._moved.wait()

    def let_go(self, number: Any, outcome: CallOutcome | None = None) -> None:
        self._gates[number].set_result(outcome or ok(number))


async def test_steps_that_need_nothing_of_one_another_run_side_by_side(bench: Bench) -> None:
    gates = Gates()
    await bench.queue(
        pipeline=[
            step("a", **{"with": {"n": "a"}}),
            step("b", needs=[], **{"with": {"n": "b"}}),
            step(
                "both",
                "tool.end",
                needs=["a", "b"],
                **{"with": {"a": "${steps.a}", "b": "${steps.b}"}},
            ),
        ]
    )
    tools = ScriptedTools(tool__do=gates, tool__end=ok())
    going = asyncio.create_task(bench.go(tools))

    await gates.wait_for("a", "b")
    gates.let_go("b")
    gates.let_go("a")
    await going

    assert tools.calls[-1] == ("tool.end", {"a": "a", "b": "b"})
    assert await bench.row("select state from ordinaut.run") == "succeeded"


async def test_what_has_ended_is_on_record_while_another_branch_goes_on(bench: Bench) -> None:
    gates = Gates()
    await bench.queue(
        pipeline=[step("a", **{"with": {"n": "a"}}), step("b", needs=[], **{"with": {"n": "b"}})]
    )
    going = asyncio.create_task(bench.go(ScriptedTools(tool__do=gates)))
    await gates.wait_for("a", "b")

    gates.let_go("b")
    recorded = None
    while recorded is None:
        recorded = await bench.row("select step from ordinaut.step_result")

    assert recorded == "b"
    gates.let_go("a")
    await going


async def test_when_one_branch_fails_the_others_calls_are_awaited_and_nothing_else_begins(
    bench: Bench,
) -> None:
    gates = Gates()
    await bench.queue(
        pipeline=[
            step("a", **{"with": {"n": "a"}}),
            step("b", needs=[], **{"with": {"n": "b"}}),
            step("after", "tool.end"),
        ]
    )
    tools = ScriptedTools(tool__do=gates, tool__end=ok())
    going = asyncio.create_task(bench.go(tools))
    await gates.wait_for("a", "b")
    gates.let_go("a", failed())
    while await bench.row("select count(*) from ordinaut.step_result") == 0:
        pass
    gates.let_go("b")
    await going

    assert await bench.row("select state, error ->> 'step' from ordinaut.run") == ("failed", "a")
    assert await bench.row(
        "select array_agg(step || ' ' || outcome order by step) from ordinaut.step_result"
    ) == ["a tool_error", "b ok"]
    assert [name for name, _ in tools.calls] == ["tool.do", "tool.do"]


async def test_a_retry_holds_no_slot_unless_another_branch_is_under_way(bench: Bench) -> None:
    gates = Gates()
    await bench.queue(
        retry=RETRY,
        pipeline=[step("slow", **{"with": {"n": 1}}), step("flaky", "tool.flaky", needs=[])],
    )
    tools = ScriptedTools(tool__do=gates, tool__flaky=[failed(), ok()])
    going = asyncio.create_task(bench.go(tools))
    await gates.wait_for(1)
    while await bench.row("select count(*) from ordinaut.step_attempt") == 0:
        pass
    await bench.clock.advance(10)
    while await bench.row("select count(*) from ordinaut.step_result") == 0:
        pass
    gates.let_go(1)
    await going

    assert [name for name, _ in tools.calls] == ["tool.do", "tool.flaky", "tool.flaky"]
    assert await bench.row("select state from ordinaut.run") == "succeeded"
    assert "run.waiting" not in await bench.events()


async def test_a_run_whose_branches_all_wait_sleeps_until_the_first_of_them_may_go_on(
    bench: Bench,
) -> None:
    await bench.queue(
        retry=RETRY,
        pipeline=[step("a", "tool.a"), step("b", "tool.b", needs=[])],
    )
    tools = ScriptedTools(
        tool__a=[failed(retry_after=30.0), ok()], tool__b=[failed(retry_after=50.0), ok()]
    )

    await bench.go(tools)
    assert await bench.seconds_until_ready() == 30
    await bench.clock.advance(30)
    await bench.go(tools)
    assert await bench.seconds_until_ready() == 20
    await bench.clock.advance(20)
    await bench.go(tools)

    assert [name for name, _ in tools.calls] == ["tool.a", "tool.b", "tool.a", "tool.b"]
    assert await bench.row("select state from ordinaut.run") == "succeeded"


async def test_foreach_calls_once_for_each_item_and_keeps_their_order(bench: Bench) -> None:
    await bench.queue(
        params={"list": [{"n": 1}, {"n": 2}, {"n": 3}]},
        pipeline=[
            step("each", max_parallel=3, **LIST, **{"with": {"n": "${item.n}"}}),
            step("all", "tool.end", **{"with": {"got": "${steps.each}"}}),
        ],
    )
    gates = Gates()
    tools = ScriptedTools(tool__do=gates, tool__end=ok())
    going = asyncio.create_task(bench.go(tools))
    await gates.wait_for(1, 2, 3)
    for number in (3, 1, 2):
        gates.let_go(number, ok(number * 10))
    await going

    assert tools.calls[-1] == ("tool.end", {"got": [10, 20, 30]})
    assert await bench.row(
        "select array_agg(iteration order by iteration), max(output::text) filter (where iteration = -1)"
        " from ordinaut.step_result where step = 'each'"
    ) == ([-1, 0, 1, 2], '{"items": 3, "failed": 0, "skipped": 0}')
    assert (await bench.events()).count("step.succeeded") == 2


async def test_no_more_items_are_under_way_than_max_parallel(bench: Bench) -> None:
    await bench.queue(
        params={"list": [1, 2, 3, 4, 5]},
        pipeline=[step("each", max_parallel=2, **LIST, **{"with": {"n": "${item}"}})],
    )
    gates = Gates()
    going = asyncio.create_task(bench.go(ScriptedTools(tool__do=gates)))
    for number in (1, 2, 3, 4, 5):
        await gates.wait_for(number)
        gates.let_go(number)
    await going

    assert gates.entered == [1, 2, 3, 4, 5]
    assert gates.most == 2


async def test_an_empty_list_calls_nothing_and_gives_an_empty_list(bench: Bench) -> None:
    await bench.queue(
        params={"list": []},
        pipeline=[
            step("each", **LIST),
            step("all", "tool.end", **{"with": {"got": "${steps.each}"}}),
        ],
    )
    tools = ScriptedTools(tool__end=ok())

    await bench.go(tools)

    assert tools.calls == [("tool.end", {"got": []})]


@pytest.mark.parametrize("value", [{"a": 1}, "text", 7, None])
async def test_a_foreach_over_something_else_fails_the_step(bench: Bench, value: Any) -> None:
    await bench.queue(params={"list": value}, pipeline=[step("each", **LIST)])

    await bench.go(ScriptedTools())

    assert await bench.row("select error ->> 'code', error ->> 'step' from ordinaut.run") == (
        "ORD503",
        "each",
    )


async def test_items_whose_condition_does_not_hold_are_left_out_at_their_place(
    bench: Bench,
) -> None:
    await bench.queue(
        params={"list": [1, 2, 3]},
        pipeline=[
            step("each", **LIST, **{"if": "item != `2`", "with": {"n": "${item}"}}),
            step("all", "tool.end", **{"with": {"got": "${steps.each}"}}),
        ],
    )
    tools = ScriptedTools(tool__do=lambda arguments: ok(arguments["n"]), tool__end=ok())

    await bench.go(tools)

    assert tools.calls[-1] == ("tool.end", {"got": [1, None, 3]})


async def test_an_item_that_fails_for_good_ends_the_step_before_other_items_begin(
    bench: Bench,
) -> None:
    await bench.queue(
        params={"list": [1, 2, 3]}, pipeline=[step("each", **LIST, **{"with": {"n": "${item}"}})]
    )
    tools = ScriptedTools(tool__do=lambda a: failed() if a["n"] == 2 else ok())

    await bench.go(tools)

    assert [arguments["n"] for _, arguments in tools.calls] == [1, 2]
    assert await bench.row("select state, error ->> 'step' from ordinaut.run") == (
        "failed",
        "each",
    )
    assert (await bench.events())[-2:] == ["step.failed", "run.failed"]


async def test_items_may_fail_where_the_step_goes_on(bench: Bench) -> None:
    await bench.queue(
        params={"list": [1, 2, 3]},
        pipeline=[
            step("each", on_error="continue", **LIST, **{"with": {"n": "${item}"}}),
            step("all", "tool.end", **{"with": {"got": "${steps.each}"}}),
        ],
    )
    tools = ScriptedTools(
        tool__do=lambda a: failed() if a["n"] == 2 else ok(a["n"]), tool__end=ok()
    )

    await bench.go(tools)

    assert tools.calls[-1] == ("tool.end", {"got": [1, None, 3]})
    assert await bench.row("select state from ordinaut.run") == "succeeded"


async def test_each_item_is_tried_again_by_itself_and_what_is_done_is_not_done_again(
    bench: Bench,
) -> None:
    await bench.queue(
        retry=RETRY,
        params={"list": [1, 2, 3]},
        pipeline=[
            step("each", max_parallel=3, **LIST, **{"with": {"n": "${item}"}}),
            step("all", "tool.end", **{"with": {"got": "${steps.each}"}}),
        ],
    )
    fails = [True]
    tools = ScriptedTools(
        tool__do=lambda a: failed() if a["n"] == 2 and fails.pop() else ok(a["n"]), tool__end=ok()
    )

    await bench.go(tools)
    assert await bench.seconds_until_ready() == 10
    fails.append(False)
    await bench.clock.advance(10)
    await bench.go(tools)

    assert [a.get("n") for _, a in tools.calls] == [1, 2, 3, 2, None]
    assert tools.calls[-1] == ("tool.end", {"got": [1, 2, 3]})


async def test_a_foreach_that_was_cut_off_goes_on_with_the_items_that_have_no_result(
    bench: Bench,
) -> None:
    await bench.queue(
        params={"list": [1, 2, 3]},
        pipeline=[
            step("each", **LIST, **{"with": {"n": "${item}"}}),
            step("all", "tool.end", **{"with": {"got": "${steps.each}"}}),
        ],
    )
    gates = Gates()
    claim = await bench.claim()
    work = asyncio.create_task(bench.execute(claim, ScriptedTools(tool__do=gates)))
    await gates.wait_for(1)
    gates.let_go(1, ok("one"))
    await gates.wait_for(2)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await bench.clock.advance(16)
    tools = ScriptedTools(tool__do=lambda a: ok(a["n"]), tool__end=ok())

    await bench.go(tools)

    assert [a.get("n") for _, a in tools.calls] == [2, 3, None]
    assert tools.calls[-1] == ("tool.end", {"got": ["one", 2, 3]})


async def test_every_item_has_an_idempotency_key_of_its_own(bench: Bench) -> None:
    await bench.queue(
        params={"list": [1, 2]}, pipeline=[step("each", **LIST, **{"with": {"n": "${item}"}})]
    )
    tools = ScriptedTools(tool__do=ok())

    await bench.go(tools)

    assert len({(meta or {})["dev.ordinaut/idempotency-key"] for meta in tools.metas}) == 2


async def test_a_failed_step_sends_the_run_on_at_the_step_it_names(bench: Bench) -> None:
    await bench.queue(
        pipeline=[
            step("try", on_error={"goto": "sorry"}),
            step("between", "tool.never"),
            step("sorry", "tool.end"),
        ]
    )
    tools = ScriptedTools(tool__do=failed(), tool__end=ok())

    await bench.go(tools)

    assert [name for name, _ in tools.calls] == ["tool.do", "tool.end"]
    assert await bench.row("select state from ordinaut.run") == "succeeded"
    assert await bench.row(
        "select array_agg(step || ' ' || outcome order by step) from ordinaut.step_result"
    ) == ["between skipped", "sorry ok", "try tool_error"]


async def test_a_failure_on_record_is_not_forgotten_by_who_goes_on(bench: Bench) -> None:
    gates = Gates()
    await bench.queue(
        pipeline=[
            step("a", "tool.fail"),
            step("b", needs=[], **{"with": {"n": 1}}),
            step("c", "tool.end", needs=["b"]),
        ]
    )
    claim = await bench.claim()
    tools = ScriptedTools(tool__fail=failed(), tool__do=gates, tool__end=ok())
    work = asyncio.create_task(bench.execute(claim, tools))
    await gates.wait_for(1)
    while await bench.row("select count(*) from ordinaut.step_result") == 0:
        pass
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await bench.clock.advance(16)

    await bench.go(ScriptedTools())

    assert await bench.row("select state, error from ordinaut.run") == (
        "failed",
        {"code": "ORD404", "message": "it was tool_error", "step": "a"},
    )


@pytest.mark.parametrize(
    ("fields", "value", "code"),
    [
        ({"expect": "length(result) > `1`"}, [1, 2], None),
        ({"expect": ["length(result) > `1`", "result[0] == `1`"]}, [2, 2], "ORD412"),
        ({"fail_when": "result.error"}, {"error": "quota"}, "ORD412"),
        ({"fail_when": "result.error"}, {"error": None}, None),
        ({"expect": "result.missing.deep > `1`"}, {"a": 1}, "ORD502"),
    ],
)
async def test_an_answer_that_is_not_what_the_step_expects_is_a_failure(
    bench: Bench, fields: dict[str, Any], value: Any, code: str | None
) -> None:
    await bench.queue(pipeline=[step("ask", **fields)])

    await bench.go(ScriptedTools(tool__do=ok(value)))

    assert await bench.row("select error ->> 'code' from ordinaut.run") == code
    assert await bench.row("select output from ordinaut.step_result") == value


async def test_an_unexpected_answer_is_asked_for_again_where_retry_allows(bench: Bench) -> None:
    await bench.queue(retry=RETRY, pipeline=[step("ask", expect="result.ready")])
    tools = ScriptedTools(tool__do=[ok({"ready": False}), ok({"ready": True})])

    await bench.go(tools)
    await bench.clock.advance(10)
    await bench.go(tools)

    assert await bench.row("select state from ordinaut.run") == "succeeded"


async def test_a_call_that_must_not_be_made_twice_is_written_down_before_it_is_made(
    bench: Bench,
) -> None:
    await bench.queue(pipeline=[step("pay", effect="once", **{"with": {"n": 1}})])
    gates = Gates()
    going = asyncio.create_task(bench.go(ScriptedTools(tool__do=gates)))

    await gates.wait_for(1)
    intent = await bench.row(
        "select step, iteration, attempt, length(idempotency_key) from ordinaut.step_intent"
    )
    gates.let_go(1)
    await going

    assert intent == ("pay", 0, 1, 32)


async def test_a_call_that_must_not_be_made_twice_is_not_repeated_when_its_runtime_was_lost(
    bench: Bench,
) -> None:
    await bench.queue(retry=RETRY, pipeline=[step("pay", effect="once", **{"with": {"n": 1}})])
    claim = await bench.claim()
    gates = Gates()
    work = asyncio.create_task(bench.execute(claim, ScriptedTools(tool__do=gates)))
    await gates.wait_for(1)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await bench.clock.advance(16)
    tools = ScriptedTools(tool__do=ok())

    await bench.go(tools)

    assert tools.calls == []
    assert await bench.row("select outcome from ordinaut.step_result") == "unknown"
    assert await bench.row("select state, error ->> 'code' from ordinaut.run") == (
        "failed",
        "ORD415",
    )


async def test_a_call_that_certainly_did_not_happen_may_be_made_again_even_if_only_once(
    bench: Bench,
) -> None:
    await bench.queue(retry=RETRY, pipeline=[step("pay", effect="once")])
    tools = ScriptedTools(tool__do=[failed("not_sent"), ok()])

    await bench.go(tools)
    await bench.clock.advance(10)
    await bench.go(tools)

    assert len(tools.calls) == 2
    assert await bench.row("select state from ordinaut.run") == "succeeded"


async def test_a_fault_of_ours_in_one_branch_ends_the_run_and_is_not_taken_for_success(
    bench: Bench,
) -> None:
    gates = Gates()
    await bench.queue(
        pipeline=[step("a", **{"with": {"n": 1}}), step("b", "tool.broken", needs=[])]
    )

    def broken(_: Mapping[str, Any]) -> CallOutcome:
        raise RuntimeError("a fault")

    with pytest.raises(RuntimeError, match="a fault"):
        await bench.go(ScriptedTools(tool__do=gates, tool__broken=broken))

    assert await bench.row("select state from ordinaut.run") == "running"
