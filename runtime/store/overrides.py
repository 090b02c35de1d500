"""Overrides: what people decide about a task at run time, with who, why and until. Never drift, and untouched by apply."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from runtime.actor import Actor
from runtime.store.pool import Pool, fetch_all
from runtime.store.rows import Connection, fetch_rows
from runtime.store.statements import statement
from schemas.override import Pause


@dataclass(frozen=True, slots=True)
class TaskPosition:
    """Up to where a task's occurrences are decided (None where time does not drive it), and its runs that are not over."""

    cursor_for: datetime | None
    queued: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class FailingTask:
    """A task that was paused because its runs fail, and the reason on record."""

    task: str
    reason: str


def lock_task_in_force(connection: Connection, task_uid: int) -> bool:
    """Keep everybody else from changing a task and its overrides until the transaction ends; false if it is retired."""
    return bool(fetch_rows(connection, "lock_task_in_force", task_uid=task_uid))


def find_pause(connection: Connection, task_uid: int) -> Pause | None:
    """The pause in force."""
    rows = fetch_rows(connection, "find_pause", task_uid=task_uid)
    return Pause(**rows[0]) if rows else None


def set_pause(
    connection: Connection,
    task_uid: int,
    label: str,
    *,
    actor: str,
    reason: str,
    until: datetime | None,
) -> Pause:
    """Pause a task, or give the pause in force another reason and end."""
    asked = {"task_uid": task_uid, "task": label, "actor": actor, "reason": reason, "until": until}
    return Pause(**fetch_rows(connection, "set_pause", **asked)[0])


def end_pause(
    connection: Connection, task_uid: int, label: str, *, actor: str, since: datetime
) -> None:
    """End the pause in force, which began at `since`."""
    asked = {"task_uid": task_uid, "task": label, "actor": actor, "since": since}
    connection.execute(statement("end_pause"), asked)


def find_snooze(connection: Connection, task_uid: int) -> Pause | None:
    """The snooze in force."""
    rows = fetch_rows(connection, "find_snooze", task_uid=task_uid)
    return Pause(**rows[0]) if rows else None


def set_snooze(
    connection: Connection, task_uid: int, label: str, *, actor: str, reason: str, until: datetime
) -> Pause:
    """Snooze a task, or give the snooze in force another reason and end."""
    asked = {"task_uid": task_uid, "task": label, "actor": actor, "reason": reason, "until": until}
    connection.execute(statement("end_passed_snooze"), asked)
    return Pause(**fetch_rows(connection, "set_snooze", **asked)[0])


def end_snooze(
    connection: Connection, task_uid: int, label: str, *, actor: str, since: datetime
) -> None:
    """End the snooze in force, which began at `since`."""
    asked = {"task_uid": task_uid, "task": label, "actor": actor, "since": since}
    connection.execute(statement("end_snooze"), asked)


async def pause_failing_task(pool: Pool, task_uid: int, *, actor: Actor) -> FailingTask | None:
    """Pause a task if its newest runs that are over, as many as it says, have all failed; None if it was not paused."""
    asked = {"task_uid": task_uid, "actor": actor.name, "origin": actor.origin}
    rows = await fetch_all(pool, statement("pause_failing_task"), asked)
    return FailingTask(**rows[0]) if rows else None


def load_task_position(connection: Connection, task_uid: int) -> TaskPosition:
    """Where a task stands between its occurrences and its runs."""
    return TaskPosition(**fetch_rows(connection, "load_task_position", task_uid=task_uid)[0])


def wake(connection: Connection) -> None:
    """Hint to every runtime that something may be due; only after the commit."""
    connection.execute(statement("wake"))
