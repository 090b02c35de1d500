"""Servers that are replaced because they have grown too large, or too old."""

from __future__ import annotations

import asyncio
import os
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from runtime.tools import wear
from runtime.tools.actor import ServerStatus
from runtime.tools.toolbox import Toolbox
from runtime.tools.waiting import cancel_all
from runtime.tools.wear import LOOK_SECONDS, Wear, memory_of
from tests.runtime.tools.conftest import OpenToolbox
from tests.runtime.tools.servers import is_alive, kill, raw
from tests.support.clock import FakeClock
from tests.support.probes import eventually, within

HOUR = timedelta(hours=1)
MEGABYTE = 1_000_000


def status(box: Toolbox) -> ServerStatus:
    return box.status()[0]


async def underway(
    box: Toolbox, until: Path, clock: FakeClock
) -> asyncio.Task[tuple[str, int, int]]:
    """A call that ends when the file is there; its outcome, the process that answered, and its generation."""

    async def call() -> tuple[str, int, int]:
        outcome = await box.call("raw.held", {"until": str(until)}, 1000 * HOUR)
        return outcome.kind, int(outcome.value or 0), outcome.generation

    await box.tools("raw")
    running = status(box).running
    task = asyncio.create_task(call())
    await eventually(lambda: status(box).running > running, "the call is under way")
    await eventually(lambda: clock.sleepers, "the age is waited for")
    return task


async def test_an_idle_server_that_is_too_old_is_stopped_and_the_next_call_gets_a_fresh_one(
    open_toolbox: OpenToolbox, clock: FakeClock
) -> None:
    box = await open_toolbox(raw(idle_stop=24 * HOUR, max_age=HOUR), clock=clock)
    await box.call("raw.echo", {})

    await clock.advance(3599)
    assert status(box).state == "ready"
    await clock.advance(2)

    await eventually(lambda: status(box).state == "stopped", "it is stopped")
    assert (await box.call("raw.echo", {})).generation == 2


async def test_a_server_in_use_goes_on_with_its_calls_while_new_ones_go_to_a_fresh_process(
    open_toolbox: OpenToolbox,
    clock: FakeClock,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "ordinaut.tools")
    box = await open_toolbox(raw(max_age=HOUR), clock=clock)
    running = await underway(box, tmp_path / "go", clock)
    old = status(box).pid

    await clock.advance(3601)
    await eventually(lambda: status(box).replaced == 1, "it is replaced")
    outcome = await box.call("raw.echo", {})

    fresh = status(box)
    assert (outcome.kind, outcome.generation, fresh.generation) == ("ok", 2, 2)
    assert (fresh.running, fresh.waiting) == (1, 0)
    assert not running.done()
    assert old is not None
    assert fresh.pid != old
    (tmp_path / "go").touch()
    assert await within(running, "the old call's end") == ("ok", old, 1)
    await eventually(lambda: not is_alive(old), "the old process is gone")
    assert (await box.call("raw.echo", {})).generation == 2
    assert "tool server raw is 1 h old: it is replaced" in caplog.text


async def test_calls_that_wait_for_a_slot_go_to_the_fresh_process(
    open_toolbox: OpenToolbox, clock: FakeClock, tmp_path: Path
) -> None:
    box = await open_toolbox(raw(max_age=HOUR, max_concurrency=2), clock=clock)
    first = await underway(box, tmp_path / "first", clock)
    second = await underway(box, tmp_path / "second", clock)
    queued = asyncio.create_task(box.call("raw.echo", {}, 1000 * HOUR))
    await eventually(lambda: status(box).waiting == 1, "one waits")

    await clock.advance(3601)
    await eventually(lambda: status(box).replaced == 1, "it is replaced")
    (tmp_path / "first").touch()

    assert (await within(first, "the first"))[2] == 1
    assert (await within(queued, "the one that waited")).generation == 2
    (tmp_path / "second").touch()
    assert (await within(second, "the second"))[2] == 1


