"""`ordinaut plan --rendered` shows documents as they are in an environment; no database is there to be asked."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.support.cli import Cli

PROJECT = """\
apiVersion: ordinaut/v1
kind: Project
name: home
variables: {city: Chisinau}
defaults: {owner: team-home}
environments:
  prod: {overlay: overlays/prod, variables: {city: Rome}}
"""
TASK = """\
apiVersion: ordinaut/v1
kind: Task
name: brief
schedule: {every: 1h}
params: {city: "${vars.city}", unit: C}
pipeline: [{id: look, uses: llm.plan, with: {goal: "${params.city}"}}]
"""
OVERLAY = """\
apiVersion: ordinaut/v1
kind: Task
name: brief
schedule: {every: 15m}
params: {unit: null}
"""


@pytest.fixture(autouse=True)
def specs(folder: Path) -> Path:
    """A task, and an overlay of it."""
    specs = folder / "specs"
    (specs / "overlays" / "prod").mkdir(parents=True)
    (specs / "ordinaut.yaml").write_text(PROJECT)
    (specs / "brief.yaml").write_text(TASK)
    (specs / "overlays" / "prod" / "brief.yaml").write_text(OVERLAY)
    return specs


def test_a_document_is_shown_with_overlays_defaults_and_variables(alone: Cli) -> None:
    shown = alone("plan", "--env", "prod", "--rendered", "brief")

    assert (shown.status, shown.stderr) == (0, "")
    assert (
        shown.stdout
        == """\
apiVersion: ordinaut/v1
kind: Task
name: brief
owner: team-home
schedule:
  - every: 15m
params:
  city: Rome
pipeline:
  - id: look
    uses: llm.plan
    with:
      goal: "${params.city}"
"""
    )


def test_what_is_shown_for_all_documents_compiles_to_the_same_by_itself(
    alone: Cli, folder: Path
) -> None:
    first = alone("plan", "--env", "prod", "--rendered", "--json")
    assert [one["kind"] for one in first.json] == ["Project", "Task"]
    alone_specs = folder / "rendered"
    alone_specs.mkdir()
    documents = [one for one in first.json if one["kind"] == "Task"]
    project = {"apiVersion": "ordinaut/v1", "kind": "Project", "name": "home"}
    (alone_specs / "all.yaml").write_text(yaml.safe_dump_all([project, *documents]))

    again = alone("plan", "--specs", str(alone_specs), "--rendered", "Task/brief", "--json")

    assert again.json == documents
    assert alone("plan", "--env", "prod", "--rendered").stdout.count("\n---\n") == 1


def test_a_document_that_is_not_there_is_told_with_the_nearest_one(alone: Cli) -> None:
    shown = alone("plan", "--rendered", "breif")

    assert shown.status == 1
    assert "there is no Task breif in the environment default" in shown.stderr
    assert "did you mean `brief`?" in shown.stderr


def test_broken_specs_are_not_shown(alone: Cli, specs: Path) -> None:
    (specs / "overlays" / "prod" / "brief.yaml").write_text(OVERLAY + "prioritty: 3\n")

    shown = alone("plan", "--env", "prod", "--rendered")

    assert (shown.status, shown.stdout) == (1, "")
    assert "specs/overlays/prod/brief.yaml:6:1" in shown.stderr
    assert "    6 | prioritty: 3" in shown.stderr


@pytest.mark.parametrize("option", [("--base", "main"), ("--only", "brief"), ("--out", "x.json")])
def test_options_of_a_plan_do_not_go_with_it(alone: Cli, option: tuple[str, str]) -> None:
    shown = alone("plan", "--rendered", "brief", *option)

    assert shown.status == 1
    assert "leave out the options of a plan" in shown.stderr


def test_a_secret_that_the_project_lets_pass_is_not_shown(alone: Cli, specs: Path) -> None:
    (specs / "ordinaut.yaml").write_text(PROJECT + "lint: {ORD807: warning}\n")
    (specs / "brief.yaml").write_text(TASK.replace("unit: C", "unit: C, password: hunter2"))

    for shown in (alone("plan", "--rendered"), alone("plan", "--rendered", "--json")):
        assert shown.status == 0
        assert "hunter2" not in shown.stdout
        assert "(looks like a secret)" in shown.stdout


def test_a_task_that_uses_a_pipeline_has_its_steps_and_every_parameter(
    specs: Path, alone: Cli
) -> None:
    pipeline = (
        "apiVersion: ordinaut/v1\nkind: Pipeline\nname: tell\nnamespace: ops\n"
        "params: {type: object, properties: {goal: {type: string}, tone: {type: string, default: dry}}}\n"
        "steps: [{id: say, uses: llm.plan, with: {goal: '${params.goal}, ${params.tone}'}}]\n"
    )
    (specs / "tell.yaml").write_text(pipeline)
    task = TASK.replace('[{id: look, uses: llm.plan, with: {goal: "${params.city}"}}]', "USE")
    (specs / "brief.yaml").write_text(
        task.replace("USE", '{use: ops/tell, with: {goal: "${vars.city}"}}')
    )

    shown = yaml.safe_load(alone("plan", "--env", "prod", "--rendered", "brief").stdout)

    assert shown["pipeline"] == {
        "use": "ops/tell",
        "with": {"goal": "Rome", "tone": "dry"},
        "steps": [
            {"id": "say", "uses": "llm.plan", "with": {"goal": "${params.goal}, ${params.tone}"}}
        ],
    }


@pytest.mark.parametrize(("environment", "city"), [("prod", "Rome"), ("default", "Chisinau")])
def test_the_project_has_the_variables_of_the_environment(
    alone: Cli, environment: str, city: str
) -> None:
    shown = alone("plan", "--env", environment, "--rendered", "Project/home", "--json")

    assert shown.json[0]["variables"] == {"city": city}
