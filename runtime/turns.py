"""Service: lets the next waiting run of a task begin, when somebody says that its turn may have come.

Runs wait in the backlog where a task's runs must not overlap. Who ends a run that is followed, or puts one into the
backlog, tells; a task told of twice is looked at once. If the process ends before it looked, some scheduler's sweep does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import psycopg

from runtime.clock import Clock
from runtime.logs import get_logger
from runtime.service import stop_if_cancelled
from runtime.store.backlog import release_turns
from runtime.store.due_work import Skipped
from runtime.store.pool import Pool
from runtime.wake import Bell, Told

_log = get_logger("turns")
_BATCH: Final = 100
_RETRY_SECONDS: Final = 0.5
_HELD_UP_SECONDS: Final = 0.05


class Turns:
    """Service: the one of this process that looks into the backlog.

    `work` is rung when a run may begin, and `related` when one is skipped that another waits for.
    """

    name = "turns"

    def __init__(self, pool: Pool, clock: Clock, work: Bell, related: Bell) -> None:
        self._pool = pool
        self._clock = clock
        self._work = work
        self._related = related
        self._told = Told()

    def pass_on(self, task_uids: Iterable[int]) -> None:
        """Have the backlog of these tasks looked at, soon; to be called after the commit that calls for it."""
        self._told.tell(task_uids)

    def skipped(self, skipped: Skipped) -> None:
        """Have whoever waits for runs that were skipped look."""
        self.pass_on(skipped.turns)
        if skipped.is_related:
            self._related.ring()

    async def run(self) -> None:
        while True:
            stop_if_cancelled()
            await self._told.wait()
            wait = 0.0
            try:
                wait = _HELD_UP_SECONDS if await self.look() else 0.0
            except psycopg.OperationalError as error:
                _log.warning("backlog not looked at: %s", " ".join(str(error).split()))
                wait = _RETRY_SECONDS
            await self._clock.sleep(wait)

    async def look(self) -> bool:
        """Look once at some of the tasks that were told of; they stay told if that fails. Whether some were held up."""
        with self._told.taken(_BATCH) as batch:
            released = await release_turns(self._pool, batch)
        self.pass_on(released.held_up)
        if released.count:
            self._work.ring()
        if released.is_related:
            self._related.ring()
        return bool(released.held_up)
