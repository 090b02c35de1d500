"""Who wrote past git what a plan restores, overwrites or takes over: told with the change, as far as the database knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final
from zoneinfo import ZoneInfo

from reconciler.core.look import day_and_time, visible
from schemas.drift import StrayWrite
from schemas.plan import Plan, PlannedChange

_UTC: Final = ZoneInfo("UTC")


def attributed(plan: Plan, writes: Mapping[int, StrayWrite]) -> Plan:
    """The plan with the last write past git of each of its rows, by uid; what it does and its digest stay."""
    if not writes:
        return plan
    changes = tuple(
        change.model_copy(update={"stray_write": writes.get(change.uid)})
        # Of what is again as it was applied, nobody needs to know who wrote it.
        if change.uid is not None and change.live_digest != change.base_digest
        else change
        for change in plan.changes
    )
    return plan.model_copy(update={"changes": changes})


def strayed_words(change: PlannedChange) -> Iterator[str]:
    """What somebody did past git, as far as no line of a field tells it."""
    strayed = set(change.strayed) - {"owner", "retired", "revision", "schedule"}
    if change.reason == "drift" and (strayed or not change.strayed):
        yield "changed outside git; apply restores what git says"
    if change.action == "retire" and change.reason == "drift":
        yield "brought back outside git; apply retires it again"
    elif "retired" in change.strayed and change.reason != "restored":
        yield "retired outside git; apply brings it back"
    if "owner" in change.strayed:
        yield "given to another project outside git; apply takes it back"
    if "revision" in change.strayed:
        yield "its row names a revision that did not write it; apply writes it anew"
    if "schedule" in change.strayed:
        yield "its schedule was changed in the database; it counts anew from the apply"


def stray_words(write: StrayWrite, year: int) -> str:
    """By whom, through what, from where and when; in UTC, without a year that is `year`."""
    through = f" through {visible(write.application)}" if write.application else ""
    address = f" from {write.address}" if write.address else ""
    text = f"written by {visible(write.role or 'somebody')}{through}{address}"
    if write.changed_at is None:
        return text
    minute = write.changed_at.replace(second=0, microsecond=0)
    return f"{text}, {day_and_time(minute, _UTC, year)}"
