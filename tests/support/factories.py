"""Rows by hand, for tests of what reads them: only what matters is named in a test.

Rows are as the program writes them: bodies are normalised documents, run ids are derived.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from reconciler.core.digest import digest_of, facet_digests, normalised
from runtime.core.identity import derive_run_id
from schemas.task import Task

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
_STEPS = [{"id": "look", "uses": "clock.now"}]
_MANUAL = [{"manual": True}]


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task in the database."""

    uid: int
    revision_id: int
    label: str
    body: Mapping[str, Any]


def insertion(
    table: str, row: Mapping[str, Any], *, returning: str = "1", conflict: str = ""
) -> tuple[sql.Composed, list[Any]]:
    """The statement that inserts a row, and its parameters, for a connection of either kind."""
    query = sql.SQL("insert into ordinaut.{} ({}) values ({}) {} returning {}").format(
        sql.Identifier(table),
        sql.SQL(", ").join(sql.Identifier(name) for name in row),
        sql.SQL(", ").join(sql.Placeholder() for _ in row),
        sql.SQL(conflict),
        sql.SQL(returning),
    )
    return query, [
        Jsonb(value) if isinstance(value, dict | list) else value for value in row.values()
    ]


def revision_row(**columns: Any) -> dict[str, Any]:
    """A revision, as an apply writes it."""
    return {
        "project": "demo",
        "environment": "default",
        "kind": "apply",
        "actor": "ada",
        "plan_digest": "0" * 64,
        "normaliser_version": 1,
        "summary": {},
        **columns,
    }


def spec_row(body: Mapping[str, Any], revision_id: int, **columns: Any) -> dict[str, Any]:
    """A document in force."""
    return {
        "project": "demo",
        "environment": "default",
        "kind": body["kind"],
        "namespace": body["namespace"],
        "name": body["name"],
        "revision_id": revision_id,
        "body": body,
        "digest": digest_of(body),
        **columns,
    }


def spec_revision_row(body: Mapping[str, Any], uid: int, revision_id: int) -> dict[str, Any]:
    """A revision's record of a document."""
    return {
        "uid": uid,
        "revision_id": revision_id,
        "action": "create",
        "body": body,
        "digest": digest_of(body),
        "facets": facet_digests(body),
        "file": f"specs/{body['name']}.yaml",
        "line": 1,
    }


def due_work_row(task_uid: int, revision_id: int, run_id: UUID, **columns: Any) -> dict[str, Any]:
    """The queue's row of a run."""
    return {
        "run_id": run_id,
        "task_uid": task_uid,
        "revision_id": revision_id,
        "ready_at": NOON,
        "lane": 5,
        **columns,
    }


def insert_revision(connection: psycopg.Connection, **columns: Any) -> int:
    """A revision, as an apply writes it."""
    return int(_insert(connection, "revision", revision_row(**columns), returning="revision_id"))


def insert_spec(
    connection: psycopg.Connection, body: Mapping[str, Any], *, revision_id: int, **columns: Any
) -> int:
    """A document in force, and the revision's record of it."""
    uid = int(_insert(connection, "spec", spec_row(body, revision_id, **columns), returning="uid"))
    _insert(connection, "spec_revision", spec_revision_row(body, uid, revision_id))
    return uid


def insert_task(
    connection: psycopg.Connection,
    name: str = "briefing",
    *,
    namespace: str = "default",
    revision_id: int | None = None,
    retired_at: datetime | None = None,
    **fields: Any,
) -> TaskRow:
    """A task in force; `fields` are those of the Task document."""
    head = {"apiVersion": "ordinaut/v1", "kind": "Task", "name": name, "namespace": namespace}
    document = Task.model_validate({"schedule": _MANUAL, "pipeline": _STEPS, **head, **fields})
    body = normalised(document)
    revision_id = revision_id or insert_revision(connection)
    uid = insert_spec(connection, body, revision_id=revision_id, retired_at=retired_at)
    label = name if namespace == "default" else f"{namespace}/{name}"
    return TaskRow(uid, revision_id, label, body)


def insert_schedule(
    connection: psycopg.Connection, task: TaskRow, *, next_for: datetime | None, **columns: Any
) -> None:
    """Where the task's schedule stands."""
    row = {
        "task_uid": task.uid,
        "cursor_for": (next_for or NOON) - timedelta(days=1),
        "next_for": next_for,
        "next_due_at": next_for,
        "tzdata": "test",
        **columns,
    }
    _insert(connection, "schedule", row)


