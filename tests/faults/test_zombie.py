"""A runtime that was frozen beyond its lease, and wakes, changes nothing."""

from __future__ import annotations

import os
import random
import signal
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from runtime.store import due_work
from runtime.store.pool import Pool, open_pool
from runtime.store.statements import statement
from tests.faults.site import Site, step
from tests.support.clock import FakeClock
from tests.support.driven import DrivenRuntime, quiet
from tests.support.installed import install, task
from tests.support.scripted_tools import ok

LEASE = timedelta(milliseconds=25)
RUNTIMES = 6
AT_ONCE = 64
RUNS = 3000
# What was lost so often without progress is left alone by the dice: soon it would pass for what kills its runtimes.
LUCKY_AGAIN = 4

_RETRY = {"attempts": 2, "initial": "1ms", "retry_on": ["tool_error"]}


@pytest.mark.parametrize(
    ("steps", "called_by_heir", "state"),
    [
        pytest.param([step("a", "wait"), step("b")], ["a", "b"], "succeeded", id="keeps_going"),
        pytest.param([step("a", "wait")], ["a"], "succeeded", id="finishes"),
        pytest.param(
            [
                {
                    **step("a", "wait", retry=_RETRY),
                    "with": {"name": "a", "fail": "${run.attempt == `1`}"},
                }
            ],
            ["a"],
            "succeeded",
            id="retries",
        ),
    ],
)
async def test_what_a_woken_runtime_has_to_say_is_refused(
    site: Site, steps: list[dict[str, Any]], called_by_heir: list[str], state: str
) -> None:
    """Asserts, for each way in which a lease holder writes: a runtime is stopped (SIGSTOP) in the middle of a call, and
    after its lease another finishes the run; then the first wakes, gets its tool's answer, and nothing at all that is
    recorded changes: no row, no event.
    """
    run_id = await site.queue(await site.install(*steps))
    async with site.runtime() as frozen:
        await site.called("a")
        os.kill(frozen.pid, signal.SIGSTOP)
        async with site.runtime():
            await site.called("a", "a")
            site.open_gate()
            assert await site.ended(run_id) == [state]
            before = await site.record()

            os.kill(frozen.pid, signal.SIGCONT)
            await frozen.line("lost")
            frozen.terminate()
            assert (await frozen.ended()).status == 0

            assert await site.record() == before
    assert site.diary == ["a", *called_by_heir]


class Crowd:
    """Runtimes that are frozen and killed at random, over a queue of runs of one step, with a clock that they do not know."""

    def __init__(self, pool: Pool, clock: FakeClock, seed: int) -> None:
        self._pool = pool
        self._clock = clock
        self._draw = random.Random(seed)
        self._frozen: list[DrivenRuntime] = []
        self._numbers = 0
        self._awake = [self._new() for _ in range(RUNTIMES)]
        self.newest: dict[UUID, int] = {}
        """The newest lease of each run that anybody has."""
        self.stale = 0
        """How many results came from runtimes whose runs others held by then."""
        self.killed = 0

    def _new(self) -> DrivenRuntime:
        self._numbers += 1
        return DrivenRuntime(
            self._numbers, self._pool, self._clock, concurrency=AT_ONCE, lease=LEASE
        )

    async def work_on(self) -> None:
        """Everybody claims, some of the frozen wake, everybody else answers, is frozen, or is killed; a lease goes by."""
        for runtime in self._awake:
            runtime.begun.clear()
            await runtime.worker.run_once()
            await quiet(runtime)
            self.newest |= {claim.run_id: claim.lease_epoch for claim in runtime.begun}
        # Those who wake find that others are in the middle of what they were at.
        woken = [one for one in self._frozen if self._draw.random() < 0.3]
        for runtime in woken:
            self._frozen.remove(runtime)
            self._speak(runtime)
            await quiet(runtime)
        for runtime in list(self._awake):
            await self._meet_its_fate(runtime)
        self._awake += woken
        self._awake += [self._new() for _ in range(RUNTIMES - len(self._awake))]
        # Where runs that lost their runtimes before are tried one at a time, each of the others waits for a second.
        is_scarce = not any(len(runtime.begun) > 1 for runtime in self._awake)
        await self._clock.advance(1 if is_scarce else LEASE.total_seconds() + 0.001)

    async def _meet_its_fate(self, runtime: DrivenRuntime) -> None:
        fate = self._draw.random()
        if fate > 0.25 or any(one.attempt >= LUCKY_AGAIN for one in runtime.begun):
            self._speak(runtime)
            await quiet(runtime)
            return
        self._awake.remove(runtime)
        if fate > 0.1:
            self._frozen.append(runtime)
            return
        if fate > 0.05:
            # In the middle of what it writes.
            self._speak(runtime)
        self.killed += 1
        await runtime.vanish()

    def _speak(self, runtime: DrivenRuntime) -> None:
        """Every call that waits there comes back."""
        held = {claim.run_id: claim.lease_epoch for claim in runtime.begun}
        others = {
            run_id
            for other in (*self._awake, *self._frozen)
            if other is not runtime
            for run_id, *_ in other.tools.waiting
        }
        for run_id, place, *_ in list(runtime.tools.waiting):
            self.stale += held[run_id] < self.newest[run_id] and run_id in others
            runtime.tools.answer(run_id, place, ok({"lease": held[run_id]}))

    async def go_home(self) -> None:
        """Everybody wakes and says what it has to say, and all is over."""
        for runtime in self._frozen:
            self._speak(runtime)
            await quiet(runtime)
        for runtime in (*self._awake, *self._frozen):
            await runtime.vanish()


