"""A run that kills its runtime is stopped in the end, and takes no other with it."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.faults.site import Site, step
from tests.support.cli import Cli


@pytest.mark.slow
async def test_a_run_that_kills_every_runtime_is_given_up(site: Site) -> None:
    """Asserts: a run whose tool kills the runtime (SIGKILL) is begun five times, and then fails with ORD507, which
    `ordinaut show` explains; a run that was under way beside it, and is cut off with it, succeeds. It is in quarantine
    until it is run again: by a revision that is mended, it goes on at the step that killed, with the result before it.
    """
    bad = await site.install(step("before"), step("poison", "kill_runtime"), name="poison")
    poison = await site.queue(bad)
    innocent = await site.queue(await site.install(step("innocent", "wait"), name="innocent"))

    cli = Cli(site.env)
    for begun in range(1, 6):
        async with site.runtime(lease="2s") as runtime:
            assert (await runtime.ended()).status == -9
        assert site.diary.count("poison") == begun
        if begun == 2:
            site.open_gate()
    async with site.runtime(lease="2s"):
        assert await site.ended(poison, innocent) == ["failed", "succeeded"]
        assert site.diary.count("poison") == 5
        assert quarantined(cli) == [str(poison)]

        await site.install(step("before"), step("poison"), name="poison")
        redriven = cli("rerun", str(poison), "--failed", "--latest").stdout.strip()
        assert await site.ended(UUID(redriven)) == ["succeeded"]

    assert (site.diary.count("before"), site.diary.count("poison")) == (1, 6)
    assert quarantined(cli) == []
    told = [(kind, name) for kind, _, name in await site.events(poison)]
    assert told == [("run.started", None), ("step.succeeded", "before"), ("run.failed", None)]
    shown = cli("show", str(poison)).stdout
    assert "ORD507 the run was begun 5 times, and each time its runtime was lost" in shown


def quarantined(cli: Cli) -> list[str]:
    """What `ordinaut runs` lists as being in quarantine."""
    return [run["run_id"] for run in cli("runs", "--quarantined", "--json").json["runs"]]
