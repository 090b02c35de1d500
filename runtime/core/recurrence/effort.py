"""How long a search may go on: a count of steps, the same on every machine, never a clock."""

from __future__ import annotations

from typing import Final

# One step costs one to two microseconds, so that a search ends within the promised 50 ms.
SEARCH_STEPS: Final = 15_000
COUNT_STEPS: Final = 20_000


class Exhausted(Exception):
    """Nothing was found within so many steps, and most likely nothing is there."""


class TooCostly(Exception):
    """Finds go on, but to go through them all would take too many steps."""


class Effort:
    """Steps spent on a search.

    Attributes:
        spent: steps since the last find.
        limit: steps between two finds, beyond which `Exhausted` is raised.
        total: steps up to the last find.
        most: steps over all, beyond which `TooCostly` is raised; None for no bound.
    """

    __slots__ = ("limit", "most", "spent", "total")

    def __init__(self, limit: int = SEARCH_STEPS, most: int | None = None) -> None:
        self.spent = 0
        self.limit = limit
        self.total = 0
        self.most = most

    def spend(self, steps: int = 1) -> None:
        """Count steps."""
        self.spent += steps
        if self.spent > self.limit:
            raise Exhausted

    def found(self) -> None:
        """Something was found: the next search starts afresh."""
        self.total += self.spent
        self.spent = 0
        if self.most is not None and self.total > self.most:
            raise TooCostly
