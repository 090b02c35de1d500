"""Waiting with a limit, on the program's own clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from runtime.clock import Clock


@asynccontextmanager
async def time_limit(clock: Clock, seconds: float) -> AsyncIterator[None]:
    """Like `asyncio.timeout`, but by `clock`.

    The body stays in the calling task, so nothing that it acquired can be lost between two tasks.

    Raises:
        TimeoutError: `seconds` passed first; the body was cancelled.
    """
    async with asyncio.timeout(None) as limit:
        timer = asyncio.create_task(_expire(clock, seconds, limit))
        try:
            yield
        finally:
            timer.cancel()


@asynccontextmanager
async def silence_limit(
    clock: Clock, silence: timedelta | None
) -> AsyncIterator[Callable[[], None] | None]:
    """Like `time_limit`, but the time begins anew whenever what it gives is called; with None there is no limit.

    Raises:
        TimeoutError: nothing was heard for so long; the body was cancelled.
    """
    if silence is None:
        yield None
        return
    heard = asyncio.Event()
    async with asyncio.timeout(None) as limit:
        watch = asyncio.create_task(_expire_in_silence(clock, silence, heard, limit))
        try:
            yield heard.set
        finally:
            watch.cancel()


async def _expire_in_silence(
    clock: Clock, silence: timedelta, heard: asyncio.Event, limit: asyncio.Timeout
) -> None:
    while True:
        try:
            async with time_limit(clock, silence.total_seconds()):
                await heard.wait()
        except TimeoutError:
            limit.reschedule(0)
            return
        heard.clear()


async def _expire(clock: Clock, seconds: float, limit: asyncio.Timeout) -> None:
    await clock.sleep(seconds)
    limit.reschedule(0)  # an instant in the past: it fires at once


class Deadline:
    """An instant on the monotonic clock by which something must be over."""

    __slots__ = ("_at", "_clock")

    def __init__(self, clock: Clock, span: timedelta) -> None:
        self._clock = clock
        self._at = clock.monotonic() + span.total_seconds()

    def remaining(self) -> float:
        """Seconds left; never below zero."""
        return max(0.0, self._at - self._clock.monotonic())

    async def wait(self, event: asyncio.Event) -> None:
        """Wait for an event.

        Raises:
            TimeoutError: time was up first.
        """
        async with time_limit(self._clock, self.remaining()):
            await event.wait()


async def cancel_all(*tasks: asyncio.Future[Any]) -> None:
    """Cancel and wait until each has really ended; what they raise is dropped."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
