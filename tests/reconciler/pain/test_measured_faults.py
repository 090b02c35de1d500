"""What other tools were measured to do wrong, and what this one does there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from runtime.store.statements import statement
from tests.reconciler.pain.conftest import MANUAL, PROJECT, World, task
from tests.support.cli import Cli

HOURLY = "every: 1h"


async def test_every_way_to_end_has_its_own_status_in_plan_and_apply(world: World) -> None:
    world.change(one=task("one", HOURLY, "protect: true\n"), two=task("two"))
    mine = {"project": "home", "environment": "default"}
    nowhere = Cli({"ORDINAUT_DATABASE_URL": "postgresql://127.0.0.1:1/none"})

    assert (world.plan("--detailed-exitcode").status, world.cli("apply", "--yes").status) == (0, 0)
    world.write(two=task("two", HOURLY))
    assert (world.plan().status, world.plan("--detailed-exitcode").status) == (0, 2)
    with world.bench.other() as ahead, ahead.transaction():
        ahead.execute(statement("lock_project"), mine)
        assert world.cli("apply", "--yes", "--lock-timeout", "10ms").status == 5
    assert nowhere("plan").status == 5
    world.bench.run(
        "update ordinaut.spec set body = body || '{\"priority\": 9}' where name = 'two'"
    )
    assert (world.plan().status, world.cli("apply", "--yes").status) == (4, 4)
    world.write(one=None)
    assert (world.plan().status, world.cli("apply", "--yes", "--force-conflicts", "1").status) == (
        3,
        3,
    )
    world.write(one="kind: [")
    assert (world.plan().status, world.cli("apply", "--yes").status) == (1, 1)


async def test_a_plan_of_nothing_but_a_rename_says_so_and_ends_as_every_plan_with_changes(
    world: World,
) -> None:
    world.change(one=task("one", HOURLY))
    world.write(one=task("uno", HOURLY, "renamed_from: one\n"))
    plan, as_json = world.plan("--detailed-exitcode"), world.plan("--json").json

    assert (plan.status, "Plan: 1 to rename" in plan.stdout) == (2, True)
    assert (as_json["summary"]["rename"], len(as_json["changes"])) == (1, 1)
    assert world.apply().lines[-1] == "Applied as r2: 1 renamed."
    # What stays behind is harmless.
    assert world.plan("--detailed-exitcode").status == 0


async def test_a_rename_with_an_edit_is_one_change_with_both_names(world: World) -> None:
    world.change(one=task("one", HOURLY))
    world.write(one=task("uno", "every: 2h", "renamed_from: one\n"))

    (change,) = world.plan("--json").json["changes"]

    assert (change["action"], change["former_key"], change["key"]) == ("rename", "one", "uno")
    assert "schedule" in change["facets"]
    only = world.plan("--only", "uno", "--json")
    assert [one["key"] for one in only.json["changes"]] == ["uno"]


def test_the_same_tree_gives_the_same_plan_on_every_machine(tmp_path: Path) -> None:
    """Processes of other hash seeds, time zones, languages and working folders, over trees in another order on disk."""
    texts = {f"t{n}": task(f"t{n}", HOURLY if n % 2 else MANUAL, f"labels: {{b: x{n}, a: y}}\n") for n in range(12)} | {"ordinaut": PROJECT}  # fmt: skip
    here, there = tmp_path / "here", tmp_path / "there"
    for folder, names in ((here, sorted(texts)), (there, sorted(texts, reverse=True))):
        (folder / "specs").mkdir(parents=True)
        for name in names:
            (folder / f"specs/{name}.yaml").write_text(texts[name])
    machines = [
        (here, {"PYTHONHASHSEED": "1", "TZ": "Pacific/Chatham", "LC_ALL": "tr_TR.UTF-8"}),
        (there, {"PYTHONHASHSEED": "2", "TZ": "UTC", "LC_ALL": "C"}),
    ]
    program = Path(sys.executable).with_name("ordinaut")

    begun = [
        subprocess.Popen(
            [program, "plan", "--json-out", "plan.json"],
            cwd=place,
            env={"PATH": os.environ["PATH"], **surroundings},  # noqa: TID251 - the tests own their environment
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for place, surroundings in machines
    ]
    said = [one.communicate(timeout=60)[0] for one in begun]

    assert [one.returncode for one in begun] == [0, 0]
    digests = {line for text in said for line in text.splitlines() if line.startswith("Digest:")}
    assert len(digests) == 1
    changed = [line[:20] for line in said[0].splitlines() if line.startswith("+ ")]
    assert changed == [line[:20] for line in said[1].splitlines() if line.startswith("+ ")]
    assert len(changed) == 13
    one, other = (json.loads((place / "plan.json").read_text()) for place, _ in machines)
    assert one.pop("as_of") != other.pop("as_of")
    assert one == other
