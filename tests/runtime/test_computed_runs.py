"""Runs whose steps only compute are decided in one go, without a task, and recorded under the same fence as all others."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from runtime.arrivals import Arrivals
from runtime.attention import Attention
from runtime.clock import SYSTEM_CLOCK
from runtime.config import Config
from runtime.gate import Gate
from runtime.keyring import Keyring
from runtime.lease import LeaseKeeper
from runtime.recorder import Recorder
from runtime.registry import Registry
from runtime.store.answers import Answers
from runtime.store.budgets import Budgets
from runtime.store.pool import Pool
from runtime.store.rates import Rates
from runtime.surroundings import Surroundings
from runtime.tools.toolbox import Toolbox
from runtime.turns import Turns
from runtime.wake import Bell
from runtime.worker import Worker
from tests.support.installed import install, queue_run, task
from tests.support.probes import within


class Site:
    """A worker whose recorder begins to write when the test says so."""

    def __init__(self, worker: Worker, recorder: Recorder) -> None:
        self.worker = worker
        self._recorder = recorder

    @asynccontextmanager
    async def recording(self) -> AsyncIterator[None]:
        """Write what is reported, until no run is active."""
        service = asyncio.create_task(self._recorder.run())
        yield
        await within(self.worker.drain(), "the end of all runs")
        service.cancel()
        await asyncio.gather(service, return_exceptions=True)


@pytest.fixture
async def site(pool: Pool, tmp_path: Path) -> AsyncIterator[Site]:
    clock, config = SYSTEM_CLOCK, Config()
    bell = Bell(clock)
    turns = Turns(pool, clock, bell, Bell(clock))
    recorder = Recorder(pool, clock, Bell(clock), turns)
    async with Toolbox((), clock, tmp_path / "state") as tools:
        registry = Registry(pool, tools, clock, Keyring(tmp_path, clock))
        arrivals = Arrivals(pool, clock, Bell(clock), turns)
        attention = Attention(pool, clock, Bell(clock), 5.0)
        draw = random.Random(1)
        around = Surroundings(
            tools,
            recorder,
            pool,
            Rates(pool),
            Budgets(pool),
            clock,
            draw,
            arrivals,
            attention,
            b"key",
            Answers(pool),
        )
        worker = Worker(
            runtime_id=1,
            pool=pool,
            registry=registry,
            around=around,
            leases=LeaseKeeper(pool, clock, config.lease),
            turns=turns,
            bell=bell,
            others=Bell(clock),
            gate=Gate(pool, registry, clock, 60.0),
            config=config,
        )
        yield Site(worker, recorder)


def computing(name: str, step: str = "a", **fields: Any) -> dict[str, Any]:
    first = {"id": step, "uses": "ordinaut.transform", "with": {"value": "${params.n}"}}
    second = {"id": "b", "uses": "ordinaut.transform", "with": {"value": f"${{steps.{step}}}"}}
    return task(name, params={"n": 7}, pipeline=[first, second], **fields)


async def rows(connection: psycopg.AsyncConnection, query: str) -> list[tuple[Any, ...]]:
    return await (await connection.execute(query.encode())).fetchall()


async def test_such_a_run_is_over_when_it_is_claimed_and_on_record_with_all_its_steps(
    site: Site, connection: psycopg.AsyncConnection
) -> None:
    await queue_run(connection, await install(connection, computing("sum")))

    assert await site.worker.run_once() == 1
    assert site.worker._tasks == set()
    async with site.recording():
        pass

    assert await rows(connection, "select state from ordinaut.run") == [("succeeded",)]
    results = await rows(connection, "select step, output from ordinaut.step_result order by step")
    assert results == [("a", 7), ("b", 7)]


async def test_what_it_has_to_say_is_refused_where_its_lease_was_lost(
    site: Site, connection: psycopg.AsyncConnection, caplog: pytest.LogCaptureFixture
) -> None:
    await queue_run(connection, await install(connection, computing("sum")))
    assert await site.worker.run_once() == 1

    await connection.execute("update ordinaut.due_work set lease_epoch = lease_epoch + 1")
    async with site.recording():
        pass

    assert "the lease was lost" in caplog.text
    assert await rows(connection, "select state from ordinaut.run") == [("running",)]
    assert await rows(connection, "select step from ordinaut.step_result") == []


async def test_a_report_that_the_database_refuses_fails_its_run_alone(
    site: Site, connection: psycopg.AsyncConnection
) -> None:
    await connection.execute(
        "alter table ordinaut.step_result add constraint only_good check (step <> 'bad')"
    )
    await queue_run(connection, await install(connection, computing("good")), "1")
    await queue_run(connection, await install(connection, computing("worse", "bad")), "2")

    assert await site.worker.run_once() == 2
    async with site.recording():
        pass

    states = "select trigger_key, state, error ->> 'code' is null from ordinaut.run order by 1"
    assert await rows(connection, states) == [("1", "succeeded", True), ("2", "failed", False)]


async def test_a_task_that_does_not_compile_fails_its_run_alone(
    site: Site, connection: psycopg.AsyncConnection
) -> None:
    await queue_run(connection, await install(connection, computing("good")), "1")
    await queue_run(connection, await install(connection, computing("worse", "bad")), "2")
    await connection.execute(
        "update ordinaut.spec_revision set body = jsonb_set(body, '{pipeline,0,with,value}', '\"${\"')"
        " where body ->> 'name' = 'worse'"
    )

    assert await site.worker.run_once() == 2
    async with site.recording():
        pass

    states = "select trigger_key, state from ordinaut.run order by 1"
    assert await rows(connection, states) == [("1", "succeeded"), ("2", "failed")]
