"""When a server process is to be replaced although it still works: it has grown too large, or too old.

Its memory is that of every process of its session, so of all it started and did not send away with `setsid`. Counted is
PSS, where the kernel tells it: of a page that several processes share, each bears its part, so that a server which forks
is not counted twice. Where it does not, RSS is counted, which is never less.

It is looked at seldom, outside of the event loop. A server that is too large at the first look of its life is not cured
by a restart: the looks then come more and more seldom.
"""

from __future__ import annotations

import asyncio
import logging
import os
from datetime import timedelta
from pathlib import Path
from typing import Final

from runtime.clock import Clock
from runtime.core.spans import exact_span
from runtime.tools.definition import ServerDefinition

LOOK_SECONDS: Final = 10.0
LONGEST_LOOK_SECONDS: Final = 600.0
_HAIR_SECONDS: Final = 0.001
_PROCESSES: Final = Path("/proc")
_PSS: Final = "Pss:"

_log = logging.getLogger("ordinaut.tools")


class Wear:
    """Tells of one server after the other, each in its turn, when it is worn out.

    Attributes:
        memory: bytes that the newest had at the last look; None if nobody looked.
    """

    def __init__(self, definition: ServerDefinition, clock: Clock) -> None:
        self.memory: int | None = None
        self._key = definition.key
        self._most_memory = definition.memory_bytes
        self._most_age = (definition.max_age or timedelta.max).total_seconds()
        self._clock = clock
        self._pause = LOOK_SECONDS

    def matters(self) -> bool:
        """Whether there is anything to look for."""
        return self._most_memory is not None or self._most_age < timedelta.max.total_seconds()

    async def out(self, pid: int) -> None:
        """Wait until this process, which has just started, is worn out, and log in what way."""
        born, looks = self._clock.monotonic(), 0
        while True:
            left = self._most_age - (self._clock.monotonic() - born)
            if left <= _HAIR_SECONDS:
                _log.info(
                    "tool server %s is %s old: it is replaced",
                    self._key,
                    exact_span(self._most_age),
                )
                return
            look = LONGEST_LOOK_SECONDS if self._most_memory is None else self._pause
            await self._clock.sleep(min(left, look))
            looks += 1
            if await self._is_too_large(pid, first=looks == 1):
                _log.warning(
                    "tool server %s has %s, more than its %s: it is replaced",
                    self._key,
                    _megabytes(self.memory),
                    _megabytes(self._most_memory),
                )
                return

    async def again(self) -> None:
        """Wait until it is time to try once more to replace one that is worn out."""
        await self._clock.sleep(self._pause)
        self._pause = min(self._pause * 2, LONGEST_LOOK_SECONDS)

    async def _is_too_large(self, pid: int, *, first: bool) -> bool:
        if self._most_memory is None:
            return False
        memory = await asyncio.to_thread(memory_of, pid)
        if memory is None and _has_ended(pid):
            return False  # that is noticed elsewhere, and the next in its place is looked at again
        self.memory = memory
        if self.memory is None:
            _log.warning("the memory of %s cannot be told on this system", self._key)
            self._most_memory = None
            return False
        if self.memory <= self._most_memory:
            self._pause = LOOK_SECONDS
            return False
        if first:
            self._pause = min(self._pause * 2, LONGEST_LOOK_SECONDS)
        return True


def memory_of(leader: int) -> int | None:
    """Bytes of memory that a session's processes have together; None where that cannot be told, or none is left."""
    members = [entry for entry in _entries() if _session(entry) == leader]
    told = [size for size in map(_memory, members) if size is not None]
    return sum(told) if told else None


def _has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # it is another user's
    return False


def _entries() -> list[Path]:
    try:
        return [entry for entry in _PROCESSES.iterdir() if entry.name.isdigit()]
    except OSError:  # no such thing outside of Linux
        return []


def _session(entry: Path) -> int | None:
    try:
        # The name, in brackets, may hold spaces and brackets; after it come the state, parent, group and session.
        return int((entry / "stat").read_text().rpartition(")")[2].split()[3])
    except (OSError, IndexError):  # it has just ended
        return None


def _memory(entry: Path) -> int | None:
    try:
        for line in (entry / "smaps_rollup").read_text().splitlines():
            if line.startswith(_PSS):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # an old kernel, a process of another user, or one that has just ended
    try:
        return int((entry / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return None


def _megabytes(size: int | None) -> str:
    return f"{(size or 0) / 1_000_000:,.0f} MB"
