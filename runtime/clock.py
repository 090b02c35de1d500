"""The only wall clock, monotonic clock and sleep.

Due times are decided by the database's clock (`ordinaut.now()`); a process uses this one for waiting and for the
deadlines it keeps by itself. Tests replace both with one fake.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Final, Protocol

# Timers of event loops count whole milliseconds, and may be one late: the rest is waited for turn by turn.
_TIMER_SECONDS: Final = 0.002


class Clock(Protocol):
    """What the program may know of time."""

    def now(self) -> datetime:
        """The current instant, aware UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean anything."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; zero or less only yields to other tasks."""
        ...

    async def reach(self, instant: float) -> None:
        """Wait until `monotonic` says so, and hardly longer."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - this is the one clock

    # As it is: it is asked ten times for a run of one step.
    monotonic = staticmethod(time.monotonic)  # noqa: TID251 - this is the one clock

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))  # noqa: TID251 - this is the one clock

    def wait(self, seconds: float) -> None:
        """Block the thread; for commands, which have no event loop to keep free."""
        time.sleep(seconds)  # noqa: TID251 - this is the one clock

    async def reach(self, instant: float) -> None:
        while (left := instant - self.monotonic()) > 0:
            await self.sleep(left - _TIMER_SECONDS)


SYSTEM_CLOCK = SystemClock()
