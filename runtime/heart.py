"""Service: the sign of life of a runtime, and what else is due every few seconds."""

from __future__ import annotations

from typing import Final

import psycopg

from runtime.clock import Clock
from runtime.logs import get_logger
from runtime.registry import Registry
from runtime.service import stop_if_cancelled
from runtime.store.pool import Pool
from runtime.store.runtimes import beat_runtime, wake

_log = get_logger("heart")
_BEAT_SECONDS: Final = 5.0


class Heart:
    """Service: says that this runtime is alive, ends pauses in time, notices newer revisions."""

    name = "heart"

    def __init__(self, pool: Pool, registry: Registry, runtime_id: int, clock: Clock) -> None:
        self._pool = pool
        self._catalogue = registry
        self._runtime_id = runtime_id
        self._clock = clock
        self.draining = False

    async def run(self) -> None:
        while True:
            stop_if_cancelled()
            try:
                if await beat_runtime(self._pool, self._runtime_id, draining=self.draining):
                    await wake(self._pool)
                await self._catalogue.refresh()
            except psycopg.OperationalError as error:
                _log.warning("no heartbeat: %s", " ".join(str(error).split()))
            await self._clock.sleep(_BEAT_SECONDS)
