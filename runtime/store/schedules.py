"""Schedules: what time has reached, and the compare-and-set that fires it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from psycopg.rows import DictRow

from runtime.core.misfire import Spell
from runtime.store.due_work import Claim
from runtime.store.pool import Pool, borrow, fetch_all
from runtime.store.statements import statement

_NO_LEASE: Final = timedelta(0)
_MOST_AHEAD: Final = timedelta(milliseconds=200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snoozable:
    """A schedule, as far as its task may have been snoozed."""

    snoozed_since: datetime | None = None
    snoozed_until: datetime | None = None
    snoozed_before: Sequence[Sequence[datetime]] = ()

    @property
    def snoozed(self) -> tuple[Spell, ...]:
        """Since when and until when the task was snoozed, as far as nobody has decided what was due then."""
        before = tuple((since, until) for since, until in self.snoozed_before)
        if self.snoozed_since is None or self.snoozed_until is None:
            return before
        return (*before, (self.snoozed_since, self.snoozed_until))


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
    """Where a schedule stands after firing.

    Attributes:
        revision_id: what it was decided by, if that must still be in force.
        as_of: the instant for which it was decided beforehand: it holds for one second from then.
    """

    task_uid: int
    generation: int
    expected_cursor: datetime
    cursor_for: datetime
    next_for: datetime | None
    next_due_at: datetime | None
    revision_id: int | None = None
    as_of: datetime | None = None

    def is_due_by(self, instant: float) -> bool:
        """Whether it fires again until then, in seconds since 1970."""
        return self.next_due_at is not None and self.next_due_at.timestamp() <= instant


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
        busy: the tasks of which something was active or waited, and had a say.
        cancelled: the runs that were ended for others.
        turns: the tasks in whose backlog somebody must look.
        begun: those of the queued runs that are leased already, by whoever decided.
        asked_at: what the server's clock said.
    """

    advanced: int
    queued: int
    waiting: int
    skipped: int
    busy: frozenset[int]
    cancelled: tuple[UUID, ...]
    turns: tuple[int, ...]
    begun: tuple[Claim, ...]
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a scheduler waits for.

    Attributes:
        due_in: seconds until the next schedule is due, negative when overdue; None when nothing is planned.
        is_waited: whether some run waits in the backlog.
        now: the server's time.
    """

    due_in: float | None
    is_waited: bool
    now: datetime


async def list_due_schedules(
    pool: Pool, *, limit: int, broken: Mapping[int, int], ahead: timedelta = timedelta(0)
) -> list[DueSchedule]:
    """The schedules that time has reached: those on time first, then the most overdue; last what is due soon.

    Args:
        pool: the database.
        limit: how many at most.
        broken: revisions by task that are left out.
        ahead: how soon.
    """
    asked = {"limit": limit, "ahead": ahead, **_left_out(broken)}
    rows = await fetch_all(pool, statement("list_due_schedules"), asked)
    return [DueSchedule(**row) for row in rows]


async def fire_schedules(
    pool: Pool,
    advances: Sequence[Advance],
    decisions: Sequence[Decided],
    *,
    decided_by: int,
    tzdata: str,
    room: int = 0,
    lease: timedelta = _NO_LEASE,
) -> Fired:
    """Advance schedules and write their decisions in one statement; a schedule that changed meanwhile writes nothing.

    Args:
        pool: the database.
        advances: the schedules.
        decisions: what was decided for them.
        decided_by: the runtime that decided.
        tzdata: the version of the time zone data it decided by.
        room: how many of the runs it leases at once.
        lease: for how long.
    """
    params = firing_params(advances, decisions, decided_by=decided_by, tzdata=tzdata)
    params |= {"room": room, "lease": lease}
    return _fired(await fetch_all(pool, statement("fire_schedules"), params), decisions)


@asynccontextmanager
async def firing_ahead(
    pool: Pool,
    advances: Sequence[Advance],
    decisions: Sequence[Decided],
    *,
    decided_by: int,
    tzdata: str,
    room: int,
    lease: timedelta,
) -> AsyncIterator[Fired]:
    """As `fire_schedules`, at most 200 ms before an instant that is decided for: seen by nobody until the block ends.

    The block ends no earlier than the instant. Where it raises nothing is written; `psycopg.Rollback` does that and no more.

    Raises:
        psycopg.errors.IdleInTransactionSessionTimeout: the block took more than a second; nothing is written.
    """
    params = firing_params(advances, decisions, decided_by=decided_by, tzdata=tzdata)
    params |= {"room": room, "lease": lease, "ahead": _MOST_AHEAD}
    async with borrow(pool) as connection, connection.transaction():
        await connection.execute(statement("hold_briefly"))
        cursor = await connection.execute(statement("fire_schedules"), params)
        yield _fired(await cursor.fetchall(), decisions)


def _fired(rows: Sequence[DictRow], decisions: Sequence[Decided]) -> Fired:
    row = rows[0]
    now = row.pop("now")
    by_id = {decision.run_id: decision for decision in decisions}
    begun = tuple(_claim(by_id[run_id], now) for run_id in row.pop("begun"))
    cancelled, turns = tuple(row.pop("cancelled")), tuple(row.pop("turns"))
    busy = frozenset(row.pop("busy"))
    return Fired(**row, busy=busy, cancelled=cancelled, turns=turns, begun=begun)


def _claim(decision: Decided, now: datetime) -> Claim:
    return Claim(
        run_id=decision.run_id,
        task=decision.task,
        task_uid=decision.task_uid,
        revision_id=decision.revision_id,
        lease_epoch=1,
        attempt=1,
        trigger="schedule",
        occurrence_for=decision.occurrence_for.astimezone(UTC),
        due_at=decision.due_at.astimezone(UTC),
        started_at=now,
        claimed_at=now,
        params=None,
        event=None,
    )


def firing_params(
    advances: Sequence[Advance],
    decisions: Sequence[Decided],
    *,
    decided_by: int | None,
    tzdata: str,
) -> dict[str, Any]:
    """The parameters of `fire_schedules`, which leases nothing; `decided_by` is None for an apply."""
    return {
        "firings": orjson.dumps(list(advances)).decode(),
        "decisions": orjson.dumps(list(decisions)).decode(),
        "decided_by": decided_by,
        "tzdata": tzdata,
        "room": 0,
        "lease": _NO_LEASE,
        "ahead": timedelta(0),
    }


async def look_ahead(pool: Pool, *, broken: Mapping[int, int]) -> Ahead:
    """What there is to wait for.

    Args:
        pool: the database.
        broken: as in `list_due_schedules`.
    """
    rows = await fetch_all(pool, statement("look_ahead"), _left_out(broken))
    return Ahead(**rows[0])


async def read_clock(pool: Pool) -> datetime:
    """What the server's clock said: by now it is past that, by less than where anything else was asked with it."""
    rows = await fetch_all(pool, statement("read_clock"), {})
    now: datetime = rows[0]["now"]
    return now


def _left_out(broken: Mapping[int, int]) -> dict[str, list[int]]:
    return {"broken_uids": list(broken), "broken_revisions": list(broken.values())}
