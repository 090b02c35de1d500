"""`ordinaut apply --plan`: what a file tells is what it would do, or it is refused; and it is applied as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from reconciler.core.plan import plan_digest
from schemas.plan import Plan
from tests.cli.test_plan import TASK, specs
from tests.support.cli import Cli

__all__ = ["specs"]

REVISIONS = "select count(*) from ordinaut.revision"


@pytest.fixture
def saved(specs: Path, cli: Cli, rows: psycopg.Connection) -> Path:
    """A plan that updates, creates, renames, retires and restores, over four documents that are applied."""
    for name in ("three", "four"):
        (specs / f"{name}.yaml").write_text(TASK.replace("NAME", name))
    cli("apply", "--yes")
    (specs / "one.yaml").write_text(
        TASK.replace("NAME", "one").replace("1h", "2h").replace("fs.list", "fs.delete")
        + "owner: me\n"
    )
    (specs / "two.yaml").write_text(TASK.replace("NAME", "deux") + "renamed_from: two\n")
    (specs / "three.yaml").unlink()
    (specs / "five.yaml").write_text(TASK.replace("NAME", "five"))
    rows.execute("update ordinaut.spec set body = body || '{\"priority\": 9}' where name = 'four'")
    assert cli("plan", "--out", "plan.json").status == 0
    return Path("plan.json")


def doctor(path: Path, change: Callable[[dict[str, Any], dict[str, Any]], object]) -> None:
    """Change a plan in a file, given all of it and what it says of task one."""
    plan = json.loads(path.read_text())
    change(plan, next(one for one in plan["changes"] if one["name"] == "one"))
    path.write_text(json.dumps(plan))


def test_what_was_not_touched_is_applied(saved: Path, cli: Cli) -> None:
    shown = cli("plan", "-v").lines
    applied = cli("apply", "--plan", "plan.json", "-v")

    assert (applied.status, applied.lines[-1]) == (
        0,
        "Applied as r2: 1 created, 1 updated, 1 renamed, 1 retired, 1 restored to what git says.",
    )
    # But for the moment, and for what was found in the repository.
    assert list(map(_timeless, applied.lines[2:-1])) == list(map(_timeless, shown[2:]))


def _timeless(line: str) -> str:
    """A line without how long it is until then."""
    return re.sub(r" \(in [^)]*\)", "", line)


@pytest.mark.parametrize(
    ("face", "change"),
    [
        ("owner", lambda plan, one: one.update(owner="mallory")),
        ("ops", lambda plan, one: one["ops"].clear()),
        ("ops", lambda plan, one: one["ops"][0].update(before="innocent")),
        ("tools", lambda plan, one: one["tools"].update(added=[])),
        ("steps", lambda plan, one: one["steps"].update(changed=[])),
        ("facets", lambda plan, one: one.update(facets=["meta"])),
        ("impact", lambda plan, one: one.update(impact="low")),
        ("impact_reasons", lambda plan, one: one.update(impact_reasons=["harmless"])),
        ("reason", lambda plan, one: one.update(reason="drift")),
        ("key", lambda plan, one: one.update(key="other")),
        ("preview", lambda plan, one: one["preview"].update(schedule_after="never")),
        ("preview", lambda plan, one: one.update(preview=None)),
        ("update", lambda plan, one: plan["summary"].update(update=99)),
        ("owners", lambda plan, one: plan["summary"].update(owners=[])),
        ("impact", lambda plan, one: plan["summary"].update(impact="low")),
        ("runs_30d_delta", lambda plan, one: plan["summary"].update(runs_30d_delta=0)),
    ],
)
def test_a_face_that_does_not_follow_from_the_documents_is_refused(
    saved: Path, cli: Cli, rows: psycopg.Connection, face: str, change: Any
) -> None:
    doctor(saved, change)

    applied = cli("apply", "--plan", "plan.json", "-v")

    assert (applied.status, applied.stdout) == (1, "")
    assert "error ORD207: plan.json is not what `ordinaut plan` wrote: of " in applied.stderr
    assert f"tells {face}" in applied.stderr or f"and {face}" in applied.stderr
    assert rows.execute(REVISIONS).fetchone() == (1,)


def test_what_passes_is_shown_as_it_is_now_and_no_lie_is_recorded(
    saved: Path, cli: Cli, rows: psycopg.Connection
) -> None:
    def lie(plan: dict[str, Any], one: dict[str, Any]) -> None:
        plan["summary"].update(unchanged=99)
        plan.update(guards=[], policies=[], unmanaged=["Task ghost"], tool="another version")
        one.update(owner="mallory")

    doctor(saved, lie)

    applied = cli("apply", "--plan", "plan.json")

    assert applied.status == 0
    assert "owner me" in applied.stdout
    assert "mallory" not in applied.stdout
    assert "2 unchanged." in " ".join(applied.stdout.split())
    recorded = rows.execute(
        "select summary from ordinaut.revision where revision_id = 2"
    ).fetchone()
    assert recorded is not None
    assert (recorded[0]["unchanged"], recorded[0]["owners"]) == (2, ["me"])


def test_a_change_that_the_documents_do_not_ask_for_is_refused(saved: Path, cli: Cli) -> None:
    def forge(plan: dict[str, Any], one: dict[str, Any]) -> None:
        restored = next(each for each in plan["changes"] if each["reason"] == "drift")
        restored.update(action="adopt")
        forged = Plan.model_validate(plan)
        plan["digest"] = plan_digest("home", "default", forged.changes)

    doctor(saved, forge)

    applied = cli("apply", "--plan", "plan.json")

    assert (applied.status, "of its changes it tells actions" in applied.stderr) == (1, True)


def test_by_other_time_zone_data_times_may_differ_and_nothing_else(saved: Path, cli: Cli) -> None:
    def age(plan: dict[str, Any], one: dict[str, Any]) -> None:
        plan.update(tzdata="1970a")
        plan["summary"].update(runs_30d_delta=-1)
        one["preview"].update(before=[])

    doctor(saved, age)
    doctor(saved, lambda plan, one: one.update(owner="mallory"))
    lying = cli("apply", "--plan", "plan.json")
    doctor(saved, lambda plan, one: one.update(owner="me"))
    applied = cli("apply", "--plan", "plan.json")

    assert (lying.status, "of Task one it tells owner that" in lying.stderr) == (1, True)
    assert applied.status == 0


def test_a_file_for_another_database_is_told_so_and_not_shown(saved: Path, cli: Cli) -> None:
    doctor(saved, lambda plan, one: plan["environment"].update(installation_id=str(UUID(int=7))))

    applied = cli("apply", "--plan", "plan.json")

    assert (applied.status, applied.stdout) == (4, "")
    assert "the plan was made for another database" in applied.stderr


def test_another_revision_of_other_documents_does_no_harm(
    saved: Path, specs: Path, cli: Cli
) -> None:
    for path in specs.glob("*.yaml"):
        if path.name not in {"ordinaut.yaml", "fs.yaml"}:
            path.unlink()
    (specs / "six.yaml").write_text(TASK.replace("NAME", "six"))
    cli("apply", "--yes", "--only", "six")

    applied = cli("apply", "--plan", "plan.json")

    assert applied.lines[-1].startswith("Applied as r3: 1 created")
    assert cli("show", "r3", "--json").json["revision"]["parent"] == 2


def test_a_file_is_for_its_environment_and_for_no_folder(saved: Path, cli: Cli) -> None:
    folder = cli("apply", "--plan", "plan.json", "--specs", "specs")
    other = cli("apply", "--plan", "plan.json", "--env", "prod")
    same = cli("apply", "--plan", "plan.json", "--env", "default")

    assert (folder.status, other.status, same.status) == (1, 1, 0)
    assert "leave out --only, --expect-digest and --specs" in folder.stderr
    assert "plan.json is a plan for environment default, not for prod" in other.stderr


def test_a_plan_of_a_part_is_a_part(saved: Path, cli: Cli) -> None:
    cli("plan", "--only", "five", "--out", "plan.json")

    applied = cli("apply", "--plan", "plan.json")

    assert "i partial  only five" in applied.stdout
    assert applied.lines[-1] == "Applied as r2: 1 created."
