"""A whole runtime in one process, on the real clock: schedules fire, runs finish, events are published, and it stops."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from redis.asyncio import Redis

from runtime.app import Place, Runtime, running
from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.config import Config
from runtime.logs import configure_logs
from tests.support.clock import FakeClock
from tests.support.installed import install, queue_run, schedule, task
from tests.support.probes import eventually, within

BEFORE_A_BEAT = 3.5
Start = Callable[..., AbstractAsyncContextManager[Runtime]]


@pytest.fixture
def start(database: str, redis_url: str, tmp_path: Path) -> Start:
    def started(
        clock: Clock = SYSTEM_CLOCK, **settings: Any
    ) -> AbstractAsyncContextManager[Runtime]:
        settings = {"lease": timedelta(seconds=3), **settings}
        config = Config(state_dir=tmp_path / "state", **settings)
        return running(config, Place(database, redis_url, tmp_path), clock=clock)

    return started


@pytest.fixture
async def bus(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


def sleepy(seconds: float, tmp_path: Path) -> dict[str, Any]:
    """A tool server whose one tool takes its time."""
    script = tmp_path / "sleepy.py"
    script.write_text(
        "import asyncio\nfrom mcp.server.mcpserver import MCPServer\n"
        "server = MCPServer('sleepy')\n"
        "@server.tool()\nasync def nap() -> str:\n"
        f"    await asyncio.sleep({seconds})\n    return 'rested'\n"
        "server.run()\n"
    )
    return {
        "apiVersion": "ordinaut/v1",
        "kind": "ToolServer",
        "name": "sleepy",
        "stdio": {"command": "python", "args": [str(script)]},
    }


async def state_of(connection: psycopg.AsyncConnection, run_id: Any) -> str:
    cursor = await connection.execute("select state from ordinaut.run where run_id = %s", [run_id])
    row = await cursor.fetchone()
    assert row is not None
    return str(row[0])


async def test_a_schedule_becomes_runs_results_and_events(
    start: Start, connection: psycopg.AsyncConnection, bus: Redis
) -> None:
    installed = await install(connection, task(schedule={"every": "1s"}))
    cursor = await connection.execute(
        "select date_trunc('second', now()), date_trunc('second', now()) + interval '1 s'"
    )
    row = await cursor.fetchone()
    assert row is not None
    await schedule(connection, installed, *row)

    async def published() -> bool:
        entries = await bus.xrange("ordinaut:events")
        return [fields["type"] for _, fields in entries].count("ordinaut.run.succeeded") >= 2

    async with start():
        await eventually(published, "two runs are told on the stream")

    cursor = await connection.execute(
        "select count(*), count(distinct occurrence_for), bool_and(started_at >= due_at) from ordinaut.run"
        " where state = 'succeeded'"
    )
    row = await cursor.fetchone()
    assert row is not None
    assert row[0] >= 2
    assert row[1:] == (row[0], True)


async def test_work_that_comes_later_is_noticed_without_polling(
    start: Start, connection: psycopg.AsyncConnection
) -> None:
    installed = await install(connection, task())

    async with start(poll=timedelta(hours=1)):
        run_id = await queue_run(connection, installed)
        await connection.execute("notify ordinaut_wake")
        await eventually(lambda: _is(connection, run_id, "succeeded"), "the run succeeds")


async def test_a_run_that_sleeps_briefly_goes_on_when_its_sleep_is_over(
    start: Start,
    connection: psycopg.AsyncConnection,
    database: str,
    clock: FakeClock,
    tmp_path: Path,
) -> None:
    """The worker looked before the run went to sleep, and would look again only with the next beat of the heart."""
    await clock.attach(database)
    await install(connection, sleepy(0, tmp_path))
    # The server starts first, and the worker has looked by then.
    call = {"id": "call", "uses": "sleepy.nap"}
    sleep = {"id": "sleep", "uses": "ordinaut.sleep", "with": {"for": "100ms"}}
    installed = await install(connection, task(pipeline=[call, sleep]))

    async def succeeds() -> bool:
        if clock.monotonic() < BEFORE_A_BEAT:
            await clock.advance(0.05)
        return await _is(connection, run_id, "succeeded")

    async with start(clock=clock, lease=timedelta(minutes=1)):
        run_id = await queue_run(connection, installed)
        await connection.execute("notify ordinaut_wake")
        await eventually(lambda: _is(connection, run_id, "waiting"), "the run sleeps")
        await eventually(succeeds, "the run succeeds")


async def test_a_draining_runtime_finishes_what_runs_and_takes_nothing_new(
    start: Start, connection: psycopg.AsyncConnection, tmp_path: Path
) -> None:
    await install(connection, sleepy(0.5, tmp_path))
    installed = await install(connection, task(pipeline=[{"id": "nap", "uses": "sleepy.nap"}]))
    running_id = await queue_run(connection, installed, "a")

    async with start() as runtime:
        await eventually(lambda: runtime.active == 1, "the run has started")
        draining = asyncio.create_task(runtime.drain())
        await asyncio.wait((draining,), timeout=0.01)
        later_id = await queue_run(connection, installed, "b")
        await connection.execute("notify ordinaut_wake")
        assert await within(draining, "the runtime is drained")

    assert await state_of(connection, running_id) == "succeeded"
    assert await state_of(connection, later_id) == "queued"


async def test_what_does_not_finish_in_time_is_handed_back_at_once(
    start: Start, connection: psycopg.AsyncConnection, tmp_path: Path
) -> None:
    await install(connection, sleepy(600, tmp_path))
    installed = await install(
        connection, task(pipeline=[{"id": "nap", "uses": "sleepy.nap", "timeout": "20m"}])
    )
    run_id = await queue_run(connection, installed)

    async with start(grace=timedelta(milliseconds=10)) as runtime:
        await eventually(lambda: runtime.active == 1, "the run has started")
        assert not await runtime.drain()

    cursor = await connection.execute(
        "select lease_until = '-infinity', attempt from ordinaut.due_work"
    )
    assert await cursor.fetchall() == [(True, 0)]
    assert await state_of(connection, run_id) == "running"
    cursor = await connection.execute("select stopped_at is not null from ordinaut.runtime")
    assert await cursor.fetchall() == [(True,)]


async def test_a_run_that_cannot_even_be_compiled_fails_and_the_others_go_on(
    start: Start, connection: psycopg.AsyncConnection
) -> None:
    broken, sound = (
        await install(connection, task("broken")),
        await install(connection, task("sound")),
    )
    await connection.execute(
        "update ordinaut.spec_revision set body = jsonb_set(body, '{pipeline,0,if}', '\"((\"') where uid = %s",
        [broken.uid],
    )
    bad, good = await queue_run(connection, broken), await queue_run(connection, sound)

    async with start():
        await eventually(lambda: _is(connection, good, "succeeded"), "the sound run succeeds")
        await eventually(lambda: _is(connection, bad, "failed"), "the broken run fails")

    cursor = await connection.execute(
        "select error ->> 'code' from ordinaut.run where run_id = %s", [bad]
    )
    assert await cursor.fetchone() == ("ORD501",)


async def test_a_server_applied_later_is_there_for_the_next_run(
    start: Start, connection: psycopg.AsyncConnection, tmp_path: Path
) -> None:
    async with start():
        await install(connection, sleepy(0, tmp_path))
        installed = await install(connection, task(pipeline=[{"id": "nap", "uses": "sleepy.nap"}]))
        run_id = await queue_run(connection, installed)
        await connection.execute("notify ordinaut_wake")
        await eventually(lambda: _is(connection, run_id, "succeeded"), "the run succeeds")


async def _is(connection: psycopg.AsyncConnection, run_id: Any, state: str) -> bool:
    return await state_of(connection, run_id) == state


async def test_a_line_of_the_log_tells_of_which_run_and_which_server_it_is(
    start: Start,
    connection: psycopg.AsyncConnection,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    loud = sleepy(0, tmp_path)
    script = tmp_path / "sleepy.py"
    script.write_text(
        "import sys\nprint('I wake', file=sys.stderr, flush=True)\n" + script.read_text()
    )
    await install(connection, loud)
    installed = await install(connection, task(pipeline=[{"id": "nap", "uses": "sleepy.nap"}]))
    broken = await install(
        connection, task("broken", pipeline=[{"id": "a", "uses": "llm.plan", "with": {}}])
    )
    await connection.execute(
        """update ordinaut.spec_revision set body = jsonb_set(body, '{pipeline}', '"odd"') where uid = %s""",
        [broken.uid],
    )
    configure_logs("debug", as_json=True)
    try:
        async with start():
            runs = [await queue_run(connection, one) for one in (installed, broken)]
            await eventually(lambda: _is(connection, runs[0], "succeeded"), "a run succeeds")
            await eventually(lambda: _is(connection, runs[1], "failed"), "the broken run fails")
    finally:
        logging.getLogger("ordinaut").handlers.clear()
        logging.getLogger("ordinaut").propagate = True

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    [woken] = [line for line in lines if line["message"] == "I wake"]
    assert (woken["server"], woken["generation"]) == ("sleepy", 1)
    assert "run_id" not in woken
    of_broken = [line for line in lines if line.get("run_id") == str(runs[1])]
    assert of_broken
    assert of_broken[0]["task"] == "broken"
    assert of_broken[0]["trace_id"] == runs[1].hex
    assert of_broken[0]["runtime"] > 0
