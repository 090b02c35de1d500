"""The plan that was reviewed, known by its digest alone: what would be applied now is that one, or nothing is applied."""

from __future__ import annotations

from reconciler.core.standing import owner_of
from runtime.errors import StalePlan
from runtime.store.rows import Connection
from runtime.store.specs import find_apply
from schemas.plan import Plan, PlannedChange

# Changes that a message names.
_NAMED = 5
# What a plan of git against git cannot know, and so is the likeliest to be the difference; then, what weighs most.
_FIRST = ("conflict", "drift", "restored", "retire", "adopt", "rename", "update", "create")


def require_expected(connection: Connection, plan: Plan, digest: str) -> int | None:
    """Refuse a plan of another digest; returns the revision that the expected one was applied as, if nothing is left to do.

    Raises:
        StalePlan: with what would be applied instead, and what was applied last.
    """
    if plan.digest == digest:
        return None
    owner = owner_of(plan)
    before = find_apply(connection, owner.project, owner.environment, digest)
    if before is not None and not plan.changes:
        return before
    done = f"what was reviewed was applied already, as r{before}; now " if before else ""
    raise StalePlan(
        f"{done}what would be applied is not what was reviewed: the digest is now "
        f"sha256:{plan.digest}, for {_what(plan)}{_since(plan)}",
        hint="review the plan as it is now, then expect its digest",
    )


def _what(plan: Plan) -> str:
    if not plan.changes:
        return "there is nothing to apply"
    weighed = sorted(plan.changes, key=lambda change: _FIRST.index(_verb(change)))
    named = [f"{_verb(change)} {change.kind} {change.key}" for change in weighed[:_NAMED]]
    more = len(weighed) - _NAMED
    return ", ".join([*named, *([f"and {more} more"] if more > 0 else [])])


def _verb(change: PlannedChange) -> str:
    return change.reason if change.reason in _FIRST else change.action


def _since(plan: Plan) -> str:
    base = plan.base
    if base is None:
        return ""
    commit = f"{base.commit[:7]}, " if base.commit else ""
    return (
        f"; applied last was r{base.revision} ({commit}{base.actor}, "
        f"{base.applied_at:%d %b %H:%M} UTC)"
    )
