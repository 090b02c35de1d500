"""What will be at an instant is written shortly before it, and is there for everybody at it, unless something has a say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import psycopg
import pytest

from runtime.scheduler import Scheduler
from runtime.starting import Starter
from runtime.store.due_work import Claim
from runtime.store.pool import Pool
from tests.runtime.test_foresight import DUE, due, fates, foreseeing
from tests.support.clock import FakeClock
from tests.support.installed import Installed, queue_run
from tests.support.probes import eventually, within
from tests.support.scheduling import LEASE, make_scheduler

HOLDING = (
    "from pg_stat_activity where datname = current_database() and state = 'idle in transaction'"
)


@pytest.fixture(autouse=True)
async def _time_is_the_tests(clock: FakeClock, database: str) -> None:
    await clock.attach(database)


@pytest.fixture
async def tick(connection: psycopg.AsyncConnection) -> Installed:
    return await due(connection)


class Slots(Starter):
    """Begins what it is handed, by noting it down."""

    def __init__(self, free: int = 10) -> None:
        self.free = free
        self.begun: list[Claim] = []

    def set_aside(self, most: int) -> int:
        kept = min(most, self.free)
        self.free -= kept
        return kept

    def give_back(self, slots: int) -> None:
        self.free += slots

    async def bring_near(self, keys: Collection[tuple[int, int]]) -> None:
        """They are."""

    async def begin(self, claims: Sequence[Claim], asked_at: float) -> None:
        self.begun += claims


async def is_held(connection: psycopg.AsyncConnection) -> bool:
    row = await (await connection.execute(f"select count(*) {HOLDING}".encode())).fetchone()
    return row != (0,)


@asynccontextmanager
async def written(
    scheduler: Scheduler, clock: FakeClock, connection: psycopg.AsyncConnection
) -> AsyncIterator[None]:
    """A tenth of a second before the instant, when what will be at it is written."""
    async with foreseeing(scheduler, clock):
        await clock.advance(0.4)
        await eventually(lambda: clock.sleepers and not scheduler._foreseen, "it waits")
        await eventually(lambda: is_held(connection), "it holds what it wrote")
        yield


async def test_nobody_sees_what_is_written_ahead_before_its_instant(
    connection: psycopg.AsyncConnection, pool: Pool, clock: FakeClock, tick: Installed
) -> None:
    slots = Slots()
    scheduler = make_scheduler(pool, clock, poll_seconds=3600, starter=slots)
    async with written(scheduler, clock, connection):
        await clock.advance(0.099)
        assert (await fates(connection), slots.begun) == ([], [])

        await clock.advance(0.001)

        await eventually(lambda: slots.begun, "it has begun")
    assert await fates(connection) == [("running", None, tick.revision_id)]
    assert slots.free == 10


async def test_what_is_written_ahead_says_its_instant(
    connection: psycopg.AsyncConnection, pool: Pool, clock: FakeClock, tick: Installed
) -> None:
    slots = Slots()
    scheduler = make_scheduler(pool, clock, poll_seconds=3600, starter=slots)
    async with written(scheduler, clock, connection):
        await clock.advance(0.1)
        await eventually(lambda: slots.begun, "it has begun")

    cursor = await connection.execute(
        "select r.started_at, w.ready_at, w.lease_until, l.occurred_at, (l.data ->> 'late_seconds')::float"
        " from ordinaut.run r join ordinaut.due_work w using (run_id) join ordinaut.event_log l using (run_id)"
        " where r.task_uid = %s",
        [tick.uid],
    )
    assert await cursor.fetchall() == [(DUE, DUE, DUE + LEASE, DUE, 0.0)]
    assert slots.begun[0].started_at == slots.begun[0].claimed_at == DUE


async def test_without_a_free_slot_it_is_queued_at_its_instant(
    connection: psycopg.AsyncConnection, pool: Pool, clock: FakeClock, tick: Installed
) -> None:
    scheduler = make_scheduler(pool, clock, poll_seconds=3600, starter=Slots(0))
    async with written(scheduler, clock, connection):
        await clock.advance(0.1)
        await eventually(lambda: fates(connection), "it is there")

    assert await fates(connection) == [("queued", None, tick.revision_id)]


async def test_a_pause_that_comes_while_it_is_held_waits_and_comes_after(
    connection: psycopg.AsyncConnection,
    pool: Pool,
    clock: FakeClock,
    tick: Installed,
    database: str,
) -> None:
    scheduler = make_scheduler(pool, clock, poll_seconds=3600)
    async with (
        await psycopg.AsyncConnection.connect(database, autocommit=True) as other,
        written(scheduler, clock, connection),
    ):
        pausing = asyncio.create_task(
            other.execute(
                "update ordinaut.schedule set paused_at = ordinaut.now() where paused_at is null"
            )
        )
        waits = "select count(*) from pg_locks where not granted"
        await eventually(lambda: is_any(connection, waits), "the pause waits")

        await clock.advance(0.1)

        assert (await within(pausing, "the pause is made")).rowcount == 1
        assert await fates(connection) == [("queued", None, tick.revision_id)]
        await clock.advance(61)
        await eventually(lambda: clock.sleepers, "it sleeps")
    assert len(await fates(connection)) == 1


async def is_any(connection: psycopg.AsyncConnection, question: str) -> bool:
    return await (await connection.execute(question.encode())).fetchone() != (0,)


async def test_a_run_that_ends_just_before_the_instant_is_not_in_its_way(
    connection: psycopg.AsyncConnection, pool: Pool, clock: FakeClock, tick: Installed
) -> None:
    run_id = await queue_run(connection, tick)
    scheduler = make_scheduler(pool, clock, poll_seconds=3600)
    async with foreseeing(scheduler, clock):
        await clock.advance(0.4)
        await eventually(lambda: clock.sleepers and not scheduler._foreseen, "it waits")
        assert not await is_held(connection)
        await connection.execute("delete from ordinaut.due_work where run_id = %s", [run_id])
        await connection.execute(
            "update ordinaut.run set state = 'succeeded', finished_at = ordinaut.now() where run_id = %s",
            [run_id],
        )

        await clock.advance(0.1)

        await eventually(lambda: fates(connection), "it is decided")
    assert await fates(connection) == [("queued", None, tick.revision_id)]


async def test_one_that_is_busy_does_not_keep_the_others_from_being_written_ahead(
    connection: psycopg.AsyncConnection, pool: Pool, clock: FakeClock, tick: Installed
) -> None:
    busy = await due(connection, "busy")
    await queue_run(connection, busy)
    slots = Slots()
    scheduler = make_scheduler(pool, clock, poll_seconds=3600, starter=slots)
    async with written(scheduler, clock, connection):
        await clock.advance(0.1)

        await eventually(lambda: slots.begun, "the free one has begun")

        async def are_both_there() -> bool:
            return len(await fates(connection)) == 2

        await eventually(are_both_there, "the busy one is decided")
    assert sorted(await fates(connection)) == [
        ("running", None, tick.revision_id),
        ("skipped", "overlap", busy.revision_id),
    ]
    assert slots.free == 10


async def test_a_run_that_waits_already_has_a_say(
    connection: psycopg.AsyncConnection, pool: Pool, clock: FakeClock
) -> None:
    queue = await due(connection, overlap="queue_all")
    await queue_run(connection, queue)
    await connection.execute(
        """with taken as (delete from ordinaut.due_work returning *)
        insert into ordinaut.backlog (run_id, task_uid, revision_id, ready_at, start_until, lane)
        select run_id, task_uid, revision_id, ready_at, start_until, lane from taken"""
    )
    scheduler = make_scheduler(pool, clock, poll_seconds=3600)
    async with foreseeing(scheduler, clock):
        await clock.advance(0.4)
        await eventually(lambda: clock.sleepers and not scheduler._foreseen, "it waits")

        assert not await is_held(connection)


async def test_what_is_active_is_replaced_at_the_instant_and_not_before(
    connection: psycopg.AsyncConnection, pool: Pool, clock: FakeClock
) -> None:
    replacing = await due(connection, overlap="cancel_running")
    run_id = await queue_run(connection, replacing)
    ended: list[UUID] = []
    scheduler = make_scheduler(
        pool, clock, poll_seconds=3600, end_runs=lambda run_ids, _: ended.extend(run_ids)
    )
    async with foreseeing(scheduler, clock):
        await clock.advance(0.4)
        await eventually(lambda: clock.sleepers and not scheduler._foreseen, "it waits")
        assert not await is_held(connection)

        await clock.advance(0.1)

        await eventually(lambda: fates(connection), "it is decided")
        await eventually(lambda: ended, "its local work is stopped")
    assert ended == [run_id]
    cursor = await connection.execute(
        "select finished_at from ordinaut.run where run_id = %s", [run_id]
    )
    assert await cursor.fetchone() == (DUE,)


async def test_what_is_written_ahead_by_a_session_that_ends_is_written_again(
    connection: psycopg.AsyncConnection, pool: Pool, clock: FakeClock, tick: Installed
) -> None:
    scheduler = make_scheduler(pool, clock, poll_seconds=3600)
    async with written(scheduler, clock, connection):
        await connection.execute(f"select pg_terminate_backend(pid) {HOLDING}".encode())

        await clock.advance(0.1)
        await eventually(lambda: clock.sleepers, "it has heard of it")
        assert await fates(connection) == []
        await clock.advance(1)

        await eventually(lambda: fates(connection), "it is fired")
    assert await fates(connection) == [("queued", None, tick.revision_id)]


async def test_a_runtime_that_stops_while_it_holds_schedules_loses_them_within_a_second(
    connection: psycopg.AsyncConnection, pool: Pool, clock: FakeClock, tick: Installed
) -> None:
    """Of real time, by the server's own clock: ours stands still, as that of a process does that is stopped."""
    scheduler = make_scheduler(pool, clock, poll_seconds=3600)
    async with written(scheduler, clock, connection):

        async def is_free() -> bool:
            return not await is_held(connection)

        await eventually(is_free, "it holds nothing more")
        assert await fates(connection) == []

        await clock.advance(0.1)

        await eventually(lambda: fates(connection), "it is fired, from the beginning")
    assert await fates(connection) == [("queued", None, tick.revision_id)]


async def test_what_the_database_refuses_is_told_apart_from_the_rest_at_the_instant(
    connection: psycopg.AsyncConnection, pool: Pool, clock: FakeClock, tick: Installed
) -> None:
    await connection.execute(
        """create function public.refuse() returns trigger language plpgsql as $$
        begin
            if new.task_uid = tg_argv[0]::bigint then raise data_exception; end if;
            return new;
        end $$"""
    )
    bad = await due(connection, "bad")
    await connection.execute(
        f"create trigger refuse before insert on ordinaut.due_work for each row execute function public.refuse({bad.uid})".encode()
    )
    scheduler = make_scheduler(pool, clock, poll_seconds=3600)
    async with foreseeing(scheduler, clock):
        await clock.advance(0.4)
        await eventually(lambda: clock.sleepers and not scheduler._foreseen, "it waits")

        await clock.advance(0.1)

        await eventually(lambda: fates(connection), "the good one is fired")
    assert await fates(connection) == [("queued", None, tick.revision_id)]
