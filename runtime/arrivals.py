"""Service: sees that every event which arrived ends the waits that it is for.

Whoever takes in an event delivers it as well. What a process could not, because it died in between, and what steps of runs
emit, is delivered here: at once where a step of this process did, else at the next look.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

import psycopg
from psycopg_pool import PoolTimeout

from runtime.clock import Clock
from runtime.logs import get_logger
from runtime.service import stop_if_cancelled
from runtime.store.due_work import Claim, Place, Waiting
from runtime.store.events import deliver, look
from runtime.store.pool import Pool, borrow
from runtime.wake import Bell

_log = get_logger("arrivals")
_PATIENCE_SECONDS: Final = 30.0
_RETRY_SECONDS: Final = 0.5


class Arrivals:
    """Service: delivers events, and looks for those that a run waits for."""

    name = "arrivals"

    def __init__(self, pool: Pool, clock: Clock, bell: Bell) -> None:
        self._pool = pool
        self._clock = clock
        self._bell = bell

    async def run(self) -> None:
        while True:
            stop_if_cancelled()
            wait = _PATIENCE_SECONDS * random.uniform(0.8, 1.0)  # noqa: S311 - spreads load, guards nothing
            try:
                await self.run_once()
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("events not delivered: %s", " ".join(str(error).split()))
                wait = _RETRY_SECONDS
            await self._bell.sleep(wait)

    async def run_once(self) -> int:
        """Deliver what waits for it; returns how many waits were ended."""
        async with borrow(self._pool) as connection:
            return await deliver(connection)

    async def look(self, claim: Claim) -> Mapping[Place, Waiting]:
        """Where the waits of a run stand, those ended whose event has come; asked for until the database answers.

        Raises:
            LeaseLost: another runtime holds the run.
        """
        while True:
            try:
                async with borrow(self._pool) as connection:
                    return await look(connection, claim.run_id, claim.lease_epoch)
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("events not looked for: %s", " ".join(str(error).split()))
            await self._clock.sleep(_RETRY_SECONDS)
