"""`foreach` over many items: few statements, one row of hot work, and no work that grows faster than they do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from runtime.core.calls import StepCalls
from runtime.store.due_work import Report
from tests.support.executing import Bench, step
from tests.support.scripted_tools import ScriptedTools, ok

MANY = 500


def each(**fields: Any) -> dict[str, Any]:
    return step("each", foreach="${params.list}", **fields, **{"with": {"n": "${item}"}})


def count_reports(bench: Bench) -> list[Report]:
    """Every report that is written from now on."""
    reports: list[Report] = []
    record = bench.recorder.record

    async def counted(report: Report) -> None:
        reports.append(report)
        await record(report)

    bench.recorder.record = counted  # type: ignore[method-assign]  # to see each report on its way
    return reports


@pytest.mark.parametrize("max_parallel", [1, 20])
async def test_the_results_of_many_quick_items_are_written_in_few_statements(
    bench: Bench, max_parallel: int
) -> None:
    end = step("end", "tool.end", **{"with": {"got": "${steps.each}"}})
    await bench.queue(
        params={"list": list(range(MANY))}, pipeline=[each(max_parallel=max_parallel), end]
    )
    reports = count_reports(bench)
    tools = ScriptedTools(tool__do=lambda a: ok(a["n"]), tool__end=ok())

    await bench.go(tools)

    assert tools.calls[-1] == ("tool.end", {"got": list(range(MANY))})
    assert len(reports) <= 5
    assert await bench.row("select count(*) from ordinaut.step_result where step = 'each'") == 501


async def test_an_item_that_must_not_be_repeated_begins_when_all_before_it_is_on_record(
    bench: Bench,
) -> None:
    seen: list[Any] = []

    async def looks(arguments: Mapping[str, Any]) -> Any:
        seen.append(
            await bench.row(
                "select (select count(*) from ordinaut.step_result), (select count(*) from ordinaut.step_intent)"
            )
        )
        return ok()

    await bench.queue(params={"list": [1, 2, 3]}, pipeline=[each(effect="once")])

    await bench.go(ScriptedTools(tool__do=looks))

    assert seen == [(0, 1), (1, 2), (2, 3)]


async def test_the_result_of_a_call_that_must_not_be_repeated_is_on_record_at_once(
    bench: Bench,
) -> None:
    end, pays = asyncio.Event(), asyncio.Event()

    async def at_the_end(_: Mapping[str, Any]) -> Any:
        await end.wait()
        return ok()

    async def before_pay(_: Mapping[str, Any]) -> Any:
        await pays.wait()
        return ok()

    async def until_recorded(name: str) -> None:
        query = f"select count(*) from ordinaut.step_result where step = '{name}'"
        while not await bench.row(query):
            pass

    await bench.queue(
        pipeline=[
            step("slow", "tool.slow"),
            step("quick", needs=[]),
            step("before", "tool.before", needs=[]),
            step("pay", needs=["before"], effect="once"),
        ]
    )
    tools = ScriptedTools(tool__slow=at_the_end, tool__do=ok(), tool__before=before_pay)
    going = asyncio.create_task(bench.go(tools))
    # A statement was made beside the calls, and the next of that kind would follow after a rest.
    await until_recorded("quick")
    pays.set()
    await until_recorded("pay")
    end.set()
    await going


async def test_a_slow_items_result_is_on_record_while_others_are_made(bench: Bench) -> None:
    gate = asyncio.Event()

    async def second_waits(arguments: Mapping[str, Any]) -> Any:
        if arguments["n"] == 2:
            await gate.wait()
        return ok()

    await bench.queue(params={"list": [1, 2]}, pipeline=[each()])
    going = asyncio.create_task(bench.go(ScriptedTools(tool__do=second_waits)))
    while await bench.row("select count(*) from ordinaut.step_result") == 0:
        pass
    gate.set()
    await going


async def test_what_gathered_is_written_when_the_rest_after_the_last_statement_is_over(
    bench: Bench,
) -> None:
    # In floats 0.1 and 0.05 are more than 0.15.
    await bench.clock.advance(0.1)
    gate = asyncio.Event()

    async def last_waits(arguments: Mapping[str, Any]) -> Any:
        if arguments["n"] == 3:
            await gate.wait()
        return ok()

    await bench.queue(params={"list": [1, 2, 3]}, pipeline=[each()])
    going = asyncio.create_task(bench.go(ScriptedTools(tool__do=last_waits)))
    while await bench.row("select count(*) from ordinaut.step_result") < 2:
        await bench.clock.advance(0.05)
    gate.set()
    await going


def test_what_is_on_record_is_left_out_in_one_pass_whatever_its_order() -> None:
    calls = StepCalls(_Step(), list(range(10)), 0.0)  # type: ignore[arg-type]  # what is asked of a step here is in this one

    for iteration in (5, 0, 9, 1):
        calls.restore(iteration, iteration, None)
    calls.delay(7, 0.0, 2)

    begun = list(calls.begin(1.0))
    assert [(call.iteration, call.attempt) for call in begun] == [
        (7, 2), (2, 1), (3, 1), (4, 1), (6, 1), (8, 1)
    ]  # fmt: skip
    for call in begun:
        calls.end(call, call.iteration, None)
    assert calls.is_over
    assert calls.value == list(range(10))


class _Step:
    name = "each"
    max_parallel = 10
    on_error = "fail"
