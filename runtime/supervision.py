"""Several runtime processes under one parent: what dies is started again, and none outlives the parent.

The parent forks before anything heavy is open, and afterwards only waits: it has no loop, no threads and no connections.
Children lead sessions of their own, so that Ctrl-C in a terminal reaches the parent alone, and each request to stop is
passed on exactly once. Each holds the reading end of a pipe that nobody writes to; when the parent dies, however it does,
the pipe ends, and they drain as if they had been asked to.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.core.pauses import doubled_pause
from runtime.core.spans import rough_span
from runtime.logs import get_logger

_log = get_logger("supervision")
_ASKING: Final = (signal.SIGTERM, signal.SIGINT)
_HEARD: Final = (*_ASKING, signal.SIGCHLD)
_FIRST_WAIT_SECONDS: Final = 1.0
_LONGEST_WAIT_SECONDS: Final = 60.0
# A child hands back what it holds after the grace period; one whose database is silent needs longest for that.
_FAREWELL: Final = timedelta(seconds=40)


@dataclass(frozen=True, slots=True)
class Child:
    """What a child knows of itself.

    Attributes:
        number: from 1; the one that takes its place when it dies has the same.
        lifeline: ends when the parent does.
    """

    number: int
    lifeline: int


@dataclass(slots=True)
class _Slot:
    """The place of one child."""

    number: int
    pid: int | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    failures: int = 0


def supervise(processes: int, grace: timedelta, *, clock: Clock = SYSTEM_CLOCK) -> Child | bool:
    """Keep so many children running until told to stop. Returns in each of them, and in the parent at the end.

    Args:
        processes: how many.
        grace: how long a child may take for its runs when it is asked to stop.
        clock: for pauses and deadlines.

    Returns:
        In a child, what it is. In the parent, whether all of them ended well when they were asked to.
    """
    lifeline, ours = os.pipe()
    parent = _Parent([_Slot(number) for number in range(1, processes + 1)], grace, clock)
    with _signals() as wakes:
        number = parent.run(wakes)
    if number is not None:
        os.close(ours)
        os.setsid()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
        return Child(number, lifeline)
    for end in (lifeline, ours):
        os.close(end)
    return parent.is_whole


class Lifeline:
    """Service: asks this process to stop when its parent is gone."""

    name = "lifeline"

    def __init__(self, child: Child) -> None:
        self._end = child.lifeline

    async def run(self) -> None:
        gone = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._end, gone.set)
        try:
            await gone.wait()
        finally:
            loop.remove_reader(self._end)
        _log.warning("the parent process is gone")
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()


class _Parent:
    def __init__(self, slots: list[_Slot], grace: timedelta, clock: Clock) -> None:
        self._slots = slots
        self._grace = grace
        self._clock = clock
        self._asked = 0
        self._deadline: float | None = None
        self.is_whole = True

    def run(self, wakes: socket.socket) -> int | None:
        """Supervise to the end; in a child, return at once with its number."""
        while True:
            self._reap()
            now = self._clock.monotonic()
            if self._asked == 0:
                for slot in self._slots:
                    if slot.pid is None and slot.start_at <= now and self._fork(slot, now):
                        return slot.number
            elif not any(slot.pid for slot in self._slots):
                return None
            elif self._deadline is not None and self._deadline <= now:
                self._kill()
            ready, _, _ = select.select([wakes], [], [], self._patience(now))
            if ready:
                self._hear(wakes.recv(64))

    def _fork(self, slot: _Slot, now: float) -> bool:
        """Start a child; true in the child, where signals wait until it no longer hears them as the parent does."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
        pid = os.fork()
        if pid == 0:
            return True
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
        slot.pid, slot.started_at = pid, now
        return False

    def _reap(self) -> None:
        """Note who ended; unasked, they are started again after a pause."""
        for slot in self._slots:
            if slot.pid is None:
                continue
            pid, status = os.waitpid(slot.pid, os.WNOHANG)
            if pid == 0:
                continue
            slot.pid = None
            code = os.waitstatus_to_exitcode(status)
            if self._asked:
                # One that had not begun yet ends by the signal itself.
                self.is_whole = self.is_whole and code in {0, -signal.SIGTERM}
                continue
            self._put_off(slot, code)

    def _put_off(self, slot: _Slot, code: int) -> None:
        now = self._clock.monotonic()
        lived = now - slot.started_at
        slot.failures = 1 if lived > _LONGEST_WAIT_SECONDS else slot.failures + 1
        wait = doubled_pause(
            slot.failures, first=_FIRST_WAIT_SECONDS, longest=_LONGEST_WAIT_SECONDS
        )
        slot.start_at = now + wait
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        span = rough_span(timedelta(seconds=wait))
        _log.error("process %d ended %s; started again in %s", slot.number, how, span)

    def _hear(self, numbers: bytes) -> None:
        for number in numbers:
            if number not in _ASKING:
                continue
            self._asked += 1
            if self._deadline is None:
                span = self._grace + _FAREWELL
                self._deadline = self._clock.monotonic() + span.total_seconds()
            self._tell(signal.SIGTERM)

    def _kill(self) -> None:
        _log.error("processes that do not end are killed; their runs go on when their leases end")
        self._tell(signal.SIGKILL)
        self._deadline = None

    def _tell(self, number: signal.Signals) -> None:
        for slot in self._slots:
            if slot.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(slot.pid, number)

    def _patience(self, now: float) -> float | None:
        """Seconds until there is something to do that nobody signals."""
        if self._asked:
            return None if self._deadline is None else max(0.0, self._deadline - now)
        starts = [slot.start_at - now for slot in self._slots if slot.pid is None]
        return max(0.0, min(starts)) if starts else None


@contextmanager
def _signals() -> Iterator[socket.socket]:
    """Signals as bytes to be read; as they were afterwards, in whichever process."""
    wakes, written = socket.socketpair()
    for end in (wakes, written):
        end.setblocking(False)
    wakes.setblocking(True)
    before = {number: signal.signal(number, _noted) for number in _HEARD}
    fd = signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)
    try:
        yield wakes
    finally:
        signal.set_wakeup_fd(fd)
        for number, handling in before.items():
            signal.signal(number, handling)
        wakes.close()
        written.close()


def _noted(*_: object) -> None:
    """What a signal does by itself: it has been written down already."""
