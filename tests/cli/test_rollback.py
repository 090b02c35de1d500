"""`ordinaut rollback` brings back what an earlier revision left, and holds what it replaces."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from reconciler.cli import main
from reconciler.reconcile import Folder
from runtime.errors import Held
from tests.cli.test_plan import TASK, specs
from tests.support.cli import Cli
from tests.support.git import Clone, new_repository

__all__ = ["specs"]


def write(specs: Path, name: str, more: str = "") -> None:
    (specs / f"{name}.yaml").write_text(TASK.replace("NAME", name) + more)


@pytest.fixture
def clone(specs: Path, folder: Path, cli: Cli) -> Clone:
    """A repository with two commits, both applied; the second changed a task's priority."""
    clone = new_repository(folder)
    clone.commit()
    cli("apply", "--yes")
    write(specs, "one", "priority: 7\n")
    clone.commit()
    assert cli("apply", "--yes").status == 0
    return clone


def bodies(rows: psycopg.Connection) -> list[tuple[object, ...]]:
    return rows.execute(
        "select kind, name, uid, body, digest, protected from ordinaut.spec"
        " where retired_at is null order by 1, 2"
    ).fetchall()


def test_everything_is_again_as_it_was(specs: Path, cli: Cli, rows: psycopg.Connection) -> None:
    cli("apply", "--yes")
    before = bodies(rows)
    (specs / "one.yaml").unlink()
    (specs / "two.yaml").write_text(
        TASK.replace("NAME", "deux").replace("1h", "2h") + "renamed_from: two\n"
    )
    write(specs, "three")
    cli("apply", "--yes")

    rollback = cli("rollback", "--to", "r1", "--yes")

    assert (rollback.status, rollback.lines[-1]) == (
        0,
        "Applied as r3: 1 brought back, 1 renamed, 1 retired.",
    )
    assert "> deux -> two" in rollback.stdout
    assert bodies(rows) == before
    assert cli("history").lines[1].split()[0] == "r3"
    assert "  rollback  " in cli("history").lines[1]
    assert cli("diff", "r1", "r3").stdout.startswith("No differences")


def test_what_was_rolled_back_can_be_brought_back_and_the_hold_ends(
    clone: Clone, cli: Cli
) -> None:
    cli("rollback", "--to", "r1", "--yes")

    again = cli("rollback", "--to", "r2", "--yes")

    assert (again.status, again.stderr) == (0, "")
    assert cli("hold").stderr == "nothing is held\n"
    assert cli("plan", "--detailed-exitcode").status == 0


