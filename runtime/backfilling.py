"""Runs for occurrences of the past: because a task is new, was broken, or was held back.

The occurrences are those of the schedule in force, and each runs at most once: what ran by its schedule, is going to, or
was filled in before, is left alone, so that asking twice queues nothing. What failed or was cancelled is filled in again. The runs go one at a time, behind whatever else
of the task waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice, takewhile
from typing import Final

from runtime.actor import Actor
from runtime.core.program import lane_of
from runtime.core.recurrence import Occurrence
from runtime.core.recurrence.zone import load_zone
from runtime.core.schedules import TaskSchedule, compile_schedules
from runtime.core.zonedata import tzdata_version
from runtime.errors import NotFound, OrdinautError
from runtime.lookup import resolve_task
from runtime.store.backlog import find_decided, queue_backfill
from runtime.store.overrides import load_task_position
from runtime.store.rows import Connection
from runtime.store.runs import FoundTask
from schemas.backfill import BackfillReport

MOST: Final = 10_000
"""The most occurrences of one backfill."""

_MOMENT: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)
_DAY_LENGTH: Final = len("2026-12-31")


class BadSpan(OrdinautError):
    """The time that a backfill is asked for cannot be read, or is none."""

    default_code = "ORD007"


class BackfillRefused(OrdinautError):
    """There is nothing to fill in, or too much."""

    default_code = "ORD312"


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants filled in.

    Attributes:
        since: ISO 8601, a date or a time; without an offset, in the task's zone. Inclusive.
        until: likewise, inclusive; a date is the whole day.
        limit: at most so many runs, the oldest first; None for all.
        dry_run: only say what would run.
        actor: who asks.
    """

    since: str
    until: str
    limit: int | None
    dry_run: bool
    actor: Actor


def backfill_task(connection: Connection, label: str, asked: Asked) -> BackfillReport:
    """Queue a run for each occurrence of a task between two instants that has none.

    Args:
        connection: the database, in autocommit mode.
        label: the task.
        asked: what is wanted.

    Raises:
        NotFound: ORD310, there is no such task, or it is retired.
        BadSpan: ORD007.
        BackfillRefused: ORD312, time does not drive the task, or more than `MOST` occurrences would be looked at.
    """
    task = resolve_task(connection, label)
    if task.retired_at is not None:
        raise _retired(label)
    schedule = compile_schedules(task.body)
    if not schedule.triggers:
        raise BackfillRefused(
            f"time does not drive {label}, so no occurrence of it was missed",
            hint=f"`ordinaut run {label}` runs it now",
        )
    since, until = _span(asked, schedule.timezone, task.now)
    found = _occurrences(schedule, since, until, label)
    cursor = load_task_position(connection, task.uid).cursor_for
    settled = [one for one in found if cursor is None or one.at <= cursor]
    running = [one.at for one in settled if one.excluded_by is None]
    decided = find_decided(connection, task.uid, running)
    wanted = [at for at in running if at not in decided]
    chosen = wanted[: asked.limit]
    if chosen and not asked.dry_run:
        _queue(connection, task, label, chosen, asked.actor)
    return BackfillReport(
        task=label,
        revision=task.revision_id,
        timezone=schedule.timezone,
        now=task.now,
        dry_run=asked.dry_run,
        since=since,
        until=until,
        queued=tuple(chosen),
        already=len(decided),
        excluded=len(settled) - len(running),
        undecided=len(found) - len(settled),
        left=len(wanted) - len(chosen),
    )


def _queue(
    connection: Connection, task: FoundTask, label: str, chosen: Sequence[datetime], actor: Actor
) -> None:
    queued = queue_backfill(
        connection,
        task.uid,
        label,
        task.revision_id,
        chosen,
        lane=lane_of(task.body),
        requested_by=actor,
        tzdata=tzdata_version(),
    )
    if queued is None:
        raise _retired(label)


def _occurrences(
    schedule: TaskSchedule, since: datetime, until: datetime, label: str
) -> list[Occurrence]:
    come = takewhile(lambda one: one.at <= until, schedule.following(since - _MOMENT))
    found = list(islice(come, MOST + 1))
    if len(found) > MOST:
        raise BackfillRefused(
            f"{label} has more than {MOST} occurrences in that time",
            hint=f"fill them in by parts: the first {MOST} end at {found[MOST - 1].at:%Y-%m-%dT%H:%M:%SZ}",
        )
    return found


def _span(asked: Asked, zone: str | None, now: datetime) -> tuple[datetime, datetime]:
    since = _instant(asked.since, zone, now, ends_day=False)
    until = _instant(asked.until, zone, now, ends_day=True)
    if until < since:
        raise BadSpan(
            f"{asked.until} comes before {asked.since}", hint="--from is the earlier one"
        )
    if since > now:
        raise BadSpan(
            f"{asked.since} lies ahead", hint="what lies ahead is the schedule's: `ordinaut next`"
        )
    return since, min(until, now)


def _instant(text: str, zone: str | None, now: datetime, *, ends_day: bool) -> datetime:
    """The instant that somebody typed; a date is its first moment, or its last."""
    try:
        if len(text) != _DAY_LENGTH:
            return _in_zone(datetime.fromisoformat(text), zone, now)
        day = date.fromisoformat(text)
        if not ends_day:
            return _in_zone(datetime.combine(day, time()), zone, now)
        return _in_zone(datetime.combine(day + _DAY, time()), zone, now) - _MOMENT
    except (ValueError, OverflowError):
        raise BadSpan(
            f"{text!r} is no date and no time",
            hint="write 2026-03-28, 2026-03-28T08:30 or 2026-03-28T08:30+02:00",
        ) from None


def _in_zone(moment: datetime, zone: str | None, now: datetime) -> datetime:
    if moment.tzinfo is None:
        moment = load_zone(zone or "UTC").resolve(moment, "shift", "first")[0].at
    return moment.astimezone(now.tzinfo)


def _retired(label: str) -> NotFound:
    return NotFound(f"task {label} is retired", hint="to run it again, apply specs that have it")
