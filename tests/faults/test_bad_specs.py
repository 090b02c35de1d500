"""While `ordinaut up` watches, a bad edit is refused with its place, and changes nothing."""

from __future__ import annotations

from typing import Final

from tests.faults.site import Site
from tests.support.probes import eventually
from tests.support.processes import ordinaut, started

_GOOD: Final = """\
apiVersion: ordinaut/v1
kind: Project
name: home
---
apiVersion: ordinaut/v1
kind: Task
name: greeting
schedule: {manual: true}
pipeline:
  - {id: greet, uses: llm.plan, with: {to: you}}
"""
_EDITS: Final = {
    "broken YAML": ("pipeline:", "pipeline: [", "specs/all.yaml:10:", "ORD002"),
    "a duplicate key": (
        "name: greeting",
        "name: greeting\nname: again",
        "specs/all.yaml:8:1",
        "ORD003",
    ),
    "an unknown field": ("schedule:", "shedule:", "specs/all.yaml:8:1", "did you mean `schedule`"),
    "an unknown server": ("llm.plan", "nowhere.plan", "specs/all.yaml:10:", "ORD009"),
    "a wrong value": ("{manual: true}", "{every: soon}", "specs/all.yaml:8:", "ORD007"),
}


_REFUSED: Final = "the last good revision stays in force"


async def test_bad_edits_are_told_and_the_last_good_revision_stays_in_force(site: Site) -> None:
    """Asserts, one bad edit after the other in one `ordinaut up`: each is printed with file, line and what is wrong, and
    no row of any spec changes; the task still runs as it was; the good edit that follows is applied.
    """
    specs = site.folder / "specs" / "all.yaml"
    specs.parent.mkdir()
    specs.write_text(_GOOD)
    async with started("up", cwd=site.folder, env=site.env) as up:
        await up.line("watching the specs")
        in_force = await _in_force(site)

        for count, (old, new, place, what) in enumerate(_EDITS.values(), 1):
            specs.write_text(_GOOD.replace(old, new))
            await eventually(lambda n=count: up.stdout.count(_REFUSED) == n, f"refusal {count}")
            told = up.stdout.split(_REFUSED)[count - 1]
            assert (place in told, what in told) == (True, True), told
            assert await _in_force(site) == in_force
        run = await ordinaut("run", "greeting", "--wait", cwd=site.folder, env=site.env)
        assert (run.status, "- you" in run.stdout) == (0, True), run

        specs.write_text(_GOOD.replace("to: you", "to: everybody"))
        await up.line("revision r2")
    assert await _in_force(site) != in_force


async def _in_force(site: Site) -> list[tuple[object, ...]]:
    return await site.rows(
        "select uid, revision_id, digest, retired_at from ordinaut.spec order by uid"
    )


async def test_a_folder_that_is_not_there_is_said_before_anything_starts(site: Site) -> None:
    """Asserts: `ordinaut up` without a specs folder ends at once with ORD310, and has made no state folder."""
    up = await ordinaut("up", cwd=site.folder)

    assert (up.status, up.stdout) == (1, "")
    assert up.stderr.startswith(f"error ORD310: there is no folder {site.folder}/specs\n")
    assert list(site.folder.iterdir()) == []
