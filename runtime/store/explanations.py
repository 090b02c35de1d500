"""What is on record about a task and a span of time: the evidence from which `ordinaut why` argues."""

from __future__ import annotations

from datetime import datetime

from runtime.core.evidence import (
    ConditionStand,
    DecidedRun,
    Evidence,
    ListenerStand,
    Pause,
    RuntimeSpan,
    ScheduleStand,
    TaskStand,
)
from runtime.store.rows import Connection, fetch_rows
from runtime.store.runs import FoundTask


def newest_decision(connection: Connection, task_uid: int) -> datetime | None:
    """The instant of the newest occurrence or run that is on record."""
    rows = fetch_rows(connection, "find_newest_decision", task_uid=task_uid)
    return rows[0]["occurrence_for"] if rows else None


def load_stand(connection: Connection, task_uid: int, instant: datetime) -> TaskStand | None:
    """The revision that was in force at an instant; None before the first."""
    rows = fetch_rows(connection, "load_stand", task_uid=task_uid, instant=instant)
    return TaskStand(**rows[0]) if rows else None


def load_evidence(
    connection: Connection,
    task: FoundTask,
    label: str,
    timezone: str | None,
    span: tuple[datetime, datetime],
    *,
    limit: int,
) -> Evidence:
    """Everything on record about a task from `span[0]` until before `span[1]`, at most `limit` decisions."""
    since, until = span
    asked = {"task_uid": task.uid, "since": since, "until": until}
    decisions = [
        DecidedRun(**row) for row in fetch_rows(connection, "list_decisions", **asked, limit=limit)
    ]
    # What came of an occurrence may lie far behind it: a runtime that was down decided it when it was back.
    latest = max((run.started_at or run.created_at for run in decisions), default=until)
    around = {**asked, "until": max(latest, until)}
    first = fetch_rows(connection, "load_first_apply", task_uid=task.uid)
    standing = fetch_rows(connection, "load_standing_schedule", task_uid=task.uid)
    at_first = load_stand(connection, task.uid, since)
    later = [TaskStand(**row) for row in fetch_rows(connection, "list_later_stands", **asked)]
    return Evidence(
        label=label,
        timezone=timezone,
        since=since,
        until=until,
        now=task.now,
        first_applied_at=first[0]["applied_at"] if first else None,
        stands=(at_first, *later) if at_first else tuple(later),
        decisions=tuple(decisions),
        pauses=tuple(Pause(**row) for row in fetch_rows(connection, "list_pauses", **around)),
        runtimes=tuple(
            RuntimeSpan(**row) for row in fetch_rows(connection, "list_runtimes_between", **around)
        ),
        schedule=ScheduleStand(**standing[0]) if standing else None,
        conditions=tuple(
            ConditionStand(**row)
            for row in fetch_rows(connection, "list_condition_stands", task_uid=task.uid)
        ),
        listeners=tuple(
            ListenerStand(**row)
            for row in fetch_rows(connection, "list_listener_stands", task_uid=task.uid)
        ),
    )
