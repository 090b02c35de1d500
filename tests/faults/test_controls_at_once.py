"""Every control holds over several runtimes that act in the same moment, each over connections of its own.

What is here complements, for controls whose own tests already have several at once: concurrency keys (`test_gate`), rate
limits (`test_throttle`), the pause after failures (`test_failing`), cancellation (`test_cancelling`), and keys of
requests (`test_dedupe`).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from runtime.actor import Actor
from runtime.overrides import pause_task, resume_task, snooze_task
from runtime.rerunning import Rerun, rerun_run
from runtime.store.connect import connect
from runtime.store.pool import open_pool
from tests.support.clock import START, FakeClock
from tests.support.driven import LEASE, DrivenRuntime, quiet
from tests.support.installed import Installed, install, queue_run, schedule, task
from tests.support.scripted_tools import failed, ok

RUNTIMES = 3
STEP = {"id": "a", "uses": "tool.do", "with": {"step": "a"}}


class Fleet:
    """Three runtimes that do everything at once."""

    def __init__(
        self,
        runtimes: list[DrivenRuntime],
        connection: psycopg.AsyncConnection,
        clock: FakeClock,
    ) -> None:
        self.runtimes = runtimes
        self._connection = connection
        self.clock = clock

    async def minutely(self, **fields: Any) -> Installed:
        """A task that is due every minute from 08:01, of a step that waits for the test."""
        body = task("tick", schedule={"every": "1m"}, pipeline=[STEP], **fields)
        installed = await install(self._connection, body)
        await schedule(self._connection, installed, START, START + timedelta(minutes=1))
        return installed

    async def queue(self, count: int, name: str = "briefing", **fields: Any) -> None:
        """So many runs of a task that are ready now."""
        installed = await install(self._connection, task(name, pipeline=[STEP], **fields))
        for number in range(count):
            lane = fields.get("priority", 5)
            await queue_run(self._connection, installed, str(number), lane=lane)

    async def fire(self, minutes: int = 1) -> None:
        """Let time pass, with leases renewed; then all decide what is due."""
        for _ in range(6 * minutes):
            await self.clock.advance(10)
            await self.renew()
        await asyncio.gather(*(one.scheduler.run_once() for one in self.runtimes))
        await self._look_around()

    async def claim(self, *some: DrivenRuntime) -> list[int]:
        """All claim, or some of them; how many runs each has begun."""
        claiming = some or tuple(self.runtimes)
        for runtime in claiming:
            runtime.begun.clear()
        await asyncio.gather(*(one.worker.run_once() for one in claiming))
        await self._look_around()
        return [len(runtime.begun) for runtime in claiming]

    async def answer(self, *, is_ok: bool = True) -> int:
        """Every call that is under way comes back at once; how many did."""
        count = 0
        for runtime in self.runtimes:
            for run_id, place, *_ in list(runtime.tools.waiting):
                runtime.tools.answer(run_id, place, ok() if is_ok else failed())
                count += 1
        await self._look_around()
        return count

    async def renew(self) -> None:
        """All renew what they hold, and so learn what they have lost."""
        await asyncio.gather(*(one.leases.renew() for one in self.runtimes))
        await quiet(*self.runtimes)

    async def _look_around(self) -> None:
        await quiet(*self.runtimes)
        await asyncio.gather(*(one.look_around() for one in self.runtimes))

    @property
    def under_way(self) -> list[UUID]:
        """The runs that somebody executes."""
        return [run_id for one in self.runtimes for run_id, *_ in one.tools.waiting]

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query gives."""
        return await (await self._connection.execute(query.encode())).fetchall()

    async def fates(self) -> Counter[tuple[str, str | None]]:
        """How many runs there are of each state and reason."""
        return Counter(await self.rows("select state, reason from ordinaut.run"))  # type: ignore[arg-type] - of two columns

    async def told(self, kind: str) -> int:
        """How many events of a kind there are."""
        kinds = [kind for (kind,) in await self.rows("select type from ordinaut.event_log")]
        return kinds.count(kind)


