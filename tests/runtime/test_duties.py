"""A scheduler, a worker and a relay apart do together what one runtime does, and as soon."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from redis.asyncio import Redis

from runtime.app import Place, running
from runtime.config import Config
from runtime.crier import Crier
from runtime.duties import DUTIES, Duty
from runtime.store.pool import fetch_all, open_pool
from tests.support.cli import Cli
from tests.support.clock import FakeClock
from tests.support.installed import install, queue_run, schedule, task
from tests.support.probes import eventually
from tests.support.proxy import Proxy


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Nobody looks by himself within this test: what is noticed, was told."""
    return Config(
        state_dir=tmp_path / "state", poll=timedelta(hours=1), lease=timedelta(minutes=1)
    )


async def test_what_one_of_them_did_wakes_the_next(
    config: Config,
    database: str,
    redis_url: str,
    connection: psycopg.AsyncConnection,
    tmp_path: Path,
) -> None:
    installed = await install(connection, task(schedule={"every": "1s"}))
    cursor = await connection.execute(
        "select date_trunc('second', now()), date_trunc('second', now()) + interval '3 s'"
    )
    await schedule(connection, installed, *(await cursor.fetchone() or ()))
    async with (
        Redis.from_url(redis_url, decode_responses=True) as bus,
        AsyncExitStack() as stack,
    ):
        for duty in DUTIES:
            place = Place(database, redis_url if duty == "relay" else None, tmp_path)
            await stack.enter_async_context(running(config, place, duties=frozenset({duty})))

        async def published() -> bool:
            entries = await bus.xrange("ordinaut:events")
            return "ordinaut.run.succeeded" in [fields["type"] for _, fields in entries]

        await eventually(published, "a run is told on the stream")
        shown = Cli({"ORDINAUT_DATABASE_URL": database})("status").stdout

    for duty in DUTIES:
        assert f"alive, {duty} only" in shown


async def test_a_worker_whose_slots_are_full_tells_the_others(
    config: Config,
    database: str,
    redis_url: str,
    connection: psycopg.AsyncConnection,
    tmp_path: Path,
) -> None:
    installed = await install(connection, task(overlap="allow"))
    for n in range(2):
        await queue_run(connection, installed, str(n))
    place = Place(database, redis_url, tmp_path)
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as ear:
        await ear.execute("listen ordinaut_wake")

        async with running(replace(config, concurrency=1), place):
            hints = ear.notifies(timeout=10, stop_after=1)
            assert [hint.payload async for hint in hints] == ["work"]


@pytest.mark.parametrize("duty", ["scheduler", "relay"])
async def test_who_is_no_worker_takes_no_work_and_drains_at_once(
    config: Config, database: str, redis_url: str, tmp_path: Path, duty: Duty
) -> None:
    place = Place(database, redis_url, tmp_path)

    async with running(config, place, duties=frozenset({duty})) as runtime:
        refused = Cli({"ORDINAUT_DATABASE_URL": database})("run", "--wait", "anything")
        assert runtime.active == 0
        assert await runtime.drain()

    assert refused.status == 1


async def test_a_hint_that_cannot_be_sent_is_forgotten_and_the_next_is_sent(
    database: str, clock: FakeClock
) -> None:
    async with Proxy(database) as network:
        cut_off = await open_pool(network.url, size=1)
        crier = Crier(cut_off, clock, "work")
        crying = asyncio.create_task(crier.run())
        async with await psycopg.AsyncConnection.connect(database, autocommit=True) as ear:
            await ear.execute("listen ordinaut_wake")
            network.refuse()
            network.cut()
            crier.bell.ring()
            await eventually(lambda: not crier.bell.is_rung, "a hint that gets nowhere")
            await network.resume()
            await fetch_all(cut_off, b"select 1", {})
            crier.bell.ring()
            hints = ear.notifies(timeout=10, stop_after=1)
            assert [hint.payload async for hint in hints] == ["work"]
        crying.cancel()
        await asyncio.gather(crying, return_exceptions=True)
        await cut_off.close()
