"""The published schema of plans is true of every plan, and of nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft7Validator

from schemas.plan import GitBase, Plan
from schemas.printed import published
from schemas.problem import Problem
from tests.core.plan_story import AFTER, BEFORE, plan_of, story
from tests.support.specs import Database, compiled, database_of

_SCHEMA = json.loads(published()["plan.schema.json"])

PLANS: dict[str, Callable[[], Plan]] = {
    "story": story,
    "first": lambda: plan_of(Database({}), compiled(AFTER), base=None),
    "nothing": lambda: plan_of(database_of(BEFORE), compiled(BEFORE)),
    "git": lambda: story(git_base=GitBase(named="main", commit="a81d07cbe2", broken=("a.yaml",))),
    "part": lambda: story(only=("ops/morning-brief",)),
    "advice": lambda: story(
        diagnostics=[
            Problem(code="ORD603", severity="note", message="m", file="f", line=1, column=1)
        ]
    ),
}


def _complaints(plan: Any) -> list[str]:
    return [error.message for error in Draft7Validator(_SCHEMA).iter_errors(plan)]


@pytest.mark.parametrize("name", PLANS)
def test_every_plan_fits(name: str) -> None:
    assert _complaints(PLANS[name]().model_dump(mode="json")) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [(("digest",), 5), (("summary", "create"), "1"), (("changes", 0, "action"), "delete")],
)
def test_what_is_no_plan_does_not_fit(path: tuple[Any, ...], value: Any) -> None:
    plan = story().model_dump(mode="json")
    holder = plan
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = value

    assert _complaints(plan)


def test_a_field_of_a_later_version_fits() -> None:
    plan = story().model_dump(mode="json")
    plan["later"] = plan["changes"][0]["later"] = plan["summary"]["later"] = {"any": "thing"}

    assert _complaints(plan) == []
