"""Runs that are late, told once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from runtime.core.program import GATED
from runtime.store.due_work import LANES
from runtime.store.pool import Pool, fetch_all
from runtime.store.statements import statement

_AT_ONCE: Final = 500
_LANES: Final = [*LANES, *(GATED + lane for lane in LANES)]


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look for late runs found.

    Attributes:
        told: how many were told.
        is_watched: whether anybody listens.
    """

    told: int
    is_watched: bool

    @property
    def is_all(self) -> bool:
        """Whether no more of them are late now."""
        return self.told < _AT_ONCE


async def tell_late(pool: Pool) -> Looked:
    """Tell of runs that should have begun so long ago as somebody listens for, each once; a batch at most."""
    [row] = await fetch_all(pool, statement("tell_late"), {"lanes": _LANES, "limit": _AT_ONCE})
    return Looked(row["told"], row["is_watched"])
