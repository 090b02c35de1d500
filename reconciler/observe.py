"""What the database holds, as the values that diffing and guards compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.core.changes import Applied, Owner, Version
from reconciler.core.desired import Key
from reconciler.core.digest import digest_of, facet_digests
from reconciler.core.rules import Rules
from runtime.store.specs import Connection, StoredSpec, read_applied_bodies, read_specs


def observe(connection: Connection, owner: Owner, keys: Iterable[Key]) -> dict[Key, Applied]:
    """Every document of an owner, and those of anybody under these keys."""
    identities = [(key.kind, key.namespace, key.name) for key in keys]
    rows = read_specs(connection, owner.project, owner.environment, identities)
    found = (_applied(row, owner) for row in rows)
    return {one.key: one for one in found}


def rules_in_force(connection: Connection, applied: Mapping[Key, Applied], owner: Owner) -> Rules:
    """The guards and policies that were last applied, not what somebody made of them by hand; the defaults before that."""
    projects = [
        row.uid
        for row in applied.values()
        if row.key.kind == "Project" and row.owner == owner and row.retired_at is None
    ]
    bodies = read_applied_bodies(connection, projects).values()
    return next((Rules.of_body(body) for body in bodies), Rules())


def _applied(row: StoredSpec, owner: Owner) -> Applied:
    if (row.project, row.environment) != (owner.project, owner.environment):
        owner = Owner(row.project, row.environment)
    last = (
        None
        if row.last_digest is None or row.last_facets is None
        else Version(row.last_digest, row.last_facets)
    )
    if row.other_body is not None:
        live = _version_of(row.kind, row.other_body)
    else:
        assert last is not None  # noqa: S101 - a row without revision holds something else than nothing
        live = last
    return Applied(
        key=Key(row.kind, row.namespace, row.name),
        uid=row.uid,
        owner=owner,
        revision_id=row.revision_id,
        last=last,
        live=live,
        protected=row.protected,
        retired_at=row.retired_at,
    )


def _version_of(kind: str, body: Mapping[str, Any]) -> Version:
    # Whoever edits a row by hand may drop any field of it.
    return Version(digest_of(body), facet_digests({**body, "kind": kind}))
