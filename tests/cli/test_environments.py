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
