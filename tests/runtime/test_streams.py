"""Redis streams of others as events: each entry once, whoever dies, and what can be no event in nobody's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from runtime.bus import open_bus
from runtime.core.streaming import MOST_DELIVERIES, StreamSource
from runtime.keyring import Keyring
from runtime.registry import NoServers, Registry
from runtime.store.pool import Pool
from runtime.streams import Reader, Streams
from runtime.wake import Bell
from tests.support.clock import FakeClock
from tests.support.factories import insert_revision, insert_spec
from tests.support.hearing import Listening
from tests.support.hooks import HEAD
from tests.support.probes import eventually, within
from tests.support.proxy import Proxy

KEY = "shop:orders"
SOURCE = StreamSource.of("home", "orders", {"stream": KEY, "group": "ordinaut", "start": "new"})


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """Whoever writes the stream."""
    async with open_bus(redis_url) as client:
        yield client


class Reading:
    """Consumers of one stream."""

    def __init__(self, pool: Pool, redis: Redis, url: str, clock: FakeClock) -> None:
        self.pool = pool
        self.redis = redis
        self.clock = clock
        self._url = url
        self.opened: list[Redis] = []

    async def reader(self, name: str = "one", **fields: Any) -> Reader:
        """A consumer that has begun; it takes over what is pending at once."""
        body = {"stream": KEY, "group": "ordinaut", "start": "new", **fields}
        source = StreamSource.of("home", "orders", body)
        client = open_bus(self._url)
        self.opened.append(client)
        reader = Reader(self.pool, client, source, name, self.clock, idle=0)
        await reader.begin(is_new=True)
        return reader

    async def pending(self) -> int:
        summary = await self.redis.xpending(KEY, "ordinaut")
        return int(summary["pending"])


@pytest.fixture
async def reading(
    pool: Pool, redis: Redis, redis_url: str, clock: FakeClock
) -> AsyncIterator[Reading]:
    reading = Reading(pool, redis, redis_url, clock)
    yield reading
    for client in reading.opened:
        await client.aclose()


async def events(listening: Listening) -> list[tuple[Any, ...]]:
    return await listening.rows(
        "select topic, source, event_id, data from ordinaut.event order by event_no"
    )


async def poison(listening: Listening) -> list[tuple[Any, ...]]:
    return await listening.rows("select source, error from ordinaut.poison order by entry_id")


def declare(database: str, **fields: str) -> None:
    """A Project that reads the stream."""
    stream = {"stream": KEY, "group": "ordinaut", **fields}
    body = {**HEAD, "namespace": "default", "name": "home", "streams": {"orders": stream}}
    with psycopg.connect(database, autocommit=True) as rows:
        insert_spec(rows, body, revision_id=insert_revision(rows))


async def test_an_entry_is_an_event_and_is_acknowledged(
    reading: Reading, listening: Listening
) -> None:
    reader = await reading.reader()
    entry = await reading.redis.xadd(KEY, {"order": "17", "total": "5"})

    assert await reader.turn() == 1

    assert await events(listening) == [("orders", "home/orders", entry, {"order": "17", "total": "5"})]  # fmt: skip
    assert await reading.pending() == 0


async def test_a_stream_says_topic_id_and_data(reading: Reading, listening: Listening) -> None:
    reader = await reading.reader(id="key", data="payload", topic="shop.${event.type}.${event.data.kind}")  # fmt: skip
    for _ in range(2):
        await reading.redis.xadd(
            KEY, {"key": "o-1", "type": "order", "payload": '{"kind": "paid"}'}
        )

    await reader.turn()

    assert await events(listening) == [("shop.order.paid", "home/orders", "o-1", {"kind": "paid"})]


@pytest.mark.parametrize("start", ["new", "oldest"])
async def test_a_new_group_begins_where_it_is_told(
    reading: Reading, listening: Listening, start: str
) -> None:
    await reading.redis.xadd(KEY, {"order": "1"})
    reader = await reading.reader(start=start)
    await reading.redis.xadd(KEY, {"order": "2"})

    await reader.turn()

    assert [data["order"] for *_, data in await events(listening)] == ["1", "2"][start == "new" :]


async def test_what_a_dead_consumer_left_pending_is_taken_over(
    reading: Reading, listening: Listening
) -> None:
    await reading.reader("dead")
    await reading.redis.xadd(KEY, {"order": "1"})
    await reading.redis.xreadgroup("ordinaut", "dead", {KEY: ">"})

    await (await reading.reader("alive")).turn()

    assert [data["order"] for *_, data in await events(listening)] == ["1"]
    assert await reading.pending() == 0


async def test_what_is_alive_keeps_what_it_has(reading: Reading, listening: Listening) -> None:
    await reading.reader("slow")
    await reading.redis.xadd(KEY, {"order": "1"})
    await reading.redis.xreadgroup("ordinaut", "slow", {KEY: ">"})
    other = await reading.reader("other")
    other.idle = 60_000

    await other.turn()

    assert await events(listening) == []
    assert await reading.pending() == 1


async def test_what_was_written_and_not_acknowledged_counts_once(
    reading: Reading, listening: Listening
) -> None:
    reader = await reading.reader()
    await reading.redis.xadd(KEY, {"order": "1"})
    whole = reader.redis.xack

    async def away(*_: Any) -> int:
        raise RedisError("it went away")

    reader.redis.xack = away  # type: ignore[method-assign]  # the connection is cut here
    with pytest.raises(RedisError):
        await reader.turn()
    reader.redis.xack = whole  # type: ignore[method-assign]  # and back
    assert (len(await events(listening)), await reading.pending()) == (1, 1)

    await (await reading.reader()).turn()

    assert (len(await events(listening)), await reading.pending()) == (1, 0)


async def test_nothing_is_acknowledged_that_is_not_on_record(
    reading: Reading, listening: Listening
) -> None:
    reader = await reading.reader()
    await reading.redis.xadd(KEY, {"order": "1"})
    await listening.connection.execute("alter table ordinaut.event rename to elsewhere")
    with pytest.raises(psycopg.Error):
        await reader.turn()
    assert await reading.pending() == 1
    await listening.connection.execute("alter table ordinaut.elsewhere rename to event")

    await (await reading.reader()).turn()

    assert len(await events(listening)) == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"payload": '{"kind'}, "no JSON"),
        ({"other": "1"}, "no field payload"),
        ({"payload": "{}"}, "no field key"),
        ({"key": "1", "payload": "[" * 99 + "]" * 99}, "deeper than"),
        ({"key": "1", "payload": '"' + "x" * 1_048_576 + '"'}, "larger than"),
        ({"key": "1", "payload": "{}"}, "kind"),
        ({"key": "1", "payload": b"\xff"}, "no JSON"),
    ],
)
async def test_what_can_be_no_event_is_set_aside_and_holds_up_nobody(
    reading: Reading, listening: Listening, fields: dict[Any, Any], words: str
) -> None:
    reader = await reading.reader(id="key", data="payload", topic="shop.${event.data.kind}")
    good = {"key": "9", "payload": '{"kind": "paid"}'}
    await reading.redis.xadd(KEY, fields)
    await reading.redis.xadd(KEY, good)

    await reader.turn()

    assert [topic for topic, *_ in await events(listening)] == ["shop.paid"]
    ((source, error),) = await poison(listening)
    assert source == "home/orders"
    assert words in error
    assert await reading.pending() == 0
    assert await listening.rows(
        "select type, subject from ordinaut.event_log where type = 'event.set_aside'"
    ) == [("event.set_aside", "home/orders")]


async def test_what_is_handed_out_again_and_again_is_set_aside(
    reading: Reading, listening: Listening
) -> None:
    await reading.reader("dying")
    await reading.redis.xadd(KEY, {"order": "1"})
    await reading.redis.xreadgroup("ordinaut", "dying", {KEY: ">"})
    for _ in range(MOST_DELIVERIES):
        await reading.redis.xautoclaim(KEY, "ordinaut", "dying", 0, "0-0")

    await (await reading.reader("alive")).turn()

    assert await events(listening) == []
    ((_, error),) = await poison(listening)
    assert "handed out" in error


async def test_what_was_handed_out_while_the_database_was_away_is_no_poison(
    reading: Reading, listening: Listening
) -> None:
    await reading.reader()
    await reading.redis.xadd(KEY, {"order": "1"})
    await listening.connection.execute("alter table ordinaut.event rename to elsewhere")
    for number in range(MOST_DELIVERIES + 2):
        # Each is a runtime that somebody starts anew, and that tries twice.
        for _ in range(2):
            with pytest.raises(psycopg.Error):
                await (await reading.reader(f"r{number}")).turn()
    await listening.connection.execute("alter table ordinaut.elsewhere rename to event")

    await (await reading.reader("last")).turn()

    assert [data["order"] for *_, data in await events(listening)] == ["1"]
    assert await poison(listening) == []


async def test_new_means_new_though_the_server_was_away_at_first(
    reading: Reading, listening: Listening, redis_url: str, database: str, tmp_path: Any
) -> None:
    declare(database, start="new")
    await reading.redis.xadd(KEY, {"order": "old"})
    clock = listening.clock
    async with Proxy(redis_url) as proxy:
        proxy.refuse()
        registry = Registry(listening.pool, NoServers(), clock, Keyring(tmp_path, clock))
        streams = Streams(listening.pool, registry, proxy.url, clock, Bell(clock), consumer="c")
        serving = asyncio.create_task(streams.run())
        await eventually(lambda: clock.sleepers == 2, "the service and its reader to wait")
        await proxy.resume()
        await clock.advance(1)

        async def begun() -> bool:
            return bool(await reading.redis.xinfo_groups(KEY))

        await eventually(begun, "the group to be made")
        await reading.redis.xadd(KEY, {"order": "new"})

        async def arrived() -> bool:
            return bool(await events(listening))

        await eventually(arrived, "an event to be on record")
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    assert [data["order"] for *_, data in await events(listening)] == ["new"]


async def test_a_group_that_is_lost_begins_with_all_there_is(
    reading: Reading, listening: Listening
) -> None:
    reader = await reading.reader()
    await reading.redis.delete(KEY)
    await reading.redis.xadd(KEY, {"order": "1"})
    with pytest.raises(RedisError, match="NOGROUP"):
        await reader.turn()

    await reader.begin(is_new=False)
    await reader.turn()

    assert [data["order"] for *_, data in await events(listening)] == ["1"]


async def test_consumers_that_race_take_each_entry_once(
    reading: Reading, listening: Listening
) -> None:
    readers = [await reading.reader(f"r{number}") for number in range(3)]
    for number in range(300):
        await reading.redis.xadd(KEY, {"order": str(number)})

    async def read(reader: Reader) -> None:
        while await reader.turn():
            pass

    await asyncio.gather(*(read(reader) for reader in readers))

    rows = await listening.rows("select count(*), count(distinct data ->> 'order') from ordinaut.event")  # fmt: skip
    assert rows == [(300, 300)]
    assert await reading.pending() == 0


async def test_the_service_reads_what_projects_declare(
    reading: Reading, listening: Listening, redis_url: str, database: str, tmp_path: Any
) -> None:
    declare(database, start="oldest")
    await listening.listen("orders")
    await reading.redis.xadd(KEY, {"order": "1"})
    clock, bell = listening.clock, Bell(listening.clock)
    registry = Registry(listening.pool, NoServers(), clock, Keyring(tmp_path, clock))
    streams = Streams(listening.pool, registry, redis_url, clock, bell, consumer="c")
    serving = asyncio.create_task(streams.run())

    async def arrived() -> None:
        while not await events(listening):
            pass

    await within(arrived(), "the event is on record")
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    await listening.arrivals.run_once()
    await listening.decide()
    assert await listening.rows("select event #>> '{data,order}', state from ordinaut.run") == [("1", "queued")]  # fmt: skip
