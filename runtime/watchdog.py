"""Sees to it that a runtime works, or ends: being alive is not enough.

Two things keep a process alive that does nothing. A service may wait for what never comes: then somebody wants something
of it, and it takes no turn. Or the event loop itself stands still: then nothing on it could notice, so a thread does. Either
way the process ends with a code, and whoever started it starts it again; leases run out, and nothing is lost.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final, Self

from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.core.spans import rough_span
from runtime.errors import EXIT_STUCK
from runtime.service import ServiceGroup, ServiceStuck

# How long what is left of a stuck runtime may take to hand back what it holds.
_FAREWELL_SECONDS: Final = 60.0


class Watchdog:
    """Ends the runtime when a service takes no turn although somebody wants something of it.

    Args:
        group: the services.
        wanted: for each service that is watched, whether there is something for it to do.
        clock: by which turns are waited for.
        stall: how long is too long.
    """

    name = "watchdog"

    def __init__(
        self,
        group: ServiceGroup,
        wanted: Mapping[str, Callable[[], bool]],
        clock: Clock,
        stall: timedelta,
    ) -> None:
        self._group = group
        self._wanted = wanted
        self._clock = clock
        self._stall = stall
        self._seen: dict[str, tuple[int, float]] = {}

    async def run(self) -> None:
        """Watch, for as long as nothing is wrong.

        Raises:
            ServiceStuck: ORD316, naming the service.
        """
        while True:
            self._look()
            await self._clock.sleep(self._stall.total_seconds() / 4)

    def _look(self) -> None:
        now = self._clock.monotonic()
        for name, is_wanted in self._wanted.items():
            turns = self._group.turns(name)
            before, since = self._seen.get(name, (turns, now))
            if turns != before or not is_wanted():
                since = now
            self._seen[name] = (turns, since)
            if now - since >= self._stall.total_seconds():
                raise ServiceStuck(
                    f"service {name} has made no progress for {rough_span(self._stall)}",
                    hint="the runtime ends, to be started again; its log may say what the service waited for",
                )


class LoopGuard:
    """Ends the process when its event loop stands still. Use as a context manager, on the loop."""

    def __init__(self, stall: timedelta, clock: Clock = SYSTEM_CLOCK) -> None:
        self._stall = stall.total_seconds()
        self._clock = clock
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="loop guard", daemon=True)
        self._beaten_at = clock.monotonic()
        self._end_by: float | None = None

    def __enter__(self) -> Self:
        self._beat(asyncio.get_running_loop())
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._end_by is None:
            self._over.set()

    def expect_end(self) -> None:
        """From now on the process has a minute left, whatever it waits for."""
        self._end_by = self._clock.monotonic() + _FAREWELL_SECONDS

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        self._beaten_at = self._clock.monotonic()
        loop.call_later(self._stall / 4, self._beat, loop)

    def _watch(self) -> None:
        while not self._over.wait(self._stall / 4):
            now = self._clock.monotonic()
            stands_still = now - self._beaten_at > self._stall and self._end_by is None
            if stands_still or (self._end_by is not None and now > self._end_by):
                # Where every thread stands is all that can still be said.
                print("the event loop stands still; the runtime ends", file=sys.stderr, flush=True)  # noqa: T201 - logging could wait for a lock
                faulthandler.dump_traceback(all_threads=True)
                os._exit(EXIT_STUCK)
