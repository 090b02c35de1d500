"""Redis is away for the whole of a load, or loses what it took: every event reaches the stream, each run's in their order."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import psycopg
import pytest

from runtime.bus import connect_bus, open_bus
from runtime.clock import SYSTEM_CLOCK
from runtime.config import Config
from runtime.relay import Relay
from runtime.store.pool import open_pool
from runtime.stream import BEGINNING, entries_after
from runtime.wake import Bell
from tests.faults.site import Site
from tests.support.installed import install, task
from tests.support.probes import eventually
from tests.support.valkey import OwnValkey, own_valkey

STREAM = "ordinaut:events"
_RUNS = 10_000
_RELAYS = 8
_STEPS = [{"id": name, "uses": "ordinaut.transform", "with": {"value": name}} for name in ("one", "two")]  # fmt: skip


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[OwnValkey]:
    with own_valkey(tmp_path / "valkey") as server:
        yield server


def on_stream(valkey: OwnValkey) -> int:
    """How many entries there are, asked over a new connection: the server may be a new one."""
    with connect_bus(valkey.url) as bus:
        return int(bus.xlen(STREAM))


class Told:
    """What the log holds, and what of it reached the stream."""

    def __init__(self, site: Site, valkey: OwnValkey) -> None:
        self._site = site
        self._valkey = valkey

    async def logged(self) -> dict[str, list[str]]:
        """The ids of events by run, in order."""
        query = "select run_id::text, array_agg(event_id::text order by sequence) from ordinaut.event_log group by run_id"
        return dict(await self._site.rows(query))

    def published(self) -> tuple[dict[str, list[str]], int]:
        """The same of the stream, without repetitions, and how many entries it has."""
        by_run: dict[str, dict[str, None]] = defaultdict(dict)
        with connect_bus(self._valkey.url) as bus:
            entries = list(entries_after(bus, STREAM, BEGINNING))
        for event in (entry.event for entry in entries):
            assert event is not None
            by_run[str(event.runid)].setdefault(str(event.id))
        return {run: list(ids) for run, ids in by_run.items()}, len(entries)

    async def is_drained(self) -> bool:
        drained: bool = await self._site.value("select count(*) = 0 from ordinaut.outbox")
        return drained


async def succeeded(site: Site, count: int) -> bool:
    """Counted where it costs a busy machine little."""
    over = await site.value("select count(*) from ordinaut.due_work") == 0
    return over and await site.states() == {"succeeded": count}


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_redis_stopped_for_the_whole_of_a_load_of_10000_runs_loses_nothing(
    site: Site, valkey: OwnValkey
) -> None:
    """Asserts: 10,000 runs succeed while there is no Redis; once it is started, every event that was written is on the
    stream, once, and those of each run in their order.
    """
    installed = await install(site.connection, task(pipeline=_STEPS))
    await site.queue_many(installed, _RUNS)
    told = Told(site, valkey)
    async with site.runtime(redis_url=valkey.url, stream_length="1000000"):
        await eventually(lambda: succeeded(site, _RUNS), "10,000 runs succeed", seconds=120)
        await valkey.start()
        await eventually(told.is_drained, "publication", seconds=60)

    logged = await told.logged()
    published, entries = told.published()
    assert sum(map(len, logged.values())) == _RUNS * 4
    assert published == logged
    assert entries == _RUNS * 4


@pytest.mark.slow
async def test_a_redis_that_loses_its_last_second_gets_it_again(
    site: Site, valkey: OwnValkey
) -> None:
    """Asserts: in the middle of 2,000 runs Redis is killed, and comes back without what it had not yet written to its disk;
    at the end every event is on the stream, and those of each run in their order. Afterwards it does so once more, when
    nothing new is to be published.
    """
    await valkey.start()
    installed = await install(site.connection, task(pipeline=_STEPS))
    told = Told(site, valkey)
    async with site.runtime(redis_url=valkey.url, poll="200ms", stream_length="1000000"):
        await site.queue_many(installed, 2_000)

        await eventually(lambda: on_stream(valkey) >= 500, "the first events", seconds=30)
        on_disk = valkey.written()
        await eventually(lambda: on_stream(valkey) >= 3_000, "more events", seconds=30)
        valkey.kill()
        valkey.lose(on_disk)
        await valkey.start()
        assert on_stream(valkey) < 3_000
        await eventually(lambda: succeeded(site, 2_000), "2,000 runs succeed", seconds=60)
        await eventually(told.is_drained, "publication", seconds=30)
        logged = await told.logged()
        assert told.published()[0] == logged

        valkey.kill()
        valkey.lose(on_disk)
        await valkey.start()

        await eventually(lambda: told.published()[0] == logged, "what was lost", seconds=30)


@pytest.mark.slow
async def test_eight_relays_at_once_publish_the_same_set_in_order(
    site: Site, database: str, valkey: OwnValkey
) -> None:
    """Asserts: eight relays race for the events that four writers commit, 200 runs with 20 events each, in transactions that
    overlap, while Redis is killed once. Every event is on the stream, and those of each run in their order.
    """
    await valkey.start()
    told = Told(site, valkey)
    config = Config(stream_length=1_000_000)
    async with AsyncExitStack() as stack:
        bells = [Bell(SYSTEM_CLOCK) for _ in range(_RELAYS)]
        tasks = []
        for bell in bells:
            pool = await open_pool(database, size=1)
            stack.push_async_callback(pool.close)
            own = await stack.enter_async_context(open_bus(valkey.url))
            relay = Relay(pool, own, config, SYSTEM_CLOCK, bell)
            tasks.append(asyncio.create_task(relay.run()))
        try:
            writers = [asyncio.create_task(_write(database, bells)) for _ in range(4)]
            await eventually(lambda: on_stream(valkey), "the first events")
            valkey.kill()
            await valkey.start()
            await asyncio.gather(*writers)
            await eventually(told.is_drained, "publication", seconds=30)
        finally:
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    logged = await told.logged()
    published, _ = told.published()
    assert sum(map(len, logged.values())) == 200 * 20
    assert published == logged


async def _write(database: str, bells: list[Bell]) -> None:
    """Fifty runs at once, each one's events one after another."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        cursor = await connection.execute("select gen_random_uuid() from generate_series(1, 50)")
        runs = [run for (run,) in await cursor.fetchall()]
        for number in range(20):
            for run in runs:
                await connection.execute(
                    "insert into ordinaut.event_log (type, subject, run_id, data) values ('run.started', 'many', %s, %s)",
                    (run, psycopg.types.json.Jsonb({"n": number})),
                )
            for bell in bells:
                bell.ring()
