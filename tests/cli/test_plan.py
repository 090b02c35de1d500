"""`ordinaut plan`: what it prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from reconciler.cli import main
from runtime.store.migrate import migrate
from schemas.plan import Plan
from tests.support.cli import Cli

PROJECT = "apiVersion: ordinaut/v1\nkind: Project\nname: home\nlint: {ORD805: off}\nsecrets: {token: {env: TOKEN}}\n"  # fmt: skip
SERVER = (
    "apiVersion: ordinaut/v1\nkind: ToolServer\nname: fs\n"
    "stdio: {command: mcp-fs, env: {TOKEN: '${secrets.token}'}}\n"
)
TASK = """\
apiVersion: ordinaut/v1
kind: Task
name: NAME
schedule: {every: 1h}
pipeline: [{id: look, uses: fs.list}]
"""


@pytest.fixture
def specs(folder: Path) -> Path:
    """A folder of specs with two tasks."""
    specs = folder / "specs"
    specs.mkdir()
    (specs / "ordinaut.yaml").write_text(PROJECT)
    (specs / "fs.yaml").write_text(SERVER)
    for name in ("one", "two"):
        (specs / f"{name}.yaml").write_text(TASK.replace("NAME", name))
    return specs


def test_a_plan_is_shown_and_changes_are_no_failure(specs: Path, cli: Cli) -> None:
    plan = cli("plan")

    assert (plan.status, plan.stderr) == (0, "")
    assert plan.lines[0].startswith("ordinaut plan  env default  source home  nothing applied yet")
    assert "+ one            " in plan.stdout
    assert "Plan: 4 to create." in plan.lines


def test_detailed_exit_codes_tell_changes_from_none(specs: Path, cli: Cli) -> None:
    assert cli("plan", "--detailed-exitcode").status == 2

    cli("apply", "--yes")

    unchanged = cli("plan", "--detailed-exitcode")
    assert (unchanged.status, unchanged.stdout) == (0, "No changes: 4 documents match r1.\n")


def test_json_is_the_plan_and_nothing_else(specs: Path, cli: Cli) -> None:
    plan = cli("plan", "--json")

    assert Plan.model_validate(plan.json).summary.create == 4
    assert plan.stderr == ""


def test_verbose_shows_every_field(specs: Path, cli: Cli) -> None:
    assert "/pipeline" not in cli("plan").stdout
    assert "/pipeline" in cli("plan", "-v").stdout


def test_a_secret_s_value_is_in_no_plan(specs: Path, cli: Cli) -> None:
    for words in (["-v"], ["--json"]):
        plan = cli("plan", *words, TOKEN="hunter2")

        assert "${secrets.token}" in plan.stdout
        assert "hunter2" not in plan.stdout + plan.stderr


def test_a_plan_is_written_to_a_file_as_well(specs: Path, cli: Cli) -> None:
    plan = cli("plan", "--out", "plan.json")

    saved = Plan.model_validate_json(Path("plan.json").read_bytes())
    assert f"Digest: sha256:{saved.digest}" in plan.stdout
    assert plan.stderr == "Apply exactly this: ordinaut apply --plan plan.json\n"


def test_broken_specs_are_shown_with_their_lines_and_end_with_1(specs: Path, cli: Cli) -> None:
    (specs / "two.yaml").write_text(TASK.replace("NAME", "two") + "timout: 5m\n")

    plan = cli("plan")

    assert (plan.status, plan.stdout) == (1, "")
    assert "specs/two.yaml:6:1: error ORD005:" in plan.stderr
    assert "    6 | timout: 5m" in plan.stderr
    assert "error ORD201: the specs hold 1 error, so nothing was planned" in plan.stderr


def test_broken_specs_are_told_before_any_database_is_asked(specs: Path, alone: Cli) -> None:
    (specs / "two.yaml").write_text("[")

    plan = alone("plan", "--database-url", "postgresql://127.0.0.1:1/none")

    assert (plan.status, "error ORD201:" in plan.stderr) == (1, True)


def test_a_missing_folder_is_named(folder: Path, cli: Cli) -> None:
    plan = cli("plan", "--specs", "nowhere")

    assert plan.status == 1
    assert "there is no folder nowhere" in plan.stderr


def test_a_refusal_of_a_guard_ends_with_3_and_is_explained(specs: Path, cli: Cli) -> None:
    cli("apply", "--yes")
    (specs / "one.yaml").unlink()
    (specs / "two.yaml").unlink()

    plan = cli("plan", "--detailed-exitcode")

    assert plan.status == 3
    assert "Refused: leaves nothing of the tasks" in plan.lines
    assert "  if that is meant: `ordinaut apply --allow-retire 2`" in plan.lines


def test_a_conflict_ends_with_4(specs: Path, cli: Cli, rows: psycopg.Connection) -> None:
    cli("apply", "--yes")
    rows.execute("update ordinaut.spec set body = body || '{\"priority\": 9}' where name = 'one'")
    (specs / "one.yaml").write_text(TASK.replace("NAME", "one") + "priority: 7\n")

    assert cli("plan").status == 4


def test_an_unreachable_database_ends_with_5(specs: Path, alone: Cli) -> None:
    plan = alone("plan", "--database-url", "postgresql://127.0.0.1:1/none")

    assert plan.status == 5
    assert "error ORD301:" in plan.stderr


def test_an_old_schema_is_told_with_the_command_that_mends_it(
    specs: Path, cli: Cli, database: str
) -> None:
    migrate(database, to=0)

    plan = cli("plan")

    assert plan.status == 1
    assert "error ORD303:" in plan.stderr
    assert "ordinaut migrate" in plan.stderr


def test_without_a_database_a_plan_is_made_all_the_same_and_none_appears(
    specs: Path, alone: Cli
) -> None:
    plan = alone("plan")

    assert plan.status == 0
    assert plan.stderr == "There is no database yet: compared with an empty one.\n"
    assert "Plan: 4 to create." in plan.lines
    assert not Path(".ordinaut").exists()


def test_what_to_do_with_a_plan_file_is_told_after_the_plan(specs: Path, cli: Cli) -> None:
    told = CliRunner().invoke(main, ["plan", "--out", "plan.json"]).output.splitlines()

    assert told[-1] == "Apply exactly this: ordinaut apply --plan plan.json"
    assert told[0].startswith("There is no database yet")


def test_another_project_s_name_is_refused_at_its_place(specs: Path, cli: Cli) -> None:
    cli("apply", "--yes")
    (specs / "ordinaut.yaml").write_text(PROJECT.replace("home", "office"))

    plan = cli("plan")

    assert plan.status == 1
    assert "specs/one.yaml:1:1: error ORD204:" in plan.stderr
    assert "`ordinaut adopt Task/one` takes" in plan.stderr
    (specs / "ordinaut.yaml").write_text(
        PROJECT.replace("home", "office") + "environments: {prod: {}}\n"
    )
    assert "`ordinaut adopt Task/one --env prod` takes" in " ".join(
        cli("plan", "--env", "prod").stderr.split()
    )


def test_a_forgotten_environment_is_told_once_and_not_as_something_to_take_over(
    specs: Path, cli: Cli
) -> None:
    (specs / "ordinaut.yaml").write_text(PROJECT + "environments: {prod: {}}\n")
    cli("apply", "--yes", "--env", "prod")

    for plan in (cli("plan"), cli("apply", "--yes")):
        assert plan.status == 1
        assert plan.stderr.count("ORD204") == 1
        assert (
            "Project home, Task one, Task two and 1 more belong to environment prod of this same "
            "project, home, and not to default" in plan.stderr
        )
        assert "give `--env prod` if that is meant; default needs a database of its own" in (
            plan.stderr
        )
        assert "adopt" not in plan.stderr
    assert cli("plan", "--env", "prod").status == 0


def test_a_document_of_another_environment_is_taken_over_if_it_is_named(
    specs: Path, cli: Cli
) -> None:
    (specs / "ordinaut.yaml").write_text(PROJECT + "environments: {prod: {}}\n")
    cli("apply", "--yes", "--env", "prod")

    named = ("Project/home", "ToolServer/fs", "one", "two")
    assert cli("adopt", *named, "--yes").status == 0
    assert cli("plan").stdout.startswith("No changes")


def test_another_environment_is_another_owner(specs: Path, cli: Cli) -> None:
    (specs / "ordinaut.yaml").write_text(PROJECT + "environments: {staging: {}}\n")

    plan = cli("plan", "--env", "staging", "--json")

    assert plan.json["environment"]["name"] == "staging"


def test_no_colour_is_printed_where_there_is_no_terminal(specs: Path, cli: Cli) -> None:
    assert "\x1b" not in cli("plan").stdout


def test_output_in_ascii_is_asked_for_by_the_encoding(
    specs: Path, cli: Cli, rows: psycopg.Connection, database: str
) -> None:
    cli("apply", "--yes")
    rows.execute("update ordinaut.spec set body = body || '{\"priority\": 9}' where name = 'one'")

    plain = CliRunner(charset="ascii").invoke(
        main, ["plan"], env={"ORDINAUT_DATABASE_URL": database}
    )

    assert "≠ one" in cli("plan").stdout
    assert "* one" in plain.stdout


def test_the_digest_of_a_saved_plan_is_that_of_the_next_one(specs: Path, cli: Cli) -> None:
    first, second = (json.loads(cli("plan", "--json").stdout)["digest"] for _ in range(2))

    assert first == second
