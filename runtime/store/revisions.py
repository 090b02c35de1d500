"""What an apply writes: one revision and everything that follows from it, set by set, in one transaction of the caller's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from runtime.core.zonedata import tzdata_version
from runtime.store.rows import Connection
from runtime.store.runtimes import RELATED
from runtime.store.schedules import Advance, Decided, Snoozable, firing_params
from runtime.store.specs import Identity
from runtime.store.statements import statement
from schemas.revision import RevisionKind


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRevision:
    """A revision to be written."""

    kind: RevisionKind
    parent_id: int | None
    project: str
    environment: str
    git_commit: str | None
    git_tree: str | None
    git_branch: str | None
    git_dirty: bool
    pull_request: str | None
    author: str | None
    actor: str
    plan_digest: str
    normaliser_version: int
    defaults: str
    summary: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LockHolder:
    """The session that holds a project's lock: what it calls itself, its process at the server, and since when."""

    application: str
    pid: int
    since: datetime


@dataclass(frozen=True, slots=True)
class StagedChange:
    """One document to be written; a retirement has no body, digest, facets or place.

    Attributes:
        uid: the row; None for a new document.
        action: create, update, rename, retire or adopt.
    """

    uid: int | None
    action: str
    project: str
    environment: str
    kind: str
    namespace: str
    name: str
    body: Mapping[str, Any] | None = None
    digest: str | None = None
    facets: Mapping[str, str] | None = None
    protected: bool = False
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class StandingSchedule(Snoozable):
    """A schedule as it stands, with the body and the revision that it was made of.

    Attributes:
        moved: whether somebody moved it by hand, so that `next_for` says nothing.
    """

    task_uid: int
    generation: int
    cursor_for: datetime
    next_for: datetime | None
    paused: bool
    moved: bool
    revision_id: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Armed:
    """What a task fires next by its new schedule; both are None if nothing."""

    task_uid: int
    next_for: datetime | None
    next_due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Skip:
    """An occurrence that was due and does not run."""

    run_id: UUID
    task_uid: int
    revision_id: int
    occurrence_for: datetime
    due_at: datetime
    reason: str
    detail: str | None = None


def lock_project(
    connection: Connection, project: str, environment: str, *, timeout: timedelta
) -> None:
    """Be the one apply of a project in an environment until the transaction ends.

    Raises:
        psycopg.errors.LockNotAvailable: somebody else still is, after `timeout`.
    """
    # Zero would mean no limit at all.
    milliseconds = max(1, timeout // timedelta(milliseconds=1))
    connection.execute(statement("limit_apply"), {"milliseconds": milliseconds})
    connection.execute(statement("lock_project"), {"project": project, "environment": environment})


def find_lock_holder(connection: Connection, project: str, environment: str) -> LockHolder | None:
    """Who holds the lock of `lock_project`."""
    with connection.cursor(row_factory=class_row(LockHolder)) as cursor:
        return cursor.execute(
            statement("find_lock_holder"), {"project": project, "environment": environment}
        ).fetchone()


def lock_specs(connection: Connection, uids: Sequence[int]) -> None:
    """Keep everybody else from changing these documents until the transaction ends."""
    connection.execute(statement("lock_specs"), {"uids": uids})


def lock_schedules(connection: Connection, uids: Sequence[int]) -> list[StandingSchedule]:
    """The schedules of those of these tasks that have one, which nobody can fire until the transaction ends.

    A pause of theirs that is over is ended first: it holds back nothing any more.
    """
    connection.execute(statement("end_passed_pauses"), {"uids": uids})
    with connection.cursor(row_factory=class_row(StandingSchedule)) as cursor:
        return cursor.execute(statement("lock_schedules"), {"uids": uids}).fetchall()


def remember_defaults(connection: Connection, digest: str, defaults: Mapping[str, Any]) -> None:
    """Keep by which defaults documents are filled out, if that is not known yet."""
    connection.execute(
        statement("remember_defaults"), {"digest": digest, "fields": Jsonb(defaults)}
    )


def insert_revision(connection: Connection, revision: NewRevision) -> tuple[int, datetime]:
    """Write the revision; returns its number and its time."""
    values = {field.name: getattr(revision, field.name) for field in fields(revision)}
    row = connection.execute(
        statement("insert_revision"), {**values, "summary": Jsonb(revision.summary)}
    ).fetchone()
    assert row is not None  # noqa: S101 - an insert returns its row
    return row[0], row[1]


def write_specs(
    connection: Connection, revision_id: int, changes: Iterable[StagedChange]
) -> dict[Identity, int]:
    """Write all documents and the record of them; returns the uids of the tasks that are in force by it."""
    connection.execute(statement("create_stage"))
    with connection.cursor() as cursor, cursor.copy(statement("copy_stage")) as copy:
        for change in changes:
            copy.write_row(_stage_row(change))
    connection.execute(statement("free_names"))
    for name in ("create_specs", "update_specs", "retire_specs", "insert_spec_revisions"):
        connection.execute(statement(name), {"revision_id": revision_id})
    rows = connection.execute(statement("list_staged_uids")).fetchall()
    return {(kind, namespace, name): uid for uid, kind, namespace, name in rows}


def arm_schedules(
    connection: Connection, armed: Sequence[Armed], *, now: datetime, tzdata: str
) -> None:
    """Set what these tasks fire next, counting from `now`."""
    connection.execute(
        statement("arm_schedules"),
        {
            "now": now,
            "tzdata": tzdata,
            "task_uids": [one.task_uid for one in armed],
            "next_fors": [one.next_for for one in armed],
            "next_due_ats": [one.next_due_at for one in armed],
        },
    )


def disarm_schedules(connection: Connection, uids: Sequence[int], *, now: datetime) -> None:
    """Let these tasks fire no more."""
    connection.execute(statement("disarm_schedules"), {"task_uids": uids, "now": now})


def fire_overdue(
    connection: Connection, advances: Sequence[Advance], decisions: Sequence[Decided]
) -> None:
    """Decide overdue occurrences as a scheduler does; into the backlog a scheduler looks, after the commit."""
    params = firing_params(advances, decisions, decided_by=None, tzdata=tzdata_version())
    connection.execute(statement("fire_schedules"), params)


def skip_occurrences(connection: Connection, skips: Sequence[Skip]) -> None:
    """Record occurrences that do not run."""
    connection.execute(
        statement("skip_occurrences"),
        {"decisions": orjson.dumps(list(skips)).decode(), "tzdata": tzdata_version()},
    )


def cancel_retired_runs(connection: Connection, uids: Sequence[int]) -> None:
    """Cancel the runs of these retired tasks that no runtime has begun, and those under way where the task says so."""
    connection.execute(statement("cancel_retired_runs"), {"task_uids": uids})


def tell(connection: Connection, revision_id: int, project: str, data: str) -> None:
    """Write the events: one a task, then `data` (JSON) as that of the revision."""
    connection.execute(statement("tell_tasks"), {"revision_id": revision_id})
    connection.execute(statement("tell_revision"), {"project": project, "data": data})


def tell_ended(connection: Connection) -> None:
    """Have whoever executes a run, or waits for one, look what became of it; only after the commit that ended some."""
    connection.execute(statement("tell_ended"))
    connection.execute(statement("cry"), {"hint": RELATED})


def wake(connection: Connection) -> None:
    """Hint to every runtime that there is something new; only after the commit."""
    connection.execute(statement("wake"))


def _stage_row(change: StagedChange) -> tuple[Any, ...]:
    values = (getattr(change, field.name) for field in fields(change))
    return tuple(
        orjson.dumps(value).decode() if isinstance(value, Mapping) else value for value in values
    )
