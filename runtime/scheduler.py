"""Service: fires schedules when their time has come. Any number of them may race; each occurrence is decided once.

What is due in a moment is foreseen: read and decided as of its instant. Shortly before it the one statement that writes
the decisions and leases the runs is sent, and committed at the instant: nobody sees it before, and whoever comes for these
schedules in between waits for so long, and comes after. A pause, an apply or a firing of another runtime that came before
leaves the statement nothing to match. Where what is active has a say, that is asked at the instant and no earlier.
The server's clock has the last word, which also refuses a decision that comes too early or too late.

After downtime much may be due at once. It is decided and written in bounded parts, in a thread where that takes long, so
that neither the event loop nor the other schedules wait for a schedule that has much to catch up on.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout

from runtime.clock import Clock
from runtime.core.misfire import BATCH, Firing
from runtime.core.schedules import TaskSchedule, compile_schedules
from runtime.core.zonedata import tzdata_version
from runtime.deciding import Part, advance_of, decide_schedule, decided
from runtime.instants import ServerClock
from runtime.logs import get_logger
from runtime.service import stop_if_cancelled
from runtime.starting import Starter
from runtime.store.backlog import list_unwatched_turns
from runtime.store.cancelling import tell_ended
from runtime.store.pool import Pool
from runtime.store.schedules import (
    Advance,
    Decided,
    DueSchedule,
    Fired,
    fire_schedules,
    firing_ahead,
    list_due_schedules,
    look_ahead,
    read_clock,
)
from runtime.turns import Turns
from runtime.wake import SELDOM, Bell, until_next

_log = get_logger("scheduler")
_BATCH: Final = 500
_SCHEDULES_KEPT: Final = 20_000
_RETRY_SECONDS: Final = 0.5
_HELD_UP_SECONDS: Final = 0.05
# Decisions of one look, shared by what is due, and of one statement.
_DECIDED_AT_ONCE: Final = 20_000
_WRITTEN_AT_ONCE: Final = 2_000
# So few schedules, all of them on time, are decided in less than a switch to a thread and back is worth.
_FEW: Final = 20
_LATE: Final = timedelta(minutes=1)
# How far is foreseen, and how long before an instant that is looked; one second is also how long such a decision holds.
_AHEAD: Final = timedelta(seconds=1)
_LOOK_BEFORE_SECONDS: Final = 0.5
# How long before an instant its firing is written, to be committed at it. Writing takes milliseconds, and ten times as long
# where everything has grown cold; whoever wants one of these schedules meanwhile waits.
_WRITE_BEFORE_SECONDS: Final = 0.1
# A ring so shortly before an instant is answered after it.
_TOO_LATE_SECONDS: Final = 0.11

EndRuns = Callable[[Iterable[UUID], str], None]
"""Stops the local work of runs that the database has ended."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the schedules did."""

    due: int = 0
    queued: int = 0
    waiting: int = 0
    skipped: int = 0
    held_up: int = 0
    """Schedules that somebody else fires or changes at this moment."""


@dataclass(frozen=True, slots=True)
class _Foreseen:
    """A schedule that is due at an instant of the server's clock, in seconds since 1970, and what becomes of it then."""

    at: float
    advance: Advance
    decisions: Sequence[Decided]


