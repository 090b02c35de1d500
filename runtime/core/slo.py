"""How promises stand: shares, error budgets and burn rates, from counts of runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final, Literal

from schemas.durations import format_duration
from schemas.slo_report import Burn, Objective, Promise

SPANS: Final[Mapping[str, timedelta]] = {
    "5m": timedelta(minutes=5),
    "30m": timedelta(minutes=30),
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "3d": timedelta(days=3),
}
"""Over which burn rates are told, from short to long."""

FAST: Final = 14.4
"""A burn rate at which an hour takes a fiftieth of the budget of 30 days."""
SLOW: Final = 6.0
"""One at which six hours take a twentieth of it."""
# A budget that is used up to the last run is so whatever fractions make of it.
_NOTHING: Final = 1e-9
_PAGES: Final = (("5m", "1h", FAST), ("30m", "6h", SLOW))


def objective(
    promise: Promise,
    target: float,
    counts: Mapping[str, tuple[int, int]],
    *,
    within: timedelta | None = None,
) -> Objective:
    """How one promise stands.

    Args:
        promise: what is promised.
        target: of how many runs, between 0 and 1.
        counts: good runs and all of them, by span, and over the whole window as `window`.
        within: how late a run may begin.
    """
    good, total = counts["window"]
    rates = {span: burn_rate(*counts[span], target) for span in SPANS}
    left = None if not total else 1 - burn_rate(good, total, target)
    is_burning = any(
        rates[short] >= limit and rates[long] >= limit for short, long, limit in _PAGES
    )
    return Objective(
        promise=promise,
        target=target,
        within=None if within is None else format_duration(within),
        good=good,
        total=total,
        share=good / total if total else None,
        budget_left=left,
        burning=is_burning,
        burn_rates=tuple(Burn(over=span, rate=rate) for span, rate in rates.items()),
    )


def standing(objectives: Iterable[Objective]) -> Literal["broken", "burning"] | None:
    """Whether a task's promises are such that somebody should look: one is broken, or may soon be."""
    found = tuple(objectives)
    if any(one.budget_left is not None and one.budget_left <= _NOTHING for one in found):
        return "broken"
    return "burning" if any(one.burning for one in found) else None


def burn_rate(good: int, total: int, target: float) -> float:
    """How fast the budget goes: at 1 it is used up when the window is over; 0 where nothing ran."""
    return (total - good) / total / (1 - target) if total else 0.0
