"""Did you mean: the nearest known word, as a hint or as nothing."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

_SIMILAR: Final = 0.6
_LISTED: Final = 12
# Comparing is slow, and a tree may hold as many mistakes as names: of more names than these, the neighbours are compared.
_COMPARED: Final = 64
_NEIGHBOURS: Final = 16
_LONGEST: Final = 128


def nearest(word: str, known: Iterable[str], similar: float = _SIMILAR) -> str | None:
    """The known word that was probably meant; `similar` says how near it must be, from 0 to 1."""
    return _nearest(word[:_LONGEST], _listed(known), similar)


def did_you_mean(word: str, known: Iterable[str], nothing: str = "") -> str:
    """A hint that names the nearest known word, else the few that exist, else `nothing`."""
    candidates = _listed(known)
    if meant := nearest(word, candidates):
        return f"did you mean `{meant}`?"
    if 0 < len(candidates) <= _LISTED:
        return "known here: " + ", ".join(f"`{candidate}`" for candidate in candidates)
    return nothing


def _listed(known: Iterable[str]) -> tuple[str, ...]:
    """The words once and sorted; a tuple is taken to be that already."""
    return known if isinstance(known, tuple) else tuple(sorted(set(known)))


@lru_cache(maxsize=4096)
def _nearest(word: str, known: tuple[str, ...], similar: float) -> str | None:
    """Cached, because one mistake is often made in many documents."""
    by_folded, forwards, backwards = _orders(known)
    folded = word.casefold()
    candidates = forwards
    if len(forwards) > _COMPARED:
        # They share their beginning or their end: a slip is rarely in both.
        ends = (name[::-1] for name in _around(folded[::-1], backwards))
        candidates = [*_around(folded, forwards), *ends]
    found = get_close_matches(folded, candidates, n=1, cutoff=similar)
    return by_folded[found[0]] if found else None


@lru_cache(maxsize=64)
def _orders(known: tuple[str, ...]) -> tuple[dict[str, str], list[str], list[str]]:
    """Words by how they read in small letters, and these in order: of their beginnings, and backwards, of their ends."""
    by_folded = {word.casefold(): word for word in known}
    return by_folded, sorted(by_folded), sorted(word[::-1] for word in by_folded)


def _around(word: str, ordered: list[str]) -> list[str]:
    """The neighbours of a word in a row of words."""
    place = bisect_left(ordered, word)
    return ordered[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS]
