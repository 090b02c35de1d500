"""What was applied in the past: found by what people type, read, and compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from importlib.metadata import version
from typing import Any, NamedTuple

from reconciler.core.changes import ChangeSet, Owner
from reconciler.core.desired import Key, Place
from reconciler.core.diff import diff
from reconciler.core.ground import Ground
from reconciler.core.plan import make_plan
from reconciler.core.recorded import Recorded, as_applied, as_desired, written_changes
from reconciler.core.suggest import did_you_mean
from runtime.core.zonedata import tzdata_version
from runtime.errors import NotFound, PlanError
from runtime.store.history import (
    StoredDocument,
    find_document,
    find_revision,
    list_document_names,
    list_revisions,
    read_documents_as_of,
    read_documents_before,
    read_documents_of,
)
from runtime.store.rows import Connection
from runtime.store.specs import read_base, read_ground
from schemas.plan import Plan, PlanSource
from schemas.revision import Difference, History, Revision, RevisionReport
from schemas.spec import KINDS


class Document(NamedTuple):
    """A document of the database, in force or not."""

    key: Key
    uid: int


def resolve_document(connection: Connection, text: str) -> Document:
    """The document that a name means: `KIND/NAME`, or a task's name alone.

    Raises:
        NotFound: ORD310, with the nearest names.
    """
    key = key_of_text(text)
    uid = find_document(connection, (key.kind, key.namespace, key.name))
    if uid is None:
        names = list_document_names(connection, key.kind)
        known = tuple(Key(key.kind, namespace, name).label for namespace, name in names)
        raise NotFound(
            f"there is no {key.kind} {key.label}",
            hint=did_you_mean(key.label, known, "`ordinaut status` lists tasks"),
        )
    return Document(key, uid)


def key_of_text(text: str) -> Key:
    """The key that `KIND/NAME`, `KIND/NAMESPACE/NAME` or a task's name means."""
    kind, _, rest = text.partition("/")
    return Key.of(kind, rest, "default") if kind in KINDS else Key.of("Task", text, "default")


def resolve_revision(connection: Connection, text: str) -> Revision:
    """The revision that `r12` means, or `12`.

    Raises:
        NotFound: ORD310, there is none.
    """
    digits = text.removeprefix("r")
    found = find_revision(connection, int(digits)) if _is_number(digits) else None
    if found is None:
        raise NotFound(f"there is no revision {text}", hint="`ordinaut history` lists them")
    return found


def _is_number(digits: str) -> bool:
    # As PostgreSQL counts them, and no further.
    return digits.isascii() and digits.isdigit() and len(digits) < len(str(2**63))


def read_history(connection: Connection, document: Document | None, limit: int) -> History:
    """The newest revisions, of everything or of one document."""
    _, now = read_ground(connection)
    return History(
        now=now,
        document=str(document.key) if document else None,
        revisions=list_revisions(connection, uid=document.uid if document else None, limit=limit),
    )


def read_revision(connection: Connection, text: str) -> RevisionReport:
    """A revision with everything that it wrote.

    Raises:
        NotFound: ORD310, there is none.
    """
    revision = resolve_revision(connection, text)
    _, now = read_ground(connection)
    written = _recorded(read_documents_of(connection, revision.revision))
    before = {one.uid: one for one in documents_before(connection, revision.revision)}
    changes = written_changes(written, before, owner_then(revision))
    plan = _plan(changes, revision, revision.applied_at, [*before.values(), *written])
    return RevisionReport(now=now, revision=revision, changes=plan.changes)


def compare_revisions(connection: Connection, before: str, after: str | None) -> Difference:
    """What leads from one revision's documents to another's.

    Args:
        after: the other; the newest of the same project and environment if there is none.

    Raises:
        NotFound: ORD310, there is no such revision.
        PlanError: ORD209, they are not of one project and environment.
    """
    one = resolve_revision(connection, before)
    owner = owner_then(one)
    newest = read_base(connection, owner.project, owner.environment)
    assert newest is not None  # noqa: S101 - there is one at least
    other = resolve_revision(connection, after or f"r{newest.revision_id}")
    _require_kinship(one, other)
    _, now = read_ground(connection)
    first, second = documents_as_of(connection, one), documents_as_of(connection, other)
    rows = as_applied(first, owner)
    changes = diff(as_desired(second, rows.values(), owner), rows, owner, certain=True)
    plan = _plan(changes, other, now, first)
    return Difference(
        as_of=now,
        before=one,
        after=other,
        unchanged=plan.summary.unchanged,
        changes=plan.changes,
    )


def documents_as_of(connection: Connection, revision: Revision) -> list[Recorded]:
    """Every document of a revision's project and environment as it left them."""
    return _recorded(read_documents_as_of(connection, revision))


def documents_before(connection: Connection, revision: int) -> list[Recorded]:
    """Every document that a revision wrote, as it was just before; not those that were new."""
    return _recorded(read_documents_before(connection, revision))


def owner_then(revision: Revision) -> Owner:
    """Whose documents a revision wrote."""
    return Owner(revision.project, revision.environment)


def _require_kinship(one: Revision, other: Revision) -> None:
    if owner_then(one) != owner_then(other):
        raise PlanError(
            f"r{one.revision} is of {one.project}/{one.environment}, and r{other.revision} of "
            f"{other.project}/{other.environment}",
            hint="compare revisions of one project and environment",
            code="ORD209",
        )


def _recorded(rows: Iterable[StoredDocument]) -> list[Recorded]:
    return [
        Recorded(
            key=Key(row.body["kind"], row.body["namespace"], row.body["name"]),
            uid=row.uid,
            revision_id=row.revision_id,
            action=row.action,
            body=row.body,
            digest=row.digest,
            facets=row.facets,
            place=Place(row.file, row.line, 1),
            retired_at=row.retired_at,
        )
        for row in rows
    ]


def _plan(
    changes: ChangeSet, revision: Revision, now: datetime, documents: Iterable[Recorded]
) -> Plan:
    """Changes with everything that a plan tells of them, seen from a moment; of documents with one uid the first counts."""
    bodies: dict[int, Mapping[str, Any]] = {}
    for document in documents:
        bodies.setdefault(document.uid, document.body)
    ground = Ground(
        source=PlanSource(project=revision.project),
        environment=revision.environment,
        now=now,
        tool=version("ordinaut"),
        tzdata=tzdata_version(),
        bodies=bodies,
    )
    return make_plan(changes, ground)
