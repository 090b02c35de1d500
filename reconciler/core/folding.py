"""What of a large plan is told change by change, and what is only counted: the less it can hurt, the earlier it folds.

First fold changes of what only describes, then those of what runs, then those of when it runs. What stops work,
overwrites what others did or gives new power to agents never folds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from reconciler.core.gains import gains_of
from reconciler.core.look import Look, counted, flow
from schemas.plan import PlannedChange

Weight = Literal["meta", "pipeline", "schedule", "never"]

ROOM: Final = 60
"""Changes that are told one by one before any fold."""
_LADDER: Final[tuple[Weight, ...]] = ("meta", "pipeline", "schedule")
_WORDS: Final[dict[Weight, str]] = {
    "meta": "of labels, owner or description",
    "pipeline": "of steps, parameters or policy",
    "schedule": "of when something runs, or of what is new",
}
# Namespaces and tools that are named.
_NAMED: Final = 8


class Fold(NamedTuple):
    """Changes that are only counted."""

    weight: Weight
    changes: tuple[PlannedChange, ...]


@dataclass(frozen=True, slots=True)
class Folded:
    """A plan's changes: those to tell, in their order, and those to count."""

    told: tuple[PlannedChange, ...]
    folds: tuple[Fold, ...] = ()


def fold(changes: Sequence[PlannedChange], room: int = ROOM) -> Folded:
    """Fold as little as leaves at most `room` changes to tell, or all that may be folded."""
    if len(changes) <= room:
        return Folded(tuple(changes))
    told = [(change, _weight(change)) for change in changes]
    folds = []
    for folded in _LADDER:
        if len(told) <= room:
            break
        hidden = tuple(change for change, weight in told if weight == folded)
        if hidden:
            told = [(change, weight) for change, weight in told if weight != folded]
            folds.append(Fold(folded, hidden))
    return Folded(tuple(change for change, _ in told), tuple(folds))


def fold_lines(folds: Iterable[Fold], look: Look) -> list[str]:
    """What is folded: how much, where, and which tools it calls that were not called before."""
    lines = []
    for weight, changes in folds:
        lines.append(
            f"{look.paint('*', 'change')} {counted(len(changes), 'change')} {_WORDS[weight]}"
        )
        places = Counter(change.namespace for change in changes)
        named = [f"{name} {count}" for name, count in places.most_common(_NAMED)]
        lines += _told("in", named, len(places), look)
        tools = sorted({tool for change in changes for tool in change.tools.added})
        lines += _told("tools", [f"+ {tool}" for tool in tools[:_NAMED]], len(tools), look)
    if lines:
        lines.append(look.paint("  folded; -v shows each", "dim"))
    return lines


def _told(name: str, named: list[str], total: int, look: Look) -> list[str]:
    if not named:
        return []
    more = [f"and {total - len(named)} more"] if total > len(named) else []
    room = look.width - 14
    first, *rest = flow([*named, *more], room, indent="")
    return [f"    {name.ljust(10)}{first}", *(f"{' ' * 14}{line}" for line in rest)]


def _weight(change: PlannedChange) -> Weight:
    if change.impact == "high" or change.reason in {"drift", "conflict"} or _empowers(change):
        return "never"
    if "schedule" in change.facets or change.action != "update":
        return "schedule"
    return "pipeline" if {"pipeline", "policy"} & set(change.facets) else "meta"


def _empowers(change: PlannedChange) -> bool:
    """Whether somebody gains what they did not have; that a new task calls tools is counted with the task."""
    return bool(gains_of(change)) and not (change.kind == "Task" and change.action == "create")
