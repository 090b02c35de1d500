"""What of a large plan is told change by change, and what is only counted: the less it can hurt, the earlier it folds.

First fold changes of what only describes, then those of what runs, then those of when it runs. What stops work,
overwrites what others did or gives new power to agents is told one by one, unless there is so much of it that nobody would
read on: then those that weigh most are. Of what folds it is told where it is, whose, and when it first fires differently.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from reconciler.core.gains import gains_of
from reconciler.core.look import Look, counted, day_and_time, flow, wrapped
from schemas.plan import PlannedChange

Weight = Literal["meta", "pipeline", "schedule", "loud"]

ROOM: Final = 60
"""Changes that are told one by one before any fold."""
_LADDER: Final[tuple[Weight, ...]] = ("meta", "pipeline", "schedule")
_WORDS: Final[dict[Weight, str]] = {
    "meta": "of labels, owner, description, slo or notify",
    "pipeline": "of steps, parameters or policy",
    "schedule": "of when something runs, or of what is new",
    "loud": "that stop work, overwrite what others did, or give new power, besides those above",
}
# Changes that are told however much there is of what stops, overwrites or empowers.
_LOUD: Final = 20
# Namespaces, owners and tools that are named.
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
    """Fold as little as leaves at most `room` changes to tell, or `_LOUD` where even the loudest are more than that."""
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
    kept = [change for change, _ in told]
    if len(kept) > room:
        loudest = {id(change) for change in sorted(kept, key=_quietness)[:_LOUD]}
        hidden = tuple(change for change in kept if id(change) not in loudest)
        folds.append(Fold("loud", hidden))
        kept = [change for change in kept if id(change) in loudest]
    return Folded(tuple(kept), tuple(folds))


def fold_lines(folds: Iterable[Fold], look: Look, year: int) -> list[str]:
    """What is folded: how much, where, whose, when it first matters, and which tools it calls that were not called before."""
    lines = []
    for weight, changes in folds:
        head, *rest = wrapped(
            f"{counted(len(changes), 'change')} {_WORDS[weight]}", look.width - 2
        )
        lines += [f"{look.paint('*', 'change')} {head}", *(f"  {line}" for line in rest)]
        places = Counter(change.namespace for change in changes)
        named = [f"{name} {count}" for name, count in places.most_common(_NAMED)]
        lines += _told("in", named, len(places), look)
        owners = Counter(change.owner or "nobody" for change in changes)
        whose = [f"{name} {count}" for name, count in owners.most_common(_NAMED)]
        lines += _told("owners", whose, len(owners), look)
        lines += _told("reasons", _reasons(changes), 0, look)
        lines += _told("first", _first(changes, year), 0, look)
        tools = sorted({tool for change in changes for tool in change.tools.added})
        lines += _told("tools", [f"+ {tool}" for tool in tools[:_NAMED]], len(tools), look)
    if lines:
        lines.append(look.paint("  folded; -v shows each", "dim"))
    return lines


def _reasons(changes: Iterable[PlannedChange]) -> list[str]:
    """What other than an edit is behind changes, how often."""
    found: Counter[str] = Counter()
    for one in changes:
        found[one.reason] += one.reason in {"drift", "conflict"}
        found[one.action] += one.action == "retire"
    return [f"{name} {count}" for name, count in found.most_common() if count]


def _first(changes: Iterable[PlannedChange], year: int) -> list[str]:
    """When the first of them fires differently, in its own zone, and which."""
    effects = (
        (one.preview.first_effect_at, one.key, one.preview.timezone)
        for one in changes
        if one.preview is not None and one.preview.first_effect_at is not None
    )
    soonest = min(effects, default=None)
    if soonest is None:
        return []
    from runtime.core.recurrence.zone import load_zone  # noqa: PLC0415 - with all of recurrence, and few outputs need it

    at, key, zone = soonest
    return [f"{day_and_time(at, load_zone(zone).tz, year)}, {key}"]


def _told(name: str, named: list[str], total: int, look: Look) -> list[str]:
    if not named:
        return []
    more = [f"and {total - len(named)} more"] if total > len(named) else []
    room = look.width - 14
    first, *rest = flow([*named, *more], room, indent="")
    return [f"    {name.ljust(10)}{first}", *(f"{' ' * 14}{line}" for line in rest)]


def _weight(change: PlannedChange) -> Weight:
    if change.impact == "high" or change.reason in {"drift", "conflict"} or _empowers(change):
        return "loud"
    if "schedule" in change.facets or change.action != "update":
        return "schedule"
    return "pipeline" if {"pipeline", "policy"} & set(change.facets) else "meta"


def _quietness(change: PlannedChange) -> tuple[bool, bool, bool, int]:
    """The less, the sooner it must be seen: power gained, what two changed, what ends; then by impact."""
    return (
        not _empowers(change),
        change.reason != "conflict",
        change.action != "retire",
        ("high", "medium", "low").index(change.impact),
    )


def _empowers(change: PlannedChange) -> bool:
    """Whether somebody gains what they did not have; that a new task calls tools is counted with the task."""
    return bool(gains_of(change)) and not (change.kind == "Task" and change.action == "create")
