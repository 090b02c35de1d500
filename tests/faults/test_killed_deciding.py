"""Runtimes that are killed while they deliver events, decide them, or read streams: each event still starts one run."""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest
from redis.asyncio import Redis

from runtime.bus import open_bus
from tests.faults.site import Site
from tests.support.factories import insert_revision, insert_spec
from tests.support.hooks import HEAD
from tests.support.installed import Installed, arm, install, task
from tests.support.locks import hold_statements, let_go, somebody_waits_for_the_lock
from tests.support.probes import eventually

KEY = "shop:orders"
EVENTS = 50


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """Whoever writes the stream."""
    async with open_bus(redis_url) as client:
        yield client


async def listen(site: Site, database: str, topic: str = "orders") -> Installed:
    """A task that listens, and lets its runs stand beside each other."""
    pipeline = [{"id": "said", "uses": "ordinaut.transform", "with": {"value": "${event.data}"}}]
    document = task("pack", schedule={"event": topic}, overlap="allow", pipeline=pipeline)
    installed = await install(site.connection, document)
    arm(database, installed)
    return installed


async def each_has_one_run(site: Site) -> None:
    """Every event has started one run, which succeeded, and is told of once."""

    async def all_ended() -> bool:
        return await site.states() == {"succeeded": EVENTS}

    await eventually(all_ended, "a run of each event", seconds=60)
    keys = await site.value("select count(distinct trigger_key) from ordinaut.run")
    assert keys == EVENTS
    assert await site.value("select count(*) from ordinaut.heard") == 0


@pytest.mark.parametrize(
    ("what", "table"),
    [
        ("update", "event"),  # delivering: heard, and not marked as delivered
        ("delete", "heard"),  # deciding: about to take what was heard
        ("insert", "run"),  # deciding: taken, and no run made
        ("update", "listener"),  # runs made, and the listener not settled; or not yet heard
    ],
)
async def test_a_runtime_killed_while_it_decides_leaves_each_event_one_run(
    site: Site, database: str, what: str, table: str
) -> None:
    """Asserts: of fifty events, the runtime is killed in the transaction that delivers or decides some; the next one starts one
    run of each.
    """
    await listen(site, database)
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as holder:
        await hold_statements(holder, what, table)
        async with site.runtime() as killed:
            await site.runtimes_alive(1)
            await site.connection.execute(
                "insert into ordinaut.event (source, event_id, topic, data)"
                " select 'shop', n::text, 'orders', to_jsonb(n) from generate_series(1, %s) n",
                [EVENTS],
            )
            await site.connection.execute("notify ordinaut_wake, 'related'")
            await somebody_waits_for_the_lock(holder)
            killed.kill()
            assert (await killed.ended()).status == -9
        await let_go(holder)

    async with site.runtime():
        await each_has_one_run(site)


async def test_a_runtime_killed_while_it_reads_a_stream_leaves_each_entry_one_run(
    site: Site, database: str, redis: Redis
) -> None:
    """Asserts: a runtime that has read entries and written them, or not, is killed before it acknowledges them; the next one
    takes them over, and starts one run of each.
    """
    with psycopg.connect(database, autocommit=True) as rows:
        stream = {"stream": KEY, "group": "ordinaut", "start": "oldest"}
        body = {**HEAD, "namespace": "default", "name": "home", "streams": {"orders": stream}}
        insert_spec(rows, body, revision_id=insert_revision(rows))
    await listen(site, database)
    for number in range(EVENTS):
        await redis.xadd(KEY, {"order": str(number)})

    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as holder:
        await hold_statements(holder, "insert", "event")
        async with site.runtime() as killed:
            await somebody_waits_for_the_lock(holder)
            killed.kill()
            assert (await killed.ended()).status == -9
        await let_go(holder)
    assert (await redis.xpending(KEY, "ordinaut"))["pending"] == EVENTS
    # As if thirty seconds had passed without a word of the dead.
    (dead,) = [one["name"] for one in await redis.xinfo_consumers(KEY, "ordinaut")]
    entries = await redis.xpending_range(KEY, "ordinaut", "-", "+", EVENTS)
    ids = [one["message_id"] for one in entries]
    await redis.xclaim(KEY, "ordinaut", dead, 0, ids, idle=60_000, justid=True)

    async with site.runtime():
        await each_has_one_run(site)
    assert (await redis.xpending(KEY, "ordinaut"))["pending"] == 0
