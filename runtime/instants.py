"""Instants of the database's clock, which decides what is due, waited for by this process, which has another one."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from runtime.clock import Clock

# Two clocks part by no more than that in a second, unless somebody sets one.
_DRIFT: Final = 0.0005


class ServerClock:
    """What is known of the server's clock by what it has said: it is at least so late.

    Args:
        clock: the clock of this process.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Its time, in seconds since 1970, less the monotonic one.
        self._offset = float("-inf")
        self._read_at = 0.0

    def learn(self, now: datetime) -> None:
        """Learn from what the server has just answered: this was past by then. The fastest answer is the best."""
        read_at = self._clock.monotonic()
        known = self._offset - _DRIFT * (read_at - self._read_at)
        self._offset = max(known, now.timestamp() - read_at)
        self._read_at = read_at

    def forget(self) -> None:
        """Somebody may have set it."""
        self._offset = float("-inf")

    def left_until(self, at: float) -> float:
        """Seconds until an instant, in seconds since 1970, has surely come; to the microsecond, which is as far as it counts."""
        return round(at - self._offset - self._clock.monotonic(), 6)

    async def reach(self, at: float) -> None:
        """Wait until an instant, in seconds since 1970, has surely come, and hardly longer."""
        left = self.left_until(at)
        if left > 0:
            await self._clock.reach(self._clock.monotonic() + left)
