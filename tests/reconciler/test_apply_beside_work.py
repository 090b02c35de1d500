"""What runtimes do meanwhile: nothing of it waits for an apply, however long that keeps its locks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest

from reconciler.apply import Request, apply_plan
from reconciler.core.guards import Allowed
from runtime.actor import Actor
from runtime.store.due_work import Claim, Report, claim_due, record_progress, renew_leases
from runtime.store.pool import Pool, open_pool
from schemas.apply import Stage
from tests.support.applying import Bench, specs, task
from tests.support.clock import FakeClock
from tests.support.scheduling import RUNTIME, make_scheduler

TEN = datetime(2026, 10, 22, 10, 0, tzinfo=UTC)
LEASE = timedelta(seconds=30)
BEFORE = specs(*(task(name, "every: 1h") for name in ("changed", "other", "retired")))
AFTER = specs(task("changed", "every: 2h"), task("other", "every: 1h"))


@dataclass
class Held:
    """An apply that stops when everything is written and nothing is committed."""

    reached: Event = field(default_factory=Event)
    released: Event = field(default_factory=Event)

    def tell(self, stage: Stage) -> None:
        if stage == "committing":
            self.reached.set()
            assert self.released.wait(timeout=30)


@pytest.fixture
async def pool(bench: Bench, clock: FakeClock) -> AsyncIterator[Pool]:
    await clock.set(TEN - timedelta(minutes=30))
    await clock.attach(bench.url)
    pool = await open_pool(bench.url)
    yield pool
    await pool.close()


async def fire(pool: Pool, clock: FakeClock, at: datetime) -> None:
    """Let it be an instant, and the scheduler decide what has come."""
    await clock.set(at)
    await make_scheduler(pool, clock).run_once()


async def claim(pool: Pool) -> dict[str, Claim]:
    """Everything that can be leased, by task."""
    found = await claim_due(pool, runtime_id=RUNTIME, limit=10, lease=LEASE)
    return {one.task: one for one in found.claims}


def finished(claimed: Claim) -> Report:
    return Report(
        claimed.run_id, claimed.lease_epoch, claimed.task, move="finish", state="succeeded"
    )


async def test_runs_are_fired_leased_and_finished_while_an_apply_holds_its_locks(
    bench: Bench, pool: Pool, clock: FakeClock
) -> None:
    bench.apply(BEFORE)
    await fire(pool, clock, TEN)
    plan = bench.plan(AFTER)
    held = Held()
    request = Request(actor=Actor("ada@desk"), allowed=Allowed(retire=1), tell=held.tell)

    applying = asyncio.create_task(asyncio.to_thread(apply_plan, bench.connection, plan, request))
    try:
        assert await asyncio.to_thread(held.reached.wait, 30)
        async with asyncio.timeout(10):
            before = await claim(pool)
            pairs = [(one.run_id, one.lease_epoch) for one in before.values()]
            renewed = await renew_leases(pool, pairs, LEASE)
            written = await record_progress(pool, [finished(one) for one in before.values()])
            await fire(pool, clock, TEN + timedelta(hours=1))
            after = await claim(pool)
        waited_for = applying.done()
    finally:
        held.released.set()
        report = await applying

    assert not waited_for
    assert before.keys() == {"changed", "other"}
    assert renewed == written.held == {one.run_id for one in before.values()}
    # What the apply writes is not fired by the schedule that it replaces.
    assert after.keys() == {"other"}
    assert report.revision == 2
    assert bench.rows(
        "select s.name, r.occurrence_for, r.state from ordinaut.run r"
        " join ordinaut.spec s on s.uid = r.task_uid order by 1, 2"
    ) == [
        ("changed", TEN, "succeeded"),
        ("other", TEN, "succeeded"),
        ("other", TEN + timedelta(hours=1), "running"),
        ("retired", TEN, "cancelled"),
    ]