def insert_condition(
    connection: psycopg.Connection, task: TaskRow, *, position: int = 0, **columns: Any
) -> None:
    """What a condition of the task remembers; it has not been asked yet."""
    row = {
        "task_uid": task.uid,
        "digest": f"{position:064}",
        "position": position,
        "every": timedelta(minutes=5),
        "next_poll_at": NOON,
        **columns,
    }
    _insert(connection, "condition", row)


def insert_run(
    connection: psycopg.Connection,
    task: TaskRow,
    *,
    occurrence_for: datetime = NOON,
    state: str = "succeeded",
    trigger: str = "schedule",
    trigger_key: str = "",
    **columns: Any,
) -> UUID:
    """A run; one that is over began at its occurrence and took two seconds."""
    is_begun = state not in {"queued", "skipped"}
    is_over = state in {"succeeded", "failed", "cancelled", "skipped"}
    row = {
        "run_id": derive_run_id(task.uid, trigger, trigger_key, occurrence_for),
        "task_uid": task.uid,
        "revision_id": task.revision_id,
        "trigger": trigger,
        "trigger_key": trigger_key,
        "occurrence_for": occurrence_for,
        "due_at": occurrence_for,
        "state": state,
        "reason": "overlap" if state == "skipped" else None,
        "started_at": occurrence_for if is_begun else None,
        "finished_at": occurrence_for + timedelta(seconds=2) if is_over else None,
        **columns,
    }
    run_id: UUID = _insert(connection, "run", row, returning="run_id")
    return run_id


def insert_due_work(
    connection: psycopg.Connection, task: TaskRow, run_id: UUID, **columns: Any
) -> None:
    """The queue's row of a run."""
    _insert(connection, "due_work", due_work_row(task.uid, task.revision_id, run_id, **columns))


def insert_sleeping_run(connection: psycopg.Connection, task: TaskRow, **columns: Any) -> UUID:
    """A run that waits, and that nobody takes meanwhile."""
    run_id = insert_run(connection, task, state="waiting", **columns)
    insert_due_work(connection, task, run_id, ready_at=NOON + timedelta(days=900_000))
    return run_id


def insert_wait(
    connection: psycopg.Connection, run_id: UUID, step: str, *, asked: Any = None, **columns: Any
) -> None:
    """A step of a run waits for a person, or for a time where nothing is asked."""
    kind = "sleep" if asked is None else "approval"
    row = {"run_id": run_id, "step": step, "kind": kind, "asked": Jsonb(asked or {}), **columns}
    _insert(connection, "wait", row)


def insert_step_result(
    connection: psycopg.Connection, run_id: UUID, step: str = "look", **columns: Any
) -> None:
    """The result of a step, which took a second."""
    row = {
        "run_id": run_id,
        "step": step,
        "lease_epoch": 1,
        "attempt": 1,
        "outcome": "ok",
        "uses": "clock.now",
        "input": {},
        "output": {"time": "12:00"},
        "started_at": NOON,
        "finished_at": NOON + timedelta(seconds=1),
        **columns,
    }
    _insert(connection, "step_result", row)


def insert_step_attempt(
    connection: psycopg.Connection, run_id: UUID, step: str = "look", **columns: Any
) -> None:
    """A try that failed."""
    row = {
        "run_id": run_id,
        "step": step,
        "lease_epoch": 1,
        "attempt": 1,
        "outcome": "tool_error",
        "error": {"code": "ORD404", "message": "the tool said no"},
        "started_at": NOON,
        "finished_at": NOON + timedelta(seconds=1),
        "retry_at": NOON + timedelta(seconds=3),
        **columns,
    }
    _insert(connection, "step_attempt", row)


def insert_event(
    connection: psycopg.Connection,
    type: str = "run.started",  # noqa: A002 - the name of the column
    *,
    subject: str = "briefing",
    **columns: Any,
) -> UUID:
    """An event that is not yet published."""
    row = {"event_id": uuid4(), "type": type, "subject": subject, "data": {}, **columns}
    event_id: UUID = _insert(connection, "event_log", row, returning="event_id")
    return event_id


def insert_logged_event(
    connection: psycopg.Connection,
    type: str = "run.started",  # noqa: A002 - the name of the column
    *,
    subject: str = "briefing",
    **columns: Any,
) -> UUID:
    """An event that was published."""
    event_id = insert_event(connection, type, subject=subject, **columns)
    connection.execute(
        "delete from ordinaut.outbox where sequences[1] = (select sequence from ordinaut.event_log where event_id = %s)",
        [event_id],
    )
    return event_id


def _insert(
    connection: psycopg.Connection, table: str, row: Mapping[str, Any], *, returning: str = "1"
) -> Any:
    query, values = insertion(table, row, returning=returning)
    found = connection.execute(query, values).fetchone()
    assert found is not None
    return found[0]
