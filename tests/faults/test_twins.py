"""Two copies of one runtime, as after a clone of its machine: the fencing token tells them apart, not their number."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import psycopg

from runtime.store.due_work import Claim, Report, claim_due, record_progress, renew_leases
from runtime.store.pool import Pool, open_pool
from tests.support.clock import FakeClock
from tests.support.installed import install, queue_run, task

_LEASE = timedelta(seconds=15)
_RUNS = 60


async def _claim(pool: Pool) -> list[Claim]:
    found: list[Claim] = []
    while claims := (await claim_due(pool, runtime_id=7, limit=4, lease=_LEASE)).claims:
        found += claims
    return found


def _finished(claim: Claim) -> Report:
    return Report(claim.run_id, claim.lease_epoch, claim.task, move="finish", state="succeeded")


async def test_two_runtimes_with_one_number_share_no_run_and_write_for_each_other_in_nothing(
    database: str, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    """Asserts: two that claim at once under one number get different runs, and together all of them. When the leases of one
    are over and the other takes its runs, whatever the first renews or reports is refused, though the number is the same.
    """
    await clock.attach(database)
    installed = await install(connection, task())
    for number in range(_RUNS):
        await queue_run(connection, installed, str(number))
    pools = [await open_pool(database) for _ in range(2)]

    ours, theirs = await asyncio.gather(*(_claim(pool) for pool in pools))
    assert len({claim.run_id for claim in (*ours, *theirs)}) == len(ours) + len(theirs) == _RUNS
    await clock.advance(16)
    heirs = await _claim(pools[1])
    stale = [(claim.run_id, claim.lease_epoch) for claim in ours]
    assert await renew_leases(pools[0], stale, _LEASE) == frozenset()
    refused = await record_progress(pools[0], [_finished(claim) for claim in ours])
    written = await record_progress(pools[1], [_finished(claim) for claim in heirs])
    for pool in pools:
        await pool.close()

    assert refused.held == frozenset()
    assert len(written.held) == _RUNS
