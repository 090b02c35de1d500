"""What an overlay changes is what every command sees in its environment, and in no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import Cli, Invoked
from tests.support.git import Clone, new_repository

PROJECT = """\
apiVersion: ordinaut/v1
kind: Project
name: home
owner: me
environments:
  prod: {overlay: overlays/prod}
"""
TASK = """\
apiVersion: ordinaut/v1
kind: Task
name: brief
schedule: {every: 60m}
timeout: 5m
pipeline: [{id: look, uses: llm.plan, with: {goal: x}}]
"""
OVER = "apiVersion: ordinaut/v1\nkind: Task\nname: brief\n"
OVERLAY = "specs/overlays/prod/brief.yaml"


@pytest.fixture
def clone(folder: Path) -> Clone:
    """A repository with a task, and an overlay that makes it run more often."""
    clone = new_repository(folder)
    clone.write(
        {
            "specs/ordinaut.yaml": PROJECT,
            "specs/brief.yaml": TASK,
            OVERLAY: f"{OVER}schedule: {{every: 15m}}\n",
        }
    )
    clone.commit("First")
    return clone


def changes(plan: Invoked) -> dict[str, str]:
    assert plan.status == 0, plan.stderr
    return {one["key"]: one["action"] for one in plan.json["changes"]}


def runs_an_hour(cli: Cli, environment: str) -> int:
    """How many runs `next` shows of one hour."""
    answer = cli("next", "--env", environment, "--from", "2026-01-05", "-n", "9", "--json")
    hours = [one["at"][:13] for one in answer.json["occurrences"]]
    return hours.count(hours[4])


@pytest.mark.usefixtures("clone")
def test_next_and_simulate_fire_as_the_overlay_says(alone: Cli) -> None:
    assert [runs_an_hour(alone, one) for one in ("default", "prod")] == [1, 4]

    days = {
        one: alone("simulate", "--env", one, "--from", "2026-01-05", "--days", "1", "--json")
        for one in ("default", "prod")
    }

    assert days["prod"].stdout != days["default"].stdout


def test_an_edit_of_an_overlay_is_a_change_in_its_environment_alone(
    clone: Clone, alone: Cli
) -> None:
    clone.write({OVERLAY: f"{OVER}schedule: {{every: 15m}}\npriority: 9\n"})

    assert changes(alone("plan", "--base", "HEAD", "--env", "prod", "--json")) == {
        "brief": "update"
    }
    assert changes(alone("plan", "--base", "HEAD", "--json")) == {}


def test_moving_an_overlay_to_another_file_is_no_change(clone: Clone, alone: Cli) -> None:
    text = (clone.folder / OVERLAY).read_text()
    clone.write({OVERLAY: None, "specs/overlays/prod/below/other.yml": text})

    assert changes(alone("plan", "--base", "HEAD", "--env", "prod", "--json")) == {}


def test_what_an_overlay_leaves_out_is_retired_where_it_was_in_force(
    clone: Clone, cli: Cli
) -> None:
    assert cli("apply", "--env", "prod", "--yes").status == 0
    clone.write({OVERLAY: f"{OVER}enabled: false\n"})

    plan = cli("plan", "--env", "prod", "--json")

    assert {one["key"]: one["action"] for one in plan.json["changes"]} == {"brief": "retire"}


def test_an_overlay_is_formatted_like_any_file(clone: Clone, alone: Cli) -> None:
    clone.write({OVERLAY: f"priority:   9\n{OVER}enabled:   false\n"})

    assert alone("fmt").status == 0

    assert (clone.folder / OVERLAY).read_text() == f"{OVER}priority: 9\nenabled: false\n"


@pytest.mark.usefixtures("clone")
@pytest.mark.parametrize("environment", ["default", "prod"])
def test_what_an_environment_exports_is_what_it_has_without_any_overlay(
    cli: Cli, environment: str
) -> None:
    assert cli("apply", "--yes", "--env", environment).status == 0

    export = cli("export", "--out", "found", "--skip-defaults")
    plan = cli("plan", "--specs", "found", "--env", environment, "--json")

    assert changes(plan) == {"home": "update"}
    assert [one["path"] for one in plan.json["changes"][0]["ops"]] == [
        "/environments/prod/overlay"
    ]
    assert "the overlays of prod" in export.stderr
    assert f"as {environment} has it" in export.stderr


@pytest.mark.usefixtures("clone")
@pytest.mark.parametrize("command", ["next", "simulate", "validate"])
@pytest.mark.parametrize(
    ("file", "text"),
    [
        (OVERLAY, f"{OVER}schedule: {{evry: 15m}}\n"),
        (OVERLAY, f"{OVER}schedule: {{every: [\n"),
        ("specs/ordinaut.yaml", PROJECT.replace("overlay: ", "overlays: ")),
    ],
)
def test_one_file_is_not_shown_without_what_its_environment_lays_over_it(
    clone: Clone, alone: Cli, command: str, file: str, text: str
) -> None:
    clone.write({file: text})

    one = alone(command, "specs/brief.yaml", "--env", "prod")

    assert one.status == 1
    assert f"{file}:" in one.stdout + one.stderr


@pytest.mark.usefixtures("clone")
@pytest.mark.parametrize("command", ["next", "simulate", "validate"])
def test_a_file_beside_another_that_is_broken_is_shown(
    clone: Clone, alone: Cli, command: str
) -> None:
    other = {OVERLAY: f"{OVER}schedule: {{evry: 15m}}\n", "specs/other.yaml": "kind: Tusk\n"}
    clone.write(other)

    assert alone(command, "specs/brief.yaml").status == 0
    assert alone(command, "specs/brief.yaml", "--env", "test").status == 1
