"""Renames that nobody declared: what a plan would make anew, and is nearly all there is of what it would retire.

Only ever a hint, since two documents may well be alike: the history goes along if `renamed_from` says so. Compared is
what was written, so that defaults, which all documents share, make none alike.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from reconciler.core.changes import Create, Retire, Writing
from reconciler.core.desired import Desired, Key
from reconciler.core.digest import IDENTITY, canonical
from reconciler.core.filling import defaults_of
from schemas.problem import Problem

ALIKE: Final = 0.8
"""The share of equal content from which on a rename is suspected."""
# Pairs that are compared in full; beyond, only what is quite equal is found.
_PAIRS: Final = 10_000

Content = frozenset[Hashable]


class _Pair(NamedTuple):
    """A document that would be retired and one that would be made."""

    share: float
    old: Key
    new: Desired


def rename_hints(
    changes: Iterable[Writing], bodies: Mapping[int, Mapping[str, Any]]
) -> Iterator[Problem]:
    """A note for each new document that looks like one that would be retired, ordered by key.

    Args:
        bodies: what retired documents say, by uid.
    """
    listed = list(changes)
    made = [one.to for one in listed if isinstance(one, Create) and one.from_ is None]
    gone = [one.from_ for one in listed if isinstance(one, Retire)]
    if not made or not gone:
        return
    new = [(one, _content(one.key.kind, one.body)) for one in made]
    old = [
        (one.key, _content(one.key.kind, bodies[one.uid]))
        for one in gone
        if isinstance(bodies[one.uid], Mapping)
    ]
    for pair in sorted(_chosen(_pairs(old, new)), key=lambda pair: pair.new.key):
        yield _hint(pair)


def _pairs(
    old: Sequence[tuple[Key, Content]], new: Sequence[tuple[Desired, Content]]
) -> Iterator[_Pair]:
    if len(old) * len(new) > _PAIRS:
        equal: dict[tuple[str, Content], list[Key]] = {}
        for key, content in old:
            equal.setdefault((key.kind, content), []).append(key)
        for wanted, content in new:
            for key in equal.get((wanted.key.kind, content), ())[:1]:
                yield _Pair(1.0, key, wanted)
        return
    for key, before in old:
        for wanted, after in new:
            if key.kind == wanted.key.kind and (share := _share(before, after)) >= ALIKE:
                yield _Pair(share, key, wanted)


def _chosen(pairs: Iterable[_Pair]) -> Iterator[_Pair]:
    """The likeliest pairs, each document in one of them at most."""
    taken: set[tuple[str, Key]] = set()
    for pair in sorted(pairs, key=lambda pair: (-pair.share, pair.old, pair.new.key)):
        ends = {("old", pair.old), ("new", pair.new.key)}
        if not ends & taken:
            taken |= ends
            yield pair


def _hint(pair: _Pair) -> Problem:
    place, new, old = pair.new.place, pair.new.key, pair.old
    former = old.name if old.namespace == new.namespace else f"{old.namespace}/{old.name}"
    return Problem(
        code="ORD211",
        severity="note",
        message=f"{new} looks like {old.label}, which would be retired ({pair.share:.0%} equal)",
        hint=f"`renamed_from: {former}` in it keeps history, queue and overrides",
        file=place.file,
        line=place.line,
        column=place.column,
    )


def _share(before: Content, after: Content) -> float:
    whole = len(before) + len(after)
    return 2 * len(before & after) / whole if whole else 0.0


def _content(kind: str, body: Mapping[str, Any]) -> Content:
    """The values in a body that are no defaults, each with its place; steps go by their ids."""
    defaults = defaults_of(kind)
    fields = {name: value for name, value in body.items() if name not in IDENTITY}
    return frozenset(
        (path, text) for path, text in _leaves((), fields) if (path[-1], text) not in defaults
    )


def _leaves(path: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], bytes]]:
    match value:
        case Mapping() if value:
            for name, inner in value.items():
                yield from _leaves((*path, name), inner)
        case list() if any(isinstance(inner, Mapping) for inner in value):
            for place, inner in enumerate(value):
                name = inner.get("id") if isinstance(inner, Mapping) else None
                yield from _leaves((*path, str(name or place)), inner)
        case [] | Mapping():
            pass
        case _:
            yield path, canonical(value)
