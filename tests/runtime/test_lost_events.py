"""Redis loses events that it took: the relay notices, and publishes them again, in order and before what is new."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from redis.asyncio import Redis

from runtime.bus import open_bus
from runtime.config import Config
from runtime.publishing import EventsLost, beside
from runtime.relay import Relay
from runtime.store.outbox import RELAY_LOCK_ID
from runtime.store.pool import Pool
from runtime.wake import SELDOM, Bell
from tests.support.clock import FakeClock
from tests.support.factories import insert_event
from tests.support.probes import eventually

CONFIG = Config()
MARKS = "{ordinaut:events}:marks"


@pytest.fixture
def rows(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def bus(redis_url: str) -> AsyncIterator[Redis]:
    async with open_bus(redis_url) as bus:
        yield bus


class Loss:
    """A Redis that goes back to what it held a moment ago."""

    def __init__(self, bus: Redis) -> None:
        self.bus = bus

    async def remember(self) -> None:
        self._stream = await self.bus.xrange(CONFIG.stream)
        self._marks = await self.bus.hgetall(MARKS)

    async def happen(self) -> None:
        await self.bus.flushdb()
        for position, fields in self._stream:
            await self.bus.xadd(CONFIG.stream, fields, id=position)
        if self._marks:
            await self.bus.hset(MARKS, mapping=self._marks)


@pytest.fixture
async def clock(clock: FakeClock, database: str) -> FakeClock:
    await clock.attach(database)
    return clock


@pytest.fixture
def loss(bus: Redis) -> Loss:
    return Loss(bus)


@pytest.fixture
def relay(pool: Pool, bus: Redis, clock: FakeClock) -> Relay:
    return Relay(pool, bus, CONFIG, clock, Bell(clock))


async def told(bus: Redis) -> list[str]:
    return [
        event["type"].removeprefix("ordinaut.") for _, event in await bus.xrange(CONFIG.stream)
    ]


async def tell(rows: psycopg.Connection, clock: FakeClock, relay: Relay, *types: str) -> None:
    """Events of one second, published."""
    for kind in types:
        insert_event(rows, kind)
    await relay.run_once()
    await clock.advance(2)


async def test_what_was_lost_goes_out_again_before_what_is_new(
    rows: psycopg.Connection, bus: Redis, relay: Relay, clock: FakeClock, loss: Loss
) -> None:
    await tell(rows, clock, relay, "test.1", "test.2")
    await loss.remember()
    before = await bus.xrange(CONFIG.stream)
    await tell(rows, clock, relay, "test.3", "test.4")
    await tell(rows, clock, relay, "test.5")
    lost = await bus.xrange(CONFIG.stream)
    await loss.happen()

    insert_event(rows, "test.6")
    await relay.run_once()

    now = await bus.xrange(CONFIG.stream)
    assert await told(bus) == [f"test.{n}" for n in range(1, 7)]
    assert now[:2] == before
    assert [event for _, event in now[2:5]] == [event for _, event in lost[2:]]


async def test_a_loss_is_noticed_though_nothing_new_happens(
    rows: psycopg.Connection, bus: Redis, relay: Relay, clock: FakeClock, loss: Loss
) -> None:
    await tell(rows, clock, relay, "test.1")
    await loss.remember()
    await tell(rows, clock, relay, "test.2")
    await loss.happen()
    service = asyncio.create_task(relay.run())
    await eventually(lambda: clock.sleepers == 1, "the relay to sleep")
    assert await told(bus) == ["test.1"]

    await clock.advance(SELDOM * CONFIG.poll.total_seconds())

    await eventually(lambda: _is_there(bus, "test.2"), "the lost event")
    service.cancel()
    await asyncio.gather(service, return_exceptions=True)


async def test_a_relay_that_begins_looks_at_once(
    rows: psycopg.Connection, pool: Pool, relay: Relay, clock: FakeClock, loss: Loss
) -> None:
    await loss.remember()
    await tell(rows, clock, relay, "test.1", "test.2")
    await loss.happen()

    await Relay(pool, loss.bus, CONFIG, clock, Bell(clock)).run_once()

    assert await told(loss.bus) == ["test.1", "test.2"]


@pytest.mark.parametrize("key", [CONFIG.stream, MARKS])
async def test_a_key_that_somebody_deletes_is_noticed(
    rows: psycopg.Connection, bus: Redis, relay: Relay, clock: FakeClock, key: str
) -> None:
    await tell(rows, clock, relay, "test.1", "test.2")
    await bus.delete(key)
    await tell(rows, clock, relay, "test.3")

    assert (await told(bus))[-3:] == ["test.1", "test.2", "test.3"]


async def test_a_loss_upon_a_loss_keeps_the_order(
    rows: psycopg.Connection, bus: Redis, relay: Relay, clock: FakeClock, loss: Loss
) -> None:
    await loss.remember()
    for number in range(1, 6):
        await tell(rows, clock, relay, f"test.{number}")
    await loss.happen()
    await relay.run_once()
    await loss.happen()

    await tell(rows, clock, relay, "test.6")

    assert await told(bus) == [f"test.{n}" for n in range(1, 7)]


async def test_what_never_committed_is_no_loss(
    rows: psycopg.Connection,
    bus: Redis,
    relay: Relay,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await tell(rows, clock, relay, "test.1")
    await bus.hset(MARKS, f"ordinaut/{_installation(rows)}", "9000")
    await tell(rows, clock, relay, "test.2")

    assert await told(bus) == ["test.1", "test.2"]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_trimmed_stream_is_no_loss(
    rows: psycopg.Connection, bus: Redis, relay: Relay, clock: FakeClock
) -> None:
    await tell(rows, clock, relay, "test.1")
    await bus.xtrim(CONFIG.stream, maxlen=0)
    await tell(rows, clock, relay, "test.2")

    assert await told(bus) == ["test.2"]


async def test_two_installations_share_a_redis(
    rows: psycopg.Connection, bus: Redis, relay: Relay, clock: FakeClock
) -> None:
    await bus.hset(
        MARKS, mapping={"bus": "0e7af6ac-43f7-4a36-8a4b-3b1df2a1e3ae", "ordinaut/other": "77"}
    )
    await tell(rows, clock, relay, "test.1")
    await tell(rows, clock, relay, "test.2")

    assert await told(bus) == ["test.1", "test.2"]
    assert (await bus.hgetall(MARKS))["ordinaut/other"] == "77"


async def test_another_redis_gets_what_was_published_in_the_last_hour_and_the_rest_is_said(
    rows: psycopg.Connection,
    bus: Redis,
    relay: Relay,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await tell(rows, clock, relay, "test.old")
    await clock.advance(3600)
    await tell(rows, clock, relay, "test.1")
    await tell(rows, clock, relay, "test.2")
    await bus.flushdb()
    await relay.run_once()
    assert await told(bus) == []
    await tell(rows, clock, relay, "test.3")

    assert await told(bus) == ["test.1", "test.2", "test.3"]
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "Redis has lost events",
        "those published before 2026-01-05T09",
    ]


async def test_no_more_goes_out_again_than_the_stream_holds(
    rows: psycopg.Connection,
    pool: Pool,
    bus: Redis,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    short = Relay(pool, bus, Config(stream_length=3), clock, Bell(clock))
    for number in range(1, 6):
        await tell(rows, clock, short, f"test.{number}")
    await bus.flushdb()
    await tell(rows, clock, short, "test.6")

    assert await told(bus) == ["test.3", "test.4", "test.5", "test.6"]
    assert "may be missing" in caplog.text


async def test_two_redis_at_once_do_not_send_events_to_and_fro(
    rows: psycopg.Connection, pool: Pool, bus: Redis, clock: FakeClock
) -> None:
    """As in the moment when runtimes are moved from one to another."""
    other_stream = "other:{second}"
    relay = Relay(pool, bus, CONFIG, clock, Bell(clock))
    other = Relay(pool, bus, Config(stream=other_stream), clock, Bell(clock))
    for number in range(1, 7):
        await tell(rows, clock, relay if number % 2 else other, f"test.{number}")
    for _ in range(5):
        await clock.advance(60)
        await relay.run_once()
        await other.run_once()

    both = [*await bus.xrange(CONFIG.stream), *await bus.xrange(other_stream)]
    assert {event["type"] for _, event in both} == {f"ordinaut.test.{n}" for n in range(1, 7)}
    assert len(both) <= 8


async def test_a_redis_that_is_known_gets_again_what_it_had_and_nothing_of_another(
    rows: psycopg.Connection, bus: Redis, relay: Relay, clock: FakeClock, loss: Loss
) -> None:
    await tell(rows, clock, relay, "test.1")
    await loss.remember()
    await tell(rows, clock, relay, "test.2")
    rows.execute(
        "insert into ordinaut.published (bus, first_batch, last_batch, published_at, events, occurred_from, sequences)"
        " select gen_random_uuid(), first_batch + 100, last_batch + 100, published_at, events, occurred_from, sequences"
        " from ordinaut.published where events > 0"
    )
    of_another = "select count(*) from ordinaut.published where first_batch > 100"
    before = rows.execute(of_another).fetchone()
    await loss.happen()

    await tell(rows, clock, relay, "test.3")

    assert await told(bus) == ["test.1", "test.2", "test.3"]
    assert rows.execute(of_another).fetchone() == before


async def test_only_the_one_relay_takes_back_what_was_lost(
    rows: psycopg.Connection, relay: Relay, clock: FakeClock, database: str
) -> None:
    """Another may have come first in the moment after the loss was noticed; two would choose the same places in the outbox."""
    await tell(rows, clock, relay, "test.1")
    lost = EventsLost(relay._publisher.bus_id, 0)
    async with await psycopg.AsyncConnection.connect(database) as other:
        await other.execute("select pg_advisory_xact_lock(%s)", (RELAY_LOCK_ID,))
        await relay._take_back(lost)
        assert rows.execute("select count(*) from ordinaut.outbox").fetchone() == (0,)

    await relay._take_back(lost)

    assert rows.execute("select count(*) from ordinaut.outbox").fetchone() == (1,)


def test_what_is_beside_the_stream_is_in_its_slot() -> None:
    assert beside("ordinaut:events", "marks") == "{ordinaut:events}:marks"
    assert beside("{ordinaut}:events", "marks") == "{ordinaut}:events:marks"


async def test_what_was_published_is_remembered_for_an_hour_a_row_a_second(
    rows: psycopg.Connection, relay: Relay, clock: FakeClock
) -> None:
    for number in range(20):
        insert_event(rows, f"test.{number}")
        await relay.run_once()
        await clock.advance(0.25)
    seconds = rows.execute(
        "select events from ordinaut.published where events > 0 order by first_batch"
    ).fetchall()
    assert seconds == [(4,)] * 5

    await clock.advance(3601)
    for _ in range(5):
        await tell(rows, clock, relay, "test.late")
    left = rows.execute("select count(*) from ordinaut.published").fetchone()
    assert left == (5,)


def _installation(rows: psycopg.Connection) -> str:
    found = rows.execute("select installation_id from ordinaut.installation").fetchone()
    return str(found and found[0])


async def _is_there(bus: Redis, kind: str) -> bool:
    return kind in await told(bus)
