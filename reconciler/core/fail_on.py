"""What a pipeline can refuse of a plan although no guard does: a closed set of properties, each with its reasons."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final

from reconciler.core.gains import gains_of
from reconciler.core.guards import refused
from reconciler.core.loosening import loosened
from reconciler.core.policies import refuses
from runtime.errors import Blocked
from schemas.plan import Plan, PlannedChange

# How many reasons are named for each.
_NAMED: Final = 5


def refusal_of(
    plan: Plan, refusing: Collection[str], *, only_drift: bool = False
) -> Blocked | None:
    """The error for a plan that has any of the properties in `REFUSABLE` that are refused.

    Args:
        only_drift: whether all that the plan changes is drift, also what was retired or renamed by hand.
    """
    found = {
        name: reasons
        for name in REFUSABLE
        if name in refusing
        if (reasons := _reasons(plan, "change" if only_drift and name == "drift" else name))
    }
    if not found:
        return None
    told = "; ".join(f"{name}: {_told(reasons)}" for name, reasons in found.items())
    return Blocked(f"--fail-on refuses this plan, {told}")


def _reasons(plan: Plan, name: str) -> list[str]:
    return list(REFUSABLE[name](plan))


def _told(reasons: list[str]) -> str:
    more = len(reasons) - _NAMED
    rest = [f"and {more} more"] if more > 0 else []
    return ", ".join([*reasons[:_NAMED], *rest])


def _changes(is_refused: Callable[[PlannedChange], bool]) -> Callable[[Plan], Iterator[str]]:
    return lambda plan: (_called(change) for change in plan.changes if is_refused(change))


def _called(change: PlannedChange) -> str:
    return change.key if change.kind == "Task" else f"{change.kind} {change.key}"


def _gained(plan: Plan) -> Iterator[str]:
    for change in plan.changes:
        yield from (f"{_called(change)} {gain}" for gain in gains_of(change))


def _loosened(plan: Plan) -> Iterator[str]:
    for change in plan.changes:
        yield from (
            f"{_called(change)} {loose}"
            for loose in loosened(change.kind, change.reason, change.ops)
        )


def _warnings(plan: Plan) -> Iterator[str]:
    for problem in plan.diagnostics:
        if problem.severity != "note":
            yield f"{problem.code} {problem.place}"
    yield from (f"policy {one.name}" for one in plan.policies if not one.ok and not refuses(one))


REFUSABLE: Final[Mapping[str, Callable[[Plan], Iterator[str]]]] = {
    "change": _changes(lambda _: True),
    "retire": _changes(lambda change: change.action == "retire"),
    "gain": _gained,
    "guard": _loosened,
    "drift": _changes(lambda change: change.reason == "drift"),
    "conflict": _changes(lambda change: change.reason == "conflict"),
    "unknown": _changes(lambda change: change.reason == "unknown"),
    "blocked": lambda plan: (guard.message for guard in refused(plan.guards)),
    "high": _changes(lambda change: change.impact == "high"),
    "warning": _warnings,
}
"""What can be refused, and where a plan has it."""