async def survive(site: Site, database: str, clock: FakeClock, *, runs: int, seed: int) -> Crowd:
    """Let a crowd of unreliable runtimes work on so many runs until all are over."""
    await clock.attach(database)
    body = task(pipeline=[{"id": "a", "uses": "tool.do", "with": {"step": "a"}}])
    await site.queue_many(await install(site.connection, body), runs)
    pool = await open_pool(database, size=2)
    crowd = Crowd(pool, clock, seed)
    while await site.value("select exists (select from ordinaut.due_work)"):
        await crowd.work_on()
    await crowd.go_home()
    await pool.close()
    return crowd


async def assert_each_is_recorded_once(site: Site, crowd: Crowd, runs: int) -> None:
    """One result a run, of the newest lease of it that anybody had, and one end."""
    results = await site.rows(
        "select run_id, lease_epoch, (output ->> 'lease')::integer from ordinaut.step_result"
    )
    assert len(results) == runs
    assert {run_id: epoch for run_id, epoch, _ in results} == crowd.newest
    assert all(epoch == said for _, epoch, said in results)
    assert await site.states() == {"succeeded": runs}
    told = await site.rows(
        "select type, count(*), count(distinct run_id) from ordinaut.event_log where type <> 'run.started' group by type"
    )
    assert sorted(told) == [("run.succeeded", runs, runs), ("step.succeeded", runs, runs)]


async def test_of_three_thousand_runs_under_zombies_each_is_recorded_once(
    site: Site, database: str, clock: FakeClock
) -> None:
    """Asserts, with leases of 25 ms, and runtimes that are frozen beyond them and killed at random, some while they write:
    3,000 results for 3,000 runs, each of the newest lease, so that every stale write was refused, and no event twice.
    """
    crowd = await survive(site, database, clock, runs=RUNS, seed=1)

    await assert_each_is_recorded_once(site, crowd, RUNS)
    assert crowd.stale > 200
    assert crowd.killed > 5


async def test_without_the_guard_zombies_are_heard(
    site: Site, database: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asserts that the test above can fail: the same with the fencing token left out of the one statement that writes."""
    guard = b" and w.lease_epoch = r.lease_epoch"
    unguarded = statement("record_progress").replace(guard, b"")
    assert unguarded != statement("record_progress")
    monkeypatch.setattr(
        due_work,
        "statement",
        lambda name: unguarded if name == "record_progress" else statement(name),
    )

    crowd = await survive(site, database, clock, runs=1000, seed=1)

    assert crowd.stale > 0
    with pytest.raises(AssertionError):
        await assert_each_is_recorded_once(site, crowd, 1000)
