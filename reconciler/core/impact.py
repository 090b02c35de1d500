"""How closely a reader should look at a change: low, medium or high, and why.

High is what cannot be undone by the next commit or what gives somebody new power: work that stops, programs and
addresses that are new, powers of agents, changes that overwrite other people's. Medium is what runs differently.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

from reconciler.core.contract_gains import destroys_more
from reconciler.core.loosening import loosened
from reconciler.core.model_gains import models_gained
from reconciler.core.process_gains import processes_gained
from reconciler.core.secret_gains import commands_gained
from schemas.plan import Action, Facet, FieldChange, Level, Reason, ToolsEffect

_LEVELS: Final[tuple[Level, ...]] = ("low", "medium", "high")
_POWERS: Final = ("scopes", "deny", "destructive", "rate_limits", "budgets")
_EVERYTHING: Final = ("*", "*.*")
_TRANSPORTS: Final = ("stdio", "http", "sandbox")


class Impact(NamedTuple):
    """A level, and its reasons in words; `low` has none."""

    level: Level
    reasons: tuple[str, ...] = ()


def impact_of(
    kind: str,
    action: Action,
    reason: Reason,
    *,
    facets: Collection[Facet],
    ops: Collection[FieldChange],
    tools: ToolsEffect,
    body: Mapping[str, Any] | None = None,
) -> Impact:
    """The impact of one change."""
    touched = {op.path.split("/")[1] for op in ops if op.path}
    high = [*_high(kind, action, reason, touched)]
    high += ["destructive tool"] if tools.destructive else []
    if kind == "Agent" and action in {"create", "adopt"} and _may_do_anything(body or {}):
        high.append("powers of an agent")
    high += ["destructive tool"] if kind == "ToolServer" and destroys_more(ops) else []
    high += ["what a secret runs"] if kind == "Project" and any(commands_gained(ops)) else []
    high += ["what runs beside up"] if kind == "Project" and any(processes_gained(ops)) else []
    high += ["where models are asked"] if kind == "Project" and any(models_gained(ops)) else []
    high += ["what plans are held to"] if loosened(kind, reason, ops) else []
    if high:
        return Impact("high", tuple(high))
    medium = [*_medium(kind, action, reason, facets, tools)]
    return Impact("medium", tuple(medium)) if medium else Impact("low")


def _may_do_anything(agent: Mapping[str, Any]) -> bool:
    everything = any(scope in _EVERYTHING for scope in agent.get("scopes", ()))
    return everything or agent.get("destructive") == "granted"


def highest(impacts: Iterable[Level]) -> Level:
    """The highest of several levels; `low` of none."""
    return max(impacts, key=_LEVELS.index, default="low")


def _high(kind: str, action: Action, reason: Reason, touched: set[str]) -> Iterable[str]:
    if action == "retire" and reason != "drift":
        yield "retire"
    if reason == "conflict":
        yield "conflict"
    if action in {"update", "rename"}:
        if kind == "Agent" and touched & set(_POWERS):
            yield "powers of an agent"
        if kind == "ToolServer" and touched & set(_TRANSPORTS):
            yield "what a tool server runs"


def _medium(
    kind: str, action: Action, reason: Reason, facets: Collection[Facet], tools: ToolsEffect
) -> Iterable[str]:
    if action in {"create", "adopt"}:
        yield f"new {_KIND_WORDS.get(kind, kind.lower())}"
        return
    if reason == "drift":
        yield "drift"
    if "schedule" in facets:
        yield "schedule"
    if tools.added:
        yield "new tool"
    elif "pipeline" in facets:
        yield _PIPELINE_WORDS.get(kind, "definition")
    if "policy" in facets:
        yield "policy"


_KIND_WORDS: Final = {"ToolServer": "tool server"}
_PIPELINE_WORDS: Final = {"Task": "pipeline", "Pipeline": "pipeline"}
