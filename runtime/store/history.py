"""What was applied, revision by revision: who, when, of which commit, and what each document said then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from runtime.store.rows import Connection, fetch_rows
from runtime.store.specs import Identity
from runtime.store.statements import statement
from schemas.revision import Revision


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document as one revision wrote it.

    Attributes:
        action: create, update, rename, retire or adopt.
        body: what it says; of a retirement, what the row held then.
        retired_at: when it was retired, of what was just before a revision.
    """

    uid: int
    revision_id: int
    action: str
    body: Mapping[str, Any]
    digest: str
    facets: Mapping[str, str]
    file: str
    line: int
    retired_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LiveDocument:
    """A document in force, as its row has it."""

    project: str
    environment: str
    kind: str
    namespace: str
    name: str
    body: Mapping[str, Any]


def list_revisions(
    connection: Connection, *, uid: int | None = None, limit: int, before: int | None = None
) -> tuple[Revision, ...]:
    """The newest revisions, or those before one; of one document, if its uid is given, those that wrote it."""
    return _revisions(connection, uid=uid, revision_id=None, before=before, limit=limit)


def find_revision(connection: Connection, revision_id: int) -> Revision | None:
    """One revision."""
    return next(
        iter(_revisions(connection, uid=None, revision_id=revision_id, before=None, limit=1)), None
    )


def find_document(connection: Connection, identity: Identity) -> int | None:
    """The uid of a document, retired or not."""
    kind, namespace, name = identity
    row = connection.execute(
        statement("find_document"), {"kind": kind, "namespace": namespace, "name": name}
    ).fetchone()
    return row[0] if row else None


def list_document_names(connection: Connection, kind: str) -> list[tuple[str, str]]:
    """Namespace and name of every document in force of a kind."""
    rows = connection.execute(statement("list_document_names"), {"kind": kind}).fetchall()
    return [(namespace, name) for namespace, name in rows]


def list_document_revisions(
    connection: Connection, uid: int, *, limit: int
) -> dict[int, Mapping[str, Any]]:
    """What a document said, by the newest revisions that wrote it."""
    rows = fetch_rows(connection, "list_document_bodies", uid=uid, limit=limit)
    return {row["revision_id"]: row["body"] for row in rows}


def read_documents_as_of(connection: Connection, revision: Revision) -> list[StoredDocument]:
    """Every document of a revision's project and environment as it left them."""
    return _recorded(
        connection,
        "read_documents_as_of",
        revision_id=revision.revision,
        project=revision.project,
        environment=revision.environment,
    )


def read_documents_of(connection: Connection, revision_id: int) -> list[StoredDocument]:
    """What a revision wrote."""
    return _recorded(connection, "read_documents_of", revision_id=revision_id)


def read_documents_before(connection: Connection, revision_id: int) -> list[StoredDocument]:
    """What they said just before, in force or retired."""
    return _recorded(connection, "read_documents_before", revision_id=revision_id)


def _revisions(connection: Connection, **params: int | None) -> tuple[Revision, ...]:
    rows = fetch_rows(connection, "list_revisions", **params)
    return tuple(Revision.model_validate(row) for row in rows)


def _recorded(connection: Connection, name: str, **params: Any) -> list[StoredDocument]:
    with connection.cursor(row_factory=class_row(StoredDocument)) as cursor:
        return cursor.execute(statement(name), params).fetchall()


def list_live_documents(connection: Connection) -> list[LiveDocument]:
    """Every document in force, of every project, the Project of each first."""
    with connection.cursor(row_factory=class_row(LiveDocument)) as cursor:
        return cursor.execute(statement("list_live_documents")).fetchall()
