"""Service: follows the event stream from now on, and passes on what is new."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from runtime.bus import BUS_ERRORS, open_bus
from runtime.cancellation import heeding_cancellation
from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.service import stop_if_cancelled
from runtime.stream import BEGINNING, read_entries
from schemas.event import Event

# Shorter than the client's own timeout, so that silence is never taken for a lost connection.
_BLOCK_MILLISECONDS: Final = 1000
_RETRY_SECONDS: Final = 0.5


class News:
    """Service: reads the stream and calls `tell` with what came at once, in order; survives a Redis that goes away."""

    name = "news"

    def __init__(
        self,
        redis_url: str,
        stream: str,
        tell: Callable[[Sequence[Event]], None],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._redis_url = redis_url
        self._stream = stream
        self._tell = tell
        self._clock = clock

    async def run(self) -> None:
        last: str | None = None
        async with open_bus(self._redis_url) as bus:
            while True:
                stop_if_cancelled()
                try:
                    with heeding_cancellation():
                        last = last or await self._newest(bus)
                        answer: Any = await bus.xread(
                            {self._stream: last}, block=_BLOCK_MILLISECONDS
                        )
                except BUS_ERRORS:
                    await self._clock.sleep(_RETRY_SECONDS)
                    continue
                for _, found in answer or ():
                    entries = read_entries(found)
                    last = entries[-1].position
                    self._tell([entry.event for entry in entries if entry.event is not None])

    async def _newest(self, bus: Any) -> str:
        entries = await bus.xrevrange(self._stream, count=1)
        return str(entries[0][0]) if entries else BEGINNING
