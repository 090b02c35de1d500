"""An apply that finds nothing to do: it notes which commit is in force, and ends the hold that it was said to end."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from reconciler.confirming import confirm
from reconciler.load import load_specs
from reconciler.planning import plan_specs
from reconciler.reconcile import Folder
from runtime.store.connect import connect
from tests.cli.test_plan import PROJECT, TASK, specs
from tests.support.cli import Cli
from tests.support.git import Clone, new_repository

__all__ = ["specs"]

NOTED = "select applied_commit, applied_revision from ordinaut.source_status"


@pytest.fixture
def clone(specs: Path, folder: Path, cli: Cli) -> Clone:
    """A repository with one commit, which is applied."""
    clone = new_repository(folder)
    clone.commit()
    assert cli("apply", "--yes").status == 0
    return clone


def edit(specs: Path, priority: int) -> None:
    (specs / "one.yaml").write_text(TASK.replace("NAME", "one") + f"priority: {priority}\n")


def commit_and_roll_back(clone: Clone, specs: Path, cli: Cli) -> None:
    """Apply a commit, as r2, and roll back to r1, so that it is held."""
    edit(specs, 7)
    clone.commit()
    cli("apply", "--yes")
    cli("rollback", "--to", "r1", "--yes")


def revisions(rows: psycopg.Connection) -> tuple[object, ...] | None:
    return rows.execute("select count(*) from ordinaut.revision").fetchone()


def test_reverting_the_held_commit_and_applying_that_ends_the_hold(
    clone: Clone, specs: Path, cli: Cli
) -> None:
    commit_and_roll_back(clone, specs, cli)
    clone.git("revert", "--no-edit", "HEAD")

    applied = cli("apply", "--yes")

    assert (applied.status, applied.lines[0]) == (0, "No changes: 4 documents match r3.")
    assert "The hold has ended." in applied.stderr
    assert cli("hold").stderr == "nothing is held\n"


def test_a_plan_that_says_nothing_new_ends_no_hold_by_itself(
    clone: Clone, specs: Path, cli: Cli
) -> None:
    commit_and_roll_back(clone, specs, cli)
    clone.git("checkout", "--quiet", "HEAD~1")

    applied = cli("apply", "--yes")

    assert (applied.status, applied.stderr) == (0, "")
    assert cli("hold", "--json").json["holds"][0]["revision"] == 3


def test_a_commit_that_changes_no_specs_is_noted_and_named(
    clone: Clone, folder: Path, cli: Cli, rows: psycopg.Connection
) -> None:
    (folder / "README").write_text("words\n")
    commit = clone.commit()

    applied, again = cli("apply", "--yes"), cli("apply", "--yes", "--json")

    assert applied.stderr == f"Noted: r1 is what commit {commit[:7]} says.\n"
    assert (again.stderr, '"confirmed_commit":null' in again.lines[-1]) == ("", True)
    assert rows.execute(NOTED).fetchall() == [(commit, 1)]
    assert revisions(rows) == (1,)
    assert f", now {commit[:7]}" in cli("history").stdout
    assert f"same as  {commit}" in cli("show", "r1").stdout
    assert f"commit {commit[:12]}, by" in cli("status").stdout
    assert cli("plan", "--json").json["base"]["commit"] == commit


def test_what_was_applied_with_edits_is_named_by_the_commit_that_has_them(
    clone: Clone, specs: Path, cli: Cli
) -> None:
    edit(specs, 7)
    cli("apply", "--yes")
    dirty = cli("plan", "--json").json["base"]
    commit = clone.commit()
    cli("apply", "--yes")

    clean = cli("plan", "--json").json["base"]

    assert (dirty["dirty"], clean["dirty"], clean["commit"]) == (True, False, commit)
    assert f" and edits, now {commit[:7]}" in cli("history").stdout
    assert "with local changes" not in cli("status").stdout


def test_taking_back_edits_that_changed_nothing_is_noted_of_the_same_commit(
    clone: Clone, specs: Path, cli: Cli
) -> None:
    edit(specs, 7)
    cli("apply", "--yes")
    clone.git("checkout", "--quiet", "--", ".")
    cli("apply", "--yes", "--only", "two")
    cli("rollback", "--to", "r1", "--yes")

    applied = cli("apply", "--yes")

    assert "The hold has ended." in applied.stderr
    assert cli("hold").stderr == "nothing is held\n"


@pytest.mark.parametrize("older", [True, False])
def test_neither_an_older_commit_nor_edits_nor_a_part_are_noted(
    clone: Clone, specs: Path, cli: Cli, rows: psycopg.Connection, older: bool
) -> None:
    folder = specs.parent
    (folder / "README").write_text("words\n")
    newest = clone.commit()
    cli("apply", "--yes")
    if older:
        clone.git("checkout", "--quiet", "HEAD~1")
    else:
        (folder / "README").write_text("other words\n")
        clone.commit()
        (specs / "one.yaml").write_text(TASK.replace("NAME", "one") + "# a comment\n")

    assert cli("apply", "--yes").stderr == ""
    assert cli("apply", "--yes", "--only", "one").stderr == ""
    assert rows.execute(NOTED).fetchall() == [(newest, 1)]


def test_a_new_revision_is_what_is_in_force_after_a_commit_was_noted(
    clone: Clone, folder: Path, specs: Path, cli: Cli
) -> None:
    (folder / "README").write_text("words\n")
    clone.commit()
    cli("apply", "--yes")
    edit(specs, 7)
    commit = clone.commit()
    cli("apply", "--yes")

    assert (
        cli("plan", "--json").json["base"] | {"commit": commit, "revision": 2}
        == cli("plan", "--json").json["base"]
    )


def test_nothing_is_noted_by_a_plan_over_what_is_not_in_force_any_more(
    clone: Clone, specs: Path, cli: Cli, database: str, rows: psycopg.Connection
) -> None:
    (specs.parent / "README").write_text("words\n")
    clone.commit()
    with connect(database) as connection:
        plan = plan_specs(connection, load_specs(specs), specs)
        edit(specs, 7)
        cli("apply", "--yes")

        report = confirm(connection, plan, specs, timedelta(seconds=5))

    assert (plan.changes, report.confirmed_commit) == ((), None)
    assert rows.execute(NOTED).fetchall() == []


def test_watching_notes_the_commit_too(
    clone: Clone, folder: Path, specs: Path, database: str, rows: psycopg.Connection
) -> None:
    (folder / "README").write_text("words\n")
    commit = clone.commit()

    Folder(database, specs, "default", applies=False).look()
    assert rows.execute(NOTED).fetchall() == []
    Folder(database, specs, "default").look()

    assert rows.execute(NOTED).fetchall() == [(commit, 1)]


def test_watching_tells_that_another_environment_is_meant(
    clone: Clone, specs: Path, database: str
) -> None:
    (specs / "ordinaut.yaml").write_text(PROJECT + "environments: {prod: {}}\n")

    refusal = Folder(database, specs, "prod").look().refusal

    assert refusal is not None
    assert "belong to environment default of this same project" in refusal.message


def test_an_apply_that_does_not_end_keeps_nothing_from_being_looked_at(
    clone: Clone, folder: Path, cli: Cli, rows: psycopg.Connection
) -> None:
    (folder / "README").write_text("words\n")
    clone.commit()
    with rows.transaction():
        rows.execute(
            "select pg_advisory_xact_lock(hashtextextended('home' || chr(31) || 'default', 0))"
        )
        locked = cli("apply", "--yes", "--lock-timeout", "10ms")

    assert (locked.status, "error ORD205: another apply of home/default" in locked.stderr) == (
        5,
        True,
    )
    pid = rows.info.backend_pid
    assert f", pid {pid}, since " in locked.stderr
    assert f"`select pg_terminate_backend({pid})` ends it" in locked.stderr
