"""Service: tells runs that are being executed of answers to what they wait for.

A run that sleeps is made ready by an answer. One that is held, because another branch of it is busy, would find out only
when that is over: it says that it listens, and hears of it here. Nothing is asked of the database while none does. Should it
go to sleep before it has heard, the mark of the answer still stands, and it is ready at once.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout

from runtime.clock import Clock
from runtime.logs import get_logger
from runtime.service import stop_if_cancelled
from runtime.store.due_work import Claim
from runtime.store.pool import Pool
from runtime.store.waits import list_woken
from runtime.wake import Bell, until_next

_log = get_logger("attention")


class Attention:
    """Service: looks for answers when there was a hint, and now and then."""

    name = "attention"

    def __init__(self, pool: Pool, clock: Clock, bell: Bell, poll_seconds: float) -> None:
        self._pool = pool
        self._clock = clock
        self._bell = bell
        self._poll_seconds = poll_seconds
        self._listening: dict[tuple[UUID, int], Callable[[], None]] = {}

    def listen(self, claim: Claim, hear: Callable[[], None]) -> None:
        """Call `hear` whenever something of a run was answered while this claim holds it, until `forget`."""
        lease = (claim.run_id, claim.lease_epoch)
        if lease not in self._listening:
            self._listening[lease] = hear
            self._bell.ring()

    def forget(self, claim: Claim) -> None:
        """The run listens no more under this claim."""
        self._listening.pop((claim.run_id, claim.lease_epoch), None)

    async def run(self) -> None:
        while True:
            stop_if_cancelled()
            try:
                await self.run_once()
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("answers not looked for: %s", " ".join(str(error).split()))
            patience = until_next(None, self._poll_seconds) if self._listening else None
            await self._bell.sleep(patience)

    async def run_once(self) -> None:
        """Look once, if anybody listens."""
        if not self._listening:
            return
        woken = set(await list_woken(self._pool, list(self._listening)))
        for (run_id, _), hear in tuple(self._listening.items()):
            if run_id in woken:
                hear()