@pytest.fixture
async def fleet(
    database: str, connection: psycopg.AsyncConnection, clock: FakeClock
) -> AsyncIterator[Fleet]:
    """Runtimes with five slots each, on this test's database and clock."""
    await clock.attach(database)
    pools = [await open_pool(database, size=2) for _ in range(RUNTIMES)]
    runtimes = [
        DrivenRuntime(number, pool, clock, concurrency=5) for number, pool in enumerate(pools)
    ]
    yield Fleet(list(runtimes), connection, clock)
    for runtime, pool in zip(runtimes, pools, strict=True):
        await runtime.vanish()
        await pool.close()


@pytest.mark.parametrize(
    ("overlap", "while_one_runs", "at_last"),
    [
        pytest.param(
            "skip",
            {("running", None): 1, ("skipped", "overlap"): 4},
            {("succeeded", None): 1, ("skipped", "overlap"): 4},
            id="skip",
        ),
        pytest.param(
            "queue_one",
            {("running", None): 1, ("queued", None): 1, ("skipped", "overlap_queue_full"): 3},
            {("succeeded", None): 2, ("skipped", "overlap_queue_full"): 3},
            id="queue_one",
        ),
        pytest.param(
            "queue_all",
            {("running", None): 1, ("queued", None): 4},
            {("succeeded", None): 5},
            id="queue_all",
        ),
        pytest.param(
            "cancel_running",
            {("running", None): 1, ("cancelled", "overlap"): 4},
            {("succeeded", None): 1, ("cancelled", "overlap"): 4},
            id="cancel_running",
        ),
        pytest.param(
            "allow",
            {("running", None): 5},
            {("succeeded", None): 5},
            id="allow",
        ),
    ],
)
async def test_a_task_overlaps_as_it_may_whoever_decides_and_whoever_claims(
    fleet: Fleet,
    overlap: str,
    while_one_runs: dict[tuple[str, str | None], int],
    at_last: dict[tuple[str, str | None], int],
) -> None:
    """Asserts: each of five occurrences is decided once by three that decide at once, and no two runs that must not overlap
    are under way at the same time, neither while the first lasts nor while those that wait follow.
    """
    await fleet.minutely(overlap=overlap)
    most = 5 if overlap == "allow" else 1
    for _ in range(5):
        await fleet.fire()
        await fleet.claim()
        await fleet.renew()
        assert len(fleet.under_way) <= most
    assert await fleet.fates() == while_one_runs

    while await fleet.answer():
        await fleet.claim()
        assert len(fleet.under_way) <= most

    assert await fleet.fates() == at_last
    assert await fleet.told("run.succeeded") == at_last["succeeded", None]


async def test_what_one_runtime_ends_for_a_newer_run_another_cannot_finish(fleet: Fleet) -> None:
    """Asserts: where runs take each other's place, all but the newest are refused that come back, whoever executes them."""
    await fleet.minutely(overlap="cancel_running")
    for _ in range(4):
        await fleet.clock.advance(60)
        await fleet.runtimes[0].scheduler.run_once()
        # It is told that its own work has ended, so the others have to have it.
        await fleet.claim(*fleet.runtimes[1:])

    assert await fleet.answer() == 4

    assert await fleet.fates() == {("succeeded", None): 1, ("cancelled", "overlap"): 3}
    assert await fleet.rows("select count(*) from ordinaut.step_result") == [(1,)]


async def test_a_paused_task_fires_nowhere_and_afterwards_once(
    fleet: Fleet, database: str
) -> None:
    await fleet.minutely(overlap="allow")
    with connect(database) as people:
        pause_task(people, "tick", until=None, reason="", actor=Actor("ada"))
        await fleet.fire(minutes=3)
        assert await fleet.fates() == {}

        resume_task(people, "tick", actor=Actor("ada"))
    await fleet.fire(minutes=0)

    assert await fleet.fates() == {("queued", None): 1, ("skipped", "catch_up_latest"): 2}
    assert await fleet.told("run.skipped") == 2


async def test_what_is_snoozed_is_left_out_once(fleet: Fleet, database: str) -> None:
    await fleet.minutely(overlap="allow")
    with connect(database) as people:
        snooze_task(people, "tick", until="150s", reason="", actor=Actor("ada"))
    for _ in range(3):
        await fleet.fire()

    assert await fleet.fates() == {("queued", None): 1, ("skipped", "snoozed"): 2}
    assert await fleet.told("run.skipped") == 2


