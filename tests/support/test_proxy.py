"""The proxy breaks connections the way it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from redis.asyncio import Redis

from tests.support.probes import eventually, within
from tests.support.proxy import Proxy


@pytest.fixture
async def proxy(database: str) -> AsyncIterator[Proxy]:
    async with Proxy(database) as proxy:
        yield proxy


@pytest.fixture
async def through(proxy: Proxy) -> AsyncIterator[psycopg.AsyncConnection]:
    async with await _connect(proxy) as connection:
        yield connection


async def _connect(proxy: Proxy) -> psycopg.AsyncConnection:
    return await psycopg.AsyncConnection.connect(proxy.url, autocommit=True, connect_timeout=5)


async def _one(connection: psycopg.AsyncConnection, query: str) -> object:
    row = await (await connection.execute(query)).fetchone()
    assert row is not None
    return row[0]


async def test_it_passes_everything_on(through: psycopg.AsyncConnection, database: str) -> None:
    long = "x" * 1_000_000

    assert await _one(through, f"select '{long}'") == long
    assert await _one(through, "select current_database()") in database


async def test_it_stands_before_redis_too(redis_url: str) -> None:
    async with Proxy(redis_url) as proxy, Redis.from_url(proxy.url) as client:
        await client.set("key", "value")

        async with Redis.from_url(redis_url) as direct:
            assert await direct.get("key") == b"value"


async def test_two_proxies_may_stand_in_line(proxy: Proxy) -> None:
    async with Proxy(proxy.url) as second, await _connect(second) as connection:
        assert await _one(connection, "select 1") == 1


async def test_a_refusing_server_takes_no_new_connection_and_keeps_the_open_ones(
    proxy: Proxy, through: psycopg.AsyncConnection
) -> None:
    proxy.refuse()

    with pytest.raises(psycopg.OperationalError, match="refused"):
        await _connect(proxy)
    assert await _one(through, "select 1") == 1


async def test_it_listens_at_the_same_address_again(
    proxy: Proxy, through: psycopg.AsyncConnection
) -> None:
    before = proxy.url
    proxy.refuse()
    await proxy.resume()

    assert proxy.url == before
    async with await _connect(proxy) as connection:
        assert await _one(connection, "select 1") == 1


async def test_cut_connections_are_gone_and_new_ones_welcome(
    proxy: Proxy, through: psycopg.AsyncConnection
) -> None:
    proxy.cut()

    with pytest.raises(psycopg.OperationalError):
        await through.execute("select 1")
    async with await _connect(proxy) as connection:
        assert await _one(connection, "select 1") == 1


async def test_a_blackhole_accepts_and_says_nothing(proxy: Proxy) -> None:
    proxy.blackhole()
    attempt = asyncio.ensure_future(_connect(proxy))
    await eventually(lambda: proxy.connections == 1, "the accepted connection")

    assert not attempt.done()
    await proxy.resume()
    with pytest.raises(psycopg.OperationalError):
        await within(attempt, "the end of a connection that lost bytes")


async def test_an_open_connection_that_lost_bytes_never_comes_back(
    proxy: Proxy, through: psycopg.AsyncConnection
) -> None:
    proxy.blackhole()
    query = asyncio.ensure_future(through.execute("select 1"))
    await proxy.resume()

    with pytest.raises(psycopg.OperationalError):
        await within(query, "the end of the connection")


async def test_a_stalled_query_goes_on_where_it_stopped(
    proxy: Proxy, through: psycopg.AsyncConnection, connection: psycopg.AsyncConnection
) -> None:
    await connection.execute("create table seen (value integer)")
    proxy.stall()
    query = asyncio.ensure_future(through.execute("insert into seen values (1)"))
    assert await _one(connection, "select count(*) from seen") == 0

    await proxy.resume()
    await within(query, "the answer to the stalled query")
    assert await _one(connection, "select count(*) from seen") == 1


async def test_a_held_answer_leaves_the_work_done_and_its_sender_in_the_dark(
    proxy: Proxy, through: psycopg.AsyncConnection, connection: psycopg.AsyncConnection
) -> None:
    await connection.execute("create table seen (value integer)")
    proxy.stall_answers()
    query = asyncio.ensure_future(through.execute("insert into seen values (1)"))
    await within(proxy.answer_held(), "the server's answer")

    assert not query.done()
    assert await _one(connection, "select count(*) from seen") == 1
    proxy.cut()
    with pytest.raises(psycopg.OperationalError):
        await within(query, "the loss of the connection")
