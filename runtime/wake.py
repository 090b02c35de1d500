"""Wake-ups: a service sleeps until its next due time, a nudge from its own process, or a hint from the database.

A hint can be lost, so every sleep is also bounded by the safety poll, with jitter, so that many runtimes do not look at
the same moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Final

import psycopg

from runtime.clock import Clock
from runtime.logs import get_logger
from runtime.service import stop_if_cancelled
from runtime.store.connect import CONNECT_TIMEOUT_SECONDS
from runtime.store.statements import statement

_log = get_logger("wake")
_RECONNECT_SECONDS = 1.0


class Bell:
    """Rings for one sleeper; a ring while nobody sleeps is kept."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._is_rung = False
        self._sleeper: asyncio.Future[None] | None = None
        self._timer: asyncio.Future[None] | None = None
        # Until when is slept, or the next sleep may last, by the monotonic clock.
        self._until = math.inf

    def ring(self) -> None:
        """Wake the sleeper, or let its next sleep end at once."""
        self._is_rung = True
        if self._sleeper is not None:
            _wake(self._sleeper)

    def ring_in(self, seconds: float) -> None:
        """Let this sleep, or the next if nobody sleeps, be over in so many seconds at the latest."""
        until = self._clock.monotonic() + seconds
        if until < self._until:
            self._until = until
            if self._sleeper is not None:
                self._wind(self._sleeper, seconds)

    @property
    def is_rung(self) -> bool:
        """Whether nobody has woken up since it was rung."""
        return self._is_rung

    async def sleep(self, seconds: float | None) -> bool:
        """Sleep until rung, at most `seconds` if there is a limit; whether it was rung."""
        try:
            if self._is_rung:
                await self._clock.sleep(0)
            else:
                await self._doze(math.inf if seconds is None else seconds)
        finally:
            self._until = math.inf
        was_rung, self._is_rung = self._is_rung, False
        return was_rung

    async def _doze(self, seconds: float) -> None:
        now = self._clock.monotonic()
        seconds = min(seconds, max(0.0, self._until - now))
        self._until = now + seconds
        sleeper = self._sleeper = asyncio.get_running_loop().create_future()
        if seconds < math.inf:
            self._wind(sleeper, seconds)
        try:
            await sleeper
        finally:
            self._sleeper = None
            if self._timer is not None:
                self._timer.cancel()

    def _wind(self, sleeper: asyncio.Future[None], seconds: float) -> None:
        """Wake this sleeper in so many seconds, and no earlier or later timer."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.ensure_future(self._clock.sleep(seconds))
        # Its own sleeper, and not if it was cancelled: the next sleep, or a shorter one, has a timer of its own.
        self._timer.add_done_callback(lambda timer: None if timer.cancelled() else _wake(sleeper))


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)


class Told:
    """Tasks that somebody was told of: each once, in that order, until it was looked at."""

    def __init__(self) -> None:
        self._uids: dict[int, None] = {}
        self._any = asyncio.Event()

    def __len__(self) -> int:
        return len(self._uids)

    def tell(self, task_uids: Iterable[int]) -> None:
        """Have these tasks looked at."""
        self._uids.update(dict.fromkeys(task_uids))
        if self._uids:
            self._any.set()

    async def wait(self) -> None:
        """Wait until there is one to look at."""
        await self._any.wait()

    @contextlib.contextmanager
    def taken(self, count: int) -> Iterator[list[int]]:
        """The first so many, for a block that looks at them; should it fail, they are told of again."""
        batch = list(islice(self._uids, count))
        for uid in batch:
            del self._uids[uid]
        if not self._uids:
            self._any.clear()
        try:
            yield batch
        except BaseException:
            self.tell(batch)
            raise


SELDOM: Final = 12
"""How many safety polls a service waits that the heart looks out for: should even that fail."""


def until_next(due_in: float | None, poll_seconds: float) -> float:
    """How long to sleep when the next work is due in `due_in` seconds (None: none is known).

    Bounded by the safety poll, less up to a fifth of it.
    """
    patience = poll_seconds * random.uniform(0.8, 1.0)  # noqa: S311 - spreads load, guards nothing
    return patience if due_in is None else min(max(0.0, due_in), patience)


class Listener:
    """Service: passes the database's hints on to bells; reconnects by itself.

    Args:
        conninfo: the database itself, since no pooler passes hints on.
        bells: who is woken where something may be due; a hint without a name rings all of them.
        clock: for waiting.
        named: what a hint of each name rings, and that alone.
        listen: the statement that says which hints.
    """

    name = "listener"

    def __init__(
        self,
        conninfo: str,
        bells: tuple[Bell, ...],
        clock: Clock,
        *,
        named: Mapping[str, Bell] = MappingProxyType({}),
        listen: str = "listen",
    ) -> None:
        self._conninfo = conninfo
        self._bells = bells
        self._named = named
        self._clock = clock
        self._statement = statement(listen)

    async def run(self) -> None:
        while True:
            stop_if_cancelled()
            with contextlib.suppress(psycopg.OperationalError):
                await self._listen()
            _log.warning("connection for wake-ups lost; reconnecting")
            await self._clock.sleep(_RECONNECT_SECONDS)

    async def _listen(self) -> None:
        async with await psycopg.AsyncConnection.connect(
            self._conninfo,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            application_name="ordinaut listener",
        ) as connection:
            await connection.execute(self._statement)
            # Whatever happened while nobody listened is looked for now.
            self._ring((*self._bells, *self._named.values()))
            async for hint in connection.notifies():
                bell = self._named.get(hint.payload)
                self._ring(self._bells if bell is None else (bell,))

    @staticmethod
    def _ring(bells: tuple[Bell, ...]) -> None:
        for bell in bells:
            bell.ring()
