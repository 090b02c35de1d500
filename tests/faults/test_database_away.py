"""The network between a runtime and PostgreSQL fails at the worst moments: work goes on afterwards, and counts once."""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest

from tests.faults.site import Site, step
from tests.support.locks import (
    hold_statements,
    let_go,
    somebody_is_blocked,
    somebody_waits_for_the_lock,
)
from tests.support.probes import eventually
from tests.support.proxy import Proxy


@pytest.fixture
async def network(database: str) -> AsyncIterator[Proxy]:
    """What lies between the runtime and its database."""
    async with Proxy(database) as proxy:
        yield proxy


async def test_a_claim_whose_answer_is_lost_is_made_again(
    site: Site, network: Proxy, database: str
) -> None:
    """Asserts: the database commits a claim, and the connections break before the runtime hears of it; once the lease
    that nobody knows of has ended the run is claimed again and succeeds, and its tool was called once.
    """
    run_id = await site.queue(await site.install(step("only")))
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as holder:
        await hold_statements(holder, "update", "due_work")
        async with site.runtime(database_url=network.url):
            await somebody_waits_for_the_lock(holder)
            network.stall_answers()
            await let_go(holder)
            await eventually(
                lambda: site.value("select lease_epoch = 1 from ordinaut.due_work"), "a claim"
            )
            network.cut()
            await network.resume()
            assert await site.ended(run_id) == ["succeeded"]

    assert site.diary == ["only"]
    assert await site.results() == [("only", "ok", 2)]


@pytest.mark.parametrize("steps", [["a"], ["a", "b"]], ids=["finishing", "going_on"])
async def test_a_result_whose_answer_is_lost_is_recorded_once(
    site: Site, network: Proxy, database: str, steps: list[str]
) -> None:
    """Asserts: the database commits a step's result, and the connections break before the runtime hears of it; the run
    succeeds, no tool was called again, and every step has one result.
    """
    run_id = await site.queue(
        await site.install(step("a", "wait"), *(step(name) for name in steps[1:]))
    )
    async with (
        site.runtime(database_url=network.url),
        await psycopg.AsyncConnection.connect(database, autocommit=True) as holder,
    ):
        await site.called("a")
        await hold_statements(holder, "insert", "step_result")
        site.open_gate()
        await somebody_waits_for_the_lock(holder)
        network.stall_answers()
        await let_go(holder)
        await eventually(
            lambda: site.value("select count(*) = 1 from ordinaut.step_result"), "the result"
        )
        network.cut()
        await network.resume()
        assert await site.ended(run_id) == ["succeeded"]

    assert site.diary == steps
    assert await site.results() == [(name, "ok", 1) for name in steps]
    told = [(kind, name) for kind, _, name in await site.events(run_id)]
    steps_told = [("step.succeeded", name) for name in steps]
    assert told == [("run.started", None), *steps_told, ("run.succeeded", None)]


async def test_a_blackholed_runtime_stops_before_its_lease_ends(
    site: Site, network: Proxy
) -> None:
    """Asserts: a runtime whose packets are all dropped gives its work up by its own clock, before the database would
    give the run to another; when the network is back it takes the run again and finishes it.
    """
    run_id = await site.queue(await site.install(step("only", "wait")))
    async with site.runtime(database_url=network.url) as runtime:
        await site.called("only")
        network.blackhole()
        await runtime.line("it could not be renewed in time")
        assert await site.value("select lease_until > ordinaut.now() from ordinaut.due_work")

        await network.resume()
        await site.called("only", "only")
        site.open_gate()
        assert await site.ended(run_id) == ["succeeded"]

    assert await site.results() == [("only", "ok", 2)]


async def test_a_short_outage_costs_no_lease(site: Site, network: Proxy) -> None:
    """Asserts: the database is away for a moment in the middle of a step, shorter than the lease, and the step is not
    called again.
    """
    run_id = await site.queue(await site.install(step("only", "wait")))
    async with site.runtime(database_url=network.url, lease="6s"):
        await site.called("only")
        network.refuse()
        network.cut()
        # A lease is renewed when two thirds of it are left.
        late = "select lease_until - ordinaut.now() < interval '3.8s' from ordinaut.due_work"
        await eventually(lambda: site.value(late), "a renewal that does not get through")
        await network.resume()
        await eventually(lambda: site.value(f"select not ({late})"), "a renewal")
        site.open_gate()
        assert await site.ended(run_id) == ["succeeded"]

    assert site.diary == ["only"]
    assert await site.results() == [("only", "ok", 1)]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("due_work", "work not claimed"),
        ("spec_revision", "tasks not read yet"),
        ("schedule", "schedules not looked at"),
        ("outbox", "events are not published"),
    ],
)
async def test_a_connection_that_is_lost_at_any_point_costs_nothing(
    site: Site, database: str, table: str, told: str
) -> None:
    """Asserts, for each thing that a runtime does with the database: the connection is terminated in the middle of it,
    the runtime says so, and goes on with it; the run that waits succeeds under its first lease.
    """
    run_id = await site.queue(await site.install(step("only")))
    async with await psycopg.AsyncConnection.connect(database) as lock:
        await lock.execute(f"lock table ordinaut.{table} in access exclusive mode")
        async with site.runtime(lease="15s") as runtime:

            async def has_told() -> bool:
                # Others may be in the midst of something with the same table.
                await terminate_blocked(site)
                return told in runtime.stderr

            await eventually(has_told, told)
            await lock.commit()
            assert await site.ended(run_id) == ["succeeded"]

    assert await site.results() == [("only", "ok", 1)]


async def test_a_connection_lost_while_a_runtime_starts_is_called_that(
    site: Site, database: str
) -> None:
    """Asserts: exit 5 and ORD301, as for a database that was never there, and no traceback."""
    async with await psycopg.AsyncConnection.connect(database) as lock:
        await lock.execute("lock table ordinaut.runtime in access exclusive mode")
        async with site.runtime() as runtime:
            await somebody_is_blocked(database)
            await terminate_blocked(site)
            ended = await runtime.ended()

    assert ended.status == 5
    assert ended.stderr.startswith("error ORD301: the database ")


async def terminate_blocked(site: Site) -> None:
    """Terminate every session that waits for a lock."""
    await site.rows(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where wait_event_type = 'Lock' and datname = current_database()"
    )


async def test_a_runtime_whose_database_is_silent_still_ends(site: Site, network: Proxy) -> None:
    """Asserts: asked twice to stop while nothing of the database answers, a runtime ends within bounded time."""
    await site.queue(await site.install(step("only", "wait")))
    async with site.runtime(database_url=network.url, silence="1s") as runtime:
        await site.called("only")
        network.blackhole()
        runtime.terminate()
        await runtime.line("stopping: 1 active run has")
        runtime.terminate()
        ended = await runtime.ended()

    assert (ended.status, "stopped without saying so" in ended.stderr) == (0, True)
