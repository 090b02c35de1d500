"""A runtime that was frozen beyond its lease, and wakes, changes nothing."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tests.faults.site import Site, step

_RETRY = {"attempts": 2, "initial": "1ms", "retry_on": ["tool_error"]}


@pytest.mark.parametrize(
    ("steps", "called_by_heir", "state"),
    [
        pytest.param([step("a", "wait"), step("b")], ["a", "b"], "succeeded", id="keeps_going"),
        pytest.param([step("a", "wait")], ["a"], "succeeded", id="finishes"),
        pytest.param(
            [
                {
                    **step("a", "wait", retry=_RETRY),
                    "with": {"name": "a", "fail": "${run.attempt == `1`}"},
                }
            ],
            ["a"],
            "succeeded",
            id="retries",
        ),
    ],
)
async def test_what_a_woken_runtime_has_to_say_is_refused(
    site: Site, steps: list[dict[str, Any]], called_by_heir: list[str], state: str
) -> None:
    """Asserts, for each way in which a lease holder writes: a runtime is stopped (SIGSTOP) in the middle of a call, and
    after its lease another finishes the run; then the first wakes, gets its tool's answer, and nothing at all that is
    recorded changes: no row, no event.
    """
    run_id = await site.queue(await site.install(*steps))
    async with site.runtime() as frozen:
        await site.called("a")
        os.kill(frozen.pid, signal.SIGSTOP)
        async with site.runtime():
            await site.called("a", "a")
            site.open_gate()
            assert await site.ended(run_id) == [state]
            before = await site.record()

            os.kill(frozen.pid, signal.SIGCONT)
            await frozen.line("lost")
            frozen.terminate()
            assert (await frozen.ended()).status == 0

            assert await site.record() == before
    assert site.diary == ["a", *called_by_heir]
