"""Service: reconciles a specs folder whenever a file in it changes; the last good revision survives every bad edit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Final

from watchfiles import awatch

from reconciler.reconcile import Reconciled, reconcile_once
from runtime.clock import SYSTEM_CLOCK
from runtime.errors import OrdinautError
from runtime.service import stop_if_cancelled

# Editors write a file in several steps, and a checkout writes many: wait until it is quiet for so long.
_QUIET_MILLISECONDS: Final = 200
# How often a folder that is gone is looked for: a checkout of another branch may take it away and bring it back.
_GONE_SECONDS: Final = 0.5


class SpecsWatch:
    """Service: watches one folder, from `begin` on.

    Args:
        conninfo: the database.
        folder: the specs.
        environment: of the Project document.
        tell: called after every look but the first with what came of it.
    """

    name = "specs watch"

    def __init__(
        self,
        conninfo: str,
        folder: Path,
        environment: str,
        tell: Callable[[Reconciled | OrdinautError], None],
    ) -> None:
        self._conninfo = conninfo
        self._folder = folder
        self._environment = environment
        self._tell = tell
        self._next_change: asyncio.Future[None] | None = None

    async def begin(self) -> Reconciled | OrdinautError:
        """Watch from now on and look for the first time, in this order: an edit made meanwhile is not overlooked."""
        self._next_change = asyncio.ensure_future(self._change())
        # The watch stands when it waits for the first time.
        await SYSTEM_CLOCK.sleep(0)
        return await self.look()

    async def run(self) -> None:
        assert self._next_change is not None  # noqa: S101 - begun
        try:
            while True:
                stop_if_cancelled()
                await self._next_change
                # The system watches a folder and not a path: where it changed another may stand by now.
                self._tell(await self.begin())
        finally:
            self._next_change.cancel()

    async def _change(self) -> None:
        """Wait until something in the folder changes; one that is gone changes when it comes back."""
        step, debounce = _QUIET_MILLISECONDS, 10 * _QUIET_MILLISECONDS
        try:
            async with aclosing(awatch(self._folder, step=step, debounce=debounce)) as changes:
                await anext(changes)
        except FileNotFoundError:
            while not self._folder.is_dir():
                await SYSTEM_CLOCK.sleep(_GONE_SECONDS)

    async def look(self) -> Reconciled | OrdinautError:
        """Reconcile once; what is refused is an answer, not the end of watching."""
        try:
            return await asyncio.to_thread(
                reconcile_once, self._conninfo, self._folder, self._environment
            )
        except OrdinautError as error:
            return error
