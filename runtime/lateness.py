"""Service: tells of runs that should have begun and have not, where a task listens for that.

It stands beside the scheduler, so that it is told too when no worker is alive. Any number of runtimes may look: what one has
told no other does. A run that began late between two looks is told by its beginning.
"""

from __future__ import annotations

import random
from typing import Final

import psycopg
from psycopg_pool import PoolTimeout

from runtime.clock import Clock
from runtime.logs import get_logger
from runtime.service import stop_if_cancelled
from runtime.store.lateness import tell_late
from runtime.store.pool import Pool

_log = get_logger("lateness")
_LOOK_SECONDS: Final = 5.0
_UNWATCHED_SECONDS: Final = 30.0


class Lateness:
    """Service: the one of this process that looks for late runs."""

    name = "lateness"

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def run(self) -> None:
        while True:
            stop_if_cancelled()
            try:
                wait = await self.run_once()
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("late runs not looked for: %s", " ".join(str(error).split()))
                wait = _LOOK_SECONDS
            await self._clock.sleep(wait * random.uniform(0.8, 1.0))  # noqa: S311 - spreads load, guards nothing

    async def run_once(self) -> float:
        """Tell of the runs that are late now; seconds until the next look."""
        while not (looked := await tell_late(self._pool)).is_all:
            stop_if_cancelled()
        return _LOOK_SECONDS if looked.is_watched else _UNWATCHED_SECONDS
