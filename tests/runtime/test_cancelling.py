"""A run that is cancelled stops at once wherever it stands, and of its cancellation and its end exactly one counts."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from runtime.actor import Actor
from runtime.cancelling import RunOver, cancel_run
from runtime.manual import request_run
from runtime.store.connect import connect
from runtime.store.due_work import Claim, Report, claim_due, record_progress
from runtime.store.pool import Pool
from schemas.event import EVENTS
from schemas.run import CancelReport
from tests.runtime.test_app import Start, sleepy, start, state_of
from tests.runtime.test_overlap import LEASE, Place, place
from tests.support.clock import FakeClock
from tests.support.installed import Installed, install, queue_run, task
from tests.support.locks import somebody_is_blocked
from tests.support.probes import eventually

__all__ = ["place", "start"]

FOREVER = 600


def cancel(database: str, run_id: UUID, reason: str = "wrong month") -> CancelReport:
    with connect(database) as connection:
        return cancel_run(connection, run_id, reason=reason, actor=Actor("ada"))


async def claim_one(pool: Pool) -> Claim:
    (claim,) = (await claim_due(pool, runtime_id=1, limit=1, lease=LEASE)).claims
    return claim


async def queue(connection: psycopg.AsyncConnection, **fields: Any) -> tuple[Installed, UUID]:
    installed = await install(connection, task(**fields))
    return installed, await queue_run(connection, installed)


@pytest.fixture
async def claim(connection: psycopg.AsyncConnection, pool: Pool) -> Claim:
    """Of the one run there is."""
    await queue(connection)
    return await claim_one(pool)


async def story(connection: psycopg.AsyncConnection, run_id: UUID) -> tuple[Any, ...]:
    cursor = await connection.execute(
        "select state, reason, detail, ended_by, finished_at is not null,"
        " (select count(*) from ordinaut.due_work), (select count(*) from ordinaut.backlog)"
        " from ordinaut.run where run_id = %s",
        [run_id],
    )
    row = await cursor.fetchone()
    assert row is not None
    return row


GONE = ("cancelled", "cancelled", "wrong month", "ada", True, 0, 0)


async def test_a_queued_run_is_cancelled_and_told(
    connection: psycopg.AsyncConnection, database: str
) -> None:
    _, run_id = await queue(connection)

    done = cancel(database, run_id)

    assert (done.outcome, done.was, done.was_executed) == ("cancelled", "queued", False)
    assert (done.run.ended_by, done.run.detail) == ("ada", "wrong month")
    assert await story(connection, run_id) == GONE
    cursor = await connection.execute("select type, data from ordinaut.event_log")
    ((kind, data),) = await cursor.fetchall()
    assert kind == "run.cancelled"
    told = EVENTS[kind].model_validate(data).model_dump()
    assert (told["actor"], told["detail"], told["seconds"]) == ("ada", "wrong month", 0)


async def test_a_run_that_sleeps_is_cancelled(
    connection: psycopg.AsyncConnection, pool: Pool, claim: Claim, database: str
) -> None:
    run_id = claim.run_id
    asleep = Report(
        run_id, claim.lease_epoch, claim.task, move="wait", state="waiting", wait_seconds=FOREVER
    )
    await record_progress(pool, [asleep])

    done = cancel(database, run_id)

    assert (done.was, done.was_executed) == ("waiting", False)
    assert await story(connection, run_id) == GONE


async def test_what_a_fenced_off_holder_brings_is_not_recorded(
    connection: psycopg.AsyncConnection, pool: Pool, claim: Claim, database: str
) -> None:
    run_id = claim.run_id

    assert cancel(database, run_id).was_executed

    late = Report(run_id, claim.lease_epoch, claim.task, move="finish", state="succeeded")
    assert (await record_progress(pool, [late])).held == frozenset()
    assert await story(connection, run_id) == GONE


async def test_a_run_that_is_over_cannot_be_cancelled_and_keeps_its_end(
    connection: psycopg.AsyncConnection, pool: Pool, claim: Claim, database: str
) -> None:
    run_id = claim.run_id
    over = Report(run_id, claim.lease_epoch, claim.task, move="finish", state="succeeded")
    await record_progress(pool, [over])

    with pytest.raises(RunOver, match="is over: succeeded at"):
        cancel(database, run_id)
    assert await state_of(connection, run_id) == "succeeded"


async def test_who_cancels_second_changes_nothing(
    connection: psycopg.AsyncConnection, database: str
) -> None:
    _, run_id = await queue(connection)
    cancel(database, run_id)

    again = cancel(database, run_id, reason="another")

    assert (again.outcome, again.run.detail) == ("unchanged", "wrong month")
    cursor = await connection.execute("select count(*) from ordinaut.event_log")
    assert await cursor.fetchone() == (1,)


@pytest.mark.parametrize("commits", [True, False])
async def test_a_cancellation_waits_for_the_report_before_it_and_finds_what_became_of_it(
    connection: psycopg.AsyncConnection, pool: Pool, claim: Claim, database: str, *, commits: bool
) -> None:
    run_id = claim.run_id
    async with await psycopg.AsyncConnection.connect(database) as holder:
        # As a report that ends the run does: its row in the queue, and its state.
        await holder.execute("delete from ordinaut.due_work where run_id = %s", [claim.run_id])
        await holder.execute("update ordinaut.run set state = 'succeeded', finished_at = now()")
        cancelling = asyncio.create_task(asyncio.to_thread(cancel, database, run_id))
        await somebody_is_blocked(database)
        await (holder.commit() if commits else holder.rollback())
        if commits:
            with pytest.raises(RunOver):
                await cancelling
        else:
            assert (await cancelling).outcome == "cancelled"
    state = "succeeded" if commits else "cancelled"
    assert await state_of(connection, run_id) == state


async def test_of_many_that_race_with_the_end_of_runs_each_run_has_one_end(
    connection: psycopg.AsyncConnection, pool: Pool, database: str
) -> None:
    installed = await install(connection, task())
    run_ids = [await queue_run(connection, installed, str(n)) for n in range(40)]
    claims = (await claim_due(pool, runtime_id=1, limit=40, lease=LEASE)).claims

    def end(run_id: UUID) -> bool:
        try:
            return cancel(database, run_id).outcome == "cancelled"
        except RunOver:
            return False

    async def finish(claim: Claim) -> bool:
        over = Report(
            claim.run_id, claim.lease_epoch, claim.task, move="finish", state="succeeded"
        )
        return bool((await record_progress(pool, [over])).held)

    cancelled = asyncio.gather(*(asyncio.to_thread(end, run_id) for run_id in run_ids))
    finished = asyncio.gather(*(finish(claim) for claim in reversed(claims)))
    won = dict(zip(run_ids, await cancelled, strict=True))
    ended = dict(zip([c.run_id for c in reversed(claims)], await finished, strict=True))

    assert all(won[run_id] != ended[run_id] for run_id in run_ids)
    cursor = await connection.execute(
        "select r.run_id, r.state, array_agg(o.type) from ordinaut.run r"
        " left join ordinaut.event_log o on o.run_id = r.run_id and o.type = 'run.cancelled'"
        " group by r.run_id, r.state"
    )
    for run_id, state, told in await cursor.fetchall():
        assert (state, told) == (
            ("cancelled", ["run.cancelled"]) if won[run_id] else ("succeeded", [None])
        )


async def test_a_run_that_waits_for_its_turn_is_cancelled_and_the_next_one_is_not_held_up(
    place: Place, clock: FakeClock, database: str
) -> None:
    await clock.attach(database)
    await place.minutely("queue_all")
    await place.fire()
    first = await place.claim_one()
    await place.fire()
    await place.fire()
    cursor = await place.connection.execute("select min(run_id::text) from ordinaut.backlog")
    row = await cursor.fetchone()
    assert row is not None

    assert cancel(database, UUID(row[0])).was == "queued"
    cancel(database, first.run_id)

    third = await place.claim_one()
    assert third.occurrence_for == first.occurrence_for + timedelta(minutes=2)
    assert await place.fates() == [
        ("08:01", "cancelled", "cancelled"),
        ("08:02", "cancelled", "cancelled"),
        ("08:03", "running", None),
    ]


class TestInAnotherProcess:
    """A runtime that nobody wakes but by the hint: its lease, and so its renewals, are far longer than the test."""

    @pytest.fixture
    async def napping(
        self, connection: psycopg.AsyncConnection, tmp_path: Path
    ) -> tuple[Installed, UUID]:
        await install(connection, sleepy(FOREVER, tmp_path))
        steps = [{"id": "nap", "uses": "sleepy.nap", "timeout": "1h"}]
        return await queue(connection, pipeline=steps, overlap="cancel_running")

    async def test_the_step_under_way_stops_without_waiting_for_the_next_renewal(
        self,
        start: Start,
        connection: psycopg.AsyncConnection,
        database: str,
        napping: tuple[Installed, UUID],
    ) -> None:
        run_id = napping[1]
        async with start(lease=timedelta(hours=1)) as runtime:
            await eventually(lambda: _is_running(connection, run_id), "the run begins")
            await asyncio.to_thread(cancel, database, run_id)
            await eventually(lambda: runtime.active == 0, "the runtime lets go of it")
        assert await story(connection, run_id) == GONE

    async def test_a_run_that_takes_its_place_stops_it_too(
        self,
        start: Start,
        connection: psycopg.AsyncConnection,
        database: str,
        napping: tuple[Installed, UUID],
    ) -> None:
        run_id = napping[1]

        def ask() -> UUID:
            with connect(database) as asking:
                found = request_run(
                    asking,
                    "briefing",
                    {},
                    may_overlap=False,
                    needs_runtime=False,
                    actor=Actor("ada"),
                )
                return found[0]

        async with start(lease=timedelta(hours=1), concurrency=1):
            await eventually(lambda: _is_running(connection, run_id), "the run begins")
            second = await asyncio.to_thread(ask)
            # There is one slot, so it can only begin when the first one is stopped.
            await eventually(lambda: _is_running(connection, second), "the second run begins")
        assert await state_of(connection, run_id) == "cancelled"


async def _is_running(connection: psycopg.AsyncConnection, run_id: UUID) -> bool:
    return await state_of(connection, run_id) == "running"


async def test_who_waits_for_a_run_hears_at_once_that_it_was_cancelled(
    start: Start, connection: psycopg.AsyncConnection, database: str
) -> None:
    never = [{"id": "ask", "uses": "ordinaut.approve", "with": {"message": "Go?", "by": ["ana"]}}]
    await install(connection, task("child", pipeline=never))
    calls = [{"id": "call", "uses": "ordinaut.run", "with": {"task": "child"}}]
    parent = await queue_run(connection, await install(connection, task("parent", pipeline=calls)))

    async def child() -> UUID | None:
        cursor = await connection.execute(
            "select run_id from ordinaut.run where trigger = 'run' and state = 'waiting'"
            " and exists (select from ordinaut.run p where p.run_id = %s and p.state = 'waiting')",
            [parent],
        )
        row = await cursor.fetchone()
        return None if row is None else row[0]

    # Without the hint it would hear of it within half a minute.
    async with start(poll=timedelta(hours=1)):
        waited_for = await eventually(child, "both wait")
        assert waited_for is not None
        await asyncio.to_thread(cancel, database, waited_for)
        await eventually(lambda: _is_over(connection, parent), "the parent is over")


async def _is_over(connection: psycopg.AsyncConnection, run_id: UUID) -> bool:
    return await state_of(connection, run_id) == "failed"
