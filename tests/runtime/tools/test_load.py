"""Many calls at once, with a server killed among them."""

from __future__ import annotations

import asyncio
import gc
import os
from collections import Counter
from datetime import timedelta
from pathlib import Path

from runtime.core.outcomes import CallOutcome
from tests.runtime.tools.conftest import OpenToolbox
from tests.runtime.tools.servers import is_alive, kill, open_files, raw
from tests.support.probes import eventually


async def test_a_kill_among_fifty_calls_costs_those_it_was_serving_and_nobody_else(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(raw(max_concurrency=4), raw(key="other", max_concurrency=8))
    await box.tools("raw")
    await box.tools("other")
    victim = box.status()[1].pid

    calls = [
        asyncio.create_task(box.call(f"{server}.slow", {"seconds": 0.05}))
        for _ in range(25)
        for server in ("raw", "other")
    ]
    await eventually(lambda: sum(call.done() for call in calls) > 5, "some calls are done")
    kill(victim)
    outcomes = await asyncio.gather(*calls)

    ours, others = outcomes[::2], outcomes[1::2]
    assert Counter(outcome.kind for outcome in others) == {"ok": 25}
    kinds = Counter(outcome.kind for outcome in ours)
    assert kinds["lost"] <= 4
    assert kinds == {"ok": 25 - kinds["lost"], "lost": kinds["lost"]}
    assert {outcome.generation for outcome in ours} == {1, 2}
    assert victim is not None
    assert not is_alive(victim)


async def test_of_nine_servers_one_that_is_killed_again_and_again_takes_nobody_along(
    open_toolbox: OpenToolbox,
) -> None:
    others = [f"server{number}" for number in range(8)]
    box = await open_toolbox(
        raw(key="victim", max_concurrency=4), *(raw(key=other) for other in others)
    )
    await asyncio.gather(*(box.tools(key) for key in ("victim", *others)))
    dead: list[int] = []

    def served() -> set[int]:
        done = [call.result() for call in calls if call.done()]
        return {outcome.generation for outcome in done if outcome.kind == "ok"}

    async def kill_it(generation: int) -> None:
        await eventually(lambda: generation in served(), "it has served")
        status = box.status()[-1]
        assert (status.key, status.generation, status.pid is None) == ("victim", generation, False)
        dead.append(status.pid or 0)
        kill(status.pid)
        await eventually(lambda: box.status()[-1].generation > generation, "there is a new one")

    def ask(key: str) -> asyncio.Task[CallOutcome]:
        call = box.call(f"{key}.slow", {"seconds": 0.05}, timedelta(minutes=1))
        return asyncio.create_task(call)

    calls = [ask("victim") for _ in range(120)]
    bystanders = [ask(key) for _ in range(60) for key in others]
    for generation in range(1, 6):
        await kill_it(generation)
    kinds = Counter(outcome.kind for outcome in await asyncio.gather(*calls))

    assert {outcome.kind for outcome in await asyncio.gather(*bystanders)} == {"ok"}
    assert 5 <= kinds["lost"] <= 20
    assert kinds["ok"] + kinds["lost"] == 120
    assert [pid for pid in dead if is_alive(pid)] == []
    slots = [asyncio.create_task(box.call("victim.silent", {})) for _ in range(5)]
    await eventually(lambda: box.status()[-1].running == 4, "every slot can be had")
    assert box.status()[-1].waiting == 1
    assert [status.generation for status in box.status()] == [1] * 8 + [6]
    for call in slots:
        call.cancel()
    await asyncio.gather(*slots, return_exceptions=True)


async def test_a_thousand_calls_leave_neither_memory_nor_files_behind(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(raw())

    async def call(times: int) -> None:
        for _ in range(times):
            assert (await box.call("raw.echo", {"text": "x" * 1000})).kind == "ok"

    await call(300)
    files, memory = open_files(), memory_of_us()
    await call(1000)

    assert open_files() == files
    assert memory_of_us() - memory < 1_000_000, "a kilobyte for each call"


def memory_of_us() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_never_more_calls_run_at_once_than_the_definition_allows(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(raw(max_concurrency=3))
    await box.tools("raw")

    calls = [asyncio.create_task(box.call("raw.silent", {})) for _ in range(10)]
    await eventually(lambda: box.status()[0].running == 3, "three run")

    assert box.status()[0].waiting == 7
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


async def test_two_hundred_calls_and_twenty_restarts_leave_no_file_open(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(raw())
    await box.call("raw.echo", {})
    before = open_files()

    for _ in range(20):
        for _ in range(9):
            assert (await box.call("raw.echo", {})).kind == "ok"
        assert (await box.call("raw.die", {})).kind == "lost"

    assert (await box.call("raw.echo", {})).generation == 21
    await eventually(lambda: open_files() <= before, "the files of dead servers are closed")
