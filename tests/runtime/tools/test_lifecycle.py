"""When a server starts, stops, and starts again."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from datetime import timedelta
from pathlib import Path

import pytest

from runtime.clock import SYSTEM_CLOCK
from runtime.errors import NotFound, ToolServerError
from runtime.tools.owner import LONGEST_PAUSE_SECONDS
from runtime.tools.toolbox import Toolbox
from tests.runtime.tools.conftest import OpenToolbox
from tests.runtime.tools.servers import SECOND, good, group_of, is_alive, kill, kill_and_wait, raw
from tests.support.clock import FakeClock, settle
from tests.support.probes import eventually, within

MINUTE = timedelta(minutes=1)


async def test_a_lazy_server_starts_with_its_first_call_and_stops_when_it_was_idle(
    open_toolbox: OpenToolbox, clock: FakeClock
) -> None:
    box = await open_toolbox(raw(idle_stop=MINUTE), clock=clock)
    assert box.status()[0].state == "stopped"

    await box.call("raw.echo", {})
    pid = box.status()[0].pid
    await clock.advance(59)
    assert box.status()[0].state == "ready"
    await clock.advance(2)

    await eventually(lambda: box.status()[0].state == "stopped", "it is stopped")
    assert pid is not None
    assert not is_alive(pid)
    assert (await box.call("raw.echo", {})).generation == 2


async def test_a_server_in_use_is_not_idle_however_long_the_call_takes(
    open_toolbox: OpenToolbox, clock: FakeClock
) -> None:
    box = await open_toolbox(raw(idle_stop=MINUTE), clock=clock)
    await box.tools("raw")
    call = asyncio.create_task(box.call("raw.silent", {}))
    await eventually(lambda: box.status()[0].running, "the call is under way")

    await clock.advance(300)

    assert box.status()[0].state == "ready"
    kill(box.status()[0].pid)
    assert (await call).kind == "lost"


async def test_an_always_server_starts_at_once_and_again_after_a_crash(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(raw(lifecycle="always"))
    await eventually(lambda: box.status()[0].state == "ready", "it is ready without a call")

    kill(box.status()[0].pid)

    await eventually(lambda: box.status()[0].generation == 2, "it is started again")


async def test_a_server_killed_while_idle_is_replaced_before_the_next_call(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(raw())
    await box.call("raw.echo", {})

    kill_and_wait(box.status()[0].pid)
    outcome = await box.call("raw.echo", {"a": 1})

    assert (outcome.kind, outcome.generation) == ("ok", 2)


async def test_a_call_under_way_when_its_server_is_killed_is_lost_at_once(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(raw())
    await box.tools("raw")
    call = asyncio.create_task(box.call("raw.silent", {}))
    await eventually(lambda: box.status()[0].running, "the call is under way")

    kill(box.status()[0].pid)
    outcome = await within(call, "the outcome", seconds=2)

    assert (outcome.kind, outcome.sent) == ("lost", True)
    assert outcome.error is not None
    assert outcome.error.detail == "[exit code -9]"


async def test_a_server_that_does_not_start_is_tried_again_after_pauses_that_double(
    open_toolbox: OpenToolbox, clock: FakeClock
) -> None:
    box = await open_toolbox(raw("die"), clock=clock)
    pauses = []

    for _ in range(10):
        outcome = await box.call("raw.echo", {})
        assert outcome.kind == "not_sent"
        assert outcome.retry_after is not None
        pauses.append(round(outcome.retry_after, 1))
        await clock.advance(outcome.retry_after + 0.01)

    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, LONGEST_PAUSE_SECONDS]


async def test_a_call_in_a_long_pause_is_told_at_once_when_to_come_back(
    open_toolbox: OpenToolbox, clock: FakeClock
) -> None:
    box = await open_toolbox(raw("die"), clock=clock)
    for _ in range(4):
        await clock.advance(1)
        outcome = await box.call("raw.echo", {})
    await clock.advance(0.5)

    again = await within(box.call("raw.echo", {}), "the refusal", seconds=1)

    assert again.kind == "not_sent"
    assert again.error == outcome.error
    assert again.retry_after == pytest.approx(1.1)


async def test_a_server_that_crashes_unprovoked_is_not_restarted_in_a_tight_loop(
    open_toolbox: OpenToolbox, clock: FakeClock
) -> None:
    box = await open_toolbox(raw("crash", lifecycle="always"), clock=clock)

    async def crashed(times: int) -> None:
        await eventually(
            lambda: box.status()[0].generation == times and box.status()[0].state == "failed",
            "a crash",
        )

    await crashed(1)
    await clock.advance(0.2)
    await crashed(2)
    await clock.advance(0.3)
    await settle()
    assert box.status()[0].generation == 2
    assert box.status()[0].error == "raw went away by itself"
    await clock.advance(0.1)
    await crashed(3)


async def test_a_server_that_never_answers_is_given_up_after_the_connect_timeout(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(raw("mute", connect_timeout=timedelta(seconds=0.3)))

    outcome = await box.call("raw.echo", {})

    assert outcome.kind == "not_sent"
    assert outcome.error is not None
    assert outcome.error.message == "raw could not be started: no answer came in time"


async def test_a_call_waits_for_a_slow_start_no_longer_than_its_own_limit(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(raw("mute"))

    outcome = await box.call("raw.echo", {}, timedelta(seconds=0.2))

    assert outcome.kind == "not_sent"
    assert outcome.error is not None
    assert outcome.error.message == "raw was not ready in time"


async def test_a_server_that_hangs_is_replaced_and_the_next_call_served(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(raw(connect_timeout=SECOND))
    await box.tools("raw")

    hung = await box.call("raw.hang", {}, timedelta(seconds=0.3))
    outcome = await box.call("raw.echo", {}, MINUTE)

    assert hung.kind == "timeout"
    assert (outcome.kind, outcome.generation) == ("ok", 2)


async def test_a_stopped_process_times_out_and_is_replaced_without_harm_to_calls_under_way(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(raw())
    await box.tools("raw")
    pid = box.status()[0].pid
    longer = asyncio.create_task(box.call("raw.slow", {"seconds": 0.5}))
    await eventually(lambda: box.status()[0].running, "a call is under way")

    kill(pid, signal.SIGSTOP)
    frozen = await box.call("raw.echo", {}, timedelta(seconds=0.3))
    waiting = asyncio.create_task(box.call("raw.echo", {"after": "thaw"}))
    await eventually(lambda: box.status()[0].waiting, "a call waits for the verdict")
    kill(pid, signal.SIGCONT)

    assert frozen.kind == "timeout"
    assert (await longer).value == "late"
    assert (await waiting).value == {"after": "thaw"}
    assert box.status()[0].generation == 1


async def test_a_server_that_stays_stopped_is_killed(open_toolbox: OpenToolbox) -> None:
    box = await open_toolbox(raw(connect_timeout=SECOND))
    await box.tools("raw")
    pid = box.status()[0].pid
    kill(pid, signal.SIGSTOP)

    frozen = await box.call("raw.echo", {}, timedelta(seconds=0.3))
    outcome = await box.call("raw.echo", {}, MINUTE)

    assert frozen.kind == "timeout"
    assert (outcome.kind, outcome.generation) == ("ok", 2)
    assert pid is not None
    assert not is_alive(pid)


async def test_a_per_run_server_lives_for_one_run_and_is_shared_by_its_calls(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(good(lifecycle="per_run"))

    first, again, other = [
        (await box.call("good.echo", {"value": ""}, run=run)).value["pid"]
        for run in ("1", "1", "2")
    ]
    box.end_run("1")

    assert first == again != other
    await eventually(lambda: not is_alive(first), "the first run's server is gone")
    assert is_alive(other)


async def test_tools_that_a_server_gains_can_be_called_at_once(open_toolbox: OpenToolbox) -> None:
    box = await open_toolbox(raw(), good())
    before = {tool.name for tool in await box.tools("raw")}

    await box.call("raw.grow", {"tool": "fresh"})
    await box.call("good.grow", {"name": "fresh"})

    assert {tool.name for tool in await box.tools("raw")} - before == {"fresh"}
    assert (await box.call("raw.fresh", {"a": 1})).value == {"a": 1}
    await eventually(
        lambda: has_tool(box, "good", "fresh"), "the newer revision's server is heard, too"
    )


async def has_tool(box: Toolbox, server: str, name: str) -> bool:
    return name in {tool.name for tool in await box.tools(server)}


async def test_a_server_without_tools_is_a_server_all_the_same(open_toolbox: OpenToolbox) -> None:
    box = await open_toolbox(raw("toolless"))

    assert await box.tools("raw") == []
    assert (await box.call("raw.echo", {})).kind == "rejected"


async def test_a_call_that_a_server_refuses_over_an_outdated_list_was_not_sent(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(raw())

    outcome = await box.call("raw.rejected", {"code": -32020, "message": "header mismatch"})

    assert (outcome.kind, outcome.sent) == ("not_sent", False)
    assert outcome.error is not None
    assert outcome.error.message == "raw refused the call 3 times, unseen"


async def test_a_call_whose_time_is_up_before_it_is_sent_is_not_sent(
    open_toolbox: OpenToolbox, tmp_path: Path
) -> None:
    box = await open_toolbox(raw())
    await box.tools("raw")

    outcome = await box.call("raw.note", {"file": str(tmp_path / "effects")}, timedelta(0))

    assert (outcome.kind, outcome.sent) == ("not_sent", False)
    assert list(tmp_path.glob("effects")) == []


async def test_a_call_whose_limit_is_left_to_the_server_still_ends_with_its_run(
    open_toolbox: OpenToolbox,
) -> None:
    left = timedelta(seconds=0.3)
    box = await open_toolbox(raw(call_timeout=timedelta(hours=1)))
    await box.tools("raw")

    assert (await within(box.call("raw.silent", {}, at_most=left), "its end")).kind == "timeout"


async def test_stopping_is_prompt_while_a_server_under_suspicion_is_questioned(
    open_toolbox: OpenToolbox, tmp_path: Path
) -> None:
    diary = tmp_path / "diary"
    box = await open_toolbox(raw("ponder", env={"DIARY": str(diary)}))
    await box.tools("raw")

    assert (await box.call("raw.silent", {}, timedelta(seconds=0.1))).kind == "timeout"
    await eventually(lambda: diary.read_text() == "listed\n" * 2, "it is questioned")
    began = SYSTEM_CLOCK.monotonic()
    await box.stop()

    assert SYSTEM_CLOCK.monotonic() - began < 5


async def test_a_list_on_many_pages_is_read_to_its_end(open_toolbox: OpenToolbox) -> None:
    box = await open_toolbox(raw(), raw("page", key="paged"))

    whole, paged = await box.tools("raw"), await box.tools("paged")

    assert [tool.name for tool in paged] == [tool.name for tool in whole]


async def test_a_server_of_an_old_revision_is_not_asked_for_the_new_one_again(
    open_toolbox: OpenToolbox, tmp_path: Path
) -> None:
    box = await open_toolbox(raw("noise", protocol="auto"))

    first = await box.call("raw.mutter", {"text": ""})
    kill_and_wait(box.status()[0].pid)
    second = await box.call("raw.mutter", {"text": ""})

    assert box.status()[0].protocol == "2025-11-25"
    assert first.error is not None
    assert second.error is not None
    assert "server/discover" in first.error.detail
    assert "server/discover" not in second.error.detail


async def test_a_stray_cancellation_of_the_owner_costs_one_restart_and_leaves_no_process(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(raw())
    await box.call("raw.echo", {})
    pid = box.status()[0].pid
    (owner,) = [task for task in asyncio.all_tasks() if task.get_name() == "tool server raw"]

    owner.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await owner
    outcome = await box.call("raw.echo", {})

    assert (outcome.kind, outcome.generation) == ("ok", 2)
    assert pid is not None
    assert not is_alive(pid)


async def test_a_caller_that_is_cancelled_gives_its_slot_back(open_toolbox: OpenToolbox) -> None:
    box = await open_toolbox(raw(max_concurrency=1))
    await box.tools("raw")

    for _ in range(5):
        call = asyncio.create_task(box.call("raw.silent", {}))
        queued = asyncio.create_task(box.call("raw.silent", {}))
        await eventually(lambda: box.status()[0].running, "the call is under way")
        call.cancel()
        queued.cancel()
        results = await asyncio.gather(call, queued, return_exceptions=True)
        assert [type(result) for result in results] == [asyncio.CancelledError] * 2

    assert (await box.call("raw.echo", {}, SECOND)).kind == "ok"
    assert (box.status()[0].running, box.status()[0].waiting) == (0, 0)


async def test_servers_that_ignore_every_hint_are_ended_with_all_they_started(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(raw("deaf", "stubborn", "litter"), raw("litter", key="tidy"))
    await box.tools("raw")
    await box.call("tidy.spawn", {})
    pids = [status.pid for status in box.status()]
    groups = [group_of(pid) for pid in pids if pid is not None]
    assert [len(group) for group in groups] == [2, 3]

    started = SYSTEM_CLOCK.monotonic()
    await box.stop()

    assert [pid for group in groups for pid in group if is_alive(pid)] == []
    assert SYSTEM_CLOCK.monotonic() - started < 6
    await box.stop()


async def test_a_background_process_is_ended_as_soon_as_its_server_died(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(raw())
    child = (await box.call("raw.spawn", {})).value["pid"]

    kill(box.status()[0].pid)

    await eventually(lambda: not is_alive(child), "the background process is gone")
    assert (await box.call("raw.echo", {})).generation == 2


async def test_after_the_end_waiting_calls_were_not_sent_and_running_ones_are_lost(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(raw(), raw("mute", key="mute"), raw(key="each", lifecycle="per_run"))
    await box.tools("raw")
    running = asyncio.create_task(box.call("raw.silent", {}))
    waiting = asyncio.create_task(box.call("mute.echo", {}))
    await eventually(
        lambda: [each.state for each in box.status()] == ["starting", "ready"], "both are busy"
    )
    await eventually(lambda: box.status()[1].running, "the call is under way")

    await within(box.stop(), "the end")

    assert (await running).kind == "lost"
    assert (await waiting).kind == "not_sent"
    for server in ("raw", "each"):
        assert (await box.call(f"{server}.echo", {})).kind == "not_sent"


async def test_what_a_server_offers_can_be_asked_and_says_why_not(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(raw("die"))

    with pytest.raises(ToolServerError, match="ORD401: raw could not be started") as failed:
        await box.tools("raw")
    with pytest.raises(NotFound, match="there is no tool server 'rav': did you mean raw"):
        await box.tools("rav")

    assert failed.value.hint == "cannot find my configuration\n[exit code 1]"
