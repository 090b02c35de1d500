"""Many calls at once, with a server killed among them."""

from __future__ import annotations

import asyncio
from collections import Counter

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
