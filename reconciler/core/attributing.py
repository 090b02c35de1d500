"""Who wrote past git what a plan restores, overwrites or takes over: told with the change, as far as the database knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from zoneinfo import ZoneInfo

from reconciler.core.look import day_and_time, visible
from schemas.drift import StrayWrite
from schemas.plan import Plan

_UTC: Final = ZoneInfo("UTC")


def attributed(plan: Plan, writes: Mapping[int, StrayWrite]) -> Plan:
    """The plan with the last write past git of each of its rows, by uid; what it does and its digest stay."""
    if not writes:
        return plan
    changes = tuple(
        change.model_copy(update={"stray_write": writes.get(change.uid)})
        if change.uid is not None
        else change
        for change in plan.changes
    )
    return plan.model_copy(update={"changes": changes})


def stray_words(write: StrayWrite, year: int) -> str:
    """By whom, through what, from where and when; in UTC, without a year that is `year`."""
    through = f" through {visible(write.application)}" if write.application else ""
    address = f" from {write.address}" if write.address else ""
    text = f"written by {visible(write.role or 'somebody')}{through}{address}"
    if write.changed_at is None:
        return text
    minute = write.changed_at.replace(second=0, microsecond=0)
    return f"{text}, {day_and_time(minute, _UTC, year)}"
