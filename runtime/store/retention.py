"""Partitions of history, and what is deleted of it when its time is over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

from runtime.store.pool import Pool, borrow, fetch_all
from runtime.store.statements import statement

Fate = Literal["dropped", "busy", "wanted"]

# Any fixed numbers serve: they name the one lock under which partitions are made, and the one under which they are
# dropped. Making takes a moment; dropping may look through much first.
_MAKING_LOCK_ID: Final = 0x6F726470
_DROPPING_LOCK_ID: Final = 0x6F726471
_LONG_SECONDS: Final = 600.0
# Rows that are moved on while the table is locked, and rows that are deleted in one statement.
_MOST_MOVED: Final = 5000
_SWEPT_AT_ONCE: Final = 5000


@dataclass(frozen=True, slots=True)
class Month:
    """A month of a partitioned table, as `YYYYMM`."""

    parent: str
    month: str

    def __str__(self) -> str:
        return f"ordinaut.{self.parent}_{self.month}"


@dataclass(frozen=True, slots=True)
class Kept:
    """How long what is over is kept."""

    runs: timedelta
    events: timedelta

    def params(self) -> dict[str, Any]:
        """As statements take it."""
        return {"keep_runs": self.runs, "keep_events": self.events}


async def make_partitions(pool: Pool) -> list[Month]:
    """Make the partitions of the months around now; returns those that are missing all the same.

    Somebody is at their table, or rows of theirs are in the default partition already. Either does no harm.
    """
    rows = await fetch_all(pool, statement("list_missing_partitions"), {})
    return [month for month in (Month(**row) for row in rows) if not await _made(pool, month)]


async def _made(pool: Pool, month: Month) -> bool:
    params = {"parent": month.parent, "month": month.month, "lock_id": _MAKING_LOCK_ID}
    [row] = await fetch_all(pool, statement("make_partition"), params)
    return bool(row["made"])


async def list_expired_partitions(pool: Pool, kept: Kept) -> list[Month]:
    """Months whose time is over, in the order in which they are to be dropped."""
    rows = await fetch_all(pool, statement("list_expired_partitions"), kept.params())
    return [Month(**row) for row in rows]


async def drop_partition(pool: Pool, month: Month, kept: Kept) -> Fate:
    """Drop a month of history but for what belongs to runs that are not over, or were not for long; that is moved on."""
    async with borrow(pool, seconds=_LONG_SECONDS) as connection, connection.transaction():
        limit = {"timeout": f"{_LONG_SECONDS:.0f}s"}
        await connection.execute(statement("allow_long_statement"), limit)
        cursor = await connection.execute(
            statement("drop_partition"),
            {
                "parent": month.parent,
                "month": month.month,
                "keep_runs": kept.runs,
                "most": _MOST_MOVED,
                "lock_id": _DROPPING_LOCK_ID,
            },
        )
        row = await cursor.fetchone()
    fate: Fate = row["fate"] if row else "busy"
    return fate


async def sweep_history(pool: Pool, kept: Kept) -> int:
    """Delete a bounded part of what is old and in no partition of its own; how many rows."""
    params = {**kept.params(), "limit": _SWEPT_AT_ONCE}
    [row] = await fetch_all(pool, statement("sweep_history"), params, seconds=60.0)
    return int(row["swept"])
