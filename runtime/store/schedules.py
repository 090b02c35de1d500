"""Schedules: what time has reached, and the compare-and-set that fires it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from runtime.store.pool import Pool, fetch_all
from runtime.store.statements import statement


@dataclass(frozen=True, slots=True)
class DueSchedule:
    """A schedule whose next occurrence is due, as read: firing it succeeds only if nothing changed since."""

    task_uid: int
    generation: int
    cursor_for: datetime
    revision_id: int
    body: Mapping[str, Any]
    now: datetime


@dataclass(frozen=True, slots=True)
class Advance:
    """Where a schedule stands after firing."""

    task_uid: int
    generation: int
    expected_cursor: datetime
    cursor_for: datetime
    next_for: datetime | None
    next_due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Decided:
    """One occurrence, decided: queued as a run, or skipped for a reason."""

    run_id: UUID
    task_uid: int
    task: str
    revision_id: int
    occurrence_for: datetime
    due_at: datetime
    lane: int
    may_overlap: bool
    reason: str | None


@dataclass(frozen=True, slots=True)
class Fired:
    """What one firing wrote."""

    advanced: int
    queued: int
    skipped: int


async def list_due_schedules(
    pool: Pool, *, limit: int, broken: Mapping[int, int]
) -> list[DueSchedule]:
    """The schedules that time has reached, most overdue first.

    Args:
        pool: the database.
        limit: how many at most.
        broken: revisions by task that are left out.
    """
    rows = await fetch_all(
        pool, statement("list_due_schedules"), {"limit": limit, **_left_out(broken)}
    )
    return [DueSchedule(**row) for row in rows]


async def fire_schedules(
    pool: Pool, advances: Sequence[Advance], decisions: Sequence[Decided]
) -> Fired:
    """Advance schedules and write their decisions in one statement; a schedule that changed meanwhile writes nothing."""
    rows = await fetch_all(
        pool,
        statement("fire_schedules"),
        {
            "firings": orjson.dumps(list(advances)).decode(),
            "decisions": orjson.dumps(list(decisions)).decode(),
        },
    )
    return Fired(**rows[0])


async def seconds_until_fire(pool: Pool, *, broken: Mapping[int, int]) -> float | None:
    """Seconds until the next schedule is due, negative when overdue; None when nothing is planned.

    Args:
        pool: the database.
        broken: as in `list_due_schedules`.
    """
    rows = await fetch_all(pool, statement("seconds_until_fire"), _left_out(broken))
    return rows[0]["seconds"] if rows else None


def _left_out(broken: Mapping[int, int]) -> dict[str, list[int]]:
    return {"broken_uids": list(broken), "broken_revisions": list(broken.values())}
