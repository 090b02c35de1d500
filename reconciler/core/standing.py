"""What a plan stands on: which documents it reads and writes, whether they are still so, and what guards look at.

Compared document by document, so that a revision which touched other documents does not matter.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from reconciler.core.changes import Applied, Owner
from reconciler.core.desired import Key
from reconciler.core.guards import Footprint
from schemas.plan import Plan, PlannedChange


def owner_of(plan: Plan) -> Owner:
    """Whose documents a plan writes."""
    return Owner(plan.source.project, plan.environment.name)


def written_key(change: PlannedChange) -> Key:
    """The key that a document has once the change is applied."""
    return Key(change.kind, change.namespace, change.name)


def present_key(change: PlannedChange) -> Key:
    """The key that a document has in the database before that."""
    former = change.former_key
    return written_key(change) if former is None else Key.of(change.kind, former, "default")


def keys_of(plan: Plan) -> set[Key]:
    """Every key that a plan reads or writes."""
    return {key for one in plan.changes for key in (written_key(one), present_key(one))}


def stale_keys(plan: Plan, applied: Mapping[Key, Applied]) -> list[Key]:
    """The documents that are not any more what the plan stands on, in order.

    Args:
        applied: every document under `keys_of` the plan, as it is now.
    """
    left = {present_key(change) for change in plan.changes if change.former_key is not None}
    return sorted(
        present_key(change)
        for change in plan.changes
        if not _is_as_planned(change, applied, owner_of(plan), left)
    )


def footprint_of(
    changes: Iterable[PlannedChange], rows: Iterable[Applied], owner: Owner
) -> Footprint:
    """What guards look at.

    Args:
        changes: what would be written.
        rows: the documents of `owner`, as they are now; those of others do not count.
    """
    entries = list(changes)
    return Footprint(
        live={
            row.key: row.protected
            for row in rows
            if row.owner == owner and row.retired_at is None and row.last is not None
        },
        # What was brought back by hand is in force for nobody but who did it.
        retiring=[
            written_key(one) for one in entries if one.action == "retire" and one.reason != "drift"
        ],
        arriving=[written_key(one) for one in entries if one.action in {"create", "rename"}],
        conflicts=[written_key(one) for one in entries if one.reason == "conflict"],
        adopted=[written_key(one) for one in entries if one.action == "adopt"],
    )


def _is_as_planned(
    change: PlannedChange, applied: Mapping[Key, Applied], owner: Owner, left: Container[Key]
) -> bool:
    row = applied.get(present_key(change))
    if change.uid is None and present_key(change) in left:
        return True
    if change.uid is None or row is None:
        return change.uid is None and row is None
    # A tombstone is nobody's, and what is adopted has no last revision that would say whose it is.
    is_ours = row.owner == owner or change.reason == "restored" or change.action == "adopt"
    is_redone = change.action == "retire" and change.reason == "drift"
    return (
        is_ours
        and row.uid == change.uid
        and (row.last.digest if row.last else None) == change.base_digest
        and row.live.digest == change.live_digest
        and (row.retired_at is not None) == (change.reason == "restored" or is_redone)
        and _is_free(change, applied, left)
    )


def _is_free(change: PlannedChange, applied: Mapping[Key, Applied], left: Container[Key]) -> bool:
    """Whether nothing that stays in force has the key that a document is renamed to."""
    if change.former_key is None:
        return True
    row = applied.get(written_key(change))
    return row is None or row.retired_at is not None or row.key in left
