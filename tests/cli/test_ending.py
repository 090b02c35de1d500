"""`--json` of the commands that plan and write: whatever happens, the last object says what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from jsonschema import Draft7Validator

from reconciler.cli import main
from runtime.store.statements import statement
from schemas.printed import published
from tests.cli.test_plan import TASK, specs
from tests.support.cli import Cli, Invoked

__all__ = ["specs"]

SCHEMA = Draft7Validator(json.loads(published()["apply.schema.json"]))


def result(invoked: Invoked) -> Any:
    """The last line, which is the one result and agrees with the exit code."""
    lines = [json.loads(line) for line in invoked.lines]
    assert [line["type"] for line in lines[-1:]] == ["result"]
    assert sum(line["type"] == "result" for line in lines) == 1
    found = lines[-1]
    SCHEMA.validate(found)
    assert found["exit_code"] == invoked.status
    assert found["ok"] is (invoked.status == 0)
    return found


def test_what_was_applied_is_the_result(specs: Path, cli: Cli) -> None:
    applied = result(cli("apply", "--yes", "--json"))

    assert (applied["revision"], applied["error"]) == (1, None)
    assert applied["summary"]["create"] == 4


def test_specs_with_errors_are_told_with_their_places(specs: Path, cli: Cli) -> None:
    (specs / "one.yaml").write_text("[")

    apply, plan = result(cli("apply", "--yes", "--json")), cli("plan", "--json")

    assert (apply["exit_code"], apply["error"]["code"]) == (1, "ORD201")
    assert apply["problems"][0]["file"].endswith("one.yaml")
    assert (plan.status, plan.json["format"], plan.json["ok"]) == (
        1,
        "ordinaut.dev/plan-failure/v1",
        False,
    )
    assert plan.json["diagnostics"] == apply["problems"]
    assert plan.json["error"] == apply["error"]


def test_a_guard_that_refuses_is_told_with_what_to_do(specs: Path, cli: Cli) -> None:
    cli("apply", "--yes")
    for name in ("one", "two"):
        (specs / f"{name}.yaml").unlink()

    refused = result(cli("apply", "--yes", "--json"))

    assert (refused["exit_code"], refused["error"]["code"]) == (3, "ORD203")
    assert "--allow-retire 2" in refused["error"]["hint"]


def test_what_was_not_reviewed_and_a_stale_file_are_told(specs: Path, cli: Cli) -> None:
    cli("plan", "--out", "plan.json")
    (specs / "one.yaml").write_text(TASK.replace("NAME", "one") + "priority: 8\n")
    cli("apply", "--yes")

    unexpected = result(cli("apply", "--json", "--expect-digest", "0" * 64))
    stale = result(cli("apply", "--json", "--plan", "plan.json"))
    missing = result(cli("apply", "--json", "--plan", "none.json"))

    assert [one["error"]["code"] for one in (unexpected, stale)] == ["ORD202", "ORD202"]
    assert (missing["exit_code"], missing["error"]["code"]) == (1, "ORD310")


def test_a_lock_that_is_not_let_go_and_a_database_that_is_away_are_told(
    specs: Path, cli: Cli, rows: psycopg.Connection
) -> None:
    with rows.transaction():
        rows.execute(statement("lock_project"), {"project": "home", "environment": "default"})
        locked = result(cli("apply", "--yes", "--json", "--lock-timeout", "50ms"))
    away = cli("apply", "--yes", "--json", ORDINAUT_DATABASE_URL="postgresql://127.0.0.1:1/none")
    unplanned = cli("plan", "--json", ORDINAUT_DATABASE_URL="postgresql://127.0.0.1:1/none")

    assert (locked["exit_code"], locked["error"]["code"]) == (5, "ORD205")
    assert result(away)["exit_code"] == 5
    assert (unplanned.status, unplanned.json["exit_code"]) == (5, 5)


def test_a_setting_or_a_command_line_that_cannot_be_used_is_told(specs: Path, cli: Cli) -> None:
    unasked = result(cli("apply", "--json"))
    setting = result(cli("apply", "--yes", "--json", ORDINAUT_LEASE="often"))

    assert (unasked["error"]["code"], "give --yes" in unasked["error"]["message"]) == (
        "usage",
        True,
    )
    assert setting["error"]["code"] == "ORD306"


@pytest.mark.parametrize(
    ("typed", "code", "status"), [("n\n", "declined", 1), ("", "interrupted", 130)]
)
@pytest.mark.usefixtures("specs")
def test_whoever_says_no_or_goes_away_is_told(  # noqa: PLR0917 - a row of the table and what it needs
    database: str,
    rows: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    code: str,
    status: int,
) -> None:
    monkeypatch.setattr("reconciler.cli.consent.is_terminal", lambda: True)

    asked = CliRunner().invoke(
        main, ["apply", "--json"], input=typed, env={"ORDINAUT_DATABASE_URL": database}
    )

    assert result(Invoked(asked.exit_code, asked.stdout, asked.stderr))["error"]["code"] == code
    assert (asked.exit_code, "Nothing was applied." in asked.stderr) == (status, True)
    assert "Aborted" not in asked.stderr
    assert rows.execute("select count(*) from ordinaut.revision").fetchone() == (0,)


@pytest.mark.parametrize(
    ("raised", "code", "status"),
    [(KeyboardInterrupt(), "interrupted", 130), (ZeroDivisionError("x"), "defect", 1)],
)
def test_an_interruption_and_a_defect_are_told(  # noqa: PLR0917 - a row of the table and what it needs
    specs: Path,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
    raised: BaseException,
    code: str,
    status: int,
) -> None:
    def fail(*_: object) -> None:
        raise raised

    monkeypatch.setattr("reconciler.cli.apply.plan_specs", fail)

    found = result(cli("apply", "--yes", "--json"))

    assert (found["error"]["code"], found["exit_code"]) == (code, status)


def test_a_rollback_and_an_adoption_end_in_a_result_too(specs: Path, cli: Cli) -> None:
    cli("apply", "--yes")

    unknown = result(cli("rollback", "--to", "r9", "--yes", "--json"))
    nothing = result(cli("adopt", "one", "--yes", "--json"))
    back = result(cli("rollback", "--to", "r1", "--yes", "--json"))

    assert [one["error"]["code"] for one in (unknown, nothing)] == ["ORD310", "ORD212"]
    assert (back["ok"], back["revision"]) == (True, None)


def test_a_plan_that_is_refused_is_still_the_plan(specs: Path, cli: Cli) -> None:
    refused = cli("plan", "--json", "--fail-on", "change")

    assert (refused.status, refused.json["format"]) == (3, "ordinaut.dev/plan/v1")


def test_of_a_large_apply_it_is_told_how_far_it_is(
    specs: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.cli.consent._LARGE", 4)

    lines = [json.loads(line) for line in cli("apply", "--yes", "--json").lines]

    assert [line["type"] for line in lines] == ["plan", *["progress"] * 5, "result"]
    assert [line["stage"] for line in lines[1:-1]] == [
        "waiting",
        "checking",
        "writing",
        "scheduling",
        "committing",
    ]
    assert {line["changes"] for line in lines[1:-1]} == {4}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("show", "r99"), "ORD310"),
        (("diff", "r1", "r99"), "ORD310"),
        (("history", "nosuch"), "ORD310"),
        (("export", "Task/nosuch"), "ORD310"),
        (("approve", "nosuch"), None),
        (("hold", "clear"), None),
        (("validate", "nosuch"), "ORD310"),
        (("lint", "--format", "json", "nosuch"), "ORD310"),
        (("fmt", "nosuch"), None),
        (("next", "nosuch"), None),
        (("why", "nosuch"), "ORD310"),
    ],
)
def test_every_command_that_was_asked_for_json_says_so_why_it_failed(
    specs: Path, cli: Cli, words: tuple[str, ...], code: str | None
) -> None:
    schema = Draft7Validator(json.loads(published()["failure.schema.json"]))

    failed = cli(*words, *(() if "--format" in words else ("--json",)))

    found = failed.json
    schema.validate(found)
    assert (found["format"], found["ok"]) == ("ordinaut.dev/failure/v1", False)
    assert found["exit_code"] == failed.status != 0
    assert code in {None, found["error"]["code"]}
    assert found["error"]["message"].split("\n")[0][:40] in failed.stderr


@pytest.mark.parametrize(
    ("line", "format_"),
    [
        ("apply --allow-retire -1 --json", "apply"),
        ("apply --json --allow-retire -1", "apply"),
        ("apply --nope --json", "apply"),
        ("rollback --json", "apply"),
        ("adopt --yes --json", "apply"),
        ("plan --fail-on nope --json", "plan-failure"),
        ("plan --json --nope", "plan-failure"),
        ("history --limit x --json", "failure"),
        ("status --nope --json", "failure"),
        ("lint --fail-on nope --format json", "failure"),
        ("validate --nope --format=json", "failure"),
        ("hold nope --json", "failure"),
        ("nope --json", "failure"),
        ("--nope plan --json", "failure"),
        ("--debug --json", "failure"),
    ],
)
def test_a_command_line_that_is_not_understood_is_told_wherever_json_stands(
    cli: Cli, line: str, format_: str
) -> None:
    refused = cli(*line.split())

    found = result(refused) if format_ == "apply" else refused.json
    assert (found["format"], found["ok"]) == (f"ordinaut.dev/{format_}/v1", False)
    assert (found["exit_code"], refused.status, found["error"]["code"]) == (1, 1, "usage")
    assert found["error"]["message"] in refused.stderr


@pytest.mark.parametrize(
    "line", ["status --nope", "why -- --json", "validate --format sarif --nope"]
)
def test_a_command_line_that_asks_for_no_json_gets_none(cli: Cli, line: str) -> None:
    refused = cli(*line.split())

    assert (refused.status, refused.stdout) == (1, "")
