"""Desired and applied state in, typed changes out: pure, and the same for any order of its inputs.

Theory of operation
    Three versions of a document are compared by digest: D, what git wants; A, what the last revision wrote; L, what the
    live row holds, with its name, its owner, whether it is protected or retired, and when its task fires. What is in
    force, whose it is and by which name is what A says: who changes that by hand makes drift, and nothing else.

    D and A    A and L              outcome
    equal      equal                Unchanged
    differ     equal                Update (Rename, if the key changed too)
    equal      differ               Drift
    differ     differ, D equals L   Converge
    differ     differ, D is not L   Conflict
    D only     -                    Create
    D, no A    L                    Adopt
    D          another owner's A    Adopt, if that was asked for by name; else a problem
    A only     any                  Retire
    L only     -                    Unmanaged

    A retired document is a tombstone: wanted again, it comes back with its uid; not wanted, it is no outcome at all, unless
    somebody brought it back by hand: then it is retired again.
    Tombstones belong to nobody any more, so a document can move from one project to another by retiring it in the first.

    Where a later version of the program fills documents out by other defaults, D differs from A although nobody moved: what
    is updated or in conflict for nothing else is told apart (`told_apart`).

    Which renames are believed is told in `renaming`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from reconciler.core.changes import (
    Adopt,
    Applied,
    Change,
    ChangeSet,
    Conflict,
    Converge,
    Create,
    Drift,
    Owner,
    Refill,
    Rename,
    Retire,
    Unchanged,
    Unmanaged,
    Update,
)
from reconciler.core.desired import DEFAULT_ENVIRONMENT, Desired, Key
from reconciler.core.renaming import believed_renames, problem_with
from schemas.problem import Problem


def diff(
    desired: Mapping[Key, Desired],
    applied: Mapping[Key, Applied],
    owner: Owner,
    taking: Collection[Key] = (),
    *,
    certain: bool = False,
) -> ChangeSet:
    """Compare everything.

    Args:
        desired: what git wants.
        applied: what the database has: every document of `owner`, and those of others under a key or former key
            that `desired` names.
        owner: for whom; documents of others are problems where they are in the way (ORD204), else not looked at.
        taking: keys of others' documents that are to be taken over; not of those that are protected.
        certain: whether the pasts of documents are known; then names may go round in a circle.
    """
    renames, problems = believed_renames(desired, applied, owner, certain=certain)
    moved = {rename.former for rename in renames.values()}
    changes: list[Change] = []
    for key, wanted in desired.items():
        found = None if key in moved else applied.get(key)
        if key in renames:
            changes.append(_renamed(applied[renames[key].former], wanted))
        elif found is not None and _is_in_force(found) and _is_foreign(found, owner):
            if key in taking and not found.protected:
                changes.append(Adopt(found, wanted))
            else:
                problems.append(_owned_by_another(wanted, found, owner, asked=key in taking))
        elif found is not None and found.displaced:
            problems.append(_displaced(wanted))
        else:
            changes.append(_wanted(found, wanted))
    for key, found in applied.items():
        if key in desired or key in moved or _is_foreign(found, owner):
            continue
        if found.last is None and _is_in_force(found):
            changes.append(Unmanaged(found))
        elif _is_in_force(found) or found.strayed:
            changes.append(Retire(found))
    return ChangeSet.of(changes, problems)


def told_apart(changes: ChangeSet, refilled: Collection[int]) -> ChangeSet:
    """The changes, where documents that are only filled out otherwise, by uid, count as what did not move in git."""
    return ChangeSet.of((_told_apart(one, refilled) for one in changes), changes.problems)


def _told_apart(change: Change, refilled: Collection[int]) -> Change:
    match change:
        case Update(from_, to) | Conflict(from_, to) if from_.uid in refilled:
            return Drift(from_, to) if from_.strayed else Refill(from_, to)
        case _:
            return change


# Whether D equals A, A equals L, and D equals L; no other combination of the three can be.
_OUTCOMES: Final[Mapping[tuple[bool, bool, bool], Callable[[Applied, Desired], Change]]] = {
    (True, True, True): Unchanged,
    (False, True, False): Update,
    (True, False, False): Drift,
    (False, False, True): Converge,
    (False, False, False): Conflict,
}


def _wanted(found: Applied | None, wanted: Desired) -> Change:
    """The outcome for a document that git wants under an unchanged key."""
    if found is None or not _is_in_force(found):
        return Create(found, wanted)
    if found.last is None:
        return Adopt(found, wanted)
    git, last, live = wanted.digest, found.last.digest, found.live.digest
    if git != last and _is_untouched(found):
        return Update(found, wanted)
    return _OUTCOMES[git == last, last == live, git == live](found, wanted)


def _renamed(found: Applied, wanted: Desired) -> Change:
    if not _is_in_force(found):
        return Create(found, wanted)
    return Rename(found, wanted) if _is_untouched(found) else Conflict(found, wanted)


def _is_untouched(found: Applied) -> bool:
    """Whether git overwrites nothing that somebody meant: what a schedule's row holds is only computed."""
    return set(found.strayed) <= {"schedule"} and (
        bool(found.strayed) or found.last is None or found.last.digest == found.live.digest
    )


def _is_in_force(found: Applied) -> bool:
    return found.retired_at is None


def _is_foreign(found: Applied, owner: Owner) -> bool:
    return found.last is not None and found.owner != owner


def _owned_by_another(wanted: Desired, found: Applied, ours: Owner, *, asked: bool) -> Problem:
    key, owner = wanted.key, found.owner
    there = " and is protected there" if asked else ""
    env = "" if ours.environment == DEFAULT_ENVIRONMENT else f" --env {ours.environment}"
    take = f"`ordinaut adopt {key.kind}/{key.label}{env}` takes it over with its history"
    return problem_with(
        wanted,
        code="ORD204",
        message=f"{key} belongs to project {owner.project}, environment {owner.environment}{there}",
        hint="take `protect` out there first" if asked else f"choose another name, or {take}",
    )


def _displaced(wanted: Desired) -> Problem:
    return problem_with(
        wanted,
        code="ORD218",
        message=f"{wanted.key} was renamed by hand, and another row was given its name",
        hint="give that row another name by hand; then apply gives this document its own back",
    )
