"""Desired and applied documents by hand, for tests of the pure reconciler: only what matters is named."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from reconciler.core.changes import Applied, Owner, Version
from reconciler.core.desired import AtHand, Desired, Key, Place
from schemas.agent import Agent
from schemas.base import Document
from schemas.project import Project
from schemas.task import Task

OURS = Owner("platform", "default")
THEIRS = Owner("elsewhere", "default")

_STEPS = [{"id": "look", "uses": "clock.now"}]
_MANUAL = [{"manual": True}]


def key(label: str, kind: str = "Task") -> Key:
    """The key of a label such as `briefing` or `ops/briefing`."""
    return Key.of(kind, label, "default")


def version(digest: str, **facets: str) -> Version:
    """A version whose facets all follow the digest unless named."""
    names = ("schedule", "pipeline", "policy", "meta")
    return Version(digest, {name: facets.get(name, digest) for name in names})


def desired(
    label: str,
    digest: str = "d1",
    *,
    kind: str = "Task",
    renamed_from: str | None = None,
    body: Mapping[str, Any] | None = None,
    facets: Mapping[str, str] | None = None,
    place: Place | None = None,
    **fields: Any,
) -> Desired:
    """A document that git wants."""
    identity = key(label, kind)
    return Desired(
        key=identity,
        content=AtHand(
            _document(identity, renamed_from=renamed_from, **fields),
            body or {"kind": kind, "name": identity.name, "namespace": identity.namespace},
            facets or version(digest).facets,
        ),
        digest=digest,
        place=place or Place(f"specs/{identity.name}.yaml", 1, 1),
        renamed_from=renamed_from,
    )


def applied(
    label: str,
    last: str | Version | None = "d1",
    *,
    live: str | Version | None = None,
    kind: str = "Task",
    uid: int = 1,
    owner: Owner = OURS,
    revision_id: int = 1,
    protected: bool = False,
    retired_at: datetime | None = None,
) -> Applied:
    """A document that the database has; the live row is as last applied unless named."""
    written = version(last) if isinstance(last, str) else last
    row = version(live) if isinstance(live, str) else live or written
    assert row is not None, "a row that no revision wrote needs `live`"
    return Applied(
        key=key(label, kind),
        uid=uid,
        owner=owner,
        revision_id=revision_id,
        last=written,
        live=row,
        protected=protected,
        retired_at=retired_at,
    )


def wanted(*documents: Desired) -> dict[Key, Desired]:
    """Documents by key."""
    return {document.key: document for document in documents}


def stored(*documents: Applied) -> dict[Key, Applied]:
    """Rows by key."""
    return {document.key: document for document in documents}


def _document(identity: Key, **fields: Any) -> Document:
    head = {
        "apiVersion": "ordinaut/v1",
        "kind": identity.kind,
        "name": identity.name,
        "namespace": identity.namespace,
        **{name: value for name, value in fields.items() if value is not None},
    }
    match identity.kind:
        case "Task":
            return Task.model_validate({"schedule": _MANUAL, "pipeline": _STEPS, **head})
        case "Project":
            return Project.model_validate(head)
        case _:
            return Agent.model_validate(head)
