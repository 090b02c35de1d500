"""What a change does to the steps of a body, and to the tools it calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reconciler.core.destructive import destroys
from reconciler.core.fields import field_ops
from schemas.plan import StepsEffect, ToolsEffect
from schemas.spec import POWERLESS_TOOLS

Body = Mapping[str, Any]


def steps_of(body: Body) -> dict[str, Mapping[str, Any]]:
    """The steps of a task or pipeline by id, in order, those of `finally` last; other kinds have none, nor has a body that
    somebody broke.
    """
    match body:
        case {"kind": "Task", "pipeline": {"steps": list(steps)} as holder}:
            pass
        case {"kind": "Task", "pipeline": list(steps)} | {
            "kind": "Pipeline",
            "steps": list(steps),
        }:
            holder = body
        case _:
            return {}
    last = holder.get("finally")
    every = steps + last if isinstance(last, list) else steps
    return {step["id"]: step for step in every if isinstance(step, Mapping) and "id" in step}


def tools_of(body: Body) -> set[str]:
    """The tools a task calls, those that its conditions poll included, without those that only compute; other kinds call
    none themselves.
    """
    if body.get("kind") != "Task":
        return set()
    polled = (s["condition"] for s in body.get("schedule", ()) if "condition" in s)
    called = (*polled, *steps_of(body).values())
    return {call["uses"] for call in called if "uses" in call} - POWERLESS_TOOLS


def tools_effect(
    before: Body | None,
    after: Body | None,
    is_destructive: Callable[[str], bool] = destroys,
    is_offline: Callable[[str], bool] = lambda _: False,
) -> ToolsEffect:
    """Tools gained and lost; None is a document that is not in force."""
    had = tools_of(before) if before else set()
    has = tools_of(after) if after else set()
    added = tuple(sorted(has - had))
    return ToolsEffect(
        added=added,
        removed=tuple(sorted(had - has)),
        destructive=tuple(filter(is_destructive, added)),
        offline=tuple(filter(is_offline, added)),
    )


def steps_effect(before: Body | None, after: Body | None) -> StepsEffect:
    """Steps that differ, of a document that goes on existing."""
    if before is None or after is None:
        return StepsEffect()
    old, new = steps_of(before), steps_of(after)
    stay = [name for name in new if name in old]
    return StepsEffect(
        added=tuple(name for name in new if name not in old),
        changed=tuple(name for name in stay if field_ops(old[name], new[name])),
        removed=tuple(name for name in old if name not in new),
        reordered=stay != [name for name in old if name in new],
    )
