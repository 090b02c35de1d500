"""Service: publishes what the outbox holds to the Redis stream, in order and at least once.

Theory of operation
    Events are in the log; the outbox holds bundles of those that are not published. One transaction takes a batch of bundles
    out of it and adds their events to the stream; only then does it commit. If anything fails on the way the batch is still
    in the outbox, and is published again: the same events, with the same ids. While Redis is away the outbox grows and
    nothing else is held up; afterwards it drains in order. Many runtimes may run a relay: one publishes at a time, under an
    advisory lock, and any of them can.

    Redis may lose what it took: its last second in a crash, more where a replica takes over or its disk is gone. The number of
    each batch is kept on both sides, and they are compared with every batch, when a relay begins, after every failure, and
    twice a minute where nothing happens. What is missing goes into the outbox again, before everything else.
"""

from __future__ import annotations

import random
from typing import Final

import psycopg
from redis.asyncio import Redis

from runtime.bus import BUS_ERRORS
from runtime.clock import Clock
from runtime.config import Config
from runtime.core.floors import Sweeps
from runtime.core.pauses import doubled_pause
from runtime.logs import get_logger
from runtime.publishing import EventsLost, Publisher
from runtime.service import stop_if_cancelled
from runtime.store.outbox import Batch, lock_relay, take_back, take_events
from runtime.store.pool import Connection, Pool, borrow
from runtime.tools.waiting import time_limit
from runtime.wake import SELDOM, Bell, until_next

_log = get_logger("relay")
_BATCH: Final = 500
# Numbers are given out before events are committed: one that comes late must not be passed over.
_MARGIN: Final = 50_000
_FIRST_RETRY_SECONDS: Final = 0.1
_LONGEST_RETRY_SECONDS: Final = 10.0
# What another relay is publishing takes milliseconds; what it could not see yet is ours.
_STANDBY_SECONDS: Final = 0.05
# What was committed last is worth a moment of a stopping process; the rest stays in the outbox for others.
_FAREWELL_SECONDS: Final = 2.0
_AWAY: Final = (*BUS_ERRORS, psycopg.OperationalError)


class Relay:
    """The way from the outbox to the stream.

    Args:
        pool: the database.
        bus: Redis, from `runtime.bus.open_bus`.
        config: names the stream, its length and the safety poll.
        clock: for waiting.
        bell: rung by whoever has committed events.
    """

    name = "relay"

    def __init__(self, pool: Pool, bus: Redis, config: Config, clock: Clock, bell: Bell) -> None:
        self._pool = pool
        self._publisher = Publisher(bus, config)
        self._config = config
        self._clock = clock
        self._bell = bell
        self._sweeps = Sweeps()
        self._newest = 0
        self._rest_seconds = SELDOM * config.poll.total_seconds()
        self._look_at = float("-inf")

    async def run(self) -> None:
        """Publish until cancelled, and then what was committed last."""
        try:
            await self._publish_forever()
        finally:
            await self._publish_last()

    async def run_once(self) -> int:
        """Publish one batch; how many events it had. None are published while another relay is at work.

        Raises:
            RedisError: Redis is away or refused; the events stay in the outbox.
            psycopg.OperationalError: the database is away; the events stay in the outbox.
        """
        return await self._publish_batch() or 0

    async def _publish_forever(self) -> None:
        failures = 0
        while True:
            stop_if_cancelled()
            try:
                published = await self._publish_batch()
            except _AWAY as error:
                failures += 1
                self._look_at = float("-inf")
                if failures == 1:
                    reason = " ".join(str(error).split())
                    _log.warning("events are not published, and wait in the outbox: %s", reason)
                await self._clock.sleep(_retry_seconds(failures))
                continue
            if failures:
                _log.info("events are published again")
                failures = 0
            if published is None:
                await self._clock.sleep(_STANDBY_SECONDS)
            elif published < _BATCH:
                await self._bell.sleep(until_next(None, self._rest_seconds))

    async def _publish_last(self) -> None:
        try:
            async with time_limit(self._clock, _FAREWELL_SECONDS):
                while await self.run_once() >= _BATCH:
                    pass
        except (*_AWAY, TimeoutError):
            _log.info("the last events stay in the outbox, for the next runtime")

    async def _publish_batch(self) -> int | None:
        """Publish one batch: how many events, or None if another relay is at work."""
        try:
            return await self._try_batch()
        except EventsLost as lost:
            await self._take_back(lost)
            return await self._try_batch()

    async def _try_batch(self) -> int | None:
        async with borrow(self._pool) as connection, connection.transaction():
            if not await lock_relay(connection):
                return None
            batch = await self._take(connection)
            now = self._clock.monotonic()
            if batch.events or now >= self._look_at:
                await self._publisher.publish(batch)
                self._look_at = now + self._rest_seconds
            return batch.events

    async def _take_back(self, lost: EventsLost) -> None:
        """Have published again what Redis lost; nothing if it is only that we had not met it before."""
        async with borrow(self._pool) as connection, connection.transaction():
            if not await lock_relay(connection):
                return
            self._publisher.bus_id = lost.bus
            most = self._config.stream_length
            found = await take_back(connection, bus=lost.bus, held=lost.held, most=most)
        if found.events:
            _log.warning("Redis has lost events: %d are published again", found.events)
        if found.since is not None and not found.is_all:
            _log.warning(
                "those published before %s may be missing: `ordinaut events replay --from` publishes them again",
                found.since.strftime("%Y-%m-%dT%H:%M:%SZ"),
            )

    async def _take(self, connection: Connection) -> Batch:
        began, bus = self._clock.monotonic(), self._publisher.bus_id
        if not self._sweeps.are_due(began):
            after = self._newest - _MARGIN
            batch = await take_events(connection, limit=_BATCH, bus=bus, after=after)
        else:
            batch = await take_events(connection, limit=_BATCH, bus=bus)
            self._sweeps.swept(began, self._clock.monotonic())
        self._newest = max(self._newest, batch.newest)
        return batch


def _retry_seconds(failures: int) -> float:
    """The wait after so many failures in a row: doubling, bounded, and less up to half of it."""
    bound = doubled_pause(failures, first=_FIRST_RETRY_SECONDS, longest=_LONGEST_RETRY_SECONDS)
    return bound * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
