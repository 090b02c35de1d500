"""Service: finds the next occurrences again when this program knows newer time zone data than found them.

Theory of operation
    A schedule says by which version of the data its next occurrence was found. At the start of a runtime, and then once in
    an hour for what an older program wrote meanwhile, schedules by an older version are expanded again from their cursor,
    in batches, giving way to other work after each of them. Compare-and-set, so that a firing or an apply that came first
    wins; and only ever from an older version to a newer one, so that programs of different versions do not take turns:
    the older one derives nothing again, it only marks what it fires as its own.
    What is decided stays decided: only what lies after the cursor moves, and every move is told by an event.
"""

from __future__ import annotations

from typing import Final

import psycopg

from runtime.clock import Clock
from runtime.core.schedules import compile_schedules
from runtime.core.zonedata import tzdata_version
from runtime.logs import get_logger
from runtime.service import stop_if_cancelled
from runtime.store.pool import Pool
from runtime.store.rederiving import (
    Derived,
    Moved,
    OutdatedSchedule,
    list_outdated_schedules,
    rederive_schedules,
)
from runtime.store.runtimes import wake

_log = get_logger("rederiving")
_BATCH: Final = 200
_LOGGED: Final = 10
_AGAIN_SECONDS: Final = 3600.0
_RETRY_SECONDS: Final = 5.0


class Rederiver:
    """Service: keeps next occurrences true to the newest time zone data that a runtime knows."""

    name = "rederiver"

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._tzdata = tzdata_version()

    async def run(self) -> None:
        while True:
            stop_if_cancelled()
            try:
                await self.run_once()
                patience = _AGAIN_SECONDS
            except psycopg.OperationalError as error:
                _log.warning("schedules not derived again: %s", " ".join(str(error).split()))
                patience = _RETRY_SECONDS
            await self._clock.sleep(patience)

    async def run_once(self) -> list[Moved]:
        """Derive every outdated schedule again; returns the tasks that fire next at another time."""
        moved: list[Moved] = []
        after = 0
        while outdated := await list_outdated_schedules(
            self._pool, tzdata=self._tzdata, after=after, limit=_BATCH
        ):
            after = outdated[-1].task_uid
            derived = [again for one in outdated if (again := await self._derive(one))]
            moved += await rederive_schedules(self._pool, derived, tzdata=self._tzdata)
        if moved:
            self._tell(moved)
            await wake(self._pool)
        return moved

    async def _derive(self, schedule: OutdatedSchedule) -> Derived | None:
        # One expansion is bounded, a batch of them is long: leases must be renewed meanwhile.
        await self._clock.sleep(0)
        try:
            upcoming = compile_schedules(schedule.body).next_after(schedule.cursor_for)
        except Exception:  # noqa: BLE001 - one broken schedule must not stop the others
            # A plan refuses such specs, so this is a fault of ours, and the scheduler meets it too.
            _log.exception("schedule of task %s cannot be expanded", schedule.task_uid)
            return None
        return Derived(
            task_uid=schedule.task_uid,
            generation=schedule.generation,
            cursor_for=schedule.cursor_for,
            tzdata=schedule.tzdata,
            next_for=None if upcoming is None else upcoming.at,
            next_due_at=None if upcoming is None else upcoming.due_at,
        )

    def _tell(self, moved: list[Moved]) -> None:
        for one in moved[:_LOGGED]:
            _log.info(
                "time zone data %s: %s fires at %s, not at %s",
                self._tzdata,
                one.task,
                one.after or "no time",
                one.before or "none",
            )
        if len(moved) > _LOGGED:
            _log.info("time zone data %s: and %d more tasks", self._tzdata, len(moved) - _LOGGED)
