"""A cluster, a primary behind sentinels, and a server that speaks TLS: events go to all of them, and outlast a failover."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from redis import Redis

from runtime.bus import bus_address, bus_errors, connect_bus, open_bus
from runtime.clock import SYSTEM_CLOCK
from runtime.config import Config
from runtime.errors import BusError, ConfigError
from runtime.health import bus_status
from runtime.relay import Relay
from runtime.store.pool import Pool
from runtime.stream import BEGINNING, Selection, entries_after, last_entries, newest_position
from runtime.wake import Bell
from tests.support.certificates import Authority
from tests.support.factories import insert_event
from tests.support.probes import eventually
from tests.support.valkey import OwnValkey, free_port, own_valkey

CONFIG = Config()
SLOTS = 16384


@pytest.fixture
def rows(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[list[OwnValkey]]:
    """Three primaries, each with a third of the slots."""
    async with AsyncExitStack() as stack:
        nodes: list[OwnValkey] = []
        gossip: list[int] = []
        for number in range(3):
            gossip.append(free_port())
            options = ("--cluster-enabled", "yes", "--save", "", "--cluster-port", str(gossip[-1]))
            node = stack.enter_context(own_valkey(tmp_path / f"node{number}", *options))
            await node.start()
            nodes.append(node)
        for number, node in enumerate(nodes):
            with Redis.from_url(node.url) as bus:
                first, last = number * SLOTS // 3, (number + 1) * SLOTS // 3 - 1
                bus.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
                for other, port in zip(nodes, gossip, strict=True):
                    bus.execute_command("CLUSTER", "MEET", "127.0.0.1", other.port, port)
        for node in nodes:
            await eventually(lambda node=node: _is_whole(node), "a cluster of three", seconds=20)
        yield nodes


def _is_whole(node: OwnValkey) -> bool:
    with Redis.from_url(node.url, decode_responses=True) as bus:
        info = str(bus.execute_command("CLUSTER", "INFO"))
        slots = len(bus.execute_command("CLUSTER", "SLOTS"))
    return "cluster_state:ok" in info and "cluster_known_nodes:3" in info and slots == 3


@asynccontextmanager
async def relaying(pool: Pool, url: str) -> AsyncIterator[Bell]:
    bell = Bell(SYSTEM_CLOCK)
    async with open_bus(url) as bus:
        relay = asyncio.create_task(Relay(pool, bus, CONFIG, SYSTEM_CLOCK, bell).run())
        try:
            yield bell
        finally:
            relay.cancel()
            await asyncio.gather(relay, return_exceptions=True)


def told(url: str) -> list[str]:
    with bus_errors(url), connect_bus(url) as bus:
        entries = entries_after(bus, CONFIG.stream, BEGINNING)
        return [entry.event.short_type for entry in entries if entry.event is not None]


def ends_with(url: str, event: str) -> bool:
    """Whether this is what was told last; one that becomes the primary sends everybody away for a moment."""
    try:
        return told(url)[-1:] == [event]
    except BusError:
        return False


def waiting(rows: psycopg.Connection) -> bool:
    return rows.execute("select from ordinaut.outbox").fetchone() is not None


async def test_a_cluster_is_published_to_and_read(
    rows: psycopg.Connection, pool: Pool, cluster: list[OwnValkey]
) -> None:
    url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in cluster[:2])
    async with relaying(pool, url) as bell:
        for number in range(600):
            insert_event(rows, f"test.{number}")
        bell.ring()
        await eventually(lambda: not waiting(rows), "an empty outbox")

    assert told(url) == [f"test.{number}" for number in range(600)]
    assert bus_status(Config(redis_url=url)).events == 600
    with connect_bus(url) as bus:
        newest = newest_position(bus, CONFIG.stream)
        (last,) = last_entries(bus, CONFIG.stream, Selection(), 1, newest)
        assert last.event is not None
        assert last.event.short_type == "test.599"


async def test_a_cluster_that_is_away_is_an_error_of_ours_and_waited_for(
    rows: psycopg.Connection, pool: Pool, cluster: list[OwnValkey]
) -> None:
    url = f"redis+cluster://127.0.0.1:{cluster[0].port}"
    for node in cluster:
        node.kill()
    async with relaying(pool, url) as bell:
        insert_event(rows, "run.started")
        bell.ring()
        with pytest.raises(BusError, match="cannot be used"):
            told(url)
        assert bus_status(Config(redis_url=url)).reachable is False
        assert waiting(rows)


@pytest.fixture
async def sentinels(tmp_path: Path) -> AsyncIterator[tuple[str, OwnValkey, OwnValkey]]:
    """Three sentinels over a primary and its replica, as a URL, and both."""
    async with AsyncExitStack() as stack:
        primary = stack.enter_context(own_valkey(tmp_path / "primary", "--save", ""))
        await primary.start()
        replica = stack.enter_context(
            own_valkey(
                tmp_path / "replica", "--save", "", "--replicaof", f"127.0.0.1 {primary.port}"
            )
        )
        await replica.start()
        await eventually(lambda: _is_synced(replica), "the replica", seconds=20)
        watchers = []
        for number in range(3):
            watcher = stack.enter_context(
                own_valkey(tmp_path / f"sentinel{number}", "--sentinel", is_sentinel=True)
            )
            watcher.configure(
                f"sentinel monitor mine 127.0.0.1 {primary.port} 2",
                "sentinel down-after-milliseconds mine 500",
                "sentinel failover-timeout mine 3000",
            )
            await watcher.start()
            watchers.append(watcher)
        for watcher in watchers:
            await eventually(
                lambda watcher=watcher: _knows_all(watcher), "the sentinels", seconds=20
            )
        hosts = ",".join(f"127.0.0.1:{watcher.port}" for watcher in watchers)
        yield f"redis+sentinel://{hosts}/mine", primary, replica


def _is_synced(replica: OwnValkey) -> bool:
    with Redis.from_url(replica.url, decode_responses=True) as bus:
        return bool(bus.info("replication")["master_link_status"] == "up")


def _knows_all(watcher: OwnValkey) -> bool:
    with Redis.from_url(watcher.url, decode_responses=True) as bus:
        known = bus.info("sentinel")["master0"]
    return (int(known["slaves"]), int(known["sentinels"])) == (1, 3)


@pytest.mark.slow
async def test_a_failover_by_sentinels_under_load_loses_nothing(
    rows: psycopg.Connection, pool: Pool, sentinels: tuple[str, OwnValkey, OwnValkey]
) -> None:
    """Asserts: the primary is killed while 2,000 events are told; its replica takes over, and all of them are there in order."""
    url, primary, replica = sentinels
    async with relaying(pool, url) as bell:
        for number in range(2_000):
            insert_event(rows, f"test.{number}")
            bell.ring()
            if number == 1_000:
                await eventually(lambda: told(primary.url), "the first events")
                primary.kill()
        await eventually(lambda: not waiting(rows), "an empty outbox", seconds=30)

    assert list(dict.fromkeys(told(url))) == [f"test.{number}" for number in range(2_000)]
    assert told(url) == told(replica.url)


async def test_what_a_late_replica_never_got_goes_out_again(
    rows: psycopg.Connection, pool: Pool, sentinels: tuple[str, OwnValkey, OwnValkey]
) -> None:
    url, primary, replica = sentinels
    async with relaying(pool, url) as bell:
        insert_event(rows, "test.1")
        bell.ring()
        await eventually(lambda: told(replica.url), "the replica to have it")
        replica.freeze()
        insert_event(rows, "test.2")
        bell.ring()
        await eventually(lambda: not waiting(rows), "an empty outbox")
        assert told(primary.url)[-1] == "test.2"
        primary.kill()
        replica.thaw()
        insert_event(rows, "test.3")
        bell.ring()
        await eventually(lambda: ends_with(replica.url, "test.3"), "the new primary", seconds=30)

    assert list(dict.fromkeys(told(replica.url))) == ["test.1", "test.2", "test.3"]


async def test_sentinels_that_know_no_such_service_are_an_error_of_ours(
    sentinels: tuple[str, OwnValkey, OwnValkey],
) -> None:
    with pytest.raises(BusError, match=r"Redis yours of 127\.0\.0\.1") as found:
        told(sentinels[0].replace("/mine", "/yours"))

    assert "No master found" in found.value.message


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis+sentinel://me:hidden@one,two:1/mine/3", "Redis mine of one,two:1"),
        ("rediss+cluster://me:hidden@one,[::1]:2", "Redis at one,[::1]:2"),
    ],
)
def test_an_address_of_several_has_no_credentials(url: str, address: str) -> None:
    assert bus_address(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "redis+cluster://me:hidden@one,,two",
        "redis+cluster://me:hidden@one:port",
        "redis+sentinel://me:hidden@one/mine?socket_timeout=long",
    ],
)
def test_addresses_of_several_that_are_none_are_wrong_settings(url: str) -> None:
    for connect in (connect_bus, open_bus):
        with pytest.raises(ConfigError, match="setting redis_url: Redis") as found:
            connect(url)
        assert "hidden" not in str(found.value)


async def test_tls_is_as_strict_as_the_options_of_the_url_say(
    rows: psycopg.Connection, pool: Pool, redis_url: str, tmp_path: Path
) -> None:
    authority, path = Authority(), redis_url.partition("@")[2].partition("?")[0]
    password = redis_url.partition("unix://:")[2].partition("@")[0]
    # The database of this worker: another's tests write to theirs at the same time.
    number = redis_url.rpartition("=")[2]
    client, trusted = authority.pair(), tmp_path / "ca.pem"
    trusted.write_text(authority.certificate)
    (tmp_path / "client.pem").write_text(client.certificate)
    (tmp_path / "client.key").write_text(client.key)
    context = authority.server_context(tmp_path, asks_clients=True)
    async with tls_before(path, context) as port:
        bare = f"rediss://:{password}@127.0.0.1:{port}/{number}"
        known = f"{bare}?ssl_ca_certs={trusted}"
        full = f"{known}&ssl_certfile={tmp_path}/client.pem&ssl_keyfile={tmp_path}/client.key"
        async with relaying(pool, full) as bell:
            insert_event(rows, "run.started")
            bell.ring()
            await eventually(lambda: not waiting(rows), "an empty outbox")
        assert await asyncio.to_thread(told, full) == ["run.started"]
        for refused in (bare, known):
            with pytest.raises(BusError, match=f"{port} cannot be used"):
                await asyncio.to_thread(told, refused)


@asynccontextmanager
async def tls_before(path: str, context: ssl.SSLContext) -> AsyncIterator[int]:
    """A port that speaks TLS, before a Unix socket that does not."""
    writers: list[asyncio.StreamWriter] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(path)
        writers.extend((writer, inner_writer))
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await asyncio.gather(*(one.wait_closed() for one in writers), return_exceptions=True)
