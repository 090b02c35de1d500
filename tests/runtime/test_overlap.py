"""Runs of one task: side by side, one after another, or one in another's place, whoever races."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from runtime.actor import Actor
from runtime.manual import request_run
from runtime.scheduler import Look, Scheduler
from runtime.store.backlog import release_turns
from runtime.store.connect import connect
from runtime.store.due_work import Claim, Report, claim_due, record_progress, skip_late
from runtime.store.pool import Pool, open_pool
from runtime.turns import Turns
from runtime.wake import Bell
from schemas.event import EVENTS
from tests.support.clock import START, FakeClock
from tests.support.installed import Installed, install, queue_run, schedule, task
from tests.support.locks import somebody_is_blocked
from tests.support.probes import eventually
from tests.support.scheduling import RUNTIME, make_scheduler

# Longer than any test lasts: what is claimed stays claimed.
LEASE = timedelta(days=1)


@pytest.fixture(autouse=True)
async def _time_is_the_tests(clock: FakeClock, database: str) -> None:
    await clock.attach(database)


def ask_for_a_run(database: str) -> None:
    """Somebody asks for a run of `tick`."""
    with connect(database) as connection:
        request_run(
            connection, "tick", {}, may_overlap=False, needs_runtime=False, actor=Actor("ada")
        )


class Place:
    """One runtime's scheduler, its look into the backlog, and its slots, driven by hand."""

    def __init__(self, pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock) -> None:
        self.pool = pool
        self.connection = connection
        self.clock = clock
        self.work = Bell(clock)
        self.turns = Turns(pool, clock, self.work, Bell(clock))
        self.ended: list[UUID] = []
        self.scheduler: Scheduler = make_scheduler(
            pool, clock, work=self.work, turns=self.turns, end_runs=self._end
        )

    def _end(self, run_ids: Iterable[UUID], why: str) -> None:
        self.ended += run_ids

    async def minutely(self, overlap: str, name: str = "tick", **fields: Any) -> Installed:
        """A task that is due every minute from 08:01."""
        body = task(name, schedule={"every": "1m"}, overlap=overlap, **fields)
        installed = await install(self.connection, body)
        await schedule(self.connection, installed, START, START + timedelta(minutes=1))
        return installed

    async def fire(self, minutes: float = 1) -> Look:
        """Let time pass, decide what is due, and look into the backlog."""
        await self.clock.advance(60 * minutes)
        look = await self.scheduler.run_once()
        await self.turns.look()
        return look

    async def claim(self) -> list[Claim]:
        claimed = await claim_due(self.pool, runtime_id=RUNTIME, limit=10, lease=LEASE)
        if claimed.late:
            self.turns.skipped(await skip_late(self.pool, claimed.late))
        return list(claimed.claims)

    async def claim_one(self) -> Claim:
        (claim,) = await self.claim()
        return claim

    async def finish(self, claim: Claim, state: str = "succeeded") -> bool:
        """Report a run as over, and look into the backlog if that is called for; whether the lease held."""
        report = Report(claim.run_id, claim.lease_epoch, claim.task, move="finish", state=state)
        written = await record_progress(self.pool, [report])
        self.turns.pass_on(written.turns)
        await self.turns.look()
        return claim.run_id in written.held

    async def fates(self) -> list[tuple[str, str, str | None]]:
        """Every run by its minute, its state, and its reason."""
        cursor = await self.connection.execute(
            "select to_char(occurrence_for at time zone 'UTC', 'HH24:MI'), state, reason"
            " from ordinaut.run order by occurrence_for, state"
        )
        return await cursor.fetchall()

    async def waiting(self) -> int:
        cursor = await self.connection.execute("select count(*) from ordinaut.backlog")
        row = await cursor.fetchone()
        assert row is not None
        return int(row[0])

    async def is_settled(self) -> bool:
        """Whether nobody waits for a turn."""
        return await self.waiting() == 0

    async def events(self, kind: str) -> list[dict[str, Any]]:
        cursor = await self.connection.execute(
            "select data from ordinaut.event_log where type = %s order by sequence", [kind]
        )
        told = [data for (data,) in await cursor.fetchall()]
        for data in told:
            EVENTS[kind].model_validate(data)
        return told


