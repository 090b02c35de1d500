"""Service: fires schedules when their time has come. Any number of them may race; each occurrence is decided once."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg_pool import PoolTimeout

from runtime.clock import Clock
from runtime.core.misfire import Firing
from runtime.core.schedules import TaskSchedule, compile_schedules
from runtime.deciding import decide_schedule, decided
from runtime.logs import get_logger
from runtime.service import stop_if_cancelled
from runtime.store.pool import Pool
from runtime.store.schedules import (
    Advance,
    Decided,
    DueSchedule,
    fire_schedules,
    list_due_schedules,
    seconds_until_fire,
)
from runtime.wake import Bell, until_next

_log = get_logger("scheduler")
_BATCH: Final = 500
_SCHEDULES_KEPT: Final = 20_000
_RETRY_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the schedules did."""

    due: int = 0
    queued: int = 0
    skipped: int = 0


class Scheduler:
    """Service: looks for due schedules, decides their occurrences, and sleeps until the next one."""

    name = "scheduler"

    def __init__(
        self, pool: Pool, clock: Clock, bell: Bell, work: Bell, poll_seconds: float
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._bell = bell
        self._work = work
        self._poll_seconds = poll_seconds
        self._compiled: OrderedDict[tuple[int, int], TaskSchedule] = OrderedDict()
        self._broken: dict[int, int] = {}

    async def run(self) -> None:
        while True:
            stop_if_cancelled()
            try:
                look = await self.run_once()
                is_more = look.due == _BATCH
                due_in = (
                    0.0 if is_more else await seconds_until_fire(self._pool, broken=self._broken)
                )
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("schedules not looked at: %s", " ".join(str(error).split()))
                due_in = _RETRY_SECONDS
            await self._bell.sleep(until_next(due_in, self._poll_seconds))

    async def run_once(self) -> Look:
        """Decide everything that is due now, at most a batch of schedules."""
        due = await list_due_schedules(self._pool, limit=_BATCH, broken=self._broken)
        advances: list[Advance] = []
        decisions: list[Decided] = []
        for schedule in due:
            try:
                firing, written = self._decide(schedule)
            except Exception:  # noqa: BLE001 - one broken schedule must not stop the others
                # A plan refuses such specs, so this is a fault of ours; it is passed over until its next revision.
                _log.exception("schedule of task %s cannot be expanded", schedule.task_uid)
                self._broken[schedule.task_uid] = schedule.revision_id
                continue
            advances.append(_advance(schedule, firing))
            decisions.extend(written)
        if not advances:
            return Look(due=0)
        fired = await fire_schedules(self._pool, advances, decisions)
        if fired.queued:
            self._work.ring()
        return Look(len(due), fired.queued, fired.skipped)

    def _decide(self, due: DueSchedule) -> tuple[Firing, list[Decided]]:
        firing = decide_schedule(due.body, self._schedule(due), due.cursor_for, due.now)
        return firing, decided(due.task_uid, due.revision_id, due.body, firing)

    def _schedule(self, due: DueSchedule) -> TaskSchedule:
        key = (due.task_uid, due.revision_id)
        compiled = self._compiled.get(key)
        if compiled is None:
            compiled = self._compiled[key] = compile_schedules(due.body)
            if len(self._compiled) > _SCHEDULES_KEPT:
                self._compiled.popitem(last=False)
        return compiled


def _advance(due: DueSchedule, firing: Firing) -> Advance:
    upcoming = firing.upcoming
    return Advance(
        task_uid=due.task_uid,
        generation=due.generation,
        expected_cursor=due.cursor_for,
        cursor_for=firing.cursor_for,
        next_for=None if upcoming is None else upcoming.at,
        next_due_at=None if upcoming is None else upcoming.due_at,
    )
