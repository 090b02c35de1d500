"""Steps of `finally`: they run when the others are over, however those ended."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.executing import RETRY, Bench, step
from tests.support.scripted_tools import ScriptedTools, failed, ok

TOLD = {"with": {"outcome": "${run.outcome}", "error": "${run.error}"}}
TELL = step("tell", "tool.tell", **TOLD)


async def test_they_run_after_a_success_and_know_of_it(bench: Bench) -> None:
    last = [step("tell", "tool.tell", **{"with": {**TOLD["with"], "got": "${steps.do}"}})]
    await bench.queue(pipeline=[step("do")], **{"finally": last})
    tools = ScriptedTools(tool__do=ok(7), tool__tell=ok())

    await bench.go(tools)

    assert tools.calls[1:] == [("tool.tell", {"outcome": "succeeded", "error": None, "got": 7})]
    assert await bench.row("select state from ordinaut.run") == "succeeded"


async def test_they_run_after_a_failure_and_the_run_has_failed_all_the_same(bench: Bench) -> None:
    await bench.queue(
        pipeline=[step("do"), step("never", "tool.never")],
        **{"finally": [TELL, step("sweep", "tool.sweep")]},
    )
    tools = ScriptedTools(tool__do=failed(), tool__tell=ok(), tool__sweep=ok())
    error = {"code": "ORD404", "message": "it was tool_error", "step": "do"}

    await bench.go(tools)

    assert tools.calls[1:] == [
        ("tool.tell", {"outcome": "failed", "error": error}),
        ("tool.sweep", {}),
    ]
    assert await bench.row("select state, error from ordinaut.run") == ("failed", error)


@pytest.mark.parametrize(("before", "blamed"), [(ok(), "tell"), (failed(), "do")])
async def test_a_run_fails_with_its_first_failure(bench: Bench, before: Any, blamed: str) -> None:
    await bench.queue(
        pipeline=[step("do")], **{"finally": [TELL, step("sweep", "tool.sweep", needs=[])]}
    )
    tools = ScriptedTools(tool__do=before, tool__tell=failed(), tool__sweep=ok())

    await bench.go(tools)

    assert ("tool.sweep", {}) in tools.calls
    assert await bench.row("select state, error ->> 'step' from ordinaut.run") == (
        "failed",
        blamed,
    )


async def test_after_the_runs_timeout_they_have_as_much_time_again(bench: Bench) -> None:
    async def slow(_: Mapping[str, Any]) -> Any:
        await bench.clock.advance(60)
        return failed("timeout")

    await bench.queue(
        timeout="1m",
        pipeline=[step("do")],
        **{"finally": [TELL, step("sweep", "tool.slow"), step("late", "tool.never")]},
    )
    tools = ScriptedTools(tool__do=slow, tool__tell=ok(), tool__slow=slow)

    await bench.go(tools)

    told = tools.calls[1][1]
    assert (told["outcome"], told["error"]["code"]) == ("failed", "ORD504")
    assert [limit and limit.total_seconds() for _, limit in tools.timeouts] == [60, 60, 60]
    assert await bench.row("select error ->> 'code', error ->> 'step' from ordinaut.run") == (
        "ORD504",
        "do",
    )
    assert await bench.row(
        "select error ->> 'code' from ordinaut.step_result where step = 'sweep'"
    ) == ("ORD404")


async def test_what_waited_elsewhere_is_not_waited_for(bench: Bench) -> None:
    asks = step("ask", "ordinaut.approve", needs=[], **{"with": {"message": "Go on?"}})
    await bench.queue(timeout="90d", pipeline=[asks, step("do", needs=[])], **{"finally": [TELL]})
    tools = ScriptedTools(tool__do=failed(), tool__tell=ok())

    await bench.go(tools)

    assert tools.calls[-1][0] == "tool.tell"
    assert await bench.row("select state from ordinaut.run") == "failed"


async def test_they_may_wait_and_try_again_without_a_slot(bench: Bench) -> None:
    last = [step("rest", "ordinaut.sleep", **{"with": {"for": "1h"}}), TELL]
    await bench.queue(retry=RETRY, timeout="90d", pipeline=[step("do")], **{"finally": last})
    tools = ScriptedTools(tool__do=ok(), tool__tell=[failed(), ok()])

    await bench.go(tools)
    assert await bench.seconds_until_ready() == 3600
    await bench.clock.advance(3600)
    await bench.go(tools)
    assert await bench.seconds_until_ready() == 10
    await bench.clock.advance(10)
    await bench.go(tools)

    assert [name for name, _ in tools.calls] == ["tool.do", "tool.tell", "tool.tell"]
    assert await bench.row("select state from ordinaut.run") == "succeeded"


async def cut_off_in(bench: Bench, tools: ScriptedTools, entered: asyncio.Event) -> None:
    """A runtime that dies once `entered` is set, and a lease that ends."""
    work = asyncio.create_task(bench.execute(await bench.claim(), tools))
    await entered.wait()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await bench.clock.advance(16)


async def test_a_run_that_is_cut_off_among_them_goes_on_there_and_judges_nothing_anew(
    bench: Bench,
) -> None:
    entered = asyncio.Event()

    async def hang(_: Mapping[str, Any]) -> Any:
        entered.set()
        await asyncio.Event().wait()

    await bench.queue(
        pipeline=[step("flaky", "tool.flaky", needs=[]), step("other", needs=[])],
        **{"finally": [TELL, step("sweep", "tool.sweep")]},
    )
    first = ScriptedTools(tool__flaky=failed(), tool__do=ok(), tool__tell=ok(), tool__sweep=hang)
    await cut_off_in(bench, first, entered)
    # Whatever is on record of the steps: how they ended is on record too.
    await bench.connection.execute("delete from ordinaut.step_result where step = 'flaky'")
    tools = ScriptedTools(tool__sweep=ok())

    await bench.go(tools)

    assert [name for name, _ in tools.calls] == ["tool.sweep"]
    assert await bench.row("select state, error ->> 'step' from ordinaut.run") == (
        "failed",
        "flaky",
    )


async def test_the_time_they_have_counts_from_when_the_others_were_over(bench: Bench) -> None:
    entered = asyncio.Event()

    async def hang(_: Mapping[str, Any]) -> Any:
        entered.set()
        await asyncio.Event().wait()

    await bench.queue(timeout="1m", pipeline=[step("do")], **{"finally": [TELL]})
    await cut_off_in(bench, ScriptedTools(tool__do=ok(), tool__tell=hang), entered)
    await bench.clock.advance(30)
    tools = ScriptedTools(tool__tell=ok())

    await bench.go(tools)

    assert [limit and limit.total_seconds() for _, limit in tools.timeouts] == [14]


async def test_a_run_without_them_records_nothing_more(bench: Bench) -> None:
    await bench.queue(pipeline=[step("do")])

    await bench.go(ScriptedTools(tool__do=ok()))

    assert await bench.row("select array_agg(step) from ordinaut.step_result") == ["do"]
