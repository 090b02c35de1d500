"""A run that kills its runtime is stopped in the end, and takes no other with it."""

from __future__ import annotations

import pytest

from tests.faults.site import Site, step
from tests.support.cli import Cli


@pytest.mark.slow
async def test_a_run_that_kills_every_runtime_is_given_up(site: Site) -> None:
    """Asserts: a run whose tool kills the runtime (SIGKILL) is begun five times, and then fails with ORD507, which
    `ordinaut show` explains; a run that was under way beside it, and is cut off with it, succeeds.
    """
    poison = await site.queue(await site.install(step("poison", "kill_runtime"), name="poison"))
    innocent = await site.queue(await site.install(step("innocent", "wait"), name="innocent"))

    for begun in range(1, 6):
        async with site.runtime(lease="2s") as runtime:
            assert (await runtime.ended()).status == -9
        assert site.diary.count("poison") == begun
        if begun == 2:
            site.open_gate()
    async with site.runtime(lease="2s"):
        assert await site.ended(poison, innocent) == ["failed", "succeeded"]

    assert site.diary.count("poison") == 5
    told = [(kind, name) for kind, _, name in await site.events(poison)]
    assert told == [("run.started", None), ("run.failed", None)]
    shown = Cli(site.env)("show", str(poison)).stdout
    assert "ORD507 the run was begun 5 times, and each time its runtime was lost" in shown
