"""Holds: what was rolled back is not applied again, until a commit on top of it says that somebody saw to it.

A hold is on a commit, and on the digest of all documents where a commit says nothing: outside of git. Whoever commits
something else on top, and has perhaps not heard of the rollback, has not seen to it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from reconciler.core.desired import Key
from reconciler.core.digest import digest_of
from reconciler.core.guards import refused
from schemas.hold import Hold, PlanHold
from schemas.plan import Guard, Plan, PlanSource

if TYPE_CHECKING:
    from reconciler.core.recorded import Recorded

_SHORT = 7


def whole_digest(documents: Iterable[tuple[Key, str]]) -> str:
    """sha256 (hex) of all documents of a project: of their keys and digests."""
    return digest_of(sorted([k.kind, k.namespace, k.name, digest] for k, digest in documents))


def brings_back(rolled_back: Collection[Recorded], wanted: Mapping[Key, str]) -> bool:
    """Whether specs hold all that was rolled back as it was before.

    Args:
        rolled_back: the documents that the rollback wrote, as they were before it.
        wanted: the digests of the documents that specs hold.
    """
    return bool(rolled_back) and all(
        wanted.get(one.key) == (one.digest if one.retired_at is None else None)
        for one in rolled_back
    )


def under_hold(plan: Plan, hold: PlanHold | None) -> Plan:
    """The plan with what a hold says to it; one that would change nothing may be told of it, and is not refused."""
    if hold is None:
        return plan
    guards = (*plan.guards, *([hold_guard(hold, plan.source)] if plan.changes else []))
    return plan.model_copy(
        update={"hold": hold, "guards": guards, "applyable": not refused(guards)}
    )


def hold_guard(hold: PlanHold, source: PlanSource) -> Guard:
    """Whether a hold lets a plan pass."""
    if hold.ends:
        return Guard(name="hold", ok=True, message="comes after what is held")
    commit = hold.commit[:_SHORT] if hold.commit else None
    if commit is None or source.commit is None:
        what = f"brings back what {hold_words(hold)}"
    elif hold.descends:
        what = f"is of commit {source.commit[:_SHORT]}, which changes nothing of what {hold_words(hold)}"
    elif source.commit == hold.commit:
        what = f"is of commit {commit}, which {hold_words(hold)}"
    else:
        what = (
            f"is of commit {source.commit[:_SHORT]}, which does not descend from {commit}, "
            f"and that {hold_words(hold)}"
        )
    fix = f"commit what mends it on top of {commit}" if commit else "change what was wrong with it"
    return Guard(
        name="hold",
        ok=False,
        message=what,
        hint=f"{fix}, or let it in again: `ordinaut hold clear`",
        value=1,
        limit=0,
    )


def hold_words(hold: Hold) -> str:
    """Who rolled back, when, and what that means."""
    why = f": {hold.reason}" if hold.reason else ""
    return (
        f"r{hold.revision} ({hold.actor}, {hold.since:%d %b %H:%M} UTC{why}) rolled back and holds"
    )
