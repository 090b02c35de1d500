"""Service: keeps tool servers, agents and secrets as the newest revision, and the places where secrets are kept, have them.

A service of its own, since a program that prints a secret may take its time, and nobody's sign of life should wait for it.
"""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg_pool import PoolTimeout

from runtime.clock import Clock
from runtime.logs import get_logger
from runtime.registry import Registry
from runtime.service import stop_if_cancelled
from runtime.wake import Bell

_log = get_logger("following")
_RENEW_SECONDS: Final = 60.0


class Follower:
    """Service: reads what is live when it is told of a newer revision, and once a minute what may have been rotated."""

    name = "follower"

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._catalogue = registry
        self._bell = Bell(clock)
        self._newest = 0

    def tell(self, revision_id: int) -> None:
        """There is this revision."""
        if revision_id > self._catalogue.live.revision_id:
            self._newest = revision_id
            self._bell.ring()

    async def run(self) -> None:
        while True:
            stop_if_cancelled()
            is_told = await self._bell.sleep(_RENEW_SECONDS)
            try:
                if is_told:
                    await self._catalogue.follow(self._newest)
                else:
                    await self._catalogue.renew()
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("newer specs not read: %s", " ".join(str(error).split()))