async def test_what_a_server_has_started_counts_as_its_memory(
    open_toolbox: OpenToolbox, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    box = await open_toolbox(raw(memory_bytes=100 * MEGABYTE, lifecycle="always"), clock=clock)
    old = (await box.call("raw.echo", {})).generation

    await clock.advance(LOOK_SECONDS + 0.1)
    await eventually(lambda: status(box).memory, "it was looked at")
    assert 5 * MEGABYTE < (status(box).memory or 0) < 60 * MEGABYTE
    await box.call("raw.bloat", {"bytes": 120 * MEGABYTE})
    await eventually(lambda: clock.sleepers, "the next look is waited for")
    await clock.advance(LOOK_SECONDS + 0.1)

    await eventually(lambda: status(box).generation == old + 1, "there is a fresh one")
    assert (status(box).memory or 0) > 120 * MEGABYTE
    assert "more than its 100 MB: it is replaced" in caplog.text


async def test_a_server_that_is_too_large_from_the_start_is_replaced_more_and_more_seldom(
    open_toolbox: OpenToolbox, clock: FakeClock
) -> None:
    box = await open_toolbox(raw(memory_bytes=1, lifecycle="always"), clock=clock)
    pause = LOOK_SECONDS

    for generation in (2, 3, 4):
        await eventually(lambda: status(box).state == "ready", "it is ready")
        await eventually(lambda: clock.sleepers, "the next look is waited for")
        await clock.advance(pause - 1)
        assert (status(box).generation, clock.sleepers) == (generation - 1, 1), "no look yet"
        await clock.advance(1.1)
        await eventually(lambda n=generation: status(box).generation == n, "a fresh one")
        pause *= 2


async def test_a_server_that_cannot_be_replaced_goes_on_until_it_can(
    open_toolbox: OpenToolbox,
    clock: FakeClock,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    definition = raw(max_age=HOUR)
    object.__setattr__(definition.transport, "cwd", "home")
    box = await open_toolbox(definition, clock=clock)
    running = await underway(box, tmp_path / "go", clock)

    home.rename(tmp_path / "away")
    await clock.advance(3601)
    await eventually(lambda: "raw is not replaced yet" in caplog.text, "it cannot be")
    assert (await box.call("raw.echo", {})).generation == 1
    (tmp_path / "away").rename(home)
    await clock.advance(LOOK_SECONDS + 1)

    await eventually(lambda: status(box).replaced == 1, "it is replaced now")
    assert (await box.call("raw.echo", {})).generation == 2
    (tmp_path / "go").touch()
    assert (await within(running, "the old call's end"))[::2] == ("ok", 1)


async def test_stopping_ends_the_old_process_the_fresh_one_and_one_that_is_being_started(
    open_toolbox: OpenToolbox, clock: FakeClock, tmp_path: Path
) -> None:
    box = await open_toolbox(
        raw(max_age=HOUR),
        raw("ponder", key="slow", env={"DIARY": str(tmp_path / "diary")}, max_age=HOUR),
        clock=clock,
    )
    running = await underway(box, tmp_path / "never", clock)
    await box.tools("slow")
    other = asyncio.create_task(box.call("slow.silent", {}, 1000 * HOUR))
    await eventually(lambda: box.status()[1].running, "the call is under way")
    await eventually(lambda: clock.sleepers > 1, "both ages are waited for")

    await clock.advance(3601)
    await eventually(lambda: status(box).replaced == 1, "one is replaced")
    await box.stop()

    assert (await running)[0] == "lost"
    assert (await other).kind == "lost"


async def test_a_call_that_waits_for_a_worn_server_which_died_goes_to_the_fresh_one(
    open_toolbox: OpenToolbox, clock: FakeClock, tmp_path: Path
) -> None:
    box = await open_toolbox(
        raw("ponder", env={"DIARY": str(tmp_path / "diary")}, max_age=HOUR), clock=clock
    )
    running = await underway(box, tmp_path / "never", clock)
    old = status(box).pid

    await clock.advance(3601)
    kill(old)
    assert (await within(running, "the loss"))[0] == "lost"
    waiting = asyncio.create_task(box.call("raw.echo", {}))

    assert (await within(waiting, "an answer without a pause")).kind == "ok"
    assert status(box).pid != old


async def test_where_memory_cannot_be_told_that_is_said_once_and_age_still_counts(
    open_toolbox: OpenToolbox,
    clock: FakeClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(wear, "_PROCESSES", tmp_path / "nowhere")
    box = await open_toolbox(raw(memory_bytes=1, max_age=HOUR, lifecycle="always"), clock=clock)
    await eventually(lambda: status(box).state == "ready", "it is ready")

    await eventually(lambda: clock.sleepers, "the first look is waited for")
    await clock.advance(LOOK_SECONDS + 0.1)
    await eventually(lambda: "cannot be told" in caplog.text, "it is said")
    await eventually(lambda: clock.sleepers, "the age is waited for")
    await clock.advance(3600)

    await eventually(lambda: status(box).generation == 2, "it is replaced")
    assert caplog.text.count("cannot be told") == 1


@pytest.fixture
def ended() -> int:
    """The number of a process that has ended; while nobody had buried it, it had no memory."""
    process = subprocess.Popen(["/bin/true"], start_new_session=True)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert memory_of(process.pid) == 0
    process.wait()
    return process.pid


async def test_a_look_at_a_process_that_has_just_ended_does_not_end_the_looking(
    ended: int, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    wear = Wear(raw(memory_bytes=1), clock)

    looking = asyncio.create_task(wear.out(ended))
    await eventually(lambda: clock.sleepers, "the first look is waited for")
    await clock.advance(LOOK_SECONDS + 0.1)
    await eventually(lambda: clock.sleepers, "the next look is waited for")

    assert clock.wakes_in == pytest.approx(LOOK_SECONDS)
    await cancel_all(looking)
    assert (wear.matters(), wear.memory, caplog.text) == (True, None, "")


async def test_nothing_is_looked_at_where_nothing_is_limited_or_no_process_is_ours(
    open_toolbox: OpenToolbox, clock: FakeClock
) -> None:
    box = await open_toolbox(raw(lifecycle="always"), clock=clock)
    await eventually(lambda: status(box).state == "ready", "it is ready")

    await clock.advance(0)

    assert clock.sleepers == 0
    assert status(box).memory is None


def test_memory_is_told_also_where_the_kernel_keeps_the_shares_to_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    leader = os.getsid(0)
    shared = memory_of(leader)
    for name, text in (
        ("1", "1 (a) b) S 0 7 7 0"),
        ("2", "2 (c) S 1 7 7 0"),
        ("3", "3 (d) S 1 8 8 0"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "stat").write_text(text)
        (tmp_path / name / "statm").write_text("100 10 0 0")
    (tmp_path / "2" / "statm").unlink()
    (tmp_path / "4").mkdir()
    (tmp_path / "self").mkdir()
    monkeypatch.setattr(wear, "_PROCESSES", tmp_path)

    assert shared is not None
    assert memory_of(7) == 10 * os.sysconf("SC_PAGE_SIZE")
    assert memory_of(9) is None
