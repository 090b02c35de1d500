"""Time that passes only when there is nothing else to do: an hour's wait takes no time, and always comes out alike."""

from __future__ import annotations

import asyncio
import math
import selectors
from datetime import datetime, timedelta
from typing import Final

from runtime.clock import SYSTEM_CLOCK

# Finer than anything waits for; what floating point makes of sums is left out.
_DIGITS: Final = 6
_STEPS: Final = 10**_DIGITS


class _Leaping(selectors.SelectSelector):
    """Waits for no file: it says at once that the time is over."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("a rehearsed run waits for what never comes")
        self.passed += max(0.0, timeout)
        return []


class LeapingLoop(asyncio.SelectorEventLoop):
    """An event loop whose time leaps to the next timer whenever every task waits."""

    def __init__(self) -> None:
        self._leaping = _Leaping()
        super().__init__(self._leaping)

    def time(self) -> float:
        """Seconds since it was made."""
        return self._leaping.passed


class LeapingClock:
    """A `runtime.clock.Clock` of such a loop, which is to be running.

    Args:
        at: the instant at which the loop began.
    """

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        """The current instant."""
        return self._at + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Seconds since the loop began."""
        return round(asyncio.get_running_loop().time(), _DIGITS)

    async def sleep(self, seconds: float) -> None:
        """Wait for whole microseconds; whatever else there is to do is done first."""
        # Less than one would be lost in the sum, and who waits for it would wait for ever.
        steps = max(1, math.ceil(round(seconds * _STEPS, 3))) if seconds > 0 else 0
        await SYSTEM_CLOCK.sleep(steps / _STEPS)

    async def reach(self, instant: float) -> None:
        """Wait until `monotonic` says so."""
        await self.sleep(instant - self.monotonic())
