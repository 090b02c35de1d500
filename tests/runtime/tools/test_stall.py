"""A call that tells of its progress may take long; one that falls silent is given up."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from runtime.tools.waiting import silence_limit
from tests.runtime.tools.conftest import OpenToolbox
from tests.runtime.tools.servers import good
from tests.support.clock import FakeClock
from tests.support.executing import Bench, step
from tests.support.probes import within
from tests.support.scripted_tools import ScriptedTools, ok

SECOND = timedelta(seconds=1)


async def test_what_tells_of_its_progress_goes_on_and_what_is_silent_does_not(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(good())
    await box.tools("good")

    telling, silent = await asyncio.gather(
        box.call(
            "good.stride",
            {"steps": 8, "seconds": 0.1},
            60 * SECOND,
            stall=timedelta(seconds=0.5),
        ),
        box.call(
            "good.stride",
            {"steps": 1, "seconds": 60},
            60 * SECOND,
            stall=timedelta(seconds=0.5),
        ),
    )

    assert (telling.kind, telling.value) == ("ok", {"result": "there"})
    assert silent.kind == "timeout"
    assert silent.error is not None
    assert silent.error.code == "ORD405"


async def test_the_timeout_ends_a_call_whatever_it_tells(open_toolbox: OpenToolbox) -> None:
    box = await open_toolbox(good())
    await box.tools("good")

    outcome = await box.call(
        "good.stride", {"steps": 600, "seconds": 0.1}, SECOND, stall=30 * SECOND
    )

    assert outcome.kind == "timeout"


async def test_the_time_begins_anew_whenever_something_is_heard(clock: FakeClock) -> None:
    reached = asyncio.Event()

    async def listen() -> None:
        async with silence_limit(clock, 10 * SECOND) as told:
            assert told is not None
            for _ in range(3):
                await clock.sleep(8)
                told()
            reached.set()
            await clock.sleep(60)

    listening = asyncio.create_task(listen())
    for _ in range(3):
        await clock.advance(8)
    await within(reached.wait(), "three times it was told in time")
    await clock.advance(11)

    with pytest.raises(TimeoutError):
        await within(listening, "the silence ends it")


async def test_where_nothing_is_asked_there_is_no_limit(clock: FakeClock) -> None:
    async with silence_limit(clock, None) as told:
        assert told is None


async def test_a_step_says_how_long_its_tool_may_be_silent(bench: Bench) -> None:
    steps = [step("a", stall="5s"), step("b", stall="5s", timeout="1m"), step("c")]
    await bench.queue(pipeline=steps, timeout="10m")
    tools = ScriptedTools(tool__do=ok())

    await bench.go(tools)

    assert tools.stalls == [5 * SECOND, 5 * SECOND, None]
    limits = [limit and round(limit.total_seconds()) for limit, _ in tools.timeouts]
    # What tells of its progress may go on for as long as its run.
    assert limits == [600, 60, None]
