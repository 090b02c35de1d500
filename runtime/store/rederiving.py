"""Schedules and the time zone data by which their next occurrence was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from runtime.store.pool import Pool, fetch_all
from runtime.store.statements import statement


@dataclass(frozen=True, slots=True)
class OutdatedSchedule:
    """A schedule whose next occurrence was found by older data, as read: writing succeeds only if nothing changed since."""

    task_uid: int
    generation: int
    cursor_for: datetime
    tzdata: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Derived:
    """What comes next of such a schedule by newer data; the other fields say which schedule was read."""

    task_uid: int
    generation: int
    cursor_for: datetime
    tzdata: str
    next_for: datetime | None
    next_due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Moved:
    """A task that fires next at another time than before."""

    task: str
    before: datetime | None
    after: datetime | None


async def list_outdated_schedules(
    pool: Pool, *, tzdata: str, after: int, limit: int
) -> list[OutdatedSchedule]:
    """Schedules by data older than `tzdata`, of tasks whose uid is greater than `after`, by uid."""
    rows = await fetch_all(
        pool,
        statement("list_outdated_schedules"),
        {"tzdata": tzdata, "after": after, "limit": limit},
    )
    return [OutdatedSchedule(**row) for row in rows]


async def rederive_schedules(
    pool: Pool, derived: Sequence[Derived], *, tzdata: str
) -> list[Moved]:
    """Write what comes next by the data of version `tzdata`, with an event for each task that it moves; returns these."""
    rows = await fetch_all(
        pool,
        statement("rederive_schedules"),
        {"derived": orjson.dumps(list(derived)).decode(), "tzdata": tzdata},
    )
    return [Moved(**row) for row in rows]
