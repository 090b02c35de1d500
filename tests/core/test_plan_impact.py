"""How closely a reader is told to look."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.impact import Impact, highest, impact_of
from schemas.plan import FieldChange, ToolsEffect


def change(path: str) -> FieldChange:
    return FieldChange(op="replace", path=path, before=1, after=2)


CASES = [
    ("Task", "retire", {}, Impact("high", ("retire",))),
    ("Task", "update", {"reason": "conflict"}, Impact("high", ("conflict",))),
    ("Agent", "update", {"ops": [change("/scopes")]}, Impact("high", ("powers of an agent",))),
    ("Agent", "update", {"facets": ["meta"], "ops": [change("/owner")]}, Impact("low")),
    (
        "ToolServer",
        "update",
        {"ops": [change("/stdio/command")]},
        Impact("high", ("what a tool server runs",)),
    ),
    ("ToolServer", "update", {"facets": ["pipeline"]}, Impact("medium", ("definition",))),
    ("ToolServer", "create", {}, Impact("medium", ("new tool server",))),
    ("Task", "create", {"facets": ["schedule"]}, Impact("medium", ("new task",))),
    ("Task", "adopt", {}, Impact("medium", ("new task",))),
    (
        "Task",
        "update",
        {"facets": ["schedule", "policy"]},
        Impact("medium", ("schedule", "policy")),
    ),
    (
        "Task",
        "update",
        {"facets": ["pipeline"], "tools": ToolsEffect(added=("a.b",))},
        Impact("medium", ("new tool",)),
    ),
    ("Task", "update", {"facets": ["pipeline"]}, Impact("medium", ("pipeline",))),
    ("Task", "update", {"reason": "drift", "facets": ["meta"]}, Impact("medium", ("drift",))),
    ("Task", "update", {"facets": ["meta"]}, Impact("low")),
    ("Task", "rename", {"ops": [change("/name")]}, Impact("low")),
]


@pytest.mark.parametrize(("kind", "action", "more", "impact"), CASES)
def test_impact_follows_what_a_change_can_do(
    kind: str, action: Any, more: dict[str, Any], impact: Impact
) -> None:
    given: dict[str, Any] = {"facets": (), "ops": (), "tools": ToolsEffect(), **more}
    reason = given.pop("reason", "git")

    assert impact_of(kind, action, reason, **given) == impact


def test_the_highest_level_counts() -> None:
    assert highest(["low", "high", "medium"]) == "high"
    assert highest([]) == "low"
