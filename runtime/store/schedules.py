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


@dataclass(frozen=True, slots=True, kw_only=True)
class Snoozable:
    """A schedule, as far as its task may have been snoozed."""

    snoozed_since: datetime | None = None
    snoozed_until: datetime | None = None

    @property
    def snoozed(self) -> tuple[datetime, datetime] | None:
        """Since when and until when the task was snoozed last."""
        if self.snoozed_since is None or self.snoozed_until is None:
            return None
        return self.snoozed_since, self.snoozed_until


@dataclass(frozen=True, slots=True)
class DueSchedule(Snoozable):
    """A schedule whose next occurrence is due, as read: firing it succeeds only if nothing changed since."""

    task_uid: int
    generation: int
    cursor_for: datetime
    next_due_at: datetime
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
    """One occurrence, decided: it runs as its admission says, or is skipped for a reason.

    Attributes:
        start_until: when nobody has started it by then, it is skipped; None for never.
        beside: it begins, whatever else of the task is active.
        replaces: what is active or waits is cancelled first.
        may_wait: how many runs of the task may wait for their turn, this one included.
        detail: what the reason is about.
    """

    run_id: UUID
    task_uid: int
    task: str
    revision_id: int
    occurrence_for: datetime
    due_at: datetime
    start_until: datetime | None
    lane: int
    beside: bool
    replaces: bool
    may_wait: int
    reason: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class Fired:
    """What one firing wrote.

    Attributes:
        advanced: how many schedules went on.
        queued: how many runs may begin.
        waiting: how many wait for their turn.
        skipped: how many do not run.
        cancelled: the runs that were ended for others.
        turns: the tasks in whose backlog somebody must look.
    """

    advanced: int
    queued: int
    waiting: int
    skipped: int
    cancelled: tuple[UUID, ...]
    turns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a scheduler waits for.

    Attributes:
        due_in: seconds until the next schedule is due, negative when overdue; None when nothing is planned.
        is_waited: whether some run waits in the backlog.
    """

    due_in: float | None
    is_waited: bool


async def list_due_schedules(
    pool: Pool, *, limit: int, broken: Mapping[int, int]
) -> list[DueSchedule]:
    """The schedules that time has reached: those on time first, then the most overdue.

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
    pool: Pool,
    advances: Sequence[Advance],
    decisions: Sequence[Decided],
    *,
    decided_by: int,
    tzdata: str,
) -> Fired:
    """Advance schedules and write their decisions in one statement; a schedule that changed meanwhile writes nothing.

    Args:
        pool: the database.
        advances: the schedules.
        decisions: what was decided for them.
        decided_by: the runtime that decided.
        tzdata: the version of the time zone data it decided by.
    """
    rows = await fetch_all(
        pool,
        statement("fire_schedules"),
        firing_params(advances, decisions, decided_by=decided_by, tzdata=tzdata),
    )
    row = rows[0]
    return Fired(**row | {"cancelled": tuple(row["cancelled"]), "turns": tuple(row["turns"])})


def firing_params(
    advances: Sequence[Advance],
    decisions: Sequence[Decided],
    *,
    decided_by: int | None,
    tzdata: str,
) -> dict[str, Any]:
    """The parameters of `fire_schedules`; `decided_by` is None for an apply."""
    return {
        "firings": orjson.dumps(list(advances)).decode(),
        "decisions": orjson.dumps(list(decisions)).decode(),
        "decided_by": decided_by,
        "tzdata": tzdata,
    }


async def look_ahead(pool: Pool, *, broken: Mapping[int, int]) -> Ahead:
    """What there is to wait for.

    Args:
        pool: the database.
        broken: as in `list_due_schedules`.
    """
    rows = await fetch_all(pool, statement("look_ahead"), _left_out(broken))
    return Ahead(**rows[0])


def _left_out(broken: Mapping[int, int]) -> dict[str, list[int]]:
    return {"broken_uids": list(broken), "broken_revisions": list(broken.values())}