async def test_nobody_begins_what_is_less_urgent_while_more_urgent_work_waits(
    fleet: Fleet,
) -> None:
    """Asserts: three that claim at once have all their slots filled with work of the highest priority, although other work
    was ready before it; and the next time too.
    """
    await fleet.queue(40, "later", priority=1)
    await fleet.clock.advance(10)
    await fleet.queue(30, "now", priority=9)
    for _ in range(2):
        assert await fleet.claim() == [5, 5, 5]
        begun = await fleet.rows(
            "select distinct s.name from ordinaut.run r join ordinaut.spec s on s.uid = r.task_uid where r.state = 'running'"
        )
        assert begun == [("now",)]
        await fleet.answer()
    assert await fleet.claim() == [5, 5, 5]


async def test_what_nobody_began_in_time_is_skipped_by_one(fleet: Fleet) -> None:
    await fleet.minutely(overlap="allow", start_deadline="30s", catch_up={"policy": "all"})
    for _ in range(4):
        await fleet.fire()
    await fleet.clock.advance(31)

    assert await fleet.claim() == [0, 0, 0]

    assert await fleet.fates() == {("skipped", "start_deadline"): 4}
    assert await fleet.told("run.skipped") == 4


async def test_tries_are_counted_over_all_runtimes(fleet: Fleet) -> None:
    """Asserts: a step that fails wherever it is tried is tried three times in all, although every try is another runtime's."""
    again = {"attempts": 3, "initial": "10s", "jitter": "none", "retry_on": ["tool_error"]}
    await fleet.queue(6, retry=again)
    for seconds in (0, 10, 20):
        await fleet.clock.advance(seconds)
        fleet.runtimes.append(fleet.runtimes.pop(0))
        await fleet.claim()
        assert await fleet.answer(is_ok=False) == 6

    assert await fleet.fates() == {("failed", None): 6}
    assert await fleet.rows("select distinct attempt from ordinaut.step_result") == [(3,)]
    assert await fleet.rows("select count(*) from ordinaut.step_attempt") == [(12,)]


async def test_the_time_of_a_run_is_that_of_all_its_runtimes_together(fleet: Fleet) -> None:
    """Asserts: a run whose runtimes vanish one after the other is over when its own time is, and not when theirs would be."""
    await fleet.queue(1, timeout="40s")
    for _ in range(2):
        await fleet.claim()
        assert len(fleet.under_way) == 1
        (holder,) = [one for one in fleet.runtimes if one.tools.waiting]
        await holder.vanish()
        fleet.runtimes.remove(holder)
        await fleet.clock.advance(LEASE.total_seconds() + 6)

    await fleet.claim()

    assert fleet.under_way == []
    assert await fleet.rows("select state, error ->> 'code' from ordinaut.run") == [
        ("failed", "ORD504")
    ]


async def test_of_runs_that_may_kill_each_runtime_executes_one(fleet: Fleet) -> None:
    """Asserts: of runs that lost their runtimes twice no runtime takes two, however many are claimed at once."""
    await fleet.queue(9)
    await fleet.rows("update ordinaut.due_work set attempt = 2 returning run_id")

    begun = await fleet.claim()

    assert max(begun) == 1
    attempts = await fleet.rows("select attempt, count(*) from ordinaut.due_work group by attempt")
    assert sorted(attempts) == [(2, 9 - sum(begun)), (3, sum(begun))]


async def test_who_asks_at_once_for_a_run_to_be_made_anew_gets_keys_of_its_own(
    fleet: Fleet, database: str
) -> None:
    """Asserts: four that ask in the same moment get four runs, and tools would see four different keys."""
    await fleet.queue(1)
    await fleet.claim()
    await fleet.answer()
    ((first,),) = await fleet.rows("select run_id from ordinaut.run")

    def ask(_: int) -> UUID:
        with connect(database) as people:
            return rerun_run(people, first, Rerun(may_overlap=True), actor=Actor("ada"))

    with ThreadPoolExecutor(4) as pool:
        again = await asyncio.gather(
            *(asyncio.get_running_loop().run_in_executor(pool, ask, number) for number in range(4))
        )

    assert len(set(again)) == 4
    await fleet.claim()
    await fleet.answer()
    assert await fleet.fates() == {("succeeded", None): 5}
    keys = await fleet.rows("select count(distinct idempotency_key) from ordinaut.step_result")
    assert keys == [(5,)]
