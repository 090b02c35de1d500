"""A runtime that is alive and does nothing ends, whatever it waits for."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from runtime.app import Place, running
from runtime.clock import Clock
from runtime.config import Config
from runtime.errors import EXIT_STUCK
from runtime.scheduler import Scheduler
from runtime.service import ServiceEnded, ServiceGroup, ServiceStuck, stop_if_cancelled
from runtime.watchdog import Watchdog
from tests.support.clock import FakeClock
from tests.support.probes import within
from tests.support.processes import started

STALL = timedelta(minutes=1)


class Turning:
    """A service that takes a turn each ten seconds, so often."""

    name = "turning"

    def __init__(self, clock: Clock, turns: int) -> None:
        self._clock = clock
        self._turns = turns

    async def run(self) -> None:
        for _ in range(self._turns):
            stop_if_cancelled()
            await self._clock.sleep(10)
        await asyncio.Event().wait()


async def barks(clock: FakeClock, turns: int, wanted: Callable[[], bool], seconds: float) -> bool:
    """Whether the watchdog ends such a service within so many seconds."""
    group = ServiceGroup((Turning(clock, turns),))
    group.start()
    watching = asyncio.create_task(Watchdog(group, {"turning": wanted}, clock, STALL).run())
    await clock.advance(seconds)
    try:
        if not watching.done():
            return False
        with pytest.raises(ServiceStuck, match="service turning has made no progress for 1 min"):
            watching.result()
        return True
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await group.stop()


@pytest.mark.parametrize(
    ("turns", "wanted", "seconds", "expected"),
    [(1, True, 75, True), (1, True, 50, False), (1, False, 600, False), (60, True, 500, False)],
    ids=["stuck", "not yet", "nothing to do", "at work"],
)
async def test_a_service_that_is_wanted_and_takes_no_turn_is_stuck(
    clock: FakeClock, turns: int, wanted: bool, seconds: float, expected: bool
) -> None:
    assert await barks(clock, turns, lambda: wanted, seconds) == expected


async def test_a_scheduler_that_waits_for_what_never_comes_ends_the_runtime(
    database: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(_: Scheduler) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Scheduler, "run_once", hang)
    config = Config(state_dir=tmp_path, stall=timedelta(seconds=0.4), poll=timedelta(seconds=0.1))
    async with running(config, Place(database, redis_url, tmp_path)) as runtime:
        with pytest.raises(ServiceStuck, match="service scheduler has made no progress"):
            await within(runtime.wait(), "the end of the runtime")


async def test_a_scheduler_whose_task_alone_is_killed_ends_the_runtime(
    database: str, redis_url: str, tmp_path: Path
) -> None:
    config = Config(state_dir=tmp_path)
    async with running(config, Place(database, redis_url, tmp_path)) as runtime:
        [scheduler] = [task for task in asyncio.all_tasks() if task.get_name() == "scheduler"]
        scheduler.cancel()

        with pytest.raises(ServiceEnded, match="service scheduler ended by itself"):
            await within(runtime.wait(), "the end of the runtime")


async def test_a_service_that_ignores_its_end_is_left_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runtime.service._END_SECONDS", 0.01)
    released = asyncio.Event()

    class Deaf:
        name = "deaf"

        async def run(self) -> None:
            while not released.is_set():
                try:
                    await released.wait()
                except asyncio.CancelledError:
                    continue

    group = ServiceGroup((Deaf(),))
    group.start()
    await within(group.stop(), "the end of the group")
    released.set()


_BLOCKED = """
import asyncio, sys, threading
from datetime import timedelta
from runtime.watchdog import LoopGuard

async def main():
    with LoopGuard(timedelta(seconds=0.2)) as guard:
        if sys.argv[1] == "blocked":
            threading.Event().wait()
        if sys.argv[1] == "ending":
            guard._end_by = 0.0
        await asyncio.wait_for(asyncio.Event().wait(), 0.5)

try:
    asyncio.run(main())
except TimeoutError:
    print("ended by itself")
"""


@pytest.mark.parametrize(
    ("how", "status"), [("blocked", EXIT_STUCK), ("ending", EXIT_STUCK), ("sound", 0)]
)
async def test_a_loop_that_stands_still_ends_the_process_and_says_where(
    tmp_path: Path, how: str, status: int
) -> None:
    program = (sys.executable, "-c", _BLOCKED, how)
    async with started(cwd=tmp_path, program=program) as process:
        ended = await process.ended()

    assert ended.status == status
    assert ("the event loop stands still" in ended.stderr) == (status != 0)
    assert ("in main" in ended.stderr) == (how == "blocked")
