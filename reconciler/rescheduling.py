"""What a new schedule does to the old one's occurrences, and what fires next.

A new schedule counts strictly from the apply's own moment. What the old one still owed before it, because no runtime
came round to it, is decided first, by the old schedule and the old policy; a retired or paused task's is recorded as
skipped. So no occurrence is lost between two revisions, and none is invented.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from runtime.core.identity import derive_run_id
from runtime.core.misfire import CatchUpRule, Decision, decide
from runtime.core.program import task_label
from runtime.core.schedules import compile_schedules
from runtime.errors import ScheduleError
from runtime.store.revisions import Armed, Skip, StandingSchedule
from runtime.store.schedules import Advance, Decided
from schemas.durations import parse_duration

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
    """Decide every occurrence that was due by `now`.

    Args:
        standing: the schedules that are about to be replaced or retired.
        retiring: the tasks among them that are retired.
    """
    overdue = Overdue()
    for schedule in standing:
        if schedule.next_due_at is None or schedule.next_due_at > now:
            continue
        try:
            decisions = _decisions(schedule, now)
        except _BROKEN:
            continue
        if schedule.task_uid in retiring:
            overdue.skips += [_skip(schedule, one, "retired") for one in decisions]
        elif schedule.paused:
            overdue.skips += [_skip(schedule, one, "paused") for one in decisions]
        else:
            overdue.decided += [_decided(schedule, one) for one in decisions]
            overdue.advances.append(_advance(schedule, decisions[-1].occurrence.at))
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


def _decisions(standing: StandingSchedule, now: datetime) -> list[Decision]:
    body = standing.body
    schedule = compile_schedules(body)
    rule = CatchUpRule(
        policy=body["catch_up"]["policy"],
        window=parse_duration(body["catch_up"]["window"]),
        max=body["catch_up"]["max"],
    )
    decisions: list[Decision] = []
    cursor = standing.cursor_for
    # One look decides a bounded batch; here nothing may be left over.
    while (firing := decide(schedule, cursor, now, rule)).decisions:
        decisions += firing.decisions
        cursor = firing.cursor_for
    return decisions


def _decided(standing: StandingSchedule, decision: Decision) -> Decided:
    body, occurrence = standing.body, decision.occurrence
    return Decided(
        run_id=derive_run_id(standing.task_uid, "schedule", "", occurrence.at),
        task_uid=standing.task_uid,
        task=task_label(body["namespace"], body["name"]),
        revision_id=standing.revision_id,
        occurrence_for=occurrence.at,
        due_at=occurrence.due_at,
        lane=body["priority"],
        may_overlap=body["overlap"] == "allow",
        reason=decision.reason,
    )


def _skip(standing: StandingSchedule, decision: Decision, reason: str) -> Skip:
    occurrence = decision.occurrence
    return Skip(
        run_id=derive_run_id(standing.task_uid, "schedule", "", occurrence.at),
        task_uid=standing.task_uid,
        revision_id=standing.revision_id,
        occurrence_for=occurrence.at,
        due_at=occurrence.due_at,
        reason=reason,
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
