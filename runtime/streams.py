"""Service: reads the Redis streams that Projects declare, as one consumer of each group.

Theory of operation
    An entry is acknowledged after its event is committed, and not before: a runtime that dies in between leaves it pending, and
    another takes it over when nobody has touched it for a while. Read twice, it is the same event by its id, and counts once.
    What no event can be made of is set aside, with its reason, and acknowledged as well: it holds up nobody. So is what was
    handed out again and again, to runtimes that did not come to its end.

    Each stream has a task of its own: one whose server is away holds up no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg_pool import PoolTimeout
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from runtime.bus import BUS_ERRORS, open_bus
from runtime.clock import Clock
from runtime.core.pauses import doubled_pause
from runtime.core.streaming import MOST_DELIVERIES, StreamSource, read_entry
from runtime.core.webhooks import NotUnderstood
from runtime.errors import OrdinautError
from runtime.logs import get_logger
from runtime.registry import Registry
from runtime.service import end_tasks, stop_if_cancelled
from runtime.store.events import Event
from runtime.store.pool import Connection, Pool, borrow
from runtime.store.streams import Poison, list_streams, take_in
from runtime.wake import Bell

_log = get_logger("streams")
_AT_ONCE: Final = 200
_BLOCK_MILLISECONDS: Final = 1000
_PATIENCE_SECONDS: Final = 30.0
# After so long without a word a consumer is dead: what it has pending is another's.
_IDLE: Final = 30_000
_TAKE_OVER_SECONDS: Final = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0

Entries = Sequence[tuple[str, Mapping[str, str] | None]]


class Streams:
    """Service: the readers of one process."""

    name = "streams"

    def __init__(
        self,
        pool: Pool,
        registry: Registry,
        bus_url: str,
        clock: Clock,
        bell: Bell,
        *,
        consumer: str,
    ) -> None:
        self._pool = pool
        self._registry = registry
        self._bus_url = bus_url
        self._clock = clock
        self._bell = bell
        self._consumer = consumer
        self._readers: dict[StreamSource, asyncio.Task[None]] = {}

    async def run(self) -> None:
        try:
            while True:
                stop_if_cancelled()
                with contextlib.suppress(psycopg.OperationalError, PoolTimeout):
                    await self._look()
                await self._bell.sleep(_PATIENCE_SECONDS * random.uniform(0.8, 1.0))  # noqa: S311 - spreads load
        finally:
            await end_tasks(tuple(self._readers.values()))

    async def _look(self) -> None:
        """Read what is declared now, and nothing else."""
        async with borrow(self._pool) as connection:
            wanted = set(await list_streams(connection))
        gone = [source for source in self._readers if source not in wanted]
        await end_tasks([self._readers.pop(source) for source in gone])
        for source in wanted - self._readers.keys():
            task = asyncio.create_task(self._read(source), name=f"stream {source.label}")
            self._readers[source] = task

    async def _read(self, source: StreamSource) -> None:
        failures, is_new = 0, True
        while True:
            stop_if_cancelled()
            try:
                async with open_bus(await self._url(source)) as redis:
                    reader = Reader(self._pool, redis, source, self._consumer, self._clock)
                    await reader.begin(is_new=is_new)
                    is_new = False
                    while True:
                        await reader.turn()
                        failures = 0
            except (*BUS_ERRORS, OrdinautError, psycopg.OperationalError, PoolTimeout) as error:
                failures += 1
                if failures == 1:
                    _log.warning("stream %s: %s", source.label, " ".join(str(error).split()))
            except Exception:  # noqa: BLE001 - one stream that cannot be read must not stop the others
                failures += 1
                _log.exception("stream %s failed in the runtime itself", source.label)
            pause = doubled_pause(failures, first=_FIRST_PAUSE, longest=_LONGEST_PAUSE)
            await self._clock.sleep(pause)

    async def _url(self, source: StreamSource) -> str:
        if source.url is None:
            return self._bus_url
        await self._registry.collect_secrets(source.project, [source.url])
        url: str = self._registry.secrets(source.project, [source.url])[source.url]
        return url


@dataclass(slots=True)
class Reader:
    """One consumer of one stream, over one connection. After any failure, another takes its place, and begins with what this
    one left pending."""

    pool: Pool
    redis: Redis
    source: StreamSource
    consumer: str
    clock: Clock
    idle: int = _IDLE
    _own: str = "0"
    _taken_over_at: float = -_TAKE_OVER_SECONDS

    async def begin(self, *, is_new: bool) -> None:
        """Make the group, if there is none. One that was lost with its server's memory begins with all there is."""
        at = "$" if is_new and self.source.start == "new" else "0"
        try:
            await self.redis.xgroup_create(
                self.source.stream, self.source.group, at, mkstream=True
            )
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def turn(self) -> int:
        """Read some entries, and put them on record; how many there were."""
        now = self.clock.monotonic()
        if now - self._taken_over_at >= _TAKE_OVER_SECONDS:
            self._taken_over_at = now
            await self._take_over()
        # What is pending of our own comes first: it was read by somebody of our name who could not write it.
        entries = await self._next()
        if self._own != ">":
            self._own = entries[-1][0] if len(entries) == _AT_ONCE else ">"
            entries = entries or await self._next()
        await self._take_in(entries)
        return len(entries)

    async def _next(self) -> Entries:
        answer = await self.redis.xreadgroup(
            self.source.group,
            self.consumer,
            {self.source.stream: self._own},
            count=_AT_ONCE,
            block=_BLOCK_MILLISECONDS,
        )
        return _entries(answer)

    async def _take_over(self) -> None:
        """Take over what dead consumers have pending."""
        at = "0-0"
        while True:
            at, entries, *_ = await self.redis.xautoclaim(
                self.source.stream, self.source.group, self.consumer, self.idle, at, count=_AT_ONCE
            )
            await self._take_in(entries, await self._deliveries(entries))
            if at == "0-0":
                return

    async def _deliveries(self, entries: Entries) -> Mapping[str, int]:
        """How often each of these was handed to somebody."""
        if not entries:
            return {}
        found = await self.redis.xpending_range(
            self.source.stream,
            self.source.group,
            min=entries[0][0],
            max=entries[-1][0],
            count=_AT_ONCE,
            consumername=self.consumer,
        )
        return {str(one["message_id"]): int(one["times_delivered"]) for one in found}

    async def _take_in(
        self, entries: Entries, deliveries: Mapping[str, int] | None = None
    ) -> None:
        if not entries:
            return
        # What was deleted since it was handed out holds nothing to keep.
        read = [(one, fields) for one, fields in entries if fields is not None]
        found = [self._read(one, fields, (deliveries or {}).get(one, 0)) for one, fields in read]
        ids = [entry_id for entry_id, _ in entries]
        try:
            async with borrow(self.pool) as connection:
                try:
                    await take_in(connection, found)
                except psycopg.DataError:
                    await self._one_by_one(connection, read, found)
        except psycopg.Error:
            await self._forgive(ids)
            raise
        await self.redis.xack(self.source.stream, self.source.group, *ids)

    async def _forgive(self, ids: Sequence[str]) -> None:
        """That the database is away is no fault of entries: else those of a long outage would look like poison."""
        with contextlib.suppress(*BUS_ERRORS):
            await self.redis.xclaim(
                self.source.stream,
                self.source.group,
                self.consumer,
                0,
                [*ids],
                retrycount=0,
                justid=True,
            )

    async def _one_by_one(
        self,
        connection: Connection,
        read: Sequence[tuple[str, Mapping[str, str]]],
        found: Sequence[Event | Poison],
    ) -> None:
        """The database refuses one of them: that one is set aside."""
        for (entry_id, fields), one in zip(read, found, strict=True):
            try:
                await take_in(connection, [one])
            except psycopg.DataError as error:
                await take_in(connection, [self._poison(entry_id, fields, str(error))])

    def _read(self, entry_id: str, fields: Mapping[str, str], deliveries: int) -> Event | Poison:
        if deliveries > MOST_DELIVERIES:
            return self._poison(entry_id, fields, f"it was handed out {deliveries} times")
        try:
            told = read_entry(self.source, entry_id, fields, self.clock.now())
        except (NotUnderstood, OrdinautError) as reason:
            return self._poison(entry_id, fields, str(reason))
        return Event(told.topic, told.data, told.source, told.event_id)

    def _poison(self, entry_id: str, fields: Mapping[str, str], error: str) -> Poison:
        return Poison(self.source.label, entry_id, fields, error)


def _entries(answer: Any) -> Entries:
    """The entries of one stream, whichever protocol the server speaks."""
    if not answer:
        return ()
    streams: Iterable[Any] = (
        answer.values() if isinstance(answer, dict) else (one[1] for one in answer)
    )
    (entries,) = streams
    return (
        entries[0]
        if isinstance(answer, dict) and entries and isinstance(entries[0], list)
        else entries
    )