@pytest.fixture
def place(pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock) -> Place:
    return Place(pool, connection, clock)


class TestQueueOne:
    async def test_one_run_waits_and_begins_when_the_active_one_is_over(
        self, place: Place
    ) -> None:
        await place.minutely("queue_one")
        await place.fire()
        first = await place.claim_one()

        assert await place.fire() == Look(due=1, waiting=1)
        assert await place.claim() == []
        await place.finish(first)

        second = await place.claim_one()
        assert second.occurrence_for == first.occurrence_for + timedelta(minutes=1)
        assert await place.waiting() == 0

    async def test_a_second_run_does_not_wait(self, place: Place) -> None:
        await place.minutely("queue_one")
        await place.fire()
        await place.fire()

        assert await place.fire() == Look(due=1, skipped=1)

        assert await place.fates() == [
            ("08:01", "queued", None),
            ("08:02", "queued", None),
            ("08:03", "skipped", "overlap_queue_full"),
        ]


async def test_queue_all_runs_everything_in_order(place: Place) -> None:
    await place.minutely("queue_all")
    for _ in range(4):
        await place.fire()

    order = []
    while claims := await place.claim():
        (claim,) = claims
        order.append(claim.occurrence_for)
        await place.finish(claim, "failed")

    assert order == [START + timedelta(minutes=n) for n in range(1, 5)]


async def test_a_run_that_waits_for_a_retry_keeps_the_others_waiting(place: Place) -> None:
    await place.minutely("queue_one")
    await place.fire()
    claim = await place.claim_one()
    await place.fire()

    waits = Report(
        claim.run_id, claim.lease_epoch, "tick", move="wait", state="waiting", wait_seconds=5.0
    )
    written = await record_progress(place.pool, [waits])

    assert written.turns == ()
    await place.clock.advance(5)
    again = await place.claim_one()
    assert again.run_id == claim.run_id
    await place.finish(again)
    assert len(await place.claim()) == 1


class TestCancelRunning:
    async def test_the_active_run_is_cancelled_and_told_and_its_holder_fenced_out(
        self, place: Place
    ) -> None:
        await place.minutely("cancel_running")
        await place.fire()
        first = await place.claim_one()

        assert await place.fire() == Look(due=1, queued=1)

        assert place.ended == [first.run_id]
        assert not await place.finish(first)
        assert await place.fates() == [
            ("08:01", "cancelled", "overlap"),
            ("08:02", "queued", None),
        ]
        (told,) = await place.events("run.cancelled")
        assert (told["reason"], told["seconds"]) == ("overlap", 60)
        assert (await place.claim_one()).occurrence_for == START + timedelta(minutes=2)

    async def test_a_run_that_nobody_began_is_cancelled_too(self, place: Place) -> None:
        await place.minutely("cancel_running")
        await place.fire()
        await place.fire()

        assert [state for _, state, _ in await place.fates()] == ["cancelled", "queued"]
        assert len(await place.claim()) == 1

    async def test_a_run_that_ends_just_then_is_not_cancelled(
        self, place: Place, database: str
    ) -> None:
        await place.minutely("cancel_running")
        await place.fire()
        claim = await place.claim_one()
        await place.clock.advance(60)

        async with await psycopg.AsyncConnection.connect(database) as ending:
            await ending.execute(
                "update ordinaut.run set state = 'succeeded', finished_at = ordinaut.now()"
            )
            await ending.execute("delete from ordinaut.due_work")
            firing = asyncio.create_task(place.scheduler.run_once())
            await somebody_is_blocked(database)
            await ending.commit()
        await firing

        assert place.ended == []
        assert not await place.finish(claim)
        assert [state for _, state, _ in await place.fates()] == ["succeeded", "queued"]

    async def test_of_many_missed_occurrences_only_the_latest_runs(self, place: Place) -> None:
        await place.minutely("cancel_running", catch_up={"policy": "all"})

        assert await place.fire(3) == Look(due=1, queued=1, skipped=2)

        assert await place.fates() == [
            ("08:01", "skipped", "overlap_replaced"),
            ("08:02", "skipped", "overlap_replaced"),
            ("08:03", "queued", None),
        ]


