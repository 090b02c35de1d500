"""The revops example with some 20,000 leads, as `make examples` runs it: what it takes, and how good the matching is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.examples.revops_story import made_in, needs_servers, rows_of

SCALE = 16.0
MINUTES = 28 * 60.0


@pytest.mark.full_size
@needs_servers
async def test_a_night_of_20000_leads_ends_as_a_small_one_does(tmp_path: Path) -> None:
    story = made_in(tmp_path, scale=SCALE)
    async with story.up():
        night = await story.run("nightly", seconds=MINUTES)
        before = story.versions()
        quiet = await story.run("nightly", seconds=MINUTES)
        measured = await story.run("evaluate", seconds=MINUTES)

        assert night["state"] == quiet["state"] == "succeeded"
        assert story.versions() == before
        leads = len(rows_of(story.folder / "data" / "leads.csv"))
        assert story.ask("select count(*) from core.lead") == [(leads,)]
        loads = story.ask(
            "select layer, source, count(*), sum(rows_read), min(ended_at - began_at)::text from ops.load"
            " join ops.batch using (load) where rows_changed + rows_new > 0 group by load, layer, source order by load"
        )
    found = measured["steps"][0]["output"]
    print(f"\n{leads} leads; batches, rows and time of each load:")
    print(*loads, sep="\n")
    print(json.dumps(found["held_out"]))
    assert leads > 18_000
    assert found["held_out"]["precision"] >= 0.85
    assert found["held_out"]["recall"] >= 0.8
