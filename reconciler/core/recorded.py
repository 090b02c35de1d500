"""Revisions as the values that diffing compares: what documents said once is desired, or applied, like what they say now.

A document that has another name by now is followed by its uid: it is the same one, renamed. So is a tombstone, which may
have had to give its name up to another document.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler.core.changes import (
    Adopt,
    Applied,
    Change,
    ChangeSet,
    Create,
    Drift,
    Owner,
    Rename,
    Retire,
    Update,
    Version,
)
from reconciler.core.desired import AtHand, Desired, Key, Place
from schemas.base import API_VERSION, Document


@dataclass(frozen=True, slots=True)
class Recorded:
    """A document as one revision wrote it.

    Attributes:
        key: its identity then.
        action: create, update, rename, retire or adopt.
        body: what it said; of a retirement, what the row held then.
        place: where it was written then.
        retired_at: when it was retired; None unless it is looked at as what it became.
    """

    key: Key
    uid: int
    revision_id: int
    action: str
    body: Mapping[str, Any]
    digest: str
    facets: Mapping[str, str]
    place: Place
    retired_at: datetime | None = None


def as_applied(documents: Iterable[Recorded], owner: Owner) -> dict[Key, Applied]:
    """A revision's documents as what is in force."""
    rows = (_row(document, owner) for document in documents)
    return {row.key: row for row in rows}


def as_desired(
    documents: Iterable[Recorded], rows: Iterable[Applied], owner: Owner
) -> dict[Key, Desired]:
    """A revision's documents as what is wanted.

    Args:
        rows: what they are compared with.
        owner: of the documents; what others have now is no former self of theirs.
    """
    bearing = {row.uid: row.key for row in rows if row.owner == owner}
    wanted = (_wanted(document, bearing.get(document.uid)) for document in documents)
    return {one.key: one for one in wanted}


def written_changes(
    written: Iterable[Recorded], before: Mapping[int, Recorded], owner: Owner
) -> ChangeSet:
    """What one revision did.

    Args:
        written: what it wrote.
        before: what those of these documents that had been written said before, by uid.
        owner: of the revision.
    """
    return ChangeSet.of(_change(one, before.get(one.uid), owner) for one in written)


def _change(written: Recorded, before: Recorded | None, owner: Owner) -> Change:
    gone = before if before and before.retired_at is not None else None
    if written.action == "create" and gone:
        return Create(_row(gone, owner), _wanted(written, None))
    before = None if gone else before
    if written.action == "retire":
        return Retire(_row(before or written, owner))
    if written.action == "adopt":
        return Adopt(_row(before or written, owner), _wanted(written, None))
    if before is None:
        return Create(None, _wanted(written, None))
    row, wanted = _row(before, owner), _wanted(written, before.key)
    if row.key != wanted.key:
        return Rename(row, wanted)
    # What says the same as the revision before was written to undo what somebody did past git.
    return Drift(row, wanted) if before.digest == written.digest else Update(row, wanted)


def _row(document: Recorded, owner: Owner) -> Applied:
    version = Version(document.digest, document.facets)
    return Applied(
        key=document.key,
        uid=document.uid,
        owner=owner,
        revision_id=document.revision_id,
        last=version,
        live=version,
        protected=bool(document.body.get("protect")),
        retired_at=document.retired_at,
    )


def _wanted(document: Recorded, bears: Key | None) -> Desired:
    return Desired(
        key=document.key,
        content=AtHand(_head(document), document.body, document.facets),
        digest=document.digest,
        place=document.place,
        renamed_from=f"{bears.namespace}/{bears.name}"
        if bears and bears != document.key
        else None,
    )


def _head(document: Recorded) -> Document:
    """What every kind has; the rest of a document that compiled once is in its body."""
    key = document.key
    return Document(
        api_version=API_VERSION,
        kind=key.kind,
        name=key.name,
        namespace=key.namespace,
        protect=document.body.get("protect", False),
    )
