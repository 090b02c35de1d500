"""Pauses and snoozes: people hold a task back at run time, and let it go again, without a word to git.

Nothing of a paused task fires; what is queued or under way goes on, and so does a run that somebody asks for. Occurrences
that fall into a pause are not lost: they stay undecided, and the task's catch-up policy decides each of them, as a run or
a recorded skip, once the pause is over. A snooze ends by itself, and what is due while it lasts is left out: each such
occurrence is recorded as skipped when its time comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from runtime.actor import Actor
from runtime.core.program import task_label
from runtime.core.recurrence.zone import load_zone
from runtime.core.schedules import TaskSchedule, compile_schedules
from runtime.errors import NotFound, OrdinautError
from runtime.lookup import resolve_task
from runtime.store.audit import Deed, write_audit
from runtime.store.overrides import (
    TaskPosition,
    end_pause,
    end_snooze,
    find_pause,
    find_snooze,
    load_task_position,
    lock_task_in_force,
    set_pause,
    set_snooze,
    wake,
)
from runtime.store.rows import Connection
from runtime.store.runs import FoundTask
from schemas.audit import Action
from schemas.durations import LONGEST, parse_duration
from schemas.override import Pause, PauseReport, SnoozeReport

COUNTED: Final = 1000
"""Occurrences that are counted; beyond, there are more."""


class BadEnd(OrdinautError):
    """The end of a pause cannot be read, or has passed."""

    default_code = "ORD007"


def pause_task(
    connection: Connection, label: str, *, until: str | None, reason: str, actor: Actor
) -> PauseReport:
    """Let nothing of a task fire until then, or until `resume_task`; a pause in force gets another reason and end.

    Args:
        connection: the database, in autocommit mode.
        label: the task.
        until: as `end_of_pause`; None for a pause that somebody has to end.
        reason: why; may be empty.
        actor: who asks.

    Raises:
        NotFound: ORD310, there is no such task in force.
        BadEnd: ORD007.
    """
    task = resolve_task(connection, label)
    schedule = compile_schedules(task.body)
    ends_at = None if until is None else end_of_pause(until, task.now, schedule.timezone)
    with connection.transaction():
        _lock(connection, task)
        before = find_pause(connection, task.uid)
        if before and before.actor and (before.reason, before.until) == (reason, ends_at):
            pause = before
        else:
            pause = set_pause(
                connection, task.uid, _label(task), actor=actor.name, reason=reason, until=ends_at
            )
            _note(connection, actor, "task.pause", _label(task), pause)
    changed = "unchanged" if pause == before else "changed"
    return PauseReport(
        outcome=changed if before else "paused",
        pause=pause,
        before=before,
        **_facts(task, schedule, load_task_position(connection, task.uid)),
    )


def resume_task(connection: Connection, label: str, *, actor: Actor) -> PauseReport:
    """End a task's pause and its snooze, if it has any, and wake the runtimes.

    Raises:
        NotFound: as `pause_task`.
    """
    task = resolve_task(connection, label)
    facts = _facts(task, compile_schedules(task.body), load_task_position(connection, task.uid))
    with connection.transaction():
        _lock(connection, task)
        pause, snooze = find_pause(connection, task.uid), find_snooze(connection, task.uid)
        if pause is not None:
            end_pause(connection, task.uid, _label(task), actor=actor.name, since=pause.since)
        if snooze is not None:
            end_snooze(connection, task.uid, _label(task), actor=actor.name, since=snooze.since)
        before = pause or snooze
        if before is not None:
            write_audit(connection, actor, Deed("task.resume", _label(task)))
    if before is None:
        return PauseReport(outcome="not_paused", **facts)
    wake(connection)
    return PauseReport(outcome="resumed", before=before, **facts)


def snooze_task(
    connection: Connection, label: str, *, until: str, reason: str, actor: Actor
) -> SnoozeReport:
    """Let nothing of a task fire until then, and leave out what is due meanwhile; as `pause_task`.

    Raises:
        NotFound, BadEnd: as `pause_task`.
    """
    task = resolve_task(connection, label)
    schedule = compile_schedules(task.body)
    ends_at = end_of_pause(until, task.now, schedule.timezone)
    with connection.transaction():
        _lock(connection, task)
        before = find_snooze(connection, task.uid)
        if before and (before.reason, before.until) == (reason, ends_at):
            snooze = before
        else:
            snooze = set_snooze(
                connection, task.uid, _label(task), actor=actor.name, reason=reason, until=ends_at
            )
            _note(connection, actor, "task.snooze", _label(task), snooze)
    # What is due at its very end is the first that runs.
    last = ends_at - timedelta(microseconds=1)
    after = schedule.next_after(last)
    changed = "unchanged" if snooze == before else "changed"
    return SnoozeReport(
        task=_label(task),
        timezone=schedule.timezone,
        now=task.now,
        outcome=changed if before else "snoozed",
        snooze=snooze,
        before=before,
        left_out=schedule.count_between(task.now, last, COUNTED),
        next_for=after.at if after else None,
    )


def end_of_pause(text: str, now: datetime, timezone: str | None) -> datetime:
    """The instant that people mean by a span (`2h`, `3d`), an ISO 8601 time, or one without an offset in the task's zone.

    Args:
        text: what they typed.
        now: from when a span counts.
        timezone: the task's zone; UTC if it has none.

    Raises:
        BadEnd: it is none of these, or has passed.
    """
    try:
        instant = _instant(text, now, timezone)
    except (ValueError, OverflowError):
        raise BadEnd(
            f"{text!r} is no end of a pause",
            hint="write a span such as 2h or 3d, or a time such as 2026-03-28T08:30 or 2026-03-28T08:30+02:00",
        ) from None
    if instant <= now:
        raise BadEnd(
            f"a pause cannot end at {instant:%Y-%m-%d %H:%M:%S} UTC: that has passed",
            hint=f"it is {now:%Y-%m-%d %H:%M:%S} UTC now",
        )
    return instant


def _instant(text: str, now: datetime, timezone: str | None) -> datetime:
    if "-" not in text and ":" not in text:
        return now + parse_duration(text)
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        instant = load_zone(timezone or "UTC").resolve(instant, "shift", "first")[0].at
    if instant - now > LONGEST:
        raise ValueError(text)
    return instant.astimezone(UTC)


def _note(connection: Connection, actor: Actor, action: Action, label: str, held: Pause) -> None:
    details = {"until": held.until.isoformat()} if held.until else {}
    write_audit(connection, actor, Deed(action, label, held.reason, details))


def _label(task: FoundTask) -> str:
    return task_label(task.body["namespace"], task.body["name"])


def _lock(connection: Connection, task: FoundTask) -> None:
    if not lock_task_in_force(connection, task.uid):
        raise NotFound(
            f"task {_label(task)} is retired, so it neither fires nor can be paused",
            hint="its runs are kept; to have it again, apply specs that have it",
        )


def _facts(task: FoundTask, schedule: TaskSchedule, position: TaskPosition) -> Mapping[str, Any]:
    """What both reports say of a task."""
    upcoming = schedule.next_after(task.now)
    cursor = position.cursor_for
    catch_up = task.body["catch_up"]
    return {
        "task": _label(task),
        "timezone": schedule.timezone,
        "now": task.now,
        "queued": position.queued,
        "in_flight": position.in_flight,
        "undecided": schedule.count_between(cursor, task.now, COUNTED) if cursor else 0,
        "catch_up": f"{catch_up['policy']}, window {catch_up['window']}",
        "next_for": upcoming.at if upcoming else None,
    }