class TestCatchUpAll:
    @pytest.mark.parametrize("overlap", ["skip", "queue_one", "queue_all"])
    async def test_missed_runs_go_one_after_another(self, place: Place, overlap: str) -> None:
        """Once they all began at the same moment, whatever the task's overlap policy said."""
        await place.minutely(overlap, catch_up={"policy": "all"})

        assert await place.fire(5) == Look(due=1, queued=1, waiting=4)

        order = []
        while claims := await place.claim():
            (claim,) = claims
            order.append(claim.occurrence_for)
            await place.finish(claim)
        assert order == [START + timedelta(minutes=n) for n in range(1, 6)]

    async def test_missed_runs_may_go_side_by_side_where_overlap_is_allowed(
        self, place: Place
    ) -> None:
        await place.minutely("allow", catch_up={"policy": "all"})

        assert await place.fire(5) == Look(due=1, queued=5)
        assert len(await place.claim()) == 5

    async def test_what_is_due_while_missed_runs_go_on_is_skipped_by_policy(
        self, place: Place
    ) -> None:
        await place.minutely("skip", catch_up={"policy": "all"})
        await place.fire(3)

        assert await place.fire() == Look(due=1, skipped=1)
        assert (await place.fates())[-1] == ("08:04", "skipped", "overlap")

    async def test_missed_runs_that_meet_an_active_one_wait_for_it(self, place: Place) -> None:
        await place.minutely("skip", catch_up={"policy": "all"})
        await place.fire()
        active = await place.claim_one()

        assert await place.fire(3) == Look(due=1, waiting=3)
        await place.finish(active)
        assert (await place.claim_one()).occurrence_for == START + timedelta(minutes=2)


class TestStartDeadline:
    async def test_a_run_that_nobody_started_in_time_is_skipped_by_the_claim(
        self, place: Place
    ) -> None:
        await place.minutely("skip", start_deadline="30s")
        await place.fire()

        await place.clock.advance(31)
        assert await place.claim() == []

        assert await place.fates() == [("08:01", "skipped", "start_deadline")]
        (told,) = await place.events("run.skipped")
        assert told["reason"] == "start_deadline"

    async def test_a_run_that_began_in_time_goes_on(self, place: Place) -> None:
        await place.minutely("skip", start_deadline="30s")
        await place.fire()
        await place.claim_one()

        await place.clock.advance(2 * 86_400)

        assert (await place.claim_one()).lease_epoch == 2

    async def test_a_run_that_waited_too_long_for_its_turn_is_skipped_and_the_next_begins(
        self, place: Place
    ) -> None:
        await place.minutely("queue_all", start_deadline="90s")
        await place.fire()
        first = await place.claim_one()
        await place.fire()
        await place.fire()

        await place.clock.advance(45)
        await place.finish(first)

        assert await place.fates() == [
            ("08:01", "succeeded", None),
            ("08:02", "skipped", "start_deadline"),
            ("08:03", "queued", None),
        ]
        assert (await place.claim_one()).occurrence_for == START + timedelta(minutes=3)

    async def test_a_run_that_is_too_late_to_start_stands_in_nobodys_way(
        self, place: Place
    ) -> None:
        await place.minutely("skip", start_deadline="30s")
        await place.fire()

        assert await place.fire() == Look(due=1, queued=1)

        assert await place.fates() == [
            ("08:01", "skipped", "start_deadline"),
            ("08:02", "queued", None),
        ]

    @pytest.mark.parametrize("by", ["its schedule", "somebody"])
    async def test_a_run_that_can_no_longer_begin_takes_no_place_in_the_queue(
        self, place: Place, database: str, by: str
    ) -> None:
        await place.minutely("queue_one", start_deadline="30s")
        await place.fire()
        await place.claim_one()
        await place.fire()
        await place.clock.advance(31)

        if by == "its schedule":
            assert await place.fire(29 / 60) == Look(due=1, waiting=1)
        else:
            await asyncio.to_thread(ask_for_a_run, database)

        assert [fate for fate in await place.fates() if fate[0] != "08:01"] == [
            ("08:02", "skipped", "start_deadline"),
            ("08:03" if by == "its schedule" else "08:02", "queued", None),
        ]
        assert await place.waiting() == 1
        assert len(await place.events("run.skipped")) == 1

    async def test_when_a_late_run_is_skipped_the_one_behind_it_begins(self, place: Place) -> None:
        installed = await place.minutely("queue_all")
        await place.fire()
        await place.fire()
        await place.connection.execute(
            "update ordinaut.due_work set start_until = ordinaut.now() - interval '1 s'"
        )

        assert await place.claim() == []
        await place.turns.look()

        assert (await place.claim_one()).task_uid == installed.uid

    async def test_an_occurrence_missed_beyond_it_is_not_queued_at_all(self, place: Place) -> None:
        await place.minutely("skip", start_deadline="90s", catch_up={"policy": "all"})

        await place.fire(3)

        assert await place.fates() == [
            ("08:01", "skipped", "start_deadline"),
            ("08:02", "queued", None),
            ("08:03", "queued", None),
        ]


