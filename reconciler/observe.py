"""What the database holds, as the values that diffing and guards compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from reconciler.core.changes import Applied, ChangeSet, Conflict, Owner, Update, Version
from reconciler.core.desired import Key
from reconciler.core.digest import digest_of, facet_digests
from reconciler.core.rules import Rules
from runtime.store.rows import Connection
from runtime.store.specs import (
    LastRecord,
    StoredSpec,
    read_applied_bodies,
    read_filled_otherwise,
    read_misnumbered,
    read_specs,
)
from schemas.drift import Strayed
from schemas.plan import Facet

# The facet that is written anew where this of a row was changed; a document that has no such facet has nothing to write.
_TOUCHED: Final[Mapping[Strayed, Facet]] = {
    "protected": "policy",
    "retired": "schedule",
    "schedule": "schedule",
}


def observe(connection: Connection, owner: Owner, keys: Iterable[Key]) -> dict[Key, Applied]:
    """Every document of an owner, and those of anybody under these keys."""
    identities = [(key.kind, key.namespace, key.name) for key in keys]
    rows = read_specs(connection, owner.project, owner.environment, identities)
    # Rare enough for a question of its own: nobody makes rows but applies.
    strange = [row.uid for row in rows if row.last_digest is None]
    recorded = read_misnumbered(connection, strange) if strange else {}
    found: dict[Key, Applied] = {}
    for one in (_applied(_renumbered(row, recorded.get(row.uid)), owner) for row in rows):
        other = found.get(one.key)
        found[one.key] = one if other is None else _rightful(one, other)
    return found


def read_refilled(connection: Connection, changes: ChangeSet) -> set[int]:
    """The uids of documents that differ from what was applied only since this version fills them out otherwise."""
    moved = {one.from_.uid: one.to for one in changes if isinstance(one, Update | Conflict)}
    if not moved:
        return set()
    from reconciler.core.filling import UNKNOWN, is_filled_otherwise, todays_digest  # noqa: PLC0415 - only updates need it

    return {
        found.uid
        for found in read_filled_otherwise(connection, list(moved), todays_digest())
        if is_filled_otherwise(
            moved[found.uid].key.kind, found.body, found.fields or UNKNOWN, moved[found.uid].body
        )
    }


def rules_in_force(connection: Connection, applied: Mapping[Key, Applied], owner: Owner) -> Rules:
    """The guards and policies that were last applied, not what somebody made of them by hand; the defaults before that."""
    projects = [
        row.uid
        for row in applied.values()
        if row.key.kind == "Project" and row.owner == owner and row.retired_at is None
    ]
    bodies = read_applied_bodies(connection, projects).values()
    return next((Rules.of_body(body) for body in bodies), Rules())


def _rightful(one: Applied, other: Applied) -> Applied:
    """Of two rows with one key, the one to which a revision gave it; whether the other is in its way is a matter of both."""
    ranked = sorted((one, other), key=lambda row: (row.retired_at is None, row.last is not None))
    is_taken = ranked[0].retired_at is None and "name" in ranked[1].strayed
    return replace(ranked[1], displaced=True) if is_taken else ranked[1]


def _renumbered(row: StoredSpec, record: LastRecord | None) -> StoredSpec:
    """A row as what wrote it last says it is, whatever revision somebody made it name."""
    if record is None:
        return row
    strayed: list[Strayed] = ["revision"]
    if _version_of(row.kind, row.other_body).digest != record.digest:
        strayed.insert(0, "content")
    return row._replace(
        project=record.project,
        environment=record.environment,
        last_digest=record.digest,
        last_facets=record.facets,
        strayed=strayed,
    )


def _applied(row: StoredSpec, owner: Owner) -> Applied:
    if (row.project, row.environment) != (owner.project, owner.environment):
        owner = Owner(row.project, row.environment)
    last = (
        None
        if row.last_digest is None or row.last_facets is None
        else Version(row.last_digest, row.last_facets)
    )
    strayed, live = tuple(row.strayed or ()), last
    if last is None or "content" in strayed:
        live = _version_of(row.kind, row.other_body)
    assert live is not None  # noqa: S101 - a row without revision has a version of its own
    return Applied(
        key=Key(row.kind, row.namespace, row.name),
        uid=row.uid,
        owner=owner,
        revision_id=row.revision_id,
        last=last,
        live=_with_strays(live, strayed, row.strayed_to) if strayed else live,
        protected=row.protected,
        retired_at=row.retired_at,
        strayed=strayed,
    )


def _version_of(kind: str, body: Any) -> Version:
    # Whoever edits a row by hand may drop any field of it, or all.
    facets = facet_digests({**body, "kind": kind}) if isinstance(body, Mapping) else {}
    return Version(digest_of(body), facets)


def _with_strays(content: Version, strayed: tuple[Strayed, ...], row: Any) -> Version:
    """The version of a whole row: of its content, and of what else somebody changed."""
    if strayed == ("content",):
        return content
    facts = [strayed, row]
    touched = {facet for part, facet in _TOUCHED.items() if part in strayed}
    facets = {name: "past git" if name in touched else one for name, one in content.facets.items()}
    return Version(digest_of([content.digest, facts]), facets)
