"""Whatever a runtime is doing when it is asked to stop, it stops."""

from __future__ import annotations

import asyncio
import json

import psycopg

from runtime.bus import open_bus
from runtime.clock import SYSTEM_CLOCK
from runtime.config import Config
from runtime.relay import Relay
from runtime.store.pool import open_pool
from runtime.wake import Bell
from tests.faults.site import Site, step
from tests.support.factories import insert_event
from tests.support.probes import within

_TURNS = 60


async def test_a_relay_stops_at_whichever_step_it_is_asked(database: str, redis_url: str) -> None:
    """Asserts: cancelled after any number of turns of the event loop while it publishes, a relay ends. Before, one
    cancellation in twenty was swallowed by the Redis client.
    """
    pool = await open_pool(database)
    with psycopg.connect(database, autocommit=True) as rows:
        async with open_bus(redis_url) as bus:
            for turns in range(_TURNS):
                insert_event(rows)
                relay = Relay(pool, bus, Config(), SYSTEM_CLOCK, Bell(SYSTEM_CLOCK))
                service = asyncio.create_task(relay.run())
                for _ in range(turns):
                    await SYSTEM_CLOCK.sleep(0)
                service.cancel()
                await within(asyncio.wait((service,)), f"the end after {turns} turns")
    await pool.close()


async def test_sigterm_lets_a_run_finish_and_takes_nothing_new(site: Site) -> None:
    """Asserts: after SIGTERM the active run finishes, a run queued later is not begun, and the process ends with 0."""
    installed = await site.install(step("only", "wait"))
    async with site.runtime() as runtime:
        active = await site.queue(installed, "a")
        await site.called("only")
        runtime.terminate()
        await runtime.line("stopping: 1 active run has")
        await site.queue(installed, "b")
        site.open_gate()
        assert (await runtime.ended()).status == 0

    assert await site.rows("select run_id, state from ordinaut.run where state <> 'queued'") == [
        (active, "succeeded")
    ]
    assert site.diary == ["only"]


async def test_a_second_signal_hands_back_at_once(site: Site) -> None:
    """Asserts: a second SIGTERM ends the process long before its grace is over, and the unfinished run is there for the
    next runtime at once, without having lost an attempt.
    """
    run_id = await site.queue(await site.install(step("first"), step("second", "wait")))
    async with site.runtime(grace="10m") as runtime:
        await site.called("first", "second")
        runtime.terminate()
        await runtime.line("stopping: 1 active run has")
        runtime.terminate()
        await runtime.ended()

    assert await site.rows("select lease_until = '-infinity', attempt from ordinaut.due_work") == [
        (True, 0)
    ]
    site.open_gate()
    async with site.runtime():
        assert await site.ended(run_id) == ["succeeded"]
    assert site.diary == ["first", "second", "second"]


async def test_a_grace_that_ends_hands_back_what_is_left(site: Site) -> None:
    """Asserts: a run that does not finish within the grace is handed back, and the process ends by itself."""
    await site.queue(await site.install(step("only", "wait")))
    async with site.runtime(grace="100ms") as runtime:
        await site.called("only")
        runtime.interrupt_group()
        await runtime.ended()

    assert await site.rows("select lease_until = '-infinity', attempt from ordinaut.due_work") == [
        (True, 0)
    ]
    assert await site.value("select stopped_at is not null from ordinaut.runtime")


async def test_a_runtime_tells_of_its_start_and_its_end(site: Site) -> None:
    """Asserts: one line each on stderr when a runtime takes work, is asked to stop, and has stopped; nothing on stdout."""
    async with site.runtime(concurrency="3") as runtime:
        await runtime.line("started: takes up to 3 runs at once")
        runtime.terminate()
        ended = await runtime.ended()

    said = [json.loads(line)["message"] for line in ended.stderr.splitlines()]
    assert (ended.status, ended.stdout) == (0, "")
    assert said[1:] == ["stopping: no run is active", "stopped"]
