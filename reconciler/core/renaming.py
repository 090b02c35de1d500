"""Which documents go on under another name: the claims that `renamed_from` makes, and what becomes of each.

A claim is believed if its document is not in force yet, or leaves its own name by a believed claim, so that names can be
handed on in a row; and if the former name is in force and goes on no more. Another document may take that name over at
once, unless it says what the former one says: then nobody left. A former name that is a tombstone is brought back under
the new one. What a claim is about for long is in force already, so a `renamed_from` that has served its purpose does no
harm.

Names that go round in a circle look the same before and after, so whoever swaps names says it in two steps; only where the
pasts are known, as in a rollback, a circle is what it looks like.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from reconciler.core.changes import Applied, Owner
from reconciler.core.desired import Desired, Key
from schemas.problem import Problem


class Claim(NamedTuple):
    """A document, and the key it says it had before."""

    former: Key
    wanted: Desired


Claims = Mapping[Key, Claim]
"""Claims by the new key."""


def former_key(wanted: Desired) -> Key | None:
    """The key that a document says it had before."""
    name = wanted.renamed_from
    return None if name is None else Key.of(wanted.key.kind, name, wanted.key.namespace)


def believed_renames(
    desired: Mapping[Key, Desired],
    applied: Mapping[Key, Applied],
    owner: Owner,
    *,
    certain: bool,
) -> tuple[Claims, list[Problem]]:
    """The renames to believe, and the problems of those that contradict each other or what goes on.

    Args:
        certain: whether the pasts are known, so that nobody who says the same as another is taken for it, and names may go
            round in a circle.
    """
    made = {
        key: claim
        for key, claim in _said(desired).items()
        if _can_be_left(claim.former, applied, owner)
    }
    claims = _standing(made, desired, applied, certain=certain)
    problems = [*_rivals(claims), *([] if certain else circle_problems(desired))]
    problems += [
        _goes_on(claim)
        for key, claim in sorted(made.items())
        if key not in claims and key not in applied and claim.former in desired
    ]
    claimed = Counter(claim.former for claim in claims.values())
    return {key: one for key, one in claims.items() if claimed[one.former] == 1}, problems


def circle_problems(desired: Mapping[Key, Desired]) -> list[Problem]:
    """The problems of names that go round in a circle, whatever the database holds."""
    claims = _said(desired)
    rows = {key: _row_of(claim, claims) for key, claim in sorted(claims.items())}
    return [
        _goes_round(claims[key].wanted, [key, *row]) for key, row in rows.items() if row[-1] == key
    ]


def _said(desired: Mapping[Key, Desired]) -> Claims:
    return {
        wanted.key: Claim(former, wanted)
        for wanted in desired.values()
        if (former := former_key(wanted)) is not None and former != wanted.key
    }


def _can_be_left(former: Key, applied: Mapping[Key, Applied], owner: Owner) -> bool:
    found = applied.get(former)
    return found is not None and found.last is not None and found.owner == owner


def _standing(
    claims: Claims,
    desired: Mapping[Key, Desired],
    applied: Mapping[Key, Applied],
    *,
    certain: bool,
) -> Claims:
    """The claims that stand if all the others of them do."""
    while True:
        left = {claim.former for claim in claims.values()}
        standing = {
            key: claim
            for key, claim in claims.items()
            if _is_vacant(key, applied, left)
            and (
                _is_left(claim, claims, desired, applied)
                or (certain and claim.former not in desired)
            )
        }
        if len(standing) == len(claims):
            return claims
        claims = standing


def _is_vacant(key: Key, applied: Mapping[Key, Applied], left: set[Key]) -> bool:
    found = applied.get(key)
    return found is None or found.retired_at is not None or key in left


def _is_left(
    claim: Claim, claims: Claims, desired: Mapping[Key, Desired], applied: Mapping[Key, Applied]
) -> bool:
    former, found = desired.get(claim.former), applied[claim.former]
    is_new = claim.wanted.key not in applied
    if found.retired_at is not None:
        return is_new and former is None
    if former is None or claim.former in claims:
        return True
    # Somebody else gets the name; who says the same as before is nobody else.
    return is_new and found.last is not None and former.digest != found.last.digest


def _rivals(claims: Claims) -> Iterator[Problem]:
    ordered = sorted(claims.values(), key=lambda claim: (claim.former, claim.wanted.key))
    for former, group in groupby(ordered, key=attrgetter("former")):
        rivals = [claim.wanted for claim in group]
        for one in rivals if len(rivals) > 1 else ():
            others = " and ".join(other.key.label for other in rivals if other is not one)
            yield problem_with(
                one,
                "ORD206",
                f"{one.key} says it was {former.label}, and so does {others}",
                "leave renamed_from in the one that goes on with its history",
            )


def _goes_round(wanted: Desired, row: list[Key]) -> Problem:
    names = " -> ".join(one.label for one in reversed(row))
    return problem_with(
        wanted,
        "ORD219",
        f"{wanted.key} changes its name in a circle: {names}",
        "say it in two applies: give one of them a name of its own first; or leave renamed_from out",
    )


def _row_of(claim: Claim, claims: Claims) -> list[Key]:
    """The former names of a document, of the one that had that name, and so on, until one comes again."""
    row = [claim.former]
    while row[-1] in claims and row[-1] != claim.wanted.key and len(row) <= len(claims):
        row.append(claims[row[-1]].former)
    return row


def _goes_on(claim: Claim) -> Problem:
    return problem_with(
        claim.wanted,
        "ORD219",
        f"{claim.wanted.key} says it was {claim.former.label}, and that goes on",
        f"take {claim.former.label} out, or renamed_from, and it begins without a history",
    )


def problem_with(wanted: Desired, code: str, message: str, hint: str) -> Problem:
    """An error at a document."""
    place = wanted.place
    return Problem(
        code=code,
        message=message,
        hint=hint,
        file=place.file,
        line=place.line,
        column=place.column,
    )
