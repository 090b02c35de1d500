"""From a task's body and what time has reached to decisions that can be written; scheduler and apply decide alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from runtime.core.identity import derive_run_id
from runtime.core.misfire import BATCH, ON_TIME, CatchUpRule, Decision, Firing, Spell, decide
from runtime.core.overlap import admission
from runtime.core.program import lane_of, start_deadline, task_label
from runtime.core.recurrence import Occurrence
from runtime.core.recurrence.zone import load_zone
from runtime.core.schedules import TaskSchedule
from runtime.store.schedules import Advance, Decided, DueSchedule
from schemas.durations import parse_duration


def decide_schedule(
    body: Mapping[str, Any],
    schedule: TaskSchedule,
    cursor_for: datetime,
    now: datetime,
    *,
    snoozed: Sequence[Spell] = (),
    ahead: bool = False,
    batch: int = BATCH,
) -> Firing:
    """Decide what time has reached by the task's policies, at most one batch.

    Args:
        body: the task's normalised body.
        schedule: its compiled schedule.
        cursor_for: up to where everything is decided.
        now: the server's time.
        snoozed: since when and until when the task was snoozed, each time.
        ahead: decide also what jitter still holds back, because the schedule is about to go.
        batch: how many occurrences a batch has.
    """
    catch_up = body["catch_up"]
    rule = CatchUpRule(
        policy=catch_up["policy"],
        window=parse_duration(catch_up["window"]),
        max=catch_up["max"],
        start_deadline=start_deadline(body),
        replacing=body["overlap"] == "cancel_running",
        snoozed=tuple(snoozed),
    )
    return decide(schedule, cursor_for, now, rule, ahead=ahead, batch=batch)


def decided(
    task_uid: int,
    revision_id: int,
    body: Mapping[str, Any],
    schedule: TaskSchedule,
    firing: Firing,
    *,
    now: datetime,
) -> list[Decided]:
    """The decisions of one firing at `now`, ready to be written."""
    deadline = start_deadline(body)
    label = task_label(body["namespace"], body["name"])
    written = []
    for decision in firing.decisions:
        occurrence = decision.occurrence
        missed = body["catch_up"]["max"] if decision.missed else 0
        entry = admission(body["overlap"], missed=missed)
        written.append(
            Decided(
                run_id=derive_run_id(task_uid, "schedule", "", occurrence.at),
                task_uid=task_uid,
                task=label,
                revision_id=revision_id,
                occurrence_for=occurrence.at,
                due_at=_due_at(decision, schedule, now),
                start_until=None if deadline is None else occurrence.due_at + deadline,
                lane=lane_of(body),
                beside=entry.beside,
                replaces=entry.replaces,
                may_wait=entry.may_wait,
                reason=decision.reason,
                detail=exclusion(occurrence, schedule.timezone),
            )
        )
    return written


def _due_at(decision: Decision, schedule: TaskSchedule, now: datetime) -> datetime:
    """When a run is to begin: one that comes late begins at no moment that the task's calendars exclude either."""
    due_at = decision.occurrence.due_at
    if decision.reason is not None or not schedule.has_calendars or now - due_at <= ON_TIME:
        return due_at
    opens_at = schedule.open_from(now)
    return due_at if opens_at == now else opens_at


def exclusion(occurrence: Occurrence, zone: str | None) -> str | None:
    """Which calendar excludes an occurrence, and when it runs instead; None if none does."""
    if occurrence.excluded_by is None or occurrence.moved_to is None:
        return occurrence.excluded_by
    offset = load_zone(zone or "UTC").offset(occurrence.moved_to)
    local = occurrence.moved_to.astimezone(timezone(offset))
    return f"{occurrence.excluded_by}: moved to {local.isoformat()}"


@dataclass(slots=True)
class Part:
    """What is decided for schedules that are written together."""

    advances: list[Advance]
    decisions: list[Decided]

    def parted(self, task_uids: frozenset[int]) -> tuple[Part, Part]:
        """Without these tasks, and of these tasks."""
        without, of = Part([], []), Part([], [])
        for advance in self.advances:
            (of if advance.task_uid in task_uids else without).advances.append(advance)
        for decision in self.decisions:
            (of if decision.task_uid in task_uids else without).decisions.append(decision)
        return without, of


def advance_of(due: DueSchedule, firing: Firing) -> Advance:
    """Where a schedule stands once this is decided."""
    upcoming = firing.upcoming
    return Advance(
        task_uid=due.task_uid,
        generation=due.generation,
        revision_id=due.revision_id,
        expected_cursor=due.cursor_for,
        cursor_for=firing.cursor_for,
        next_for=None if upcoming is None else upcoming.at,
        next_due_at=None if upcoming is None else upcoming.due_at,
    )
