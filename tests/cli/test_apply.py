"""`ordinaut apply`: what it asks, prints and does, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from reconciler.cli import main
from runtime.store.statements import statement
from tests.cli.test_plan import TASK, specs
from tests.support.cli import Cli
from tests.support.processes import ordinaut

__all__ = ["specs"]

REVISIONS = "select count(*) from ordinaut.revision"


def revisions(rows: psycopg.Connection) -> int:
    found = rows.execute(REVISIONS).fetchone()
    assert found is not None
    return int(found[0])


def test_applying_says_what_was_done(specs: Path, cli: Cli, rows: psycopg.Connection) -> None:
    apply = cli("apply", "--yes")

    assert (apply.status, apply.stderr) == (0, "")
    assert apply.lines[-1] == "Applied as r1: 4 created."
    assert revisions(rows) == 1


def test_applying_again_does_nothing(specs: Path, cli: Cli, rows: psycopg.Connection) -> None:
    cli("apply", "--yes")

    again = cli("apply", "--yes")

    assert (again.status, again.stdout) == (0, "No changes: 4 documents match r1.\n")
    assert revisions(rows) == 1


def test_json_is_a_line_for_the_plan_and_one_for_the_result(specs: Path, cli: Cli) -> None:
    apply = cli("apply", "--yes", "--json")

    plan, result = map(json.loads, apply.lines)
    assert (plan["type"], plan["format"]) == ("plan", "ordinaut.dev/plan/v1")
    assert (result["type"], result["revision"], result["plan_digest"]) == (
        "result",
        1,
        plan["digest"],
    )


def test_without_a_terminal_consent_must_be_given_beforehand(
    specs: Path, cli: Cli, rows: psycopg.Connection
) -> None:
    apply = cli("apply")

    assert apply.status == 1
    assert "give --yes" in apply.stderr
    assert revisions(rows) == 0


@pytest.mark.parametrize(("answer", "status", "count"), [("y", 0, 1), ("n", 1, 0), ("", 1, 0)])
@pytest.mark.usefixtures("specs")
def test_on_a_terminal_it_asks(  # noqa: PLR0917 - a row of the table and what it needs
    database: str,
    rows: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    status: int,
    count: int,
) -> None:
    monkeypatch.setattr("reconciler.cli.consent.is_terminal", lambda: True)

    apply = CliRunner().invoke(
        main, ["apply"], input=f"{answer}\n", env={"ORDINAUT_DATABASE_URL": database}
    )

    assert apply.exit_code == status
    assert "Apply these changes? [y/N]" in apply.stderr
    assert revisions(rows) == count
    assert ("Nothing was applied." in apply.stderr) is (count == 0)


def test_nothing_is_asked_where_there_is_nothing_to_do(
    specs: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("apply", "--yes")
    monkeypatch.setattr("reconciler.cli.consent.is_terminal", lambda: True)

    assert cli("apply").stderr == ""


def test_a_saved_plan_is_applied_without_asking(
    specs: Path, cli: Cli, rows: psycopg.Connection
) -> None:
    cli("plan", "--out", "plan.json")
    for path in specs.iterdir():
        path.unlink()

    apply = cli("apply", "--plan", "plan.json")

    assert (apply.status, apply.lines[-1]) == (0, "Applied as r1: 4 created.")
    assert rows.execute("select actor <> '' from ordinaut.revision").fetchall() == [(True,)]


def test_a_stale_plan_ends_with_4_and_says_what_changed(specs: Path, cli: Cli) -> None:
    cli("apply", "--yes")
    (specs / "one.yaml").write_text(TASK.replace("NAME", "one") + "priority: 7\n")
    cli("plan", "--out", "plan.json")
    (specs / "one.yaml").write_text(TASK.replace("NAME", "one") + "priority: 8\n")
    cli("apply", "--yes")

    apply = cli("apply", "--plan", "plan.json")

    assert apply.status == 4
    assert "error ORD202: the database changed since the plan was made: r2 (" in apply.stderr
    assert "changed policy of Task one" in apply.stderr


def test_a_plan_file_that_was_applied_is_done_already_as_long_as_that_is_in_force(
    specs: Path, cli: Cli, rows: psycopg.Connection
) -> None:
    cli("apply", "--yes")
    (specs / "one.yaml").write_text(TASK.replace("NAME", "one") + "priority: 7\n")
    (specs / "two.yaml").unlink()
    cli("plan", "--out", "plan.json")
    cli("apply", "--plan", "plan.json")

    again = cli("apply", "--plan", "plan.json")
    (specs / "one.yaml").write_text(TASK.replace("NAME", "one") + "priority: 8\n")
    cli("apply", "--yes")
    back = cli("apply", "--plan", "plan.json")

    assert (again.status, again.lines[-1]) == (0, "Already applied as r2.")
    assert back.status == 4
    assert (
        "error ORD202: the plan was applied already, as r2, and the database changed since: r3 ("
        in back.stderr
    )
    assert revisions(rows) == 3


def test_whoever_wrote_past_git_after_the_plan_is_named(
    specs: Path, cli: Cli, rows: psycopg.Connection
) -> None:
    cli("apply", "--yes")
    (specs / "one.yaml").write_text(TASK.replace("NAME", "one") + "priority: 7\n")
    cli("plan", "--out", "plan.json")
    rows.execute("set application_name = 'psql'")
    rows.execute("update ordinaut.spec set body = body || '{\"priority\": 9}' where name = 'one'")

    apply = cli("apply", "--plan", "plan.json")

    assert apply.status == 4
    who = rows.info.user
    assert f"Task one was changed past git, written by {who} through psql" in apply.stderr
    assert "r1" not in apply.stderr
    rows.execute("delete from ordinaut.drift")
    unseen = cli("apply", "--plan", "plan.json")
    assert "since the plan was made: Task one was changed past git\n" in unseen.stderr


def test_a_guard_ends_with_3_and_the_exact_number_lets_it_pass(specs: Path, cli: Cli) -> None:
    cli("apply", "--yes")
    (specs / "one.yaml").unlink()
    (specs / "two.yaml").unlink()

    assert cli("apply", "--yes").status == 3
    assert cli("apply", "--yes", "--allow-retire", "1").status == 3
    refused = cli("apply", "--yes")
    assert "error ORD203: the plan leaves nothing of the tasks" in refused.stderr

    allowed = cli("apply", "--yes", "--allow-retire", "2")
    assert (allowed.status, allowed.lines[-1]) == (0, "Applied as r2: 2 retired.")


def test_another_number_than_the_plan_retires_is_refused_and_none_if_nothing_is_left(
    specs: Path, cli: Cli, rows: psycopg.Connection
) -> None:
    for name in ("three", "four"):
        (specs / f"{name}.yaml").write_text(TASK.replace("NAME", name))
    cli("apply", "--yes")
    for name in ("three", "four"):
        (specs / f"{name}.yaml").unlink()

    fewer = cli("apply", "--yes", "--allow-retire", "1")
    exact = cli("apply", "--yes", "--allow-retire", "2")
    again = cli("apply", "--yes", "--allow-retire", "2")

    assert (fewer.status, "the plan retires 2 of 6 (33.3 %), not 1" in fewer.stderr) == (3, True)
    assert (exact.status, again.status, revisions(rows)) == (0, 0, 2)


def test_a_conflict_ends_with_4_and_may_be_forced(
    specs: Path, cli: Cli, rows: psycopg.Connection
) -> None:
    cli("apply", "--yes")
    rows.execute("update ordinaut.spec set body = body || '{\"priority\": 9}' where name = 'one'")
    (specs / "one.yaml").write_text(TASK.replace("NAME", "one") + "priority: 7\n")

    refused = cli("apply", "--yes")
    assert (refused.status, "error ORD208:" in refused.stderr) == (4, True)

    forced = cli("apply", "--yes", "--force-conflicts", "1")
    assert (forced.status, forced.lines[-1]) == (0, "Applied as r2: 1 overwritten.")


def test_a_row_that_no_apply_made_is_taken_over_by_number(
    specs: Path, cli: Cli, rows: psycopg.Connection
) -> None:
    cli("apply", "--yes")
    rows.execute("delete from ordinaut.spec_revision r using ordinaut.spec s"
                 " where s.uid = r.uid and s.name = 'two'")  # fmt: skip

    assert cli("apply", "--yes").status == 3
    assert cli("apply", "--yes", "--allow-adopt", "1").lines[-1] == "Applied as r2: 1 adopted."


def test_another_apply_that_does_not_end_is_waited_for_and_named(
    specs: Path, cli: Cli, rows: psycopg.Connection
) -> None:
    with rows.transaction():
        rows.execute(statement("lock_project"), {"project": "home", "environment": "default"})
        apply = cli("apply", "--yes", "--lock-timeout", "50ms")

    assert apply.status == 5
    assert "error ORD205: another apply of home/default is under way" in apply.stderr


def test_a_lock_timeout_needs_a_unit(specs: Path, cli: Cli) -> None:
    apply = cli("apply", "--yes", "--lock-timeout", "5")

    assert apply.status == 1
    assert "has no unit; seconds would be 5s" in apply.stderr


def test_broken_specs_change_nothing_and_start_nothing(specs: Path, alone: Cli) -> None:
    (specs / "two.yaml").write_text("[")

    apply = alone("apply", "--yes")

    assert apply.status == 1
    assert "error ORD002:" in apply.stderr
    assert not Path(".ordinaut").exists()


async def test_without_a_database_one_is_made_and_found_again(specs: Path, folder: Path) -> None:
    applied = await ordinaut("apply", "--yes", cwd=folder)
    planned = await ordinaut("plan", "--detailed-exitcode", cwd=folder)

    assert (applied.status, applied.stdout.splitlines()[-1]) == (0, "Applied as r1: 4 created.")
    assert (planned.status, planned.stdout) == (0, "No changes: 4 documents match r1.\n")


@pytest.mark.parametrize("option", ["--allow-retire", "--allow-adopt", "--force-conflicts"])
def test_less_than_none_cannot_be_allowed(cli: Cli, option: str) -> None:
    refused = cli("apply", "--yes", option, "-1")

    assert refused.status == 1
    assert f"Invalid value for '{option}': -1 is not in the range x>=0" in refused.stderr
