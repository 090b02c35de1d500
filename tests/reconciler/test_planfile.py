"""A saved plan is applied exactly as it was reviewed, or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.planfile import read_plan, write_plan
from runtime.errors import NotFound, OrdinautError, PlanError, StalePlan
from tests.core.plan_story import story


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A plan in a file."""
    path = tmp_path / "plan.json"
    write_plan(story(), path)
    return path


def edit(path: Path, change: Any) -> None:
    plan = json.loads(path.read_text())
    change(plan)
    path.write_text(json.dumps(plan))


def test_a_plan_is_read_back_as_it_was(saved: Path) -> None:
    assert read_plan(saved) == story()


def body_of(plan: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = next(c["body"] for c in plan["changes"] if c["body"])
    return body


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: plan["changes"].pop(),
        lambda plan: plan["changes"][0].update(action="update"),
        lambda plan: plan["changes"][0].update(base_digest="0" * 64),
        lambda plan: body_of(plan).update(priority=1),
        lambda plan: plan["source"].update(project="other"),
        lambda plan: plan["environment"].update(name="staging"),
        lambda plan: plan.update(digest="0" * 64),
    ],
    ids=["change", "action", "base", "body", "project", "environment", "digest"],
)
def test_a_plan_that_was_altered_is_refused(saved: Path, change: Any) -> None:
    edit(saved, change)

    with pytest.raises(PlanError, match="its digest does not fit its content") as refusal:
        read_plan(saved)
    assert refusal.value.code == "ORD207"


def test_what_only_informs_may_be_stripped(saved: Path) -> None:
    edit(saved, lambda plan: [change.update(preview=None) for change in plan["changes"]])

    assert read_plan(saved).digest == story().digest


def test_a_plan_of_another_normaliser_is_stale(saved: Path) -> None:
    edit(saved, lambda plan: plan.update(normaliser_version=99))

    with pytest.raises(StalePlan, match="compares documents in another form"):
        read_plan(saved)


@pytest.mark.parametrize(
    ("text", "where"),
    [("", "the file"), ("{", "the file"), ('{"format": "ordinaut.dev/plan/v9"}', "format")],
)
def test_what_is_no_plan_is_refused_and_said_where(saved: Path, text: str, where: str) -> None:
    saved.write_text(text)

    with pytest.raises(PlanError, match=f"is no plan of this version: {where}: "):
        read_plan(saved)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no plan file"):
        read_plan(tmp_path / "plan.json")


@pytest.mark.parametrize("act", [lambda path: write_plan(story(), path), read_plan])
def test_a_folder_is_no_plan_file(tmp_path: Path, act: Any) -> None:
    with pytest.raises(OrdinautError) as refusal:
        act(tmp_path)
    assert refusal.value.code == "ORD207"
