"""Did you mean: the nearest known word, as a hint or as nothing."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

_SIMILAR: Final = 0.6
_LISTED: Final = 12
# Comparing is slow: whoever has more names than this can do without suggestions among the last of them.
_COMPARED: Final = 500
_LONGEST: Final = 128


def nearest(word: str, known: Iterable[str], similar: float = _SIMILAR) -> str | None:
    """The known word that was probably meant; `similar` says how near it must be, from 0 to 1."""
    return _nearest(word[:_LONGEST], _listed(known)[:_COMPARED], similar)


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
    by_folded = {candidate.casefold(): candidate for candidate in known}
    found = get_close_matches(word.casefold(), by_folded, n=1, cutoff=similar)
    return by_folded[found[0]] if found else None