class TestBackfill:
    """A backfill under way, as its row in the queue shows it."""

    async def begin(self, place: Place, installed: Installed) -> Claim:
        await queue_run(place.connection, installed)
        await place.connection.execute("update ordinaut.run set trigger = 'backfill'")
        return await place.claim_one()

    @pytest.mark.parametrize("overlap", ["skip", "queue_one", "queue_all", "cancel_running"])
    async def test_a_regular_occurrence_waits_for_it(self, place: Place, overlap: str) -> None:
        backfill = await self.begin(place, await place.minutely(overlap))

        assert await place.fire() == Look(due=1, waiting=1)
        assert await place.finish(backfill)

        assert (await place.claim_one()).occurrence_for == START + timedelta(minutes=1)

    async def test_a_second_one_does_not_wait_where_runs_are_skipped(self, place: Place) -> None:
        await self.begin(place, await place.minutely("skip"))
        await place.fire()

        assert await place.fire() == Look(due=1, skipped=1)
        assert (await place.fates())[-1] == ("08:02", "skipped", "overlap")

    async def test_a_newer_run_takes_the_place_of_one_that_waits(self, place: Place) -> None:
        backfill = await self.begin(place, await place.minutely("cancel_running"))
        await place.fire()

        assert await place.fire() == Look(due=1, waiting=1)
        await place.finish(backfill)

        assert (await place.claim_one()).occurrence_for == START + timedelta(minutes=2)
        assert ("08:01", "cancelled", "overlap") in await place.fates()


