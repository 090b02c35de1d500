"""Did you mean: the nearest known word, as a hint or as nothing."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_SIMILAR: Final = 0.6
_LISTED: Final = 12


def nearest(word: str, known: Iterable[str], similar: float = _SIMILAR) -> str | None:
    """The known word that was probably meant; `similar` says how near it must be, from 0 to 1."""
    by_folded = {candidate.casefold(): candidate for candidate in sorted(known)}
    found = get_close_matches(word.casefold(), by_folded, n=1, cutoff=similar)
    return by_folded[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str], nothing: str = "") -> str:
    """A hint that names the nearest known word, else the few that exist, else `nothing`."""
    candidates = sorted(set(known))
    if meant := nearest(word, candidates):
        return f"did you mean `{meant}`?"
    if 0 < len(candidates) <= _LISTED:
        return "known here: " + ", ".join(f"`{candidate}`" for candidate in candidates)
    return nothing
