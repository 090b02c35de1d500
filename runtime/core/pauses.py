"""How long to leave something alone that failed several times in a row."""

from __future__ import annotations

from typing import Final

# The longest pause has long won by then; without an end, the number would overflow after a night of failures.
_MOST_DOUBLINGS: Final = 30


def doubled_pause(failures: int, *, first: float, longest: float) -> float:
    """Seconds to wait after so many failures in a row, from 1: twice as long after each, but never longer than `longest`."""
    return min(first * 2.0 ** min(failures - 1, _MOST_DOUBLINGS), longest)
