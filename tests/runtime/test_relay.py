"""The relay moves events from the outbox to the stream: in order, at least once, whatever becomes of Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from runtime.bus import open_bus
from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.config import Config
from runtime.relay import Relay
from runtime.store.outbox import RELAY_LOCK_ID
from runtime.store.pool import Pool, open_pool
from runtime.wake import SELDOM, Bell
from schemas.event import Event
from tests.support.clock import FakeClock, settle
from tests.support.factories import insert_event, insert_run, insert_task
from tests.support.probes import eventually, within
from tests.support.proxy import Proxy

CONFIG = Config()


class HastyClock(FakeClock):
    """Ends every sleep at once, and remembers how long it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        await super().sleep(0)


@pytest.fixture
def rows(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def bus(redis_url: str) -> AsyncIterator[Redis]:
    async with open_bus(redis_url) as bus:
        yield bus


@asynccontextmanager
async def relaying(
    pool: Pool, bus: Redis, clock: Clock = SYSTEM_CLOCK, config: Config = CONFIG
) -> AsyncIterator[Bell]:
    """A relay at work; rings its bell."""
    bell = Bell(clock)
    task = asyncio.create_task(Relay(pool, bus, config, clock, bell).run())
    try:
        yield bell
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def relay(pool: Pool, bus: Redis, config: Config = CONFIG) -> Relay:
    return Relay(pool, bus, config, SYSTEM_CLOCK, Bell(SYSTEM_CLOCK))


async def published(bus: Redis) -> list[Event]:
    entries = await bus.xrange(CONFIG.stream)
    return [Event.model_validate(fields | {"data": {}}) for _, fields in entries]


async def types(bus: Redis) -> list[str]:
    return [event.short_type for event in await published(bus)]


def waiting(rows: psycopg.Connection) -> int:
    found = rows.execute(
        "select coalesce(sum(cardinality(sequences)), 0) from ordinaut.outbox"
    ).fetchone()
    assert found is not None
    return int(found[0])


async def test_an_event_goes_out_as_a_cloud_event(
    rows: psycopg.Connection, pool: Pool, bus: Redis
) -> None:
    task = insert_task(rows)
    run_id = insert_run(rows, task, state="running")
    event_id = insert_event(rows, "run.started", run_id=run_id, data={"task": "briefing", "n": 1})

    assert await relay(pool, bus).run_once() == 1

    [(_, fields)] = await bus.xrange(CONFIG.stream)
    (installation_id, sequence, occurred_at) = rows.execute(
        "select i.installation_id, e.sequence, e.occurred_at"
        " from ordinaut.installation i, ordinaut.event_log e"
    ).fetchone() or (None, None, None)
    assert fields == {
        "specversion": "1.0",
        "id": str(event_id),
        "source": f"ordinaut/{installation_id}",
        "type": "ordinaut.run.started",
        "subject": "briefing",
        "time": f"{occurred_at:%Y-%m-%dT%H:%M:%S.%fZ}",
        "datacontenttype": "application/json",
        "sequence": f"{sequence:019d}",
        "runid": str(run_id),
        "data": '{"n": 1, "task": "briefing"}',
    }


async def test_an_event_without_a_run_has_no_run_id(
    rows: psycopg.Connection, pool: Pool, bus: Redis
) -> None:
    insert_event(rows, "revision.applied", subject="demo")

    await relay(pool, bus).run_once()

    [(_, fields)] = await bus.xrange(CONFIG.stream)
    assert "runid" not in fields


async def test_published_events_leave_the_outbox_and_are_kept_in_the_log(
    rows: psycopg.Connection, pool: Pool, bus: Redis
) -> None:
    ids = [insert_event(rows) for _ in range(3)]

    await relay(pool, bus).run_once()

    logged = rows.execute("select event_id from ordinaut.event_log order by sequence").fetchall()
    assert ([row[0] for row in logged], waiting(rows)) == (ids, 0)
    assert [event.id for event in await published(bus)] == ids


async def test_events_of_one_statement_are_one_row_of_the_outbox_up_to_a_batch(
    rows: psycopg.Connection, pool: Pool, bus: Redis
) -> None:
    rows.execute("select setval('ordinaut.event_sequence', 999)")
    told = "insert into ordinaut.event_log (type, subject, data) select 'a', 'b', '{}' from generate_series(1, %s)"
    for count in (3, 0, 501):
        rows.execute(told, [count])

    bundles = rows.execute("select sequences from ordinaut.outbox order by outbox_id").fetchall()

    assert [sequences for (sequences,) in bundles] == [
        [1000, 1001, 1002],
        list(range(1003, 1500)),
        list(range(1500, 1504)),
    ]
    assert await relay(pool, bus).run_once() == 500
    assert (await relay(pool, bus).run_once(), waiting(rows)) == (4, 0)


async def test_a_bundle_whose_events_somebody_deleted_holds_up_nothing(
    rows: psycopg.Connection, pool: Pool, bus: Redis
) -> None:
    insert_event(rows, "run.started")
    rows.execute("delete from ordinaut.event_log")
    insert_event(rows, "run.failed")

    await relay(pool, bus).run_once()

    assert (await types(bus), waiting(rows)) == (["run.failed"], 0)


async def test_more_than_a_batch_goes_out_at_once_and_in_order(
    rows: psycopg.Connection, pool: Pool, bus: Redis, clock: FakeClock
) -> None:
    rows.execute(
        "insert into ordinaut.event_log (type, subject, data)"
        " select 'test.' || n, 'many', '{}' from generate_series(1, 1203) n"
    )

    async with relaying(pool, bus, clock):
        await eventually(lambda: waiting(rows) == 0, "an empty outbox")

    assert await types(bus) == [f"test.{n}" for n in range(1, 1204)]
    assert clock.monotonic() == 0.0


async def test_the_stream_is_cut_to_about_its_length(
    rows: psycopg.Connection, pool: Pool, bus: Redis
) -> None:
    rows.execute(
        "insert into ordinaut.event_log (type, subject, data)"
        " select 'test.' || n, 'many', '{}' from generate_series(1, 500) n"
    )

    await relay(pool, bus, Config(stream_length=100)).run_once()

    assert 100 <= await bus.xlen(CONFIG.stream) < 300
    assert (await types(bus))[-1] == "test.500"


async def test_an_empty_outbox_publishes_nothing(pool: Pool, bus: Redis) -> None:
    assert await relay(pool, bus).run_once() == 0
    assert await bus.exists(CONFIG.stream) == 0


async def test_a_ring_publishes_at_once(
    rows: psycopg.Connection, pool: Pool, bus: Redis, clock: FakeClock
) -> None:
    async with relaying(pool, bus, clock) as bell:
        await eventually(lambda: clock.sleepers == 1, "the relay to sleep")
        insert_event(rows, "run.started")
        bell.ring()
        await eventually(lambda: waiting(rows) == 0, "an empty outbox")

    assert (await types(bus), clock.monotonic()) == (["run.started"], 0.0)


async def test_without_a_ring_it_looks_by_itself_after_a_while(
    rows: psycopg.Connection, pool: Pool, bus: Redis, clock: FakeClock
) -> None:
    async with relaying(pool, bus, clock):
        await eventually(lambda: clock.sleepers == 1, "the relay to sleep")
        insert_event(rows, "run.started")
        await clock.advance(SELDOM * CONFIG.poll.total_seconds())
        await eventually(lambda: waiting(rows) == 0, "an empty outbox")

    assert await types(bus) == ["run.started"]


async def test_only_one_relay_publishes_at_a_time(
    rows: psycopg.Connection, pool: Pool, bus: Redis, database: str
) -> None:
    insert_event(rows)
    async with await psycopg.AsyncConnection.connect(database) as other:
        await other.execute("select pg_advisory_xact_lock(%s)", (RELAY_LOCK_ID,))
        assert await relay(pool, bus).run_once() == 0
        assert waiting(rows) == 1

    assert await relay(pool, bus).run_once() == 1


async def test_a_standby_takes_over_without_a_ring(
    rows: psycopg.Connection, pool: Pool, bus: Redis, database: str, clock: FakeClock
) -> None:
    insert_event(rows, "run.started")
    async with await psycopg.AsyncConnection.connect(database) as other:
        await other.execute("select pg_advisory_xact_lock(%s)", (RELAY_LOCK_ID,))
        async with relaying(pool, bus, clock):
            await eventually(lambda: clock.sleepers == 1, "the standby to wait")
            await other.rollback()
            await clock.advance(0.1)
            await eventually(lambda: waiting(rows) == 0, "an empty outbox")


async def test_two_relays_keep_the_order_and_repeat_nothing(
    rows: psycopg.Connection, pool: Pool, bus: Redis, database: str
) -> None:
    second = await open_pool(database)
    async with relaying(pool, bus) as one, relaying(second, bus) as other:
        for number in range(400):
            insert_event(rows, f"test.{number}")
            (one if number % 2 else other).ring()
        await eventually(lambda: waiting(rows) == 0, "an empty outbox")
    await second.close()

    assert await types(bus) == [f"test.{number}" for number in range(400)]


async def test_while_redis_is_away_events_wait_and_then_go_out_in_order(
    rows: psycopg.Connection, pool: Pool, redis_url: str, bus: Redis
) -> None:
    async with (
        Proxy(redis_url) as proxy,
        open_bus(proxy.url) as shaky,
        relaying(pool, shaky) as bell,
    ):
        insert_event(rows, "test.0")
        bell.ring()
        await eventually(lambda: waiting(rows) == 0, "the first event to go out")

        proxy.refuse()
        proxy.cut()
        for number in range(1, 6):
            insert_event(rows, f"test.{number}")
            bell.ring()
        assert waiting(rows) == 5

        await proxy.resume()
        await eventually(lambda: waiting(rows) == 0, "an empty outbox")

    assert await types(bus) == [f"test.{number}" for number in range(6)]


async def test_a_refusing_redis_is_asked_ever_more_rarely(
    rows: psycopg.Connection, pool: Pool, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    insert_event(rows)
    clock = HastyClock()
    async with Proxy(redis_url) as proxy, open_bus(proxy.url) as shaky:
        proxy.refuse()
        async with relaying(pool, shaky, clock):
            await eventually(lambda: len(clock.asked) >= 10, "ten tries")

    waits = clock.asked[:10]
    bounds = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0, 10.0]
    assert all(bound / 2 <= wait <= bound for wait, bound in zip(waits, bounds, strict=True))
    assert len([r for r in caplog.records if "wait in the outbox" in r.message]) == 1


async def test_an_answer_that_never_comes_is_published_again_with_the_same_ids(
    rows: psycopg.Connection, pool: Pool, redis_url: str, bus: Redis
) -> None:
    async with Proxy(redis_url) as proxy, open_bus(proxy.url) as shaky:
        unlucky = relay(pool, shaky)
        await unlucky.run_once()
        event_id = insert_event(rows)
        proxy.stall_answers()
        attempt = asyncio.ensure_future(unlucky.run_once())
        await within(proxy.answer_held(), "the answer of Redis")
        proxy.cut()
        with pytest.raises(RedisError):
            await attempt
    assert waiting(rows) == 1

    await relay(pool, bus).run_once()

    assert [event.id for event in await published(bus)] == [event_id, event_id]


async def test_when_the_database_goes_away_the_relay_goes_on_afterwards(
    rows: psycopg.Connection, database: str, bus: Redis
) -> None:
    async with Proxy(database) as proxy:
        pool = await open_pool(proxy.url)
        async with relaying(pool, bus) as bell:
            proxy.cut()
            insert_event(rows, "run.started")
            bell.ring()
            await eventually(lambda: waiting(rows) == 0, "an empty outbox")
        await pool.close()

    assert await types(bus) == ["run.started"]


async def test_a_stream_key_that_is_something_else_holds_events_back(
    rows: psycopg.Connection, pool: Pool, bus: Redis
) -> None:
    await bus.set(CONFIG.stream, "not a stream")
    insert_event(rows)

    with pytest.raises(RedisError, match="wrong kind of value"):
        await relay(pool, bus).run_once()

    assert waiting(rows) == 1


async def test_a_stopping_relay_publishes_what_was_committed_last(
    rows: psycopg.Connection, pool: Pool, bus: Redis, clock: FakeClock
) -> None:
    async with relaying(pool, bus, clock):
        await eventually(lambda: clock.sleepers == 1, "the relay to sleep")
        rows.execute(
            "insert into ordinaut.event_log (type, subject, data)"
            " select 'run.succeeded', 'many', '{}' from generate_series(1, 501)"
        )

    assert (len(await types(bus)), waiting(rows)) == (501, 0)


async def test_a_relay_that_stops_while_redis_hangs_gives_up_soon(
    rows: psycopg.Connection, pool: Pool, redis_url: str, clock: FakeClock
) -> None:
    async with Proxy(redis_url) as proxy, open_bus(proxy.url) as shaky:
        await shaky.ping()
        proxy.stall()
        insert_event(rows)
        task = asyncio.create_task(Relay(pool, shaky, CONFIG, clock, Bell(clock)).run())
        await settle()
        task.cancel()
        await eventually(lambda: clock.sleepers == 1, "the last try")
        await clock.advance(2)
        await within(asyncio.gather(task, return_exceptions=True), "its end")

    assert waiting(rows) == 1


async def test_after_a_slow_look_it_begins_behind_what_it_published_until_it_may_sweep(
    rows: psycopg.Connection, pool: Pool, bus: Redis, clock: FakeClock
) -> None:
    relay = Relay(pool, bus, CONFIG, clock, Bell(clock))

    def insert_at(number: int, kind: str) -> None:
        rows.execute(
            "select setval(pg_get_serial_sequence('ordinaut.outbox', 'outbox_id'), %s)", [number]
        )
        insert_event(rows, kind)

    insert_at(60_000, "run.started")
    assert await relay.run_once() == 1
    relay._sweeps.swept(clock.monotonic() - 0.1, clock.monotonic())
    insert_at(100, "run.failed")
    insert_at(60_100, "run.waiting")

    assert await relay.run_once() == 1
    await clock.advance(6)
    assert await relay.run_once() == 1

    assert await types(bus) == ["run.started", "run.waiting", "run.failed"]
