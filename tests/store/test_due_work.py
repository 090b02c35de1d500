"""Claiming, renewing and recording: who holds a lease may write, and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from runtime.store.due_work import (
    Ahead,
    Claim,
    Report,
    Skipped,
    claim_due,
    record_progress,
    release_leases,
    renew_leases,
    seconds_until_ready,
    skip_late,
)
from runtime.store.pool import Pool
from runtime.store.recorded import Result, Tries, load_results
from tests.support.clock import FakeClock
from tests.support.installed import install, queue_run, task
from tests.support.locks import somebody_is_blocked
from tests.support.probes import within

LEASE = timedelta(seconds=15)
Write = Callable[[Pool, list[tuple[UUID, int]]], Coroutine[Any, Any, object]]


@pytest.fixture(autouse=True)
async def _time_stands_still(clock: FakeClock, database: str) -> None:
    await clock.attach(database)


async def claim(pool: Pool, *, limit: int = 10, runtime_id: int = 1) -> list[Claim]:
    return list((await claim_due(pool, runtime_id=runtime_id, limit=limit, lease=LEASE)).claims)


async def renew(pool: Pool, held: list[tuple[UUID, int]]) -> frozenset[UUID]:
    return await renew_leases(pool, held, LEASE)


async def state(connection: psycopg.AsyncConnection, claimed: Claim) -> tuple[Any, ...]:
    cursor = await connection.execute(
        "select r.state, (select count(*) from ordinaut.step_result s where s.run_id = r.run_id),"
        " (select count(*) from ordinaut.event_log o where o.run_id = r.run_id and o.type <> 'run.started'),"
        " (select count(*) from ordinaut.due_work w where w.run_id = r.run_id)"
        " from ordinaut.run r where r.run_id = %s",
        [claimed.run_id],
    )
    row = await cursor.fetchone()
    assert row is not None
    return row


def finished(claimed: Claim, *, epoch: int | None = None) -> Report:
    return Report(
        run_id=claimed.run_id,
        lease_epoch=claimed.lease_epoch if epoch is None else epoch,
        task="briefing",
        move="finish",
        state="succeeded",
        results=[
            {
                "step": "plan",
                "iteration": 0,
                "attempt": 1,
                "outcome": "ok",
                "uses": "llm.plan",
                "output": {"a": [1, None]},
                "seconds": 0.5,
                "server_generation": 0,
                "schema_digest": "",
            }
        ],
        events=[
            {
                "id": "0192f0c0-0000-8000-8000-000000000001",
                "type": "run.succeeded",
                "data": {"n": 1},
            }
        ],
    )


async def test_two_claimers_never_get_the_same_run(
    pool: Pool, connection: psycopg.AsyncConnection
) -> None:
    installed = await install(connection, task())
    queued = {await queue_run(connection, installed, str(n)) for n in range(20)}

    first = await claim(pool, limit=12)
    second = await claim(pool, limit=12, runtime_id=2)

    assert len(first) == 12
    assert {claimed.run_id for claimed in first} | {claimed.run_id for claimed in second} == queued


async def test_a_claim_makes_the_run_running_and_says_so_once(
    pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    await queue_run(
        connection, await install(connection, task(namespace="ops")), params={"city": "Iasi"}
    )

    (first,) = await claim(pool)
    await clock.advance(16)
    (again,) = await claim(pool)

    cursor = await connection.execute(
        "select type, subject, data ->> 'trigger' from ordinaut.event_log"
    )
    assert await cursor.fetchall() == [("run.started", "ops/briefing", "manual")]
    assert (first.lease_epoch, first.attempt, again.lease_epoch, again.attempt) == (1, 1, 2, 2)
    assert first.params == again.params == {"city": "Iasi"}
    assert first.started_at == again.started_at


async def test_work_is_not_claimed_before_it_is_ready_nor_while_it_is_leased(
    pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    installed = await install(connection, task())
    run_id = await queue_run(connection, installed)
    await connection.execute(
        "update ordinaut.due_work set ready_at = ordinaut.now() + interval '30 s'"
    )

    assert await claim(pool) == []
    assert await seconds_until_ready(pool) == Ahead(30.0, is_gated=False)
    await clock.advance(31)
    assert [claimed.run_id for claimed in await claim(pool)] == [run_id]
    assert await claim(pool) == []
    assert await seconds_until_ready(pool) == Ahead(15.0, is_gated=False)


async def test_the_highest_priority_goes_first(
    pool: Pool, connection: psycopg.AsyncConnection
) -> None:
    installed = await install(connection, task())
    low = await queue_run(connection, installed, "low", lane=1)
    high = await queue_run(connection, installed, "high", lane=9)

    assert [claimed.run_id for claimed in await claim(pool, limit=1)] == [high]
    assert [claimed.run_id for claimed in await claim(pool, limit=1)] == [low]


async def test_low_priority_that_has_waited_goes_before_high_priority_that_has_not(
    pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    installed = await install(connection, task())
    patient = await queue_run(connection, installed, "patient", lane=1)
    await clock.advance(8 * 30 + 1)
    await queue_run(connection, installed, "fresh", lane=9)

    assert [claimed.run_id for claimed in await claim(pool, limit=1)] == [patient]


async def test_a_renewed_lease_lasts_and_a_lost_one_is_not_renewed(
    pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    await queue_run(connection, await install(connection, task()))
    (first,) = await claim(pool)
    await clock.advance(10)
    assert await renew_leases(pool, [(first.run_id, first.lease_epoch)], LEASE) == {first.run_id}
    await clock.advance(10)
    assert await claim(pool) == []
    await clock.advance(10)
    (second,) = await claim(pool)

    assert await renew_leases(pool, [(first.run_id, first.lease_epoch)], LEASE) == frozenset()
    assert await renew_leases(pool, [(second.run_id, second.lease_epoch)], LEASE) == {
        second.run_id
    }


async def test_finishing_writes_result_events_and_state_and_removes_the_work(
    pool: Pool, connection: psycopg.AsyncConnection
) -> None:
    await queue_run(connection, await install(connection, task()))
    (claimed,) = await claim(pool)

    assert (await record_progress(pool, [finished(claimed)])).held == {claimed.run_id}

    assert await state(connection, claimed) == ("succeeded", 1, 1, 0)
    recorded = await load_results(pool, claimed.run_id)
    assert recorded.results == {("plan", 0): Result("ok", {"a": [1, None]})}


async def test_a_worker_that_lost_its_lease_writes_nothing_at_all(
    pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    await queue_run(connection, await install(connection, task()))
    (stale,) = await claim(pool)
    await clock.advance(16)
    (holder,) = await claim(pool, runtime_id=2)

    assert (await record_progress(pool, [finished(stale)])).held == frozenset()
    assert await state(connection, stale) == ("running", 0, 0, 1)
    assert (await record_progress(pool, [finished(holder)])).held == {holder.run_id}


async def test_in_one_batch_only_the_lost_lease_is_refused(
    pool: Pool, connection: psycopg.AsyncConnection
) -> None:
    installed = await install(connection, task())
    for n in range(3):
        await queue_run(connection, installed, str(n))
    claims = await claim(pool)

    written = await record_progress(
        pool, [finished(claims[0]), finished(claims[1], epoch=0), finished(claims[2])]
    )

    assert written.held == {claims[0].run_id, claims[2].run_id}
    assert [(await state(connection, claimed))[0] for claimed in claims] == [
        "succeeded",
        "running",
        "succeeded",
    ]


async def test_saying_a_report_twice_changes_nothing(
    pool: Pool, connection: psycopg.AsyncConnection
) -> None:
    await queue_run(connection, await install(connection, task()))
    (claimed,) = await claim(pool)
    report = finished(claimed)
    report.move, report.state = "keep", None

    await record_progress(pool, [report])
    report.results[0]["output"] = "something else"
    await record_progress(pool, [report])

    assert (await load_results(pool, claimed.run_id)).results == {
        ("plan", 0): Result("ok", {"a": [1, None]})
    }
    cursor = await connection.execute(
        "select count(distinct event_id) from ordinaut.event_log where type = 'run.succeeded'"
    )
    assert await cursor.fetchone() == (1,)


async def test_a_waiting_run_frees_its_lease_and_comes_back_when_it_is_time(
    pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    await queue_run(connection, await install(connection, task()))
    (claimed,) = await claim(pool)
    report = Report(
        run_id=claimed.run_id,
        lease_epoch=claimed.lease_epoch,
        task="briefing",
        move="wait",
        state="waiting",
        wait_seconds=60.0,
        attempts=[
            {
                "step": "plan",
                "iteration": 0,
                "attempt": 1,
                "outcome": "tool_error",
                "error": {"code": "ORD404"},
                "seconds": 0.1,
                "wait_seconds": 60.0,
            }
        ],
    )

    assert (await record_progress(pool, [report])).ready_in == 60.0

    assert (await state(connection, claimed))[0] == "waiting"
    assert await claim(pool) == []
    await clock.advance(61)
    (again,) = await claim(pool)
    assert again.lease_epoch == 2
    assert (await load_results(pool, again.run_id)).tries == {("plan", 0): Tries(1, 0.0)}


async def test_it_is_told_how_soon_the_first_of_those_that_went_to_sleep_is_ready(
    pool: Pool, connection: psycopg.AsyncConnection
) -> None:
    installed = await install(connection, task())
    for key in "abcd":
        await queue_run(connection, installed, key)
    over, lost, short, long = await claim(pool)

    def waits(claimed: Claim, seconds: float, epoch: int = 1) -> Report:
        report = Report(claimed.run_id, epoch, "briefing", move="wait", state="waiting")
        report.wait_seconds = seconds
        return report

    assert (await record_progress(pool, [finished(over)])).ready_in is None
    reports = [waits(lost, 1.0, epoch=7), waits(short, 5.0), waits(long, 60.0)]
    assert (await record_progress(pool, reports)).ready_in == 5.0
    await connection.execute("update ordinaut.due_work set woken = true")
    assert (await record_progress(pool, [waits(lost, 60.0)])).ready_in == 0.0


async def test_a_lease_that_is_handed_back_can_be_claimed_at_once_and_costs_no_attempt(
    pool: Pool, connection: psycopg.AsyncConnection
) -> None:
    await queue_run(connection, await install(connection, task()))
    (first,) = await claim(pool)

    await release_leases(pool, [(first.run_id, first.lease_epoch)])

    (again,) = await claim(pool)
    assert (again.attempt, again.lease_epoch) == (1, 2)


async def test_a_lease_may_be_handed_back_for_a_later_moment(
    pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    await queue_run(connection, await install(connection, task()))
    (first,) = await claim(pool)

    await release_leases(pool, [(first.run_id, first.lease_epoch)], timedelta(seconds=5))

    assert await claim(pool) == []
    await clock.advance(5)
    assert [again.attempt for again in await claim(pool)] == [1]


async def test_leases_are_counted_until_the_run_gets_further(
    pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    await queue_run(connection, await install(connection, task()))

    counts = []
    for _ in range(3):
        (claimed,) = await claim(pool)
        counts.append(claimed.attempt)
        await clock.advance(16)
    (claimed,) = await claim(pool)
    await record_progress(pool, [Report(claimed.run_id, claimed.lease_epoch, "briefing")])
    await clock.advance(16)
    (again,) = await claim(pool)

    assert (counts, claimed.attempt, again.attempt) == ([1, 2, 3], 4, 2)


@pytest.mark.parametrize("write", [renew, release_leases], ids=["renewing", "handing_back"])
async def test_leases_are_locked_in_the_order_in_which_results_are_recorded(
    pool: Pool, connection: psycopg.AsyncConnection, database: str, write: Write
) -> None:
    """Otherwise a renewal and a batch of results could each hold what the other waits for."""
    installed = await install(connection, task())
    await queue_run(connection, installed, "a")
    await queue_run(connection, installed, "b")
    first, last = sorted(await claim(pool), key=lambda claimed: claimed.run_id)
    lock = "select from ordinaut.due_work where run_id = %s for update"

    async with await psycopg.AsyncConnection.connect(database) as recording:
        await recording.execute(lock, [first.run_id])
        writing = asyncio.create_task(
            write(pool, [(last.run_id, last.lease_epoch), (first.run_id, first.lease_epoch)])
        )
        await somebody_is_blocked(database)
        await within(recording.execute(lock, [last.run_id]), "the other row")

    await within(writing, "the write")


@pytest.mark.parametrize("is_asleep", [True, False], ids=["asleep", "handed_back"])
async def test_a_renewal_that_comes_late_does_not_lease_again_what_was_let_go(
    pool: Pool, connection: psycopg.AsyncConnection, database: str, is_asleep: bool
) -> None:
    """A renewal is under way while the run's wait is recorded: the retry would have waited for the end of a lease that
    nobody held.
    """
    await queue_run(connection, await install(connection, task()))
    (claimed,) = await claim(pool)
    ours = [(claimed.run_id, claimed.lease_epoch)]

    async with await psycopg.AsyncConnection.connect(database) as blocker:
        await blocker.execute("select from ordinaut.due_work for update")
        if is_asleep:
            waits = Report(*ours[0], "briefing", move="wait", state="waiting")
            letting_go = asyncio.create_task(record_progress(pool, [waits]))
        else:
            letting_go = asyncio.create_task(release_leases(pool, ours))
        await somebody_is_blocked(database)
        renewing = asyncio.create_task(renew(pool, ours))
        await somebody_is_blocked(database, sessions=2)

    await within(letting_go, "the lease is let go")
    assert await within(renewing, "the renewal") == frozenset()
    assert len(await claim(pool)) == 1


async def late_run(connection: psycopg.AsyncConnection, **more: str) -> UUID:
    run_id = await queue_run(connection, await install(connection, task()))
    await connection.execute(
        "update ordinaut.due_work set start_until = ordinaut.now() - interval '1 s'"
    )
    for name, value in more.items():
        await connection.execute(f"update ordinaut.run set {name} = '{value}'".encode())
    return run_id


@pytest.mark.parametrize(("trigger", "is_related"), [("manual", False), ("run", True)])
async def test_a_run_whose_deadline_has_passed_is_told_apart_and_skipped(
    pool: Pool, connection: psycopg.AsyncConnection, trigger: str, is_related: bool
) -> None:
    run_id = await late_run(connection, trigger=trigger)

    claimed = await claim_due(pool, runtime_id=1, limit=10, lease=LEASE)
    assert (claimed.claims, claimed.places, claimed.late) == ((), (), (run_id,))

    assert await skip_late(pool, claimed.late) == Skipped((), is_related)
    cursor = await connection.execute(
        "select r.state, r.reason, l.type from ordinaut.run r join ordinaut.event_log l using (run_id)"
        " where not exists (select from ordinaut.due_work)"
    )
    assert await cursor.fetchall() == [("skipped", "start_deadline", "run.skipped")]
    assert await skip_late(pool, claimed.late) == Skipped((), is_related=False)


async def test_a_run_that_somebody_began_meanwhile_is_not_skipped(
    pool: Pool, connection: psycopg.AsyncConnection
) -> None:
    run_id = await late_run(connection)
    await connection.execute("update ordinaut.due_work set lease_epoch = 1")

    assert await skip_late(pool, [run_id]) == Skipped((), is_related=False)

    cursor = await connection.execute("select state from ordinaut.run")
    assert await cursor.fetchall() == [("queued",)]
