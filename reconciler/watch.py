"""Service: reconciles a specs folder whenever a file in it changes; the last good revision survives every bad edit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from watchfiles import awatch

from reconciler.reconcile import Reconciled, reconcile_once
from runtime.clock import SYSTEM_CLOCK
from runtime.errors import OrdinautError

# Editors write a file in several steps, and a checkout writes many: wait until it is quiet for so long.
_QUIET_MILLISECONDS: Final = 200


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
        self._changes = awatch(folder, step=_QUIET_MILLISECONDS, debounce=10 * _QUIET_MILLISECONDS)
        self._next_change: asyncio.Future[Any] | None = None

    async def begin(self) -> Reconciled | OrdinautError:
        """Watch from now on and look for the first time, in this order: an edit made meanwhile is not overlooked."""
        self._next_change = asyncio.ensure_future(anext(self._changes))
        # The watch stands when the generator waits for the first time.
        await SYSTEM_CLOCK.sleep(0)
        return await self.look()

    async def run(self) -> None:
        assert self._next_change is not None  # noqa: S101 - begun
        await self._next_change
        self._tell(await self.look())
        async for _ in self._changes:
            self._tell(await self.look())

    async def look(self) -> Reconciled | OrdinautError:
        """Reconcile once; what is refused is an answer, not the end of watching."""
        try:
            return await asyncio.to_thread(
                reconcile_once, self._conninfo, self._folder, self._environment
            )
        except OrdinautError as error:
            return error
