"""Service: makes runs of the events that tasks have heard, when their windows say so.

What is heard is on record with the event's delivery; deciding it is one transaction a task. A runtime that dies on the way has
decided nothing, and another does. Of tasks that cannot be decided, because somebody broke their rows, the others are not held up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import psycopg
from psycopg_pool import PoolTimeout

from runtime.clock import Clock
from runtime.logs import get_logger
from runtime.service import stop_if_cancelled
from runtime.store.cancelling import tell_ended
from runtime.store.hearing import Due, Settled, decide_heard, list_due, seconds_until_heard
from runtime.store.pool import Pool, borrow
from runtime.turns import Turns
from runtime.wake import Bell, until_next

_log = get_logger("hearing")
_BATCH: Final = 100
_RETRY_SECONDS: Final = 0.5
_HELD_UP_SECONDS: Final = 0.05
_PATIENCE_SECONDS: Final = 30.0


class Hearing:
    """Service: decides what was heard; `begun` is called when runs may begin, `related` rung when some were ended."""

    name = "hearing"

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        bell: Bell,
        turns: Turns,
        *,
        begun: Callable[[int], None],
        related: Bell,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._bell = bell
        self._turns = turns
        self._begun = begun
        self._related = related
        self._broken: set[Due] = set()

    async def run(self) -> None:
        while True:
            stop_if_cancelled()
            try:
                decided, left = await self.run_once()
                wait = self._pause(decided, left)
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("events not decided: %s", " ".join(str(error).split()))
                wait = _RETRY_SECONDS
            await self._bell.sleep(until_next(wait, _PATIENCE_SECONDS))

    def _pause(self, decided: int, left: float | None) -> float | None:
        if left is None or left > 0 or decided:
            return left
        # Somebody else is at what is due.
        return _HELD_UP_SECONDS

    async def run_once(self) -> tuple[int, float | None]:
        """Decide what is due; how many listeners had something, and seconds until there is more."""
        decided = 0
        async with borrow(self._pool) as connection:
            due = await list_due(connection, _BATCH)
        for one in due:
            stop_if_cancelled()
            decided += await self._decide(one)
        # What cannot be decided is tried again after a while, and hides no window of another task that closes before.
        broken = {one.task_uid for one in self._broken}
        async with borrow(self._pool) as connection:
            return decided, await seconds_until_heard(connection, but=broken)

    async def _decide(self, due: Due) -> bool:
        try:
            async with borrow(self._pool) as connection:
                settled = await decide_heard(connection, due)
        except psycopg.OperationalError:
            raise
        except Exception:  # noqa: BLE001 - a fault of one task's row must not hold up the others
            if due not in self._broken:
                _log.exception("events for task %s cannot be decided", due.task_uid)
            self._broken.add(due)
            return False
        self._broken.discard(due)
        if settled is not None:
            await self._pass_on(due, settled)
        return settled is not None

    async def _pass_on(self, due: Due, settled: Settled) -> None:
        if settled.replaced:
            await tell_ended(self._pool)
            self._related.ring()
        if settled.waits or settled.replaced:
            self._turns.pass_on([due.task_uid])
        if settled.begun:
            self._begun(settled.begun)
