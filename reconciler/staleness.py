"""Whether a plan still stands on what is in force; if not, what happened: it was applied already, or who came in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from reconciler.core.attributing import stray_words
from reconciler.core.changes import Applied
from reconciler.core.desired import Key
from reconciler.core.standing import owner_of, present_key, stale_keys, written_key
from runtime.errors import StalePlan
from runtime.store.drift import read_stray_writes
from runtime.store.rows import Connection
from runtime.store.specs import LastWrite, explain_staleness, find_apply, read_ground
from schemas.apply import ApplyReport
from schemas.drift import StrayWrite
from schemas.plan import Plan, PlannedChange

# Documents that a message names.
_NAMED: Final = 5


def require_fresh(
    connection: Connection, plan: Plan, applied: Mapping[Key, Applied]
) -> int | None:
    """Refuse a stale plan; returns the revision that it was applied as, if that is still in force.

    Args:
        applied: every document under the plan's keys, as it is now.

    Raises:
        StalePlan: with what happened to each document.
    """
    installation_id, _ = read_ground(connection)
    if plan.environment.installation_id not in {None, installation_id}:
        raise StalePlan(
            "the plan was made for another database", hint="run `ordinaut plan` against this one"
        )
    stale = stale_keys(plan, applied)
    if not stale:
        return None
    owner = owner_of(plan)
    before = find_apply(connection, owner.project, owner.environment, plan.digest)
    if before is not None and all(_is_in_force(change, applied) for change in plan.changes):
        return before
    since = f"the plan was applied already, as r{before}, and the database changed since"
    happened = since if before is not None else "the database changed since the plan was made"
    raise StalePlan(
        f"{happened}: {'; '.join(_reasons(connection, plan, applied, stale))}",
        hint="run `ordinaut plan` again and look at what it says now",
    )


def already_applied(plan: Plan, before: int) -> ApplyReport:
    """The report on a plan that there was nothing left to do of."""
    return ApplyReport(
        revision=before, already_applied=True, plan_digest=plan.digest, summary=plan.summary
    )


def _is_in_force(change: PlannedChange, applied: Mapping[Key, Applied]) -> bool:
    """Whether a document is what the change makes of it."""
    row = applied.get(written_key(change))
    if change.action == "retire":
        return row is None or (row.retired_at is not None and not row.strayed)
    return (
        row is not None
        and row.last is not None
        and row.retired_at is None
        and row.last.digest == row.live.digest == change.after_digest
    )


def _reasons(
    connection: Connection, plan: Plan, applied: Mapping[Key, Applied], stale: Sequence[Key]
) -> list[str]:
    """What happened to documents that are not what a plan stands on."""
    named = stale[:_NAMED]
    writes = explain_staleness(connection, [(k.kind, k.namespace, k.name) for k in named])
    found = {Key(w.kind, w.namespace, w.name): w for w in writes}
    planned = {present_key(change): change for change in plan.changes}
    past_git = {
        key: row.uid
        for key in named
        if (row := applied.get(key)) is not None and _is_stray(planned[key], row)
    }
    strays = read_stray_writes(connection, list(past_git.values()))
    reasons = [
        _past_git(key, strays.get(past_git[key]))
        if key in past_git
        else _reason(key, found[key])
        if key in found
        else f"{key} is gone or was made by hand"
        for key in named
    ]
    return reasons + ([f"and {len(stale) - _NAMED} more"] if len(stale) > _NAMED else [])


def _is_stray(change: PlannedChange, row: Applied) -> bool:
    """Whether a row is not what was planned over because somebody wrote it past git since, and no revision did."""
    return (
        row.last is not None
        and row.last.digest == change.base_digest
        and row.live.digest not in {row.last.digest, change.live_digest}
    )


def _past_git(key: Key, write: StrayWrite | None) -> str:
    text = f"{key} was changed past git"
    if write is None or write.changed_at is None:
        return text
    return f"{text}, {stray_words(write, write.changed_at.year)}"


def _reason(key: Key, write: LastWrite) -> str:
    commit = f"{write.git_commit[:7]}, " if write.git_commit else ""
    what = " and ".join(write.facets) or "nothing but its row"
    did = {"create": "created", "retire": "retired", "adopt": "took over"}.get(
        write.action, f"changed {what} of"
    )
    return f"r{write.revision_id} ({commit}{write.actor}, {write.applied_at:%d %b %H:%M} UTC) {did} {key}"
