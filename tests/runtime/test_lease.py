"""Leases are kept while work lasts, and work stops when its lease is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest

from runtime.lease import LeaseKeeper
from runtime.store.due_work import Claim, claim_due
from runtime.store.pool import Pool, open_pool
from tests.support.clock import FakeClock
from tests.support.installed import install, queue_run, task
from tests.support.probes import eventually, within
from tests.support.proxy import Proxy

LEASE = timedelta(seconds=15)


@pytest.fixture
async def claimed(
    pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock, database: str
) -> Claim:
    await clock.attach(database)
    await queue_run(connection, await install(connection, task()))
    (claim,) = (await claim_due(pool, runtime_id=1, limit=1, lease=LEASE)).claims
    return claim


@pytest.fixture
async def work() -> AsyncIterator[asyncio.Task[None]]:
    """Work that lasts until it is cancelled."""

    async def endless() -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(endless())
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def keeper(pool: Pool, claimed: Claim, work: asyncio.Task[None], clock: FakeClock) -> LeaseKeeper:
    """One that holds the lease for the work."""
    keeper = LeaseKeeper(pool, clock, LEASE)
    keeper.hold(claimed.run_id, claimed.lease_epoch, work, clock.monotonic())
    return keeper


async def stopped(work: asyncio.Task[None]) -> bool:
    await within(asyncio.wait((work,)), "the work stops")
    return work.cancelled()


async def test_what_works_under_an_earlier_lease_of_a_run_stops_when_it_is_claimed_anew(
    pool: Pool, claimed: Claim, work: asyncio.Task[None], clock: FakeClock
) -> None:
    keeper = LeaseKeeper(pool, clock, LEASE)
    keeper.hold(claimed.run_id, claimed.lease_epoch, work, clock.monotonic())
    anew = asyncio.create_task(asyncio.Event().wait())

    keeper.hold(claimed.run_id, claimed.lease_epoch + 1, anew, clock.monotonic())  # type: ignore[arg-type] - work is work

    assert await stopped(work)
    assert not anew.done()
    anew.cancel()


async def test_a_held_lease_is_renewed_for_as_long_as_the_work_lasts(
    keeper: LeaseKeeper, pool: Pool, work: asyncio.Task[None], clock: FakeClock
) -> None:
    for _ in range(6):
        await clock.advance(5)
        await keeper.renew()

    assert (await claim_due(pool, runtime_id=2, limit=1, lease=LEASE)).claims == ()
    assert not work.done()


async def test_work_stops_when_another_runtime_holds_its_run(
    keeper: LeaseKeeper, pool: Pool, work: asyncio.Task[None], clock: FakeClock
) -> None:
    await clock.advance(16)
    assert len((await claim_due(pool, runtime_id=2, limit=1, lease=LEASE)).claims) == 1

    await keeper.renew()

    assert await stopped(work)


async def test_work_whose_run_the_database_ended_stops_at_once(
    keeper: LeaseKeeper, claimed: Claim, work: asyncio.Task[None]
) -> None:
    keeper.end([uuid4()], "not ours")
    assert not work.cancelling()
    keeper.end([claimed.run_id], "the next run took its place")

    assert await stopped(work)


async def test_a_runtime_that_cannot_renew_stops_by_its_own_clock_before_the_lease_ends(
    database: str, claimed: Claim, work: asyncio.Task[None], clock: FakeClock
) -> None:
    cut_off = await open_pool(database)
    await cut_off.close()
    keeper = LeaseKeeper(cut_off, clock, LEASE)
    keeper.hold(claimed.run_id, claimed.lease_epoch, work, clock.monotonic())

    await clock.advance(11)
    assert not await keeper.renew()
    keeper.stop_untrusted()
    assert not work.done()
    await clock.advance(1)
    assert not await keeper.renew()
    keeper.stop_untrusted()

    assert await stopped(work)
    assert clock.monotonic() < LEASE.total_seconds()


async def test_a_renewal_that_hangs_keeps_nobody_from_stopping_in_time(
    database: str,
    claimed: Claim,
    work: asyncio.Task[None],
    clock: FakeClock,
    connection: psycopg.AsyncConnection,
) -> None:
    async with Proxy(database) as proxy:
        silent = await open_pool(proxy.url)
        proxy.blackhole()
        keeper = LeaseKeeper(silent, clock, LEASE)
        keeper.hold(claimed.run_id, claimed.lease_epoch, work, clock.monotonic())
        service = asyncio.create_task(keeper.run())

        await clock.advance(14)

        assert await stopped(work)
        service.cancel()
        await proxy.resume()
        await asyncio.gather(service, return_exceptions=True)
        await silent.close()


async def test_a_renewal_that_failed_is_tried_again_soon(
    database: str,
    claimed: Claim,
    work: asyncio.Task[None],
    clock: FakeClock,
    connection: psycopg.AsyncConnection,
) -> None:
    async with Proxy(database) as proxy:
        shaky = await open_pool(proxy.url)
        keeper = LeaseKeeper(shaky, clock, LEASE)
        keeper.hold(claimed.run_id, claimed.lease_epoch, work, clock.monotonic())
        service = asyncio.create_task(keeper.run())

        proxy.stall_answers()
        await clock.advance(5)
        await proxy.answer_held()
        proxy.cut()
        await proxy.resume()
        while clock.sleepers < 2:
            await asyncio.wait((service,), timeout=0.01)
        await clock.advance(1.25)

        query = "select lease_until - ordinaut.now() from ordinaut.due_work"

        async def is_renewed() -> bool:
            return await (await connection.execute(query)).fetchone() == (LEASE,)

        await eventually(is_renewed, "the lease is renewed")
        assert not work.done()
        service.cancel()
        await asyncio.gather(service, return_exceptions=True)
        await shaky.close()


async def test_what_is_over_needs_no_more_care(
    keeper: LeaseKeeper, pool: Pool, claimed: Claim, work: asyncio.Task[None], clock: FakeClock
) -> None:
    keeper.drop(claimed.run_id, claimed.lease_epoch)

    await clock.advance(16)
    await keeper.renew()

    assert len((await claim_due(pool, runtime_id=2, limit=1, lease=LEASE)).claims) == 1
    assert not work.done()


async def test_the_service_looks_three_times_a_lease(
    keeper: LeaseKeeper, clock: FakeClock, connection: psycopg.AsyncConnection
) -> None:
    service = asyncio.create_task(keeper.run())

    async def renewed() -> None:
        while True:
            cursor = await connection.execute(
                "select lease_until - ordinaut.now() from ordinaut.due_work"
            )
            if await cursor.fetchone() == (LEASE,):
                return

    for _ in range(4):
        await clock.advance(5)
        await within(renewed(), "the lease is renewed")
        while clock.sleepers < 2:
            await asyncio.wait((service,), timeout=0.01)
    service.cancel()
    await asyncio.gather(service, return_exceptions=True)


async def test_work_that_is_over_does_not_end_the_care_for_the_next_lease_on_its_run(
    pool: Pool, claimed: Claim, work: asyncio.Task[None], clock: FakeClock
) -> None:
    keeper = LeaseKeeper(pool, clock, LEASE)
    await clock.advance(16)
    (again,) = (await claim_due(pool, runtime_id=1, limit=1, lease=LEASE)).claims
    keeper.hold(again.run_id, again.lease_epoch, work, clock.monotonic())

    keeper.drop(claimed.run_id, claimed.lease_epoch)
    await clock.advance(10)
    await keeper.renew()
    await clock.advance(10)

    assert (await claim_due(pool, runtime_id=2, limit=1, lease=LEASE)).claims == ()
