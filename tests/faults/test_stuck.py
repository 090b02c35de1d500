"""A runtime whose scheduler waits for what never comes ends, although it is alive."""

from __future__ import annotations

import sys

from runtime.errors import EXIT_STUCK
from tests.faults.site import Site
from tests.support.processes import started

_PROGRAM = """
import asyncio, sys
from reconciler.cli import main
from runtime.scheduler import Scheduler

async def hang(_):
    await asyncio.Event().wait()

Scheduler.run_once = hang
sys.exit(main(["runtime"]))
"""


async def test_a_runtime_that_makes_no_progress_ends_with_a_code_and_says_farewell(
    site: Site,
) -> None:
    """Asserts: while the heart beats and the worker works, the process ends with 70, names the scheduler, and is counted as
    stopped, so that nobody waits for it.
    """
    patience = {"ORDINAUT_SILENCE": "400ms", "ORDINAUT_STALL": "1s", "ORDINAUT_POLL": "100ms"}
    program = (sys.executable, "-c", _PROGRAM)
    async with started(cwd=site.folder, env=site.env | patience, program=program) as runtime:
        ended = await runtime.ended()

    assert ended.status == EXIT_STUCK
    assert "error ORD316: service scheduler has made no progress for 1 s" in ended.stderr
    assert await site.value("select stopped_at is not null from ordinaut.runtime")
