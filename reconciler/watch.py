"""Service: looks at a specs folder whenever a file in it changes; the last good revision survives every bad edit.

What was refused for a reason that passes (a lock, another apply, a freeze, a hold, a database that is away) is tried again by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

from watchfiles import awatch

from reconciler.reconcile import Folder, Reconciled
from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.errors import Held, OrdinautError, StalePlan
from runtime.service import stop_if_cancelled

# Editors write a file in several steps, and a checkout writes many: wait until it is quiet for so long.
_QUIET_MILLISECONDS: Final = 200
# How often a folder that is gone is looked for: a checkout of another branch may take it away and bring it back.
_GONE_SECONDS: Final = 0.5
# After a refusal that passes: the first pause, doubled each time, and the longest.
_AGAIN_SECONDS: Final = 1.0
_LONGEST_SECONDS: Final = 30.0


class SpecsWatch:
    """Service: watches one folder, from `begin` on, or else from when it runs.

    Args:
        folder: what is looked at.
        tell: called after every look but that of `begin` with what came of it; a refusal that lasts is told once.
        clock: for waiting.
    """

    name = "specs watch"

    def __init__(
        self,
        folder: Folder,
        tell: Callable[[Reconciled | OrdinautError], None],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._folder = folder
        self._tell = tell
        self._clock = clock
        self._next_change: asyncio.Future[None] | None = None
        self._refusal: OrdinautError | None = None

    async def begin(self) -> Reconciled | OrdinautError:
        """Watch from now on and look for the first time, in this order: an edit made meanwhile is not overlooked."""
        self._next_change = asyncio.ensure_future(self._change())
        # The watch stands when it waits for the first time.
        await self._clock.sleep(0)
        return await self.look()

    async def run(self) -> None:
        try:
            if self._next_change is None:
                self._tell(await self.begin())
            while change := self._next_change:
                stop_if_cancelled()
                await self._look_again(change)
                await change
                # The system watches a folder and not a path: where it changed another may stand by now.
                self._tell(await self.begin())
        finally:
            if self._next_change is not None:
                self._next_change.cancel()

    async def _look_again(self, change: asyncio.Future[None]) -> None:
        """Repeat a look that was refused for a reason that passes, until it is not or somebody edits the folder."""
        pause = _AGAIN_SECONDS
        while (refusal := self._refusal) is not None and will_pass(refusal):
            if await self._changes_within(pause, change):
                return
            outcome = await self.look()
            if self._refusal is None or self._refusal.code != refusal.code:
                self._tell(outcome)
            pause = min(2 * pause, _LONGEST_SECONDS)

    async def _changes_within(self, seconds: float, change: asyncio.Future[None]) -> bool:
        patience = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait((change, patience), return_when=asyncio.FIRST_COMPLETED)
        finally:
            patience.cancel()
        return change.done()

    async def _change(self) -> None:
        """Wait until something in the folder changes; one that is gone changes when it comes back."""
        step, debounce = _QUIET_MILLISECONDS, 10 * _QUIET_MILLISECONDS
        try:
            async with aclosing(
                awatch(self._folder.path, step=step, debounce=debounce)
            ) as changes:
                await anext(changes)
        except FileNotFoundError:
            while not self._folder.path.is_dir():
                await self._clock.sleep(_GONE_SECONDS)

    async def look(self) -> Reconciled | OrdinautError:
        """Look once; what is refused is an answer, not the end of watching."""
        self._refusal = None
        try:
            found = await asyncio.to_thread(self._folder.look)
        except asyncio.CancelledError:
            self._folder.interrupt()
            raise
        except OrdinautError as error:
            self._refusal = error
            return error
        self._refusal = found.refusal
        return found


def will_pass(refusal: OrdinautError) -> bool:
    """Whether a refused look may succeed later although nobody edits the specs: the watch then looks again."""
    # A hold ends with a commit or with `ordinaut hold clear`, and neither is an edit.
    return refusal.retryable or isinstance(refusal, StalePlan | Held)
