"""Service: pulls a branch for as long as it runs, looking again after each interval and whenever it is woken.

What fails is tried again after pauses that grow, and told once. A wake-up while a look is under way leads to another look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Final

from reconciler.mirror import Mirror
from reconciler.sync import Judge, Look
from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.core.pauses import doubled_pause
from runtime.errors import OrdinautError, SourceUnavailable
from runtime.service import stop_if_cancelled
from runtime.store.sources import Branch
from runtime.wake import Bell, Listener, until_next

# After a look that failed: the first pause, doubled each time, and the longest.
_AGAIN_SECONDS: Final = 5.0
_LONGEST_SECONDS: Final = 300.0


class BranchSync:
    """Service: keeps what is in force at the head of a branch.

    Args:
        mirror: brings the branch here.
        judge: looks at its heads.
        interval: the time between two looks, less up to a fifth of it, so that many do not look at the same moment.
        tell: called after each look that came to something else than the one before.
        clock: for waiting.
    """

    name = "sync"

    def __init__(
        self,
        mirror: Mirror,
        judge: Judge,
        interval: timedelta,
        tell: Callable[[Look], None],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._mirror = mirror
        self._judge = judge
        self._interval = interval
        self._tell = tell
        self._bell = Bell(clock)
        self._clock = clock
        self._told: tuple[object, ...] | None = None
        self._failures = 0

    @property
    def branch(self) -> Branch:
        """What is pulled."""
        return self._judge.branch

    def wake(self) -> None:
        """Look at once, or again after the look that is under way; on the loop that runs the service."""
        self._bell.ring()

    def hears(self, conninfo: str) -> Listener:
        """The service that wakes it when somebody decides about what waits."""
        return Listener(conninfo, (self._bell,), self._clock, listen="listen_sources")

    async def run(self) -> None:
        while True:
            stop_if_cancelled()
            look = await self.look()
            self._failures = self._failures + 1 if look.report.condition is None else 0
            self._say(look)
            await self._bell.sleep(self._pause(look))

    async def look(self) -> Look:
        """Fetch, and look once; what fails is an answer, not the end."""
        try:
            try:
                head = await self._mirror.fetch()
                return await self._looked(head)
            except SourceUnavailable as error:
                return await asyncio.to_thread(self._judge.unreachable, error)
            except OSError as error:
                return await asyncio.to_thread(self._judge.unreachable, _unusable(error))
        except OrdinautError as error:
            return self._judge.failed(error)

    async def _looked(self, head: str) -> Look:
        """Look in a thread. A stop ends it; what was committed before that stays, and so it is told."""
        looking = asyncio.ensure_future(asyncio.to_thread(self._judge.look, head))
        try:
            return await asyncio.shield(looking)
        except asyncio.CancelledError:
            self._judge.interrupt()
            with suppress(OrdinautError, OSError):
                self._say(await looking)
            raise

    def _say(self, look: Look) -> None:
        if look.news != self._told:
            self._told = look.news
            self._tell(look)

    def _pause(self, look: Look) -> float:
        if not self._failures:
            return until_next(_opens_in(look), self._interval.total_seconds())
        pause = doubled_pause(self._failures, first=_AGAIN_SECONDS, longest=_LONGEST_SECONDS)
        return until_next(None, pause)


def _unusable(error: OSError) -> SourceUnavailable:
    """What a full or read-only disk, or a lack of rights, keeps from being read or brought here."""
    return SourceUnavailable(
        f"the state folder cannot be used: {error}",
        hint="it needs room, and belongs to whoever runs this",
    )


def _opens_in(look: Look) -> float | None:
    """Seconds until the freeze is over that keeps a head from being applied."""
    freeze = look.plan.freeze if look.plan and look.report.reason == "frozen" else None
    if look.plan is None or freeze is None or freeze.opens_at is None:
        return None
    return (freeze.opens_at - look.plan.as_of).total_seconds()