class TestNobodyWaitsForEver:
    """Who finishes and who queues look after their commits; here each is held where it matters."""

    async def test_a_run_that_ends_while_another_is_being_queued_is_followed(
        self, place: Place
    ) -> None:
        """The end sees no backlog yet, the firing sees the run still active."""
        await place.minutely("queue_one")
        await place.fire()
        claim = await place.claim_one()
        await place.clock.advance(60)

        await place.scheduler.run_once()
        report = Report(claim.run_id, claim.lease_epoch, "tick", move="finish", state="succeeded")
        written = await record_progress(place.pool, [report])
        assert written.turns == ()
        await place.turns.look()

        assert len(await place.claim()) == 1

    async def test_a_look_waits_for_an_end_that_is_about_to_commit(
        self, place: Place, database: str
    ) -> None:
        installed = await place.minutely("queue_one")
        await place.fire()
        claim = await place.claim_one()
        await place.clock.advance(60)
        await place.scheduler.run_once()

        async with await psycopg.AsyncConnection.connect(database) as ending:
            await ending.execute(
                "update ordinaut.run set state = 'succeeded', finished_at = ordinaut.now() where run_id = %s",
                [claim.run_id],
            )
            await ending.execute("delete from ordinaut.due_work where run_id = %s", [claim.run_id])
            looking = asyncio.create_task(release_turns(place.pool, [installed.uid]))
            await somebody_is_blocked(database)
            await ending.commit()

        assert (await looking).count == 1

    async def test_an_end_that_waits_for_a_look_is_told_to_look_itself(
        self, place: Place, database: str
    ) -> None:
        """Its snapshot is older than the mark; the row that it locks is not."""
        await place.minutely("queue_one")
        await place.fire()
        claim = await place.claim_one()

        async with await psycopg.AsyncConnection.connect(database) as looking:
            await looking.execute("update ordinaut.due_work set followed = true")
            report = Report(
                claim.run_id, claim.lease_epoch, "tick", move="finish", state="succeeded"
            )
            ending = asyncio.create_task(record_progress(place.pool, [report]))
            await somebody_is_blocked(database)
            await looking.commit()

        assert (await ending).turns == (claim.task_uid,)

    async def test_a_task_that_an_apply_holds_is_looked_at_later_and_holds_up_no_other(
        self, place: Place, database: str
    ) -> None:
        held = await place.minutely("queue_one", "held")
        other = await place.minutely("queue_one", "other")
        await place.fire()
        claims = await place.claim()
        await place.clock.advance(60)
        await place.scheduler.run_once()
        for claim in claims:
            report = Report(claim.run_id, claim.lease_epoch, "-", move="finish", state="succeeded")
            await record_progress(place.pool, [report])

        async with await psycopg.AsyncConnection.connect(database) as applying:
            await applying.execute(
                "select from ordinaut.spec where uid = %s for update", [held.uid]
            )
            assert await place.turns.look()
            assert [claim.task_uid for claim in await place.claim()] == [other.uid]
        assert not await place.turns.look()

        assert [claim.task_uid for claim in await place.claim()] == [held.uid]

    async def test_the_scheduler_sweeps_up_what_a_lost_process_left(self, place: Place) -> None:
        await place.minutely("queue_one")
        await place.fire()
        claim = await place.claim_one()
        await place.fire()
        await place.connection.execute("update ordinaut.due_work set followed = false")
        report = Report(claim.run_id, claim.lease_epoch, "tick", move="finish", state="succeeded")
        await record_progress(place.pool, [report])

        service = asyncio.create_task(place.scheduler.run())
        looking = asyncio.create_task(place.turns.run())
        await eventually(place.is_settled, "a released run")
        for one in (service, looking):
            one.cancel()
        await asyncio.gather(service, looking, return_exceptions=True)

        assert len(await place.claim()) == 1

    async def test_a_look_that_fails_is_repeated(
        self, place: Place, database: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        cut_off = await open_pool(database)
        await cut_off.close()
        turns = Turns(cut_off, place.clock, place.work, Bell(place.clock))
        turns.pass_on([1])
        service = asyncio.create_task(turns.run())

        for times in (1, 2):
            await eventually(lambda: place.clock.sleepers, "a pause")
            assert caplog.text.count("backlog not looked at") == times
            await place.clock.advance(0.5)

        service.cancel()
        await asyncio.gather(service, return_exceptions=True)

    @pytest.mark.parametrize("others", [1, 3])
    async def test_ends_and_firings_that_race_leave_nobody_behind(
        self, place: Place, others: int
    ) -> None:
        """Runs end in the same moment as others are queued, again and again, in several tasks."""
        for number in range(4):
            await place.minutely("queue_all", f"tick-{number}")
        rivals = [Place(place.pool, place.connection, place.clock) for _ in range(others)]
        places = [place, *rivals]

        async def work(at: Place) -> int:
            claims = await at.claim()
            await asyncio.gather(*(at.finish(claim) for claim in claims))
            return len(claims)

        async def decide(at: Place) -> None:
            await at.scheduler.run_once()
            await at.turns.look()

        done = 0
        for _ in range(10):
            await place.clock.advance(60)
            done += sum(
                found or 0
                for found in await asyncio.gather(
                    *(decide(at) for at in places), *(work(at) for at in places)
                )
            )
        while found := await work(place):
            done += found

        assert done == 40
        assert await place.waiting() == 0