class Scheduler:
    """Service: looks for due schedules, decides their occurrences, and sleeps until the next one."""

    name = "scheduler"

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        bell: Bell,
        work: Bell,
        poll_seconds: float,
        *,
        runtime_id: int,
        turns: Turns,
        end_runs: EndRuns,
        starter: Starter,
        lease: timedelta,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._bell = bell
        self._work = work
        self._poll_seconds = poll_seconds
        self._runtime_id = runtime_id
        self._turns = turns
        self._end_runs = end_runs
        self._starter = starter
        self._lease = lease
        self._swept_at: float | None = None
        self._compiled: OrderedDict[tuple[int, int], TaskSchedule] = OrderedDict()
        self._broken: dict[int, int] = {}
        self._foreseen: list[_Foreseen] = []
        self._server = ServerClock(clock)

    async def run(self) -> None:
        while True:
            stop_if_cancelled()
            try:
                look = await self.run_once()
                due_in = await self._due_in(look)
                if self._is_next_foreseen(due_in):
                    self._server.learn(await read_clock(self._pool))
                    await self._fire_in_time()
                    due_in = 0.0
                elif due_in is not None and due_in > _LOOK_BEFORE_SECONDS:
                    due_in -= _LOOK_BEFORE_SECONDS
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("schedules not looked at: %s", " ".join(str(error).split()))
                due_in = _RETRY_SECONDS
            await self._bell.sleep(until_next(due_in, SELDOM * self._poll_seconds))

    async def run_once(self) -> Look:
        """Decide everything that is due now, at most a batch of schedules and of their occurrences."""
        listed = await list_due_schedules(
            self._pool, limit=_BATCH, ahead=_AHEAD, broken=self._broken
        )
        if listed:
            self._server.learn(listed[0].now)
        due = [one for one in listed if one.next_due_at <= one.now]
        look = Look()
        batch = max(1, min(BATCH, _DECIDED_AT_ONCE // max(1, len(due))))
        in_thread = len(due) > _FEW or any(one.now - one.next_due_at > _LATE for one in due)
        left = iter(due)
        while (part := await self._next_part(left, batch, in_thread=in_thread)).advances:
            stop_if_cancelled()
            look = replace(await self._fire(part, look), due=len(due))
        await self._foresee(listed[len(due) :])
        return look

    async def _foresee(self, soon: Sequence[DueSchedule]) -> None:
        """Decide what is about to be due as of its instant."""
        if len(soon) > _FEW:
            self._foreseen = await asyncio.to_thread(self._decide_ahead, soon)
        else:
            self._foreseen = self._decide_ahead(soon)
        begun = (one for each in self._foreseen for one in each.decisions if one.reason is None)
        await self._starter.bring_near({(one.task_uid, one.revision_id) for one in begun})

    def _decide_ahead(self, soon: Sequence[DueSchedule]) -> list[_Foreseen]:
        foreseen = []
        for schedule in soon:
            as_of = schedule.next_due_at
            part = self._decide_part((replace(schedule, now=as_of),), BATCH)
            foreseen += [
                _Foreseen(as_of.timestamp(), replace(advance, as_of=as_of), part.decisions)
                for advance in part.advances
            ]
        return foreseen

    def _is_next_foreseen(self, due_in: float | None) -> bool:
        """Whether what is due next, in so many seconds, is what was foreseen."""
        if not self._foreseen or due_in is None:
            return False
        return self._server.left_until(self._foreseen[0].at) <= due_in + _TOO_LATE_SECONDS

    async def _fire_in_time(self) -> None:
        """Fire what was foreseen, each at its instant, until something calls for another look."""
        last = self._foreseen[-1].at
        while self._foreseen:
            stop_if_cancelled()
            at = self._foreseen[0].at
            left = self._server.left_until(at)
            if left > _TOO_LATE_SECONDS:
                if await self._bell.sleep(left - _WRITE_BEFORE_SECONDS):
                    return
                continue
            part = self._next_instant()
            rest = part if left <= 0 else await self._fire_ahead(part, at)
            if rest.advances:
                await self._server.reach(at)
                look = await self._fire(rest, Look())
                if look.held_up:
                    # Perhaps too early, where somebody has set the server's clock back.
                    self._server.forget()
                    return
            if any(one.is_due_by(last) for one in part.advances):
                return

    def _next_instant(self) -> Part:
        """What was foreseen for the next instant, or is overdue."""
        part = Part([], [])
        at = self._foreseen[0].at
        while self._foreseen and (
            self._foreseen[0].at == at or self._server.left_until(self._foreseen[0].at) <= 0
        ):
            foreseen = self._foreseen.pop(0)
            part.advances.append(foreseen.advance)
            part.decisions.extend(foreseen.decisions)
            if len(part.decisions) >= _WRITTEN_AT_ONCE:
                break
        return part

    async def _fire_ahead(self, part: Part, at: float) -> Part:
        """Write what will be at an instant, and commit at it; what is left for the instant, since something active has a say."""
        busy = await self._commit_at(part, at)
        if not busy:
            return part if busy is not None else Part([], [])
        free, rest = part.parted(busy)
        if not free.advances or await self._commit_at(free, at) is not None:
            return part
        return rest

    async def _commit_at(self, part: Part, at: float) -> frozenset[int] | None:
        """Write a part, and commit it at an instant; if it is not written, the tasks of which something is active."""
        busy: frozenset[int] | None = frozenset()
        asked_at = self._clock.monotonic()
        with self._asked(part) as asked:
            try:
                async with firing_ahead(
                    self._pool, part.advances, part.decisions, **asked
                ) as fired:
                    busy = fired.busy
                    if busy:
                        raise psycopg.Rollback
                    self._server.learn(fired.asked_at)
                    await self._server.reach(at)
                    busy = None
            except (psycopg.DataError, psycopg.errors.IdleInTransactionSessionTimeout):
                # Nothing was written: refused, which is said again at the instant; or we were stopped for too long.
                return frozenset()
        if busy is None:
            await self._begin(fired, asked_at)
        return busy

    async def _due_in(self, look: Look) -> float | None:
        """Seconds until there is something to decide, after a look."""
        if look.due == _BATCH and not look.held_up:
            return 0.0
        due_in = await self._look_ahead()
        # What was held up is still due, and would be looked at without a pause.
        return max(due_in, _HELD_UP_SECONDS) if due_in is not None and look.held_up else due_in

    async def _look_ahead(self) -> float | None:
        """Seconds until something is due; looks after the backlog on the way, if there is one."""
        ahead = await look_ahead(self._pool, broken=self._broken)
        self._server.learn(ahead.now)
        now = self._clock.monotonic()
        if ahead.is_waited and (
            self._swept_at is None or now - self._swept_at >= self._poll_seconds
        ):
            self._swept_at = now
            self._turns.pass_on(await list_unwatched_turns(self._pool, limit=_BATCH))
        return ahead.due_in

    async def _next_part(self, due: Iterable[DueSchedule], batch: int, *, in_thread: bool) -> Part:
        if in_thread:
            return await asyncio.to_thread(self._decide_part, due, batch)
        return self._decide_part(due, batch)

    async def _fire(self, part: Part, look: Look) -> Look:
        try:
            fired = await self._write(part)
        except psycopg.DataError as error:
            return await self._fire_apart(part, look, error)
        if fired.cancelled:
            self._end_runs(fired.cancelled, "the next run of its task took its place")
            await tell_ended(self._pool)
            self._work.ring()
        return Look(
            queued=look.queued + fired.queued,
            waiting=look.waiting + fired.waiting,
            skipped=look.skipped + fired.skipped,
            held_up=look.held_up + len(part.advances) - fired.advanced,
        )

    async def _fire_apart(self, part: Part, look: Look, error: psycopg.DataError) -> Look:
        """The database refuses some of it: all are written one by one, and the one that is to blame is passed over."""
        if len(part.advances) > 1:
            for advance in part.advances:
                its = [one for one in part.decisions if one.task_uid == advance.task_uid]
                look = await self._fire(Part([advance], its), look)
            return look
        (advance,) = part.advances
        reason = " ".join(str(error).split())
        _log.error("schedule of task %s cannot be fired: %s", advance.task_uid, reason)
        self._broken[advance.task_uid] = advance.revision_id or 0
        return look

    async def _write(self, part: Part) -> Fired:
        """Write what was decided, and have this process begin the runs for which it has room: nobody need look for them."""
        asked_at = self._clock.monotonic()
        with self._asked(part) as asked:
            fired = await fire_schedules(self._pool, part.advances, part.decisions, **asked)
        await self._begin(fired, asked_at)
        return fired

    @contextmanager
    def _asked(self, part: Part) -> Iterator[dict[str, Any]]:
        """By whom a part is written; as long as that takes, there is room for its runs."""
        room = self._starter.set_aside(len(part.decisions))
        try:
            yield {
                "decided_by": self._runtime_id,
                "tzdata": tzdata_version(),
                "room": room,
                "lease": self._lease,
            }
        finally:
            self._starter.give_back(room)

    async def _begin(self, fired: Fired, asked_at: float) -> None:
        self._turns.pass_on(fired.turns)
        if fired.queued > len(fired.begun):
            self._work.ring()
        await self._starter.begin(fired.begun, asked_at)

    def _decide_part(self, due: Iterable[DueSchedule], batch: int) -> Part:
        """Decide schedules until there is enough to be written."""
        part = Part([], [])
        for schedule in due:
            try:
                firing, written = self._decide(schedule, batch)
            except Exception:  # noqa: BLE001 - one broken schedule must not stop the others
                # A plan refuses such specs, so this is a fault of ours; it is passed over until its next revision.
                _log.exception("schedule of task %s cannot be expanded", schedule.task_uid)
                self._broken[schedule.task_uid] = schedule.revision_id
                continue
            part.advances.append(advance_of(schedule, firing))
            part.decisions.extend(written)
            if len(part.decisions) >= _WRITTEN_AT_ONCE:
                break
        return part

    def _decide(self, due: DueSchedule, batch: int) -> tuple[Firing, Sequence[Decided]]:
        schedule = self._schedule(due)
        firing = decide_schedule(
            due.body, schedule, due.cursor_for, due.now, snoozed=due.snoozed, batch=batch
        )
        return firing, decided(
            due.task_uid, due.revision_id, due.body, schedule, firing, now=due.now
        )

    def _schedule(self, due: DueSchedule) -> TaskSchedule:
        key = (due.task_uid, due.revision_id)
        compiled = self._compiled.get(key)
        if compiled is None:
            compiled = self._compiled[key] = compile_schedules(due.body)
            if len(self._compiled) > _SCHEDULES_KEPT:
                self._compiled.popitem(last=False)
        return compiled
