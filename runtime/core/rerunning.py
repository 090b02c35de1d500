"""What a run that is run again takes over from the one before: which results stay, and which steps are done anew."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from runtime.core.graph import ordered_needs
from runtime.core.spreading import spread

GOOD = frozenset({"ok", "skipped"})
"""Outcomes of steps that have not failed."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What is taken over.

    Attributes:
        steps: of these every result stays.
        items: of these only the items that have not failed; the others are called again.
    """

    steps: frozenset[str] = frozenset()
    items: frozenset[str] = frozenset()


def steps_by_name(body: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The steps of a normalised task body, without those of `finally`, by their ids."""
    pipeline = body["pipeline"]
    steps = pipeline["steps"] if isinstance(pipeline, Mapping) else pipeline
    return {step["id"]: step for step in spread(steps)}


def carried_before(
    steps: Mapping[str, Mapping[str, Any]], outcomes: Mapping[str, str], start: str
) -> Carried | str:
    """What stays where a run is run again from one step on: everything that does not come after it and has not failed.

    Args:
        steps: the steps as they will run.
        outcomes: of the steps that are on record, how each ended.
        start: the step.

    Returns:
        what stays; or the step before it that has no result to go on with.
    """
    after = _after(steps, {start})
    kept = {name for name in steps if name not in after and outcomes.get(name) in GOOD}
    for name in _before(steps, start):
        if name not in outcomes or not _may_pass(steps[name], outcomes[name]):
            return name
        kept.add(name)
    return Carried(frozenset(kept))


def carried_despite(
    steps: Mapping[str, Mapping[str, Any]], outcomes: Mapping[str, str]
) -> Carried:
    """What stays where only the steps that ended a run are done again: the results of all others, and their good items."""
    failed = {
        name
        for name, outcome in outcomes.items()
        if name in steps and not _may_pass(steps[name], outcome)
    }
    after = _after(steps, failed)
    kept = frozenset(name for name in outcomes if name in steps and name not in after)
    spread = {name for name in steps if name not in kept and "foreach" in steps[name]}
    return Carried(kept, frozenset(spread - (after - failed)))


def fitting(
    carried: Carried,
    before: Mapping[str, Mapping[str, Any]],
    steps: Mapping[str, Mapping[str, Any]],
) -> Carried:
    """What of it is still of a kind with the steps of another revision."""

    def fits(name: str) -> bool:
        return name in steps and ("foreach" in steps[name]) == ("foreach" in before[name])

    return Carried(frozenset(filter(fits, carried.steps)), frozenset(filter(fits, carried.items)))


def _may_pass(step: Mapping[str, Any], outcome: str) -> bool:
    return outcome in GOOD or step.get("on_error", "fail") != "fail"


def _needs(steps: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    return ordered_needs((name, step.get("needs")) for name, step in steps.items())


def _after(steps: Mapping[str, Mapping[str, Any]], starts: Set[str]) -> set[str]:
    """These steps and all that need them, directly or through others."""
    after = set(starts)
    for name, needed in _needs(steps).items():
        if after.intersection(needed):
            after.add(name)
    return after


def _before(steps: Mapping[str, Mapping[str, Any]], start: str) -> list[str]:
    """All steps that one needs, directly or through others, in their order."""
    needs = _needs(steps)
    before = {start}
    for name in reversed(needs):
        if name in before:
            before.update(needs[name])
    return [name for name in needs if name in before and name != start]
