"""Service: the sign of life of a runtime, and what else is due every few seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import psycopg

from runtime.clock import Clock
from runtime.logs import get_logger
from runtime.service import stop_if_cancelled
from runtime.store.pool import Pool
from runtime.store.runtimes import Beat, beat_runtime, wake
from runtime.wake import until_next

_log = get_logger("heart")
_BEAT_SECONDS: Final = 5.0

Missed = Callable[[Beat], None]
"""Rings for whoever has something to do."""


class Heart:
    """Service: says that this runtime is alive, ends pauses in time, and looks for what others may have missed.

    The other services sleep until something is due or somebody rings. A ring can get lost; instead of each of them looking
    again and again, one statement looks for all, and rings for whoever has something to do.
    """

    name = "heart"

    def __init__(
        self,
        pool: Pool,
        runtime_id: int,
        clock: Clock,
        *,
        poll_seconds: float,
        missed: Missed,
        newest: Callable[[int], None],
    ) -> None:
        self._pool = pool
        self._newest = newest
        self._runtime_id = runtime_id
        self._clock = clock
        self._pause_seconds = min(_BEAT_SECONDS, poll_seconds)
        self._missed = missed
        self.draining = False
        self.outdated = asyncio.Event()
        """Set when the schema became one that this program cannot work with."""

    async def run(self) -> None:
        while True:
            stop_if_cancelled()
            try:
                beat = await beat_runtime(self._pool, self._runtime_id, draining=self.draining)
                self._missed(beat)
                if beat.is_outdated:
                    self.outdated.set()
                if beat.resumed:
                    await wake(self._pool)
                self._newest(beat.newest_revision)
            except psycopg.OperationalError as error:
                _log.warning("no heartbeat: %s", " ".join(str(error).split()))
            await self._clock.sleep(until_next(None, self._pause_seconds))
