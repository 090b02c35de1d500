"""Keeps leases alive, and stops the local work of a lease that is lost.

Losing is noticed in two ways: the database says that another runtime holds the run, or no renewal got through and this
process's own monotonic clock says that the lease must be taken as expired. The second needs no network, so a cut-off
runtime stops before anybody else can start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import psycopg

from runtime.clock import Clock
from runtime.logs import get_logger
from runtime.service import stop_if_cancelled
from runtime.store.due_work import Claim, renew_leases
from runtime.store.pool import Pool
from runtime.wake import Bell

_log = get_logger("lease")


@dataclass(slots=True)
class _Held:
    lease_epoch: int
    work: asyncio.Task[None]
    trusted_until: float


class LeaseKeeper:
    """Service: renews every held lease three times per lease span, and watches that it did."""

    name = "lease keeper"

    def __init__(self, pool: Pool, clock: Clock, lease: timedelta) -> None:
        self._pool = pool
        self._clock = clock
        self._lease = lease
        self._span = lease.total_seconds()
        self._held: dict[UUID, _Held] = {}
        self.hints = Bell(clock)
        """Rung when somebody else may have ended a run of ours: then we ask at once."""

    def hold(
        self, run_id: UUID, lease_epoch: int, work: asyncio.Task[None], asked_at: float
    ) -> None:
        """Keep a lease that was asked for at monotonic time `asked_at`; `work` is cancelled if it is lost.

        What works under an earlier lease of the run has lost that.
        """
        if run_id in self._held:
            self._lose(run_id, "it was claimed anew")
        self._held[run_id] = _Held(lease_epoch, work, asked_at + self._span)

    def drop(self, run_id: UUID, lease_epoch: int) -> None:
        """The work is over; this lease needs no more care, but a newer one on the same run does."""
        held = self._held.get(run_id)
        if held is not None and held.lease_epoch == lease_epoch:
            del self._held[run_id]

    def end(self, run_ids: Iterable[UUID], why: str) -> None:
        """Stop the local work of those of these runs that we hold: the database holds them no more."""
        for run_id in run_ids:
            if run_id in self._held:
                self._lose(run_id, why)

    async def run(self) -> None:
        # Side by side: a renewal that hangs must not keep us from seeing that it came too late.
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._renew_forever())
            tasks.create_task(self._watch_forever())

    async def _renew_forever(self) -> None:
        wait = self._span / 3
        while True:
            stop_if_cancelled()
            await self.hints.sleep(wait)
            # After a failure sooner: there is no time to lose.
            wait = self._span / (3 if await self.renew() else 12)

    async def _watch_forever(self) -> None:
        while True:
            stop_if_cancelled()
            await self._clock.sleep(self._span / 6)
            self.stop_untrusted()

    async def renew(self) -> bool:
        """Renew once, and cancel what others hold; false if the database could not be asked."""
        if not self._held:
            return True
        asked_at = self._clock.monotonic()
        asked = {run_id: held.lease_epoch for run_id, held in self._held.items()}
        try:
            kept = await renew_leases(self._pool, list(asked.items()), self._lease)
        except psycopg.OperationalError as error:
            _log.warning("leases not renewed: %s", " ".join(str(error).split()))
            return False
        for run_id, lease_epoch in asked.items():
            held = self._held.get(run_id)
            if held is None or held.lease_epoch != lease_epoch:
                continue
            if run_id in kept:
                held.trusted_until = asked_at + self._span
            else:
                self._lose(run_id, "it was ended, or another runtime holds it")
        return True

    def stop_untrusted(self) -> None:
        """Cancel what must be taken as lost before the next look, if no renewal gets through until then."""
        limit = self._clock.monotonic() + self._span / 4
        for run_id in [
            run_id for run_id, held in self._held.items() if held.trusted_until <= limit
        ]:
            self._lose(run_id, "it could not be renewed in time")

    def _lose(self, run_id: UUID, why: str) -> None:
        held = self._held.pop(run_id)
        _log.warning("lease of run %s lost: %s", run_id, why)
        held.work.cancel("lease lost")


def leases_of(claims: Iterable[Claim]) -> list[tuple[UUID, int]]:
    """The leases of claims: run and fencing token."""
    return [(claim.run_id, claim.lease_epoch) for claim in claims]
