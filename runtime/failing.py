"""Service: pauses tasks that fail again and again, after as many failed runs in a row as `pause_after_failures` says.

Whoever records a failed run of such a task tells; a task told of twice is looked at once. Should the process end before it
looked, the next failure has it looked at again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import psycopg

from runtime.actor import ORDINAUT
from runtime.clock import Clock
from runtime.logs import get_logger
from runtime.service import stop_if_cancelled
from runtime.store.overrides import FailingTask, pause_failing_task
from runtime.store.pool import Pool
from runtime.wake import Told

_log = get_logger("failing")
_RETRY_SECONDS: Final = 0.5


class Failing:
    """Service: the one of this process that pauses tasks."""

    name = "failing"

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._told = Told()

    def pass_on(self, task_uids: Iterable[int]) -> None:
        """Have it seen soon whether these tasks are to be paused; to be called after the commit of a failed run."""
        self._told.tell(task_uids)

    async def run(self) -> None:
        while True:
            stop_if_cancelled()
            await self._told.wait()
            try:
                await self.look()
            except psycopg.OperationalError as error:
                _log.warning("failing tasks not looked at: %s", " ".join(str(error).split()))
                await self._clock.sleep(_RETRY_SECONDS)

    async def look(self) -> None:
        """Look once at the tasks that were told of; one stays told if that fails."""
        while self._told:
            with self._told.taken(1) as [uid]:
                paused = await self._pause(uid)
            if paused is not None:
                _log.warning(
                    "task %s is paused: %s; `ordinaut resume` ends that",
                    paused.task,
                    paused.reason,
                )

    async def _pause(self, uid: int) -> FailingTask | None:
        try:
            return await pause_failing_task(self._pool, uid, actor=ORDINAUT)
        except psycopg.DataError as error:
            # Somebody wrote past git what is no number; the others go on.
            _log.warning("task %d cannot be paused: %s", uid, " ".join(str(error).split()))
            return None
