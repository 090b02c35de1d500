"""What a new schedule does to the old one's occurrences, and what fires next.

A new schedule counts strictly from the apply's own moment. What the old one still owed before it, because no runtime
came round to it, is decided first, by the old schedule and the old policy; a retired or paused task's is recorded as
skipped. So no occurrence is lost between two revisions, and none is invented.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from runtime.core.identity import derive_run_id
from runtime.core.misfire import Firing
from runtime.core.recurrence import Occurrence
from runtime.core.schedules import TaskSchedule, compile_schedules
from runtime.deciding import decide_schedule, decided, exclusion
from runtime.errors import ScheduleError
from runtime.store.revisions import Armed, Skip, StandingSchedule
from runtime.store.schedules import Advance, Decided

# What comes of a body that somebody broke by hand: it fires nothing, so it owes nothing, and apply mends it.
_BROKEN: Final = (ScheduleError, KeyError, TypeError, ValueError, AttributeError)


@dataclass(slots=True)
class Overdue:
    """What the old schedules still owed: occurrences to decide as a scheduler does, and occurrences that do not run."""

    advances: list[Advance] = field(default_factory=list)
    decided: list[Decided] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)


def settle_overdue(
    standing: Iterable[StandingSchedule], retiring: set[int], now: datetime
) -> Overdue:
    """Decide every occurrence whose nominal instant has come by `now`, what jitter still holds back included.

    Args:
        standing: the schedules that are about to be replaced or retired.
        retiring: the tasks among them that are retired.
    """
    overdue = Overdue()
    for schedule in standing:
        if schedule.next_for is None or schedule.next_for > now:
            continue
        try:
            expanded = compile_schedules(schedule.body)
            firings = list(_firings(schedule, expanded, now))
        except _BROKEN:
            continue
        if schedule.task_uid in retiring or schedule.paused:
            reason = "retired" if schedule.task_uid in retiring else "paused"
            overdue.skips += [
                _skip(schedule, expanded.timezone, one.occurrence, reason)
                for firing in firings
                for one in firing.decisions
            ]
        elif firings:
            for firing in firings:
                overdue.decided += decided(
                    schedule.task_uid, schedule.revision_id, schedule.body, expanded, firing
                )
            overdue.advances.append(_advance(schedule, firings[-1].cursor_for))
    return overdue


def armed(task_uid: int, body: Mapping[str, Any], now: datetime) -> Armed | None:
    """What a task fires next, strictly after `now`; None if no clock drives it.

    Raises:
        ScheduleError: the schedule cannot be expanded; a plan refuses such specs.
    """
    schedule = compile_schedules(body)
    if not schedule.triggers:
        return None
    upcoming = schedule.next_after(now)
    if upcoming is None:
        return Armed(task_uid, None, None)
    return Armed(task_uid, upcoming.at, upcoming.due_at)


def _firings(
    standing: StandingSchedule, schedule: TaskSchedule, now: datetime
) -> Iterator[Firing]:
    """What the schedule owes, batch by batch: one look decides a bounded number, and here nothing may be left over."""
    cursor = standing.cursor_for
    while (firing := decide_schedule(standing.body, schedule, cursor, now, ahead=True)).decisions:
        yield firing
        cursor = firing.cursor_for


def _skip(
    standing: StandingSchedule, zone: str | None, occurrence: Occurrence, reason: str
) -> Skip:
    detail = exclusion(occurrence, zone)
    return Skip(
        run_id=derive_run_id(standing.task_uid, "schedule", "", occurrence.at),
        task_uid=standing.task_uid,
        revision_id=standing.revision_id,
        occurrence_for=occurrence.at,
        due_at=occurrence.due_at,
        reason="calendar" if detail else reason,
        detail=detail,
    )


def _advance(standing: StandingSchedule, cursor_for: datetime) -> Advance:
    # What comes after is set by the new schedule, in the same transaction.
    return Advance(
        task_uid=standing.task_uid,
        generation=standing.generation,
        expected_cursor=standing.cursor_for,
        cursor_for=cursor_for,
        next_for=None,
        next_due_at=None,
    )
