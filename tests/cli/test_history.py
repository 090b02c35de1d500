"""`ordinaut history`, `show rN` and `diff`: what was applied once, and what differs since."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.cli.test_plan import PROJECT, TASK, specs
from tests.support.cli import Cli
from tests.support.git import new_repository

__all__ = ["specs"]


@pytest.fixture
def past(specs: Path, cli: Cli) -> Path:
    """Four revisions: two tasks; another schedule; a task less and one renamed; a pipeline changed."""
    cli("apply", "--yes")
    (specs / "one.yaml").write_text(TASK.replace("NAME", "one").replace("1h", "2h"))
    cli("apply", "--yes")
    (specs / "one.yaml").unlink()
    (specs / "two.yaml").write_text(TASK.replace("NAME", "deux") + "renamed_from: two\n")
    cli("apply", "--yes")
    (specs / "two.yaml").write_text(TASK.replace("NAME", "deux").replace("fs.list", "fs.read"))
    assert cli("apply", "--yes").status == 0
    return specs


def numbers(lines: list[str]) -> list[str]:
    return [line.split()[0] for line in lines[1:]]


def test_history_lists_revisions_newest_first(past: Path, cli: Cli) -> None:
    history = cli("history")

    assert (history.status, history.stderr) == (0, "")
    assert numbers(history.lines) == ["r4", "r3", "r2", "r1"]
    assert [line.split("  ")[-1] for line in history.lines[1:]] == [
        "1 updated",
        "1 renamed, 1 retired",
        "1 updated",
        "4 created",
    ]
    assert history.lines[0].split() == ["REVISION", "WHEN", "KIND", "COMMIT", "BY", "WHAT"]
    assert numbers(cli("history", "-n", "2").lines) == ["r4", "r3"]


@pytest.mark.parametrize(
    ("document", "revisions", "what"),
    [
        ("one", ["r3", "r2", "r1"], ["retired", "updated schedule", "created"]),
        ("deux", ["r4", "r3", "r1"], ["updated pipeline", "renamed", "created"]),
        ("Task/default/deux", ["r4", "r3", "r1"], ["updated pipeline", "renamed", "created"]),
        ("ToolServer/fs", ["r1"], ["created"]),
    ],
)
def test_of_one_document_only_its_own_revisions_are_told(
    past: Path, cli: Cli, document: str, revisions: list[str], what: list[str]
) -> None:
    history = cli("history", document)

    assert numbers(history.lines) == revisions
    assert [line.split("  ")[-1] for line in history.lines[1:]] == what


def test_a_document_that_never_was_is_not_found_and_the_nearest_is_named(
    past: Path, cli: Cli
) -> None:
    history = cli("history", "Task/deix")

    assert history.status == 1
    assert "error ORD310: there is no Task deix" in history.stderr
    assert "did you mean `deux`?" in history.stderr


def test_the_commit_is_named_and_marked_where_there_were_edits(
    specs: Path, folder: Path, cli: Cli
) -> None:
    clone = new_repository(folder)
    commit = clone.commit()
    cli("apply", "--yes")
    (specs / "one.yaml").write_text(TASK.replace("NAME", "one") + "priority: 7\n")
    cli("apply", "--yes")

    edited, first = cli("history").lines[1:]

    assert f"  {commit[:7]} and edits  " in edited
    assert f"  {commit[:7]}  " in first
    assert f"commit  {commit} on main, by Ada <ada@example.com>" in cli("show", "r1").stdout


def test_json_says_whose_and_how_many(past: Path, cli: Cli) -> None:
    history = cli("history", "--json").json

    assert history["format"] == "ordinaut.dev/history/v1"
    newest = history["revisions"][0]
    assert (newest["revision"], newest["parent"], newest["kind"]) == (4, 3, "apply")
    assert newest["written"]["updated"] == 1
    assert cli("history", "one", "--json").json["revisions"][1]["facets"] == ["schedule"]


def test_the_project_is_named_where_there_are_several(past: Path, cli: Cli) -> None:
    other = past.parent / "other"
    other.mkdir()
    (other / "ordinaut.yaml").write_text(PROJECT.replace("home", "shop"))
    cli("apply", "--yes", "--specs", "other")

    history = cli("history")

    assert "PROJECT" in history.lines[0]
    assert "shop/default" in history.lines[1]
    refused = cli("diff", "r1", "r5")
    assert refused.status == 1
    assert "error ORD209: r1 is of home/default, and r5 of shop/default" in refused.stderr


def test_before_the_first_apply_there_is_no_history(cli: Cli) -> None:
    history = cli("history")

    assert (history.status, history.stdout) == (0, "")
    assert history.stderr == "nothing has been applied yet\n"


def test_a_revision_is_shown_with_everything_that_it_wrote(past: Path, cli: Cli) -> None:
    shown = cli("show", "r3")

    assert (shown.status, shown.stderr) == (0, "")
    assert "wrote   1 renamed, 1 retired" in shown.stdout
    assert "> two -> deux" in shown.stdout
    assert "- one" in shown.stdout
    # What it was just before, and not at first.
    assert "schedule  every 2 h" in shown.stdout


def test_a_changed_schedule_is_shown_as_it_was_and_as_it_came_to_be(past: Path, cli: Cli) -> None:
    shown = cli("show", "r2", "--json").json

    (change,) = shown["changes"]
    assert (change["key"], change["facets"]) == ("one", ["schedule"])
    assert change["preview"]["schedule_before"].startswith("every hour")
    assert change["preview"]["schedule_after"].startswith("every 2 hours")
    # Fire times are those that came next when it was applied.
    assert change["preview"]["after"][0] > shown["revision"]["applied_at"]


def test_what_was_restored_or_taken_over_is_told_as_that(
    specs: Path, cli: Cli, rows: psycopg.Connection
) -> None:
    cli("apply", "--yes")
    rows.execute("update ordinaut.spec set body = body || '{\"priority\": 9}' where name = 'one'")
    cli("apply", "--yes")
    rows.execute("delete from ordinaut.spec_revision r using ordinaut.spec s"
                 " where s.uid = r.uid and s.name = 'two'")  # fmt: skip
    cli("apply", "--yes", "--allow-adopt", "1")

    assert cli("show", "r2", "--json").json["changes"][0]["reason"] == "drift"
    assert cli("show", "r3", "--json").json["changes"][0]["action"] == "adopt"


def test_what_comes_back_is_told_as_that_and_not_as_created(past: Path, cli: Cli) -> None:
    (past / "one.yaml").write_text(TASK.replace("NAME", "one"))
    (past / "new.yaml").write_text(TASK.replace("NAME", "new"))
    planned, applied = cli("plan"), cli("apply", "--yes")

    assert "Plan: 1 to create, 1 to bring back, 3 unchanged." in planned.lines
    assert applied.lines[-1] == "Applied as r5: 1 created, 1 brought back."
    shown = cli("show", "r5")
    assert "wrote   1 created, 1 brought back" in shown.lines
    assert [line.split()[1] for line in shown.lines if line.startswith("+")] == ["new", "one"]
    assert shown.stdout.count("comes back with its history") == 1
    of_one = cli("history", "one")
    assert numbers(of_one.lines) == ["r5", "r3", "r2", "r1"]
    assert of_one.lines[1].endswith("  brought back")
    assert of_one.lines[-1].endswith("  created")
    (newest, *_, first) = cli("history", "one", "--json").json["revisions"]
    assert (newest["action"], newest["brought_back"]) == ("create", True)
    assert (first["action"], first["brought_back"]) == ("create", False)


@pytest.mark.parametrize("name", ["r99", f"r{2**70}"])
def test_a_revision_that_is_not_there_is_not_found(past: Path, cli: Cli, name: str) -> None:
    shown = cli("show", name)

    assert shown.status == 1
    assert f"error ORD310: there is no revision {name}" in shown.stderr


def test_two_revisions_are_compared_as_a_plan_would(past: Path, cli: Cli) -> None:
    diff = cli("diff", "r1", "r4")

    assert diff.lines[0] == "r1 -> r4  home/default"
    assert "> two -> deux" in diff.stdout
    assert "+ fs.read" in diff.stdout
    assert "- one" in diff.stdout
    assert diff.lines[-1] == "2 differ, 2 are the same."


def test_the_newest_revision_is_the_other_side_unless_one_is_named(past: Path, cli: Cli) -> None:
    assert cli("diff", "r2", "--json").json["after"]["revision"] == 4
    assert cli("diff", "2", "--json").json["before"]["revision"] == 2


def test_a_difference_is_seen_from_both_sides(past: Path, cli: Cli) -> None:
    there, back = (cli("diff", *sides, "--json").json for sides in (("r1", "r2"), ("r2", "r1")))

    (forth,), (aback,) = there["changes"], back["changes"]
    assert forth["preview"]["before"] == aback["preview"]["after"]
    assert forth["preview"]["schedule_after"].startswith("every 2 hours")
    assert aback["preview"]["schedule_after"].startswith("every hour")
    assert forth["preview"]["after"][0] > there["as_of"]


def test_a_revision_does_not_differ_from_itself(past: Path, cli: Cli) -> None:
    assert cli("diff", "r4").stdout == "No differences: r4 -> r4, 3 documents.\n"


def test_what_was_changed_by_hand_is_in_no_difference(
    past: Path, cli: Cli, rows: psycopg.Connection
) -> None:
    rows.execute("update ordinaut.spec set body = body || '{\"priority\": 9}'")

    assert cli("diff", "r4").stdout.startswith("No differences")
