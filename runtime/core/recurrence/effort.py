"""How long a search may go on: a count of steps, the same on every machine, never a clock."""

from __future__ import annotations

from typing import Final

# One step costs about two microseconds, so a search that finds nothing ends within the promised 50 ms.
SEARCH_STEPS: Final = 15_000


class Exhausted(Exception):
    """The steps are used up before anything was found."""


class Effort:
    """Steps spent on one search.

    Attributes:
        spent: steps since the last find.
        limit: the number of steps after which `Exhausted` is raised.
    """

    __slots__ = ("limit", "spent")

    def __init__(self, limit: int = SEARCH_STEPS) -> None:
        self.spent = 0
        self.limit = limit

    def spend(self) -> None:
        """Count one step."""
        self.spent += 1
        if self.spent > self.limit:
            raise Exhausted

    def found(self) -> None:
        """Something was found: the next search starts afresh."""
        self.spent = 0
