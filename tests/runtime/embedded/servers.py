"""What the tests ask of embedded servers."""

from __future__ import annotations

import sys
from pathlib import Path

import psycopg
from redis.asyncio import Redis

from runtime.embedded import EmbeddedServers, Urls

# A process that runs the servers until SIGTERM: `python owner.py STATE_DIR`.
OWNER = (sys.executable, str(Path(__file__).with_name("owner.py")))


async def ask(url: str, query: str) -> object:
    """The first value of the first row."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        row = await (await connection.execute(query)).fetchone()
    assert row is not None
    return row[0]


async def remember(urls: Urls, value: str) -> None:
    """Write a value into each server."""
    async with await psycopg.AsyncConnection.connect(urls.database, autocommit=True) as connection:
        await connection.execute("create table if not exists kept (value text)")
        await connection.execute("insert into kept values (%s)", (value,))
    assert urls.redis is not None
    async with Redis.from_url(urls.redis) as client:
        await client.set("kept", value)


async def remembered(urls: Urls) -> tuple[object, object]:
    """The values that PostgreSQL and Valkey hold."""
    assert urls.redis is not None
    async with Redis.from_url(urls.redis, decode_responses=True) as client:
        return await ask(urls.database, "select value from kept"), await client.get("kept")


def pids(servers: EmbeddedServers) -> tuple[int, int]:
    """The processes of PostgreSQL and Valkey."""
    assert servers._postgres.process is not None
    assert servers._valkey.process is not None
    return servers._postgres.process.pid, servers._valkey.process.pid