def test_the_plan_is_shown_with_its_times_and_consent_is_asked_for(
    specs: Path, cli: Cli, database: str, rows: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("apply", "--yes")
    (specs / "one.yaml").write_text(TASK.replace("NAME", "one").replace("1h", "2h"))
    cli("apply", "--yes")

    unasked = cli("rollback", "--to", "r1")
    monkeypatch.setattr("reconciler.cli.consent.is_terminal", lambda: True)
    asked = CliRunner().invoke(
        main,
        ["rollback", "--to", "r1"],
        input="n\n",
        env={"ORDINAUT_DATABASE_URL": database},
    )

    assert unasked.status == 1
    assert "rollback asks before it writes, and this is no terminal: give --yes" in unasked.stderr
    assert "runs in 30 d  360 -> 720" in asked.stdout
    assert (asked.exit_code, "Bring home/default back to r1? [y/N]" in asked.stderr) == (1, True)
    assert rows.execute("select count(*) from ordinaut.revision").fetchone() == (2,)


def test_in_a_freeze_a_rollback_says_why_it_cannot_wait(
    specs: Path, cli: Cli, rows: psycopg.Connection
) -> None:
    project = specs / "ordinaut.yaml"
    frozen = "guards: {freeze: [{rrule: FREQ=DAILY, timezone: UTC, duration: 2d, reason: audit}]}"
    project.write_text(f"{project.read_text()}{frozen}\n")
    cli("apply", "--yes")
    write(specs, "one", "priority: 7\n")

    refused = cli("apply", "--yes")
    plan = cli("plan")
    blocked = cli("plan", "--fail-on", "blocked")
    empty = cli("apply", "--yes", "--override-freeze", " ")
    passed = cli("apply", "--yes", "--override-freeze", "the vendor asked")
    frozen = cli("rollback", "--to", "r1", "--yes")
    back = cli("rollback", "--to", "r1", "--yes", "--override-freeze", "it broke")

    assert (refused.status, plan.status, blocked.status) == (3, 0, 3)
    assert "error ORD203: --fail-on refuses this plan, blocked: comes in the freeze" in (
        blocked.stderr
    )
    assert "error ORD214: the plan comes in the freeze of" in refused.stderr
    assert "`ordinaut rollback --to r1 --override-freeze REASON`" in frozen.stderr
    assert "(audit), which never ends" in refused.stderr
    assert "Refused: comes in the freeze of" in plan.stdout
    assert plan.stdout.count("audit") == 1
    assert max(map(len, plan.lines)) <= 100
    assert max(map(len, cli("plan", "--only", "two").lines)) <= 100
    assert "i frozen  the freeze of" in cli("plan", "--only", "two").stdout
    assert (empty.status, "say why it cannot wait" in empty.stderr) == (1, True)
    assert (passed.status, back.status) == (0, 0)
    assert "freeze  overridden: the vendor asked" in cli("show", "r2").stdout
    assert cli("history", "--json").json["revisions"][0]["override_freeze"] == "it broke"
    assert rows.execute("select max(revision_id) from ordinaut.revision").fetchone() == (3,)


def test_guards_and_conflicts_refuse_a_rollback_as_they_refuse_an_apply(
    specs: Path, cli: Cli, rows: psycopg.Connection
) -> None:
    for name in ("one", "two"):
        (specs / f"{name}.yaml").unlink()
    cli("apply", "--yes")
    write(specs, "one")
    cli("apply", "--yes")

    guarded = cli("rollback", "--to", "r1", "--yes")
    rows.execute("update ordinaut.spec set body = body || '{\"priority\": 9}' where name = 'one'")
    write(specs, "one", "priority: 4\n")
    cli("apply", "--yes", "--force-conflicts", "1")
    rows.execute("update ordinaut.spec set body = body || '{\"priority\": 9}' where name = 'one'")
    conflicting = cli("rollback", "--to", "r2", "--yes")

    assert (guarded.status, "`ordinaut rollback --to r1 --allow-retire 1`" in guarded.stderr) == (
        3,
        True,
    )
    assert (conflicting.status, "error ORD208:" in conflicting.stderr) == (4, True)
    assert cli("hold").stderr == "nothing is held\n"
    assert cli("rollback", "--to", "r1", "--yes", "--allow-retire", "1").status == 0


def test_where_nothing_differs_nothing_is_written_or_held(
    specs: Path, cli: Cli, rows: psycopg.Connection
) -> None:
    cli("apply", "--yes")

    rollback = cli("rollback", "--to", "r1", "--yes")

    assert (rollback.status, rollback.stdout) == (0, "No changes: 4 documents match r1.\n")
    assert rows.execute("select count(*) from ordinaut.source_status").fetchone() == (0,)


def test_the_specs_may_be_broken(specs: Path, cli: Cli) -> None:
    cli("apply", "--yes")
    write(specs, "one", "priority: 7\n")
    cli("apply", "--yes")
    (specs / "one.yaml").write_text("[")

    assert cli("rollback", "--to", "r1", "--yes").status == 0


def test_a_name_that_another_project_bears_by_now_refuses_it(specs: Path, cli: Cli) -> None:
    cli("apply", "--yes")
    (specs / "one.yaml").unlink()
    cli("apply", "--yes")
    other = specs.parent / "other"
    other.mkdir()
    for path in (specs / "ordinaut.yaml", specs / "fs.yaml"):
        (other / path.name).write_text(
            path.read_text().replace("home", "shop").replace("fs", "gs")
        )
    (other / "one.yaml").write_text(TASK.replace("NAME", "one").replace("fs.", "gs."))
    assert cli("apply", "--yes", "--specs", "other").status == 0

    rollback = cli("rollback", "--to", "r1", "--yes")

    assert rollback.status == 1
    assert "take it over again from specs that hold it, with `ordinaut adopt" in rollback.stderr
    assert (
        "error ORD204: r1 cannot be brought back: Task one belongs to project shop"
        in rollback.stderr
    )


def other_project(specs: Path, cli: Cli, name: str = "shop") -> None:
    """A second project of the same database, with one revision."""
    other = specs.parent / name
    other.mkdir()
    (other / "ordinaut.yaml").write_text(
        (specs / "ordinaut.yaml").read_text().replace("home", name)
    )
    server = (specs / "fs.yaml").read_text().replace("name: fs", f"name: {name}-fs")
    (other / "fs.yaml").write_text(server)
    assert cli("apply", "--yes", "--specs", name).status == 0


def test_a_revision_of_another_project_is_refused_unless_it_is_named(
    specs: Path, cli: Cli, rows: psycopg.Connection
) -> None:
    cli("apply", "--yes")
    other_project(specs, cli)
    (specs.parent / "shop" / "fs.yaml").write_text(
        (specs.parent / "shop" / "fs.yaml").read_text() + "owner: me\n"
    )
    cli("apply", "--yes", "--specs", "shop")

    refused = cli("rollback", "--to", "r2", "--yes")
    wrong = cli("rollback", "--to", "r2", "--yes", "--project", "home")
    applied = rows.execute("select count(*) from ordinaut.revision").fetchone()
    named = cli("rollback", "--to", "r2", "--yes", "--project", "shop/default")

    assert (refused.status, wrong.status, refused.stdout, applied) == (1, 1, "", (3,))
    assert "error ORD209: r2 is of shop/default, and this is home/default" in refused.stderr
    assert "`--project shop/default`" in refused.stderr
    assert (named.status, named.lines[-1]) == (0, "Applied as r4: 1 updated.")


def test_without_specs_the_only_project_is_meant_and_of_several_none(
    specs: Path, cli: Cli
) -> None:
    cli("apply", "--yes")
    write(specs, "one", "priority: 7\n")
    cli("apply", "--yes")

    assert cli("rollback", "--to", "r1", "--yes", "--specs", "nowhere").status == 0
    other_project(specs, cli)
    unknown = cli("rollback", "--to", "r2", "--yes", "--specs", "nowhere")

    assert unknown.status == 1
    assert "r2 is of home/default, and no specs here say whose is meant" in unknown.stderr


def test_a_revision_of_another_environment_is_refused_unless_it_is_named(
    specs: Path, cli: Cli
) -> None:
    project = specs / "ordinaut.yaml"
    project.write_text(project.read_text() + "environments: {prod: {}}\n")
    cli("apply", "--yes", "--env", "prod")
    write(specs, "one", "priority: 7\n")
    cli("apply", "--yes", "--env", "prod")

    refused = cli("rollback", "--to", "r1", "--yes")

    assert refused.status == 1
    assert "r1 is of home/prod, and this is home/default" in refused.stderr
    assert "if that is meant: `--env prod`" in refused.stderr
    assert cli("rollback", "--to", "r1", "--yes", "--env", "prod").status == 0


def test_json_is_a_line_for_the_plan_and_one_for_the_result(clone: Clone, cli: Cli) -> None:
    rollback = cli("rollback", "--to", "r1", "--yes", "--json")

    assert [line.split('"')[3] for line in rollback.lines] == ["plan", "result"]


@pytest.mark.parametrize("dirty", [False, True])
def test_the_commit_that_was_rolled_back_is_refused_and_edits_on_it_too(
    clone: Clone, specs: Path, cli: Cli, rows: psycopg.Connection, dirty: bool
) -> None:
    held = clone.git("rev-parse", "HEAD")[:7]
    rollback = cli("rollback", "--to", "r1", "--yes")
    if dirty:
        write(specs, "one", "priority: 6\n")

    plan, apply = cli("plan"), cli("apply", "--yes")

    assert "Held: commit " in rollback.stderr
    assert f"`git revert {held}" in rollback.stderr
    pending = cli("plan", "--detailed-exitcode")
    assert (plan.status, pending.status, apply.status) == (0, 2, 3)
    assert plan.stdout.count("rolled back") == 1
    assert f"error ORD210: the plan is of commit {held}, which r3 (" in apply.stderr
    assert "or let it in again: `ordinaut hold clear`" in apply.stderr
    assert rows.execute("select count(*) from ordinaut.revision").fetchone() == (3,)


def test_watching_is_refused_as_applying_is(
    clone: Clone, specs: Path, cli: Cli, database: str
) -> None:
    cli("rollback", "--to", "r1", "--yes")

    refusal = Folder(database, specs, "default").look().refusal
    assert isinstance(refusal, Held)
    assert "rolled back and holds" in refusal.message

    write(specs, "one")
    clone.commit()
    write(specs, "two", "priority: 8\n")
    clone.commit()
    assert Folder(database, specs, "default").look().report is not None


def test_a_commit_that_descends_from_the_held_one_ends_the_hold(
    clone: Clone, specs: Path, cli: Cli, rows: psycopg.Connection
) -> None:
    cli("rollback", "--to", "r1", "--yes")
    write(specs, "one", "priority: 8\n")
    clone.commit()

    plan, apply = cli("plan"), cli("apply", "--yes")

    assert plan.status == 0
    assert "ends with this apply" in " ".join(plan.stdout.split())
    assert apply.status == 0
    assert cli("hold").stderr == "nothing is held\n"
    assert rows.execute(
        "select condition, held_commit, held_by from ordinaut.source_status"
    ).fetchall() == [("Synced", None, None)]


def test_a_commit_that_changes_nothing_of_what_was_rolled_back_is_refused_like_it(
    clone: Clone, specs: Path, cli: Cli
) -> None:
    cli("rollback", "--to", "r1", "--yes")
    write(specs, "other", "priority: 8\n")
    clone.commit()

    plan, apply = cli("plan"), cli("apply", "--yes")

    assert "changes nothing of what" in " ".join(plan.stdout.split())
    assert cli("plan", "--json").json["hold"]["descends"] is True
    assert (apply.status, "which changes nothing of what r3 (" in apply.stderr) == (3, True)
    assert "or let it in again: `ordinaut hold clear`" in apply.stderr
    cli("hold", "clear")
    assert cli("apply", "--yes").status == 0


def test_a_commit_beside_the_held_one_is_refused(clone: Clone, specs: Path, cli: Cli) -> None:
    cli("rollback", "--to", "r1", "--yes")
    clone.git("checkout", "--quiet", "HEAD~1")
    write(specs, "one", "priority: 9\n")
    clone.commit()

    apply = cli("apply", "--yes")

    assert (apply.status, "which does not descend from" in apply.stderr) == (3, True)


def test_clearing_the_hold_lets_the_commit_in_again(
    clone: Clone, cli: Cli, rows: psycopg.Connection
) -> None:
    cli("rollback", "--to", "r1", "--yes")
    held = cli("hold", "--json").json["holds"]

    cleared = cli("hold", "clear")

    assert [(one["project"], one["commit"], one["revision"]) for one in held] == [
        ("home", clone.git("rev-parse", "HEAD"), 3)
    ]
    assert (cleared.status, cleared.stdout.startswith("commit ")) == (0, True)
    assert rows.execute("select condition from ordinaut.source_status").fetchall() == [
        ("OutOfSync",)
    ]
    assert cli("apply", "--yes").lines[-1] == "Applied as r4: 1 updated."
    assert cli("hold", "clear").status == 1


def test_a_plan_that_was_made_before_the_rollback_is_refused(
    clone: Clone, specs: Path, cli: Cli
) -> None:
    write(specs, "two", "priority: 3\n")
    cli("plan", "--out", "plan.json")
    cli("rollback", "--to", "r1", "--yes")

    apply = cli("apply", "--plan", "plan.json")

    assert (apply.status, "error ORD210:" in apply.stderr) == (3, True)


def test_rolling_back_further_keeps_the_first_hold(clone: Clone, specs: Path, cli: Cli) -> None:
    bad = clone.commit()
    write(specs, "two", "priority: 3\n")
    worse = clone.commit()
    cli("apply", "--yes")
    cli("rollback", "--to", "r2", "--yes")

    cli("rollback", "--to", "r1", "--yes")

    (held,) = cli("hold", "--json").json["holds"]
    assert (held["commit"], held["revision"]) == (worse, 4)
    assert bad != worse


def test_outside_of_git_the_hold_is_on_what_the_specs_say(specs: Path, cli: Cli) -> None:
    cli("apply", "--yes")
    write(specs, "one", "priority: 7\n")
    cli("apply", "--yes")
    cli("rollback", "--to", "r1", "--yes")

    refused = cli("apply", "--yes")
    write(specs, "one", "priority: 8\n")
    applied = cli("apply", "--yes")

    assert refused.status == 3
    assert "error ORD210: the plan brings back what r3 (" in refused.stderr
    assert applied.lines[-1] == "Applied as r4: 1 updated."


def test_why_it_was_rolled_back_is_kept_and_shown(clone: Clone, cli: Cli) -> None:
    rollback = cli("rollback", "--to", "r1", "--yes", "--reason", " it called everybody ")

    assert rollback.stderr.splitlines()[0].endswith(' ("it called everybody").')
    assert "reason  it called everybody" in " ".join(cli("show", "r3").stdout.split(" " * 5))
    assert cli("history", "--json").json["revisions"][0]["reason"] == "it called everybody"
    assert cli("hold", "--json").json["holds"][0]["reason"] == "it called everybody"
    assert "UTC: it called everybody) rolled back and holds" in " ".join(
        cli("plan").stdout.split()
    )


def test_edits_that_are_rolled_back_hold_what_they_say_and_not_the_commit_below(
    clone: Clone, specs: Path, cli: Cli
) -> None:
    write(specs, "one", "priority: 3\n")
    cli("apply", "--yes")

    rollback = cli("rollback", "--to", "r2", "--yes")
    again = cli("apply", "--yes")
    clone.commit()
    committed = cli("apply", "--yes")

    assert "Held: specs that no commit has in home/default" in rollback.stderr
    assert "git revert" not in rollback.stderr
    assert "Take the edits back and apply" in rollback.stderr
    assert (again.status, committed.status) == (3, 3)
    clone.git("revert", "--no-edit", "HEAD")
    assert "The hold has ended." in cli("apply", "--yes").stderr


def test_status_shows_what_is_held(clone: Clone, cli: Cli) -> None:
    cli("rollback", "--to", "r1", "--yes")

    held = clone.git("rev-parse", "HEAD")[:12]
    (line,) = [line for line in cli("status").lines if line.startswith("held")]
    assert f"commit {held} in home/default, rolled back by " in line
    assert cli("status", "--json").json["holds"][0]["revision"] == 3


def test_of_several_holds_one_must_be_named(clone: Clone, specs: Path, cli: Cli) -> None:
    cli("rollback", "--to", "r1", "--yes")
    project = specs / "ordinaut.yaml"
    project.write_text(project.read_text().replace("home", "shop"))
    for path in specs.glob("*.yaml"):
        if path != project:
            path.unlink()
    server = "apiVersion: ordinaut/v1\nkind: ToolServer\nname: gs\nstdio: {command: gs}\n"
    (specs / "gs.yaml").write_text(server)
    cli("apply", "--yes")
    (specs / "gs.yaml").write_text(server + "owner: me\n")
    cli("apply", "--yes")
    cli("rollback", "--to", "r4", "--yes")

    unnamed, unknown = cli("hold", "clear"), cli("hold", "clear", "nobody")
    cleared = cli("hold", "clear", "shop/default")

    assert (unnamed.status, "name one of home/default, shop/default" in unnamed.stderr) == (
        1,
        True,
    )
    assert (unknown.status, "nothing of nobody is held" in unknown.stderr) == (1, True)
    assert cleared.status == 0
    assert [one["project"] for one in cli("hold", "--json").json["holds"]] == ["home"]
