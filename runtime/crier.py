"""Service: passes a ring on to other processes, for what nobody in this one does.

Out of band and gathered: a hint goes out at once, and the next at the earliest a moment later, however much happens.
"""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg_pool import PoolTimeout

from runtime.clock import Clock
from runtime.service import stop_if_cancelled
from runtime.store.pool import Pool
from runtime.store.runtimes import cry
from runtime.wake import Bell

_PAUSE_SECONDS: Final = 0.02
SELDOM_SECONDS: Final = 1.0
"""A pause for what is true all the time under load."""


class Crier:
    """Service: whoever rings `bell` has the hint sent to every runtime."""

    def __init__(
        self, pool: Pool, clock: Clock, hint: str, *, pause_seconds: float = _PAUSE_SECONDS
    ) -> None:
        self.name = f"crier of {hint}"
        self.bell = Bell(clock)
        self._pool = pool
        self._clock = clock
        self._hint = hint
        self._pause_seconds = pause_seconds

    async def run(self) -> None:
        while True:
            stop_if_cancelled()
            await self.bell.sleep(None)
            try:
                await cry(self._pool, self._hint)
            except (psycopg.OperationalError, PoolTimeout):
                # A hint may be lost: others look by themselves, a little later.
                continue
            await self._clock.sleep(self._pause_seconds)
