"""`ordinaut init`: what it begins with is valid, runs, and takes nobody's place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator

from reconciler.core.compile import SourceFile, compile_specs
from reconciler.core.formatting import format_file
from tests.house.sources import ROOT
from tests.support.cli import Cli
from tests.support.probes import eventually
from tests.support.processes import ordinaut, started

SPECS = ["specs/ordinaut.yaml", "specs/agent.yaml", "specs/hello.yaml", "specs/servers.yaml"]


def test_what_it_writes_is_valid_formatted_and_without_advice(folder: Path, alone: Cli) -> None:
    begun = alone("init")

    assert begun.status == 0
    assert begun.lines == [
        f"wrote  {path}" for path in [*SPECS, "specs/.schema.json", ".gitignore"]
    ]
    assert "  ordinaut up " in begun.stderr
    assert "cd " not in begun.stderr
    assert alone("validate").stderr == "3 documents in 4 files: no problems\n"
    assert alone("fmt", "--check").stderr == "4 files unchanged\n"
    assert alone("lint", "--fail-on", "warning").status == 0
    assert "hello" in alone("next").stdout


def test_it_plans_and_applies(folder: Path, cli: Cli) -> None:
    assert cli("init").status == 0
    assert cli("migrate").status == 0

    assert "+ hello " in cli("plan").stdout
    assert cli("apply", "--yes").status == 0
    assert cli("plan", "--detailed-exitcode").status == 0


async def test_up_runs_its_task(folder: Path, database: str, redis_url: str) -> None:
    env = {"ORDINAUT_DATABASE_URL": database, "ORDINAUT_REDIS_URL": redis_url}
    assert (await ordinaut("init", cwd=folder)).status == 0

    async with started("up", cwd=folder, env=env) as up:
        await eventually(lambda: "watching the specs" in up.stdout + up.stderr, "up", seconds=30)
        run = await ordinaut("run", "hello", "--wait", cwd=folder, env=env)

    assert run.status == 0, run
    assert "succeeded" in run.stdout


def test_the_project_is_called_like_its_folder(folder: Path, alone: Cli) -> None:
    begun = alone("init", "Team Schedules!", "--json").json

    assert begun == {
        "format": "ordinaut.dev/beginning/v1",
        "project": "team-schedules",
        "written": [*SPECS, "specs/.schema.json", ".gitignore"],
        "kept": [],
    }
    text = (folder / "Team Schedules!" / "specs" / "ordinaut.yaml").read_text()
    assert "name: team-schedules\n" in text
    assert "  cd 'Other One'\n" in alone("init", "Other One").stderr
    assert alone("init", "...", "--json").json["project"] == "my-project"


def test_nothing_that_exists_is_touched(folder: Path, alone: Cli) -> None:
    (folder / "specs").mkdir()
    (folder / "specs" / "agent.yaml").write_text("mine\n")
    (folder / ".gitignore").write_text("*.log\n/.ordinaut\n")
    (folder / ".gitlab-ci.yml").write_text("mine\n")

    begun = alone("init", "--ci", "gitlab")

    assert begun.lines == [
        "wrote  specs/.schema.json",
        "kept   .gitlab-ci.yml",
        "kept   .gitignore",
    ]
    assert "There are specs already" in begun.stderr
    assert (folder / "specs" / "agent.yaml").read_text() == "mine\n"
    assert (folder / ".gitlab-ci.yml").read_text() == "mine\n"
    assert sorted(path.name for path in (folder / "specs").iterdir()) == [
        ".schema.json",
        "agent.yaml",
    ]


def test_twice_is_once(folder: Path, alone: Cli) -> None:
    alone("init")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    again = alone("init", "--json").json

    assert (again["written"], again["project"]) == ([], "")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("before", "after"),
    [("*.log", "*.log\n.ordinaut/\n"), ("*.log\n", "*.log\n.ordinaut/\n"), ("", ".ordinaut/\n")],
)
def test_gitignore_gains_one_line(folder: Path, alone: Cli, before: str, after: str) -> None:
    (folder / ".gitignore").write_text(before)

    assert ".gitignore" in alone("init", "--json").json["written"]
    assert (folder / ".gitignore").read_text() == after


@pytest.mark.parametrize(
    ("service", "path"),
    [("github", ".github/workflows/specs.yml"), ("gitlab", ".gitlab-ci.yml")],
)
def test_the_steps_of_a_review_are_commands_that_exist(
    folder: Path, alone: Cli, service: str, path: str
) -> None:
    alone("init", "--ci", service)
    steps = yaml.safe_load((folder / path).read_text())

    text = json.dumps(steps)
    assert "pull_request" in text or "merge_request_event" in text
    for command in (["fmt", "--check"], ["validate"], ["lint"], ["plan", "--help"]):
        assert f"ordinaut {command[0]}" in text
        assert alone(*command).status == 0


def test_the_commented_server_is_valid_when_its_marks_are_gone(folder: Path, alone: Cli) -> None:
    alone("init")
    servers = (folder / "specs" / "servers.yaml").read_text()
    document = "\n".join(
        line.removeprefix("# ") for line in servers.partition("#\n")[2].splitlines()
    )
    project = (folder / "specs" / "ordinaut.yaml").read_bytes()

    specs = compile_specs(
        [SourceFile("specs/ordinaut.yaml", project), SourceFile("specs/s.yaml", document.encode())]
    )

    assert [key.label for key in specs.documents if key.kind == "ToolServer"] == ["time"]
    assert specs.problems == ()


def test_editors_find_the_schema_by_the_first_line(folder: Path, alone: Cli) -> None:
    alone("init")

    for path in SPECS:
        first, _, _ = (folder / path).read_text().partition("\n")
        named = first.removeprefix("# yaml-language-server: $schema=")
        schema = json.loads((folder / "specs" / named).read_text())
        assert schema["title"] == "Ordinaut specs"


@pytest.mark.parametrize("path", SPECS)
def test_the_schema_that_editors_find_accepts_what_it_writes_and_not_a_typo(
    folder: Path, alone: Cli, path: str
) -> None:
    alone("init")
    schema = Draft7Validator(json.loads((folder / "specs" / ".schema.json").read_text()))
    # What is behind comment marks alone is no document yet.
    for document in filter(None, yaml.safe_load_all((folder / path).read_text())):
        assert list(schema.iter_errors(document)) == []
        assert list(schema.iter_errors({**document, "nmae": "typo"}))


def test_a_folder_that_cannot_be_written_is_an_error(folder: Path, alone: Cli) -> None:
    (folder / "specs").write_text("a file")

    refused = alone("init")

    assert refused.status == 1
    assert refused.stderr.startswith("error ORD306: specs cannot be written: ")


@pytest.mark.parametrize("path", sorted((ROOT / "reconciler" / "scaffold").glob("*.yaml")))
def test_the_files_it_copies_are_in_their_one_form(path: Path) -> None:
    assert format_file(path.name, path.read_bytes()).data == path.read_bytes()
