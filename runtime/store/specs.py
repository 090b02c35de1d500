"""What is applied: documents, the revision that wrote them last, and the work that hangs on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from psycopg.rows import class_row
from psycopg.types.json import set_json_loads

from runtime.store.rows import Connection
from runtime.store.statements import statement
from schemas.drift import Strayed

Identity = tuple[str, str, str]
"""Kind, namespace and name."""


# A tuple, because there are many thousand of them.
class StoredSpec(NamedTuple):
    """One document as the last revision wrote it, and what of its row is something else.

    Attributes:
        last_digest: the digest of what the last revision wrote; None if no revision did.
        last_facets: the digests of its facets.
        strayed: what of the row somebody changed past git; None if nothing.
        strayed_to: then what the row says: its `key`, `owner`, `protected` and `retired`.
        other_body: what the row holds, if that is not what the last revision wrote; any JSON.
    """

    uid: int
    project: str
    environment: str
    kind: str
    namespace: str
    name: str
    revision_id: int
    protected: bool
    retired_at: datetime | None
    last_digest: str | None
    last_facets: Mapping[str, str] | None
    strayed: Sequence[Strayed] | None
    strayed_to: Mapping[str, Any] | None
    other_body: Any


class LastRecord(NamedTuple):
    """What was written last of a row that names another revision: whose it was, its digest and those of its facets."""

    uid: int
    project: str
    environment: str
    digest: str
    facets: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FilledOtherwise:
    """A document as it was applied, and by which defaults: by kind and field; None where nobody remembered."""

    uid: int
    body: Mapping[str, Any]
    fields: Mapping[str, Mapping[str, Sequence[str]]] | None


@dataclass(frozen=True, slots=True)
class StoredRevision:
    """The last revision of a project in an environment.

    Attributes:
        git_commit: the newest commit that is known to say what is in force; None where none does.
        git_dirty: whether what is in force differs from that commit.
    """

    revision_id: int
    git_commit: str | None
    git_dirty: bool
    actor: str
    applied_at: datetime
    plan_digest: str


@dataclass(frozen=True, slots=True)
class StoredOverride:
    """A pause or snooze in force, and the zone of its task where its schedule has one."""

    namespace: str
    name: str
    kind: str
    actor: str
    reason: str
    since: datetime
    until: datetime | None
    timezone: str | None


@dataclass(frozen=True, slots=True)
class TaskWork:
    """What a task has queued and under way, whether an occurrence is due that nobody decided yet, and whether retiring it
    cancels what is under way."""

    task_uid: int
    queued: int
    in_flight: int
    overdue: bool
    cancels: bool


@dataclass(frozen=True, slots=True)
class LastWrite:
    """The revision that wrote a document last, and what it changed."""

    kind: str
    namespace: str
    name: str
    revision_id: int
    git_commit: str | None
    actor: str
    applied_at: datetime
    action: str
    facets: Sequence[str]


def read_ground(connection: Connection) -> tuple[UUID, datetime]:
    """Which database this is, and what time it is there."""
    row = connection.execute(statement("read_ground")).fetchone()
    assert row is not None  # noqa: S101 - the migration puts it there
    return row[0], row[1]


def read_base(connection: Connection, project: str, environment: str) -> StoredRevision | None:
    """The last revision of a project in an environment."""
    with connection.cursor(row_factory=class_row(StoredRevision)) as cursor:
        return cursor.execute(
            statement("read_base"), {"project": project, "environment": environment}
        ).fetchone()


def read_specs(
    connection: Connection, project: str, environment: str, identities: Iterable[Identity] = ()
) -> list[StoredSpec]:
    """Every document of a project in an environment, and those of anybody whose rows have these identities."""
    with connection.cursor(row_factory=class_row(StoredSpec)) as cursor:
        set_json_loads(orjson.loads, cursor)
        return cursor.execute(
            statement("read_specs"),
            {"project": project, "environment": environment, **_columns(identities)},
        ).fetchall()


def read_misnumbered(connection: Connection, uids: Sequence[int]) -> dict[int, LastRecord]:
    """What was written last, by uid, of those of these rows that name a revision which did not write them."""
    with connection.cursor(row_factory=class_row(LastRecord)) as cursor:
        found = cursor.execute(statement("read_misnumbered"), {"uids": uids}).fetchall()
    return {one.uid: one for one in found}


def read_bodies(connection: Connection, uids: Sequence[int]) -> dict[int, Any]:
    """What the rows of these documents hold: no object at all, if somebody broke one by hand."""
    return dict(connection.execute(statement("read_bodies"), {"uids": uids}).fetchall())


def read_applied_bodies(
    connection: Connection, uids: Sequence[int]
) -> dict[int, Mapping[str, Any]]:
    """What the last revisions of these documents wrote, whatever the rows hold by now."""
    return dict(connection.execute(statement("read_applied_bodies"), {"uids": uids}).fetchall())


def read_filled_otherwise(
    connection: Connection, uids: Sequence[int], digest: str
) -> list[FilledOtherwise]:
    """Those of these documents that were filled out by other defaults than those of this digest."""
    with connection.cursor(row_factory=class_row(FilledOtherwise)) as cursor:
        return cursor.execute(
            statement("read_filled_otherwise"), {"uids": uids, "digest": digest}
        ).fetchall()


def read_overrides(connection: Connection, project: str, environment: str) -> list[StoredOverride]:
    """The pauses and snoozes in force for a project's tasks."""
    with connection.cursor(row_factory=class_row(StoredOverride)) as cursor:
        return cursor.execute(
            statement("read_overrides"), {"project": project, "environment": environment}
        ).fetchall()


def read_queue(connection: Connection, uids: Sequence[int]) -> list[TaskWork]:
    """The work of those of these tasks that have any."""
    with connection.cursor(row_factory=class_row(TaskWork)) as cursor:
        return cursor.execute(statement("read_queue"), {"uids": uids}).fetchall()


def count_schedules_by_tzdata(
    connection: Connection, owner: tuple[str, str] | None = None
) -> dict[str, int]:
    """How many schedules in force were derived by each version, the oldest first; of a project and environment, or all."""
    project, environment = owner or (None, None)
    rows = connection.execute(
        statement("count_schedules_by_tzdata"), {"project": project, "environment": environment}
    ).fetchall()
    return dict(rows)


def explain_staleness(connection: Connection, identities: Iterable[Identity]) -> list[LastWrite]:
    """Who wrote these documents last, and what that changed."""
    with connection.cursor(row_factory=class_row(LastWrite)) as cursor:
        return cursor.execute(statement("explain_staleness"), _columns(identities)).fetchall()


def find_apply(connection: Connection, project: str, environment: str, digest: str) -> int | None:
    """The revision that a plan of this digest was applied as, if it was."""
    row = connection.execute(
        statement("find_apply"),
        {"project": project, "environment": environment, "digest": digest},
    ).fetchone()
    return row[0] if row else None


def _columns(identities: Iterable[Identity]) -> dict[str, list[str]]:
    rows = list(identities)
    return {
        "kinds": [kind for kind, _, _ in rows],
        "namespaces": [namespace for _, namespace, _ in rows],
        "names": [name for _, _, name in rows],
    }
