"""Whatever happens in whatever order, the database says what the reference says: `reference.py` is what ought to be.

Several runtimes on one database are driven by hand, with the database's clock: they claim, fire, crash, freeze beyond
their leases and wake; people apply, pause, cancel and decide; events come; the clock is set. After each of these all
decisions, runs, step results, leases and queues are compared. A course of events that goes wrong is printed shrunk, and
can be repeated: all that is random follows from its seed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar
from uuid import UUID

import pytest

from runtime.backfilling import Asked as Span
from runtime.backfilling import backfill_task
from runtime.cancelling import RunOver, cancel_run
from runtime.core.callback import callback_token
from runtime.core.identity import derive_run_id
from runtime.embedded import Urls
from runtime.errors import NotFound
from runtime.manual import RunRefused, request_run
from runtime.overrides import pause_task, resume_task, snooze_task
from runtime.rerunning import Rerun, rerun_run
from runtime.store.backlog import list_unwatched_turns
from runtime.store.connect import connect
from runtime.store.events import CallbackRefused, arrive, arrive_by_token, load_callback_key
from runtime.store.events import Event as Arriving
from runtime.store.pool import borrow, open_pool
from runtime.store.settling import settle_call
from runtime.store.waits import answer_wait
from schemas.asked import Asked
from schemas.unsettled import Unsettled
from tests.faults.courses import Event, course_of
from tests.faults.records import Place, Run
from tests.faults.reference import TRUSTED_LEASES, Reference
from tests.faults.wishes import (
    FIRST_DAY,
    MINUTE,
    NEWS,
    SERVERS,
    Body,
    as_yaml,
)
from tests.support.applying import Bench
from tests.support.clock import FakeClock
from tests.support.databases import fresh_database
from tests.support.driven import DrivenRuntime, quiet
from tests.support.scripted_tools import failed, ok

T = TypeVar("T")
RUNTIMES = 3
COURSES, LENGTH = 14, 75
LONG_COURSES, LONG_LENGTH = 400, 150
MOST_REPLAYS = 100

_EVERYTHING = """
select r.run_id, r.trigger, r.state, r.reason, r.error ->> 'code', w.lease_epoch, w.attempt,
    nullif(w.lease_until, '-infinity'), w.lane > 100, w.ready_at, b.run_id is not null,
    (select jsonb_object_agg(step || ' ' || iteration, jsonb_build_array(outcome, lease_epoch))
        from ordinaut.step_result s where s.run_id = r.run_id),
    (select jsonb_object_agg(step || ' ' || iteration || ' ' || attempt, outcome)
        from ordinaut.step_attempt t where t.run_id = r.run_id)
from ordinaut.run r
left join ordinaut.due_work w on w.run_id = r.run_id
left join ordinaut.backlog b on b.run_id = r.run_id
"""


_TOLD = """
select run_id, type, count(*) from ordinaut.outbox
where type in ('run.started', 'run.succeeded', 'run.failed', 'run.cancelled', 'run.skipped')
group by 1, 2
"""


class World:
    """Runtimes, people and a clock, and beside them the reference."""

    def __init__(self, server: str) -> None:
        self._stack = ExitStack()
        url = self._stack.enter_context(fresh_database(server))
        self._runner = self._stack.enter_context(asyncio.Runner())
        self._connection = self._stack.enter_context(connect(url))
        self.clock = FakeClock(FIRST_DAY)
        self._do(self.clock.attach(url))
        self._pool = self._do(open_pool(url))
        self.people = Bench(url, self._connection)
        self._key = self._do(load_callback_key(self._pool))
        self.reference = Reference(FIRST_DAY, self)
        self.uids: dict[str, int] = {}
        self.bodies: dict[str, Body] = {}
        self.runtimes: dict[int, DrivenRuntime] = {}
        self._asked = 0
        self._emitted = 0
        for number in range(1, RUNTIMES + 1):
            self._do(self._start(number))

    def close(self) -> None:
        for runtime in self.runtimes.values():
            self._do(runtime.vanish())
        self._do(self._pool.close())
        self._do(self.clock.close())
        self._stack.close()

    # People

    def apply(self, _: int, given: tuple[str, Body]) -> None:
        name, body = given
        self._apply({**self.bodies, name: body})

    def retire(self, which: int, _: None) -> None:
        if len(self.bodies) > 1:
            gone = self._named(which)
            left = {name: body for name, body in self.bodies.items() if name != gone}
            self._apply(left, retire=1)

    def run_now(self, which: int, word: str | None) -> None:
        name = self._named(which)
        # Runs of one instant are in no order that a test could know.
        self._pass(1)
        self._asked += 1
        run_id: UUID | None = None
        params = {"word": word} if word else {}
        with suppress(RunRefused):
            run_id = request_run(
                self._connection, name, params, may_overlap=False, needs_runtime=False
            )[0]
        task = self.reference.tasks[name]
        is_let_in = self.reference.ask_for(task, run_id or UUID(int=self._asked), word)
        assert is_let_in == (run_id is not None)

    def rerun(self, which: int, given: tuple[str, bool]) -> None:
        start, latest = given
        only_failed = start == "failed"
        named = None if start in {"", "failed"} else start
        for run in _one([run for run in self.reference.runs.values() if run.started_at], which):
            self._pass(1)
            self._asked += 1
            run_id: UUID | None = None
            asked = Rerun(named, only_failed, latest)
            with suppress(RunRefused, NotFound):
                run_id = rerun_run(self._connection, run.run_id, asked)
            is_let_in = self.reference.rerun(
                run,
                run_id or UUID(int=self._asked),
                start=named,
                only_failed=only_failed,
                latest=latest,
            )
            assert is_let_in == (run_id is not None)

    def backfill(self, which: int, minutes: int) -> None:
        name, now = self._named(which), self.reference.now
        since = now - minutes * MINUTE
        span = Span(since.isoformat(), now.isoformat(), None, dry_run=False, actor="ada")
        backfill_task(self._connection, name, span)
        self.reference.backfill(self.reference.tasks[name], since)

    def pause(self, which: int, _: None) -> None:
        name = self._named(which)
        pause_task(self._connection, name, until=None, reason="", actor="ada")
        self.reference.tasks[name].is_paused = True

    def snooze(self, which: int, minutes: int) -> None:
        name, now = self._named(which), self.reference.now
        # When it ends, its task may be due: that one runs.
        until = now.replace(second=0, microsecond=0) + minutes * MINUTE
        snooze_task(self._connection, name, until=until.isoformat(), reason=str(now), actor="ada")
        self.reference.snooze(self.reference.tasks[name], until)

    def resume(self, which: int, _: None) -> None:
        tasks = [one for one in self.reference.tasks.values() if not one.is_retired]
        for task in _one([one for one in tasks if one.is_paused or one.snooze], which):
            resume_task(self._connection, task.name, actor="ada")
            self.reference.resume(task)

    def cancel(self, which: int, _: None) -> None:
        for run in _one(self._live_runs(), which):
            with suppress(RunOver):
                cancel_run(self._connection, run.run_id, reason="", actor="ada")
            self.reference.cancel(run)

    def decide(self, which: int, approved: bool) -> None:
        for run, step in _one(self._asking(), which):
            now = self.reference.now
            asked = Asked(
                task="", run_id=run.run_id, step=step, iteration=0, asked={}, began_at=now, now=now
            )
            counts = answer_wait(self._connection, asked, approved=approved, by="ada", reason="")
            assert counts == self.reference.answer(run, step, approved=approved)

    def settle_doubt(self, which: int, what: Literal["happened", "try_again", "failed"]) -> None:
        """Also a call that nobody is asked about yet, or no more."""
        for run, place in _one(self._doubtful(), which):
            call = Unsettled(
                run_id=run.run_id,
                task="",
                step=place[0],
                iteration=place[1],
                attempt=1 + len(run.tries_of(place)),
                idempotency_key="",
                asked={},
                asked_at=self.reference.now,
                now=self.reference.now,
            )
            counts = settle_call(
                self._connection, call, settled=what, result=None, by="ada", reason=""
            )
            assert counts == self.reference.settle_doubt(run, place, what)

    def emit(self, _: int, is_again: bool) -> None:
        """What a source says again is no other event."""
        is_new = not is_again or not self._emitted
        self._emitted += is_new
        self._do(self._arrive(Arriving(NEWS, {}, "test", str(self._emitted))))
        if is_new:
            self.reference.emit()

    def call_back(self, which: int, _: None) -> None:
        for run, step in _one(self._steps_of("callback"), which):
            token = callback_token(self._key, run.run_id, step)
            assert self._do(self._arrive_by(token)) == self.reference.call_back(run, step)

    # Time

    def wait(self, _: int, seconds: float) -> None:
        self._pass(seconds)

    def reach(self, which: int, is_heeded: bool) -> None:
        """Time comes to the very instant at which something begins or ends to be so, and mostly somebody looks then."""
        for at, what in _one(self.reference.edges()[:8], which):
            self._pass((at - self.reference.now).total_seconds())
            if is_heeded:
                getattr(self, what)(which, what == "decide" or None)

    def set_clock(self, which: int, seconds: float) -> None:
        """Where it goes forward, leases are over that their holders still trust: mostly somebody takes one."""
        self.reference.now += timedelta(seconds=seconds)
        self._do(self.clock.set(self.reference.now))
        if seconds > 0:
            self.claim(which, None)
            self.beat(which + 1, None)

    # Runtimes

    def fire(self, which: int, _: None) -> None:
        runtime = self._runtime(which)
        self._do(runtime.scheduler.run_once())
        self._do(quiet(runtime))
        self.reference.fire(runtime.number)
        self._look_around()

    def fire_all_at_once(self, _: int, __: None) -> None:
        # Who fires what is anybody's guess; what comes of it is not, unless some of it ends what somebody executes.
        held = [hold.run.task for hold in self.reference.holds]
        if all(task.body.overlap != "cancel_running" for task in held):
            self._do(self._all_fire())
            self.reference.fire(min(self.runtimes))
            self._look_around()

    def let_through(self, which: int, _: None) -> None:
        self._do(self._runtime(which).gate.look())
        self.reference.let_through()

    def tell_parents(self, which: int, _: None) -> None:
        runtime = self._runtime(which)
        self._do(runtime.arrivals.run_once())
        self.reference.tell_parents(runtime.number)
        self._look_around()

    def come_back(
        self, which: int, given: tuple[Literal["ok", "tool_error", "lost"], bool]
    ) -> None:
        """A tool answers; also one that was called long ago, by a runtime that has lost its lease since."""
        outcome, dies = given
        if not self.reference.holds:
            self.claim(which, None)
        for hold in _one(self.reference.holds, which):
            runtime, run = self.runtimes[hold.runtime], hold.run
            (place,) = _one(sorted(hold.calls), which)
            # The results of items that come at the same moment may be written later together.
            self._pass(1)
            same = [
                one
                for one in self.reference.holds
                if one.runtime == hold.runtime and one.run is run and place in one.calls
            ]
            answer = ok() if outcome == "ok" else failed(outcome)
            runtime.tools.answer(run.run_id, place, answer, nth=same.index(hold))
            self._do(quiet(runtime))
            self.reference.come_back(hold, place, outcome)
            if dies:
                self._vanish(runtime)
            self._look_around()

    def beat(self, which: int, _: None) -> None:
        runtime = self._runtime(which)
        runtime.leases.stop_untrusted()
        assert self._do(runtime.leases.renew())
        self._do(quiet(runtime))
        self.reference.beat(runtime.number)

    def crash(self, which: int, _: None) -> None:
        self._vanish(self._runtime(which))

    def sweep(self, which: int, _: None) -> None:
        runtime = self._runtime(which)
        runtime.turns.pass_on(self._do(list_unwatched_turns(self._pool, limit=10)))
        self.reference.sweep()
        self._look_around()

    # What they share

    def _do(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(coroutine)

    async def _start(self, number: int) -> None:
        self.runtimes[number] = DrivenRuntime(number, self._pool, self.clock)

    async def _arrive(self, event: Arriving) -> None:
        async with borrow(self._pool) as connection:
            await arrive(connection, event)

    async def _arrive_by(self, token: str) -> bool:
        async with borrow(self._pool) as connection:
            try:
                await arrive_by_token(connection, token, {})
            except CallbackRefused:
                return False
            return True

    async def _all_fire(self) -> None:
        await asyncio.gather(*(one.scheduler.run_once() for one in self.runtimes.values()))

    def _vanish(self, runtime: DrivenRuntime) -> None:
        del self.runtimes[runtime.number]
        self._do(runtime.vanish())
        self.reference.vanish(runtime.number)
        self._do(self._start(runtime.number + RUNTIMES))

    def _pass(self, seconds: float) -> None:
        self._do(self.clock.advance(seconds))
        self.reference.now += timedelta(seconds=seconds)
        self.reference.monotonic += seconds

    def _apply(self, bodies: dict[str, Body], **allowed: int) -> None:
        self.bodies = bodies
        tasks = (as_yaml(name, body) for name, body in sorted(bodies.items()))
        self.people.apply("\n---\n".join((*SERVERS, *tasks)), **allowed)
        self.uids = {name: self.people.uid(name) for name in {*self.uids, *bodies}}
        self.reference.apply(bodies)

    def claim(self, which: int, _: None) -> None:
        """A runtime claims; what of it is its own choice is taken from it, and whether it may is the reference's to say."""
        reference, runtime = self.reference, self._runtime(which)
        if not self._free():
            self.let_through(which, None)
        free = self._free()
        room, before = runtime.room, self._epochs()
        runtime.begun.clear()
        self._do(runtime.worker.run_once())
        self._do(quiet(runtime))
        begun = self._in_order_of_turns([claim.run_id for claim in runtime.begun])
        after = self._epochs()
        postponed = [
            run
            for run in free
            if run not in begun and after.get(run.run_id) != before.get(run.run_id)
        ]
        assert all(run in free for run in begun)
        assert len(begun) + len(postponed) == min(room, len(free))
        for run in begun:
            reference.claim(run, runtime.number)
        for run in postponed:
            reference.postpone(run)
            assert run.attempt >= TRUSTED_LEASES, "it is not under suspicion"
            assert runtime.suspects, "nothing else that is under suspicion is executed"
        self._look_around()

    def _in_order_of_turns(self, run_ids: Sequence[UUID]) -> list[Run]:
        """Of what begins at the same moment anyone may be the first to ask for a token."""
        turns = dict(
            self.people.rows("select run_id, max(ready_at) from ordinaut.rate_turn group by 1")
        )
        begun = [self.reference.runs[run_id] for run_id in run_ids]
        return sorted(begun, key=lambda run: turns.get(run.run_id, self.reference.now))

    def _epochs(self) -> dict[UUID, int]:
        rows = self.people.rows("select run_id, lease_epoch from ordinaut.due_work")
        return {row[0]: row[1] for row in rows}

    def _look_around(self) -> None:
        for runtime in self.runtimes.values():
            self._do(runtime.look_around())
        self.reference.look_around()

    def compare(self) -> None:
        """Everything that is decided, recorded and under way."""
        assert self._found() == self._expected()
        waiting = [
            (runtime.number, call.run_id, call.place, call.word)
            for runtime in self.runtimes.values()
            for call in runtime.tools.waiting
        ]
        assert sorted(waiting) == sorted(
            (hold.runtime, hold.run.run_id, place, hold.run.word)
            for hold in self.reference.holds
            for place in hold.calls
        )

    def compare_events(self) -> None:
        """Each run is told to have begun once if it has, and to have ended once if it has, and as it did."""
        expected = Counter[tuple[UUID, str]]()
        for run in self.reference.runs.values():
            expected[run.run_id, "run.started"] += run.started_at is not None
            expected[run.run_id, f"run.{run.state}"] += run.place is None
        told = {(run_id, kind): count for run_id, kind, count in self.people.rows(_TOLD)}
        assert told == +expected

    def _found(self) -> dict[UUID, Any]:
        found = {}
        for run_id, *row in self.people.rows(_EVERYTHING):
            told, (epoch, *queue), (is_behind, results, tries) = row[:4], row[4:9], row[9:]
            place = "backlog" if is_behind else "queue" if epoch is not None else None
            ours = self.reference.runs.get(run_id)
            if ours is not None and ours.ready_at is None:
                queue[-1] = None
            leased = (epoch, *queue) if place == "queue" else None
            found[run_id] = *told, place, leased, results or {}, tries or {}
        return found

    def _expected(self) -> dict[UUID, Any]:
        return {run.run_id: _as_recorded(run) for run in self.reference.runs.values()}

    # What runs are called

    def of_occurrence(self, task: str, at: datetime) -> UUID:
        return derive_run_id(self.uids[task], "schedule", "", at)

    def of_backfill(self, task: str, at: datetime, tries: int) -> UUID:
        return derive_run_id(self.uids[task], "backfill", str(tries or ""), at)

    def of_child(self, parent: Run, step: str) -> UUID:
        assert parent.started_at is not None
        key = f"{parent.run_id}:{step}:0"
        return derive_run_id(self.uids[parent.task.name], "run", key, parent.started_at)

    # Whom something may happen to

    def _named(self, which: int) -> str:
        return sorted(self.bodies)[which % len(self.bodies)]

    def _runtime(self, which: int) -> DrivenRuntime:
        return list(self.runtimes.values())[which % RUNTIMES]

    def _free(self) -> list[Run]:
        now = self.reference.now
        return [run for run in self.reference.runs.values() if run.can_be_claimed(now)]

    def _live_runs(self) -> list[Run]:
        return [run for run in self.reference.runs.values() if run.place is not None]

    def _steps_of(self, kind: str) -> list[tuple[Run, str]]:
        """The steps of a kind of all runs that have begun and are not over."""
        return [
            (run, step.name)
            for run in self._live_runs()
            for step in (*run.body.steps, *run.body.last)
            if step.kind == kind and run.started_at
        ]

    def _asking(self) -> list[tuple[Run, str]]:
        """Every wait for a person of runs that are not over, those that are answered included."""
        return [(run, step) for run, step in self._steps_of("approve") if step in run.waits]

    def _doubtful(self) -> list[tuple[Run, Place]]:
        return [(run, place) for run in self._live_runs() for place in run.doubts]


def _as_recorded(run: Run) -> tuple[Any, ...]:
    leased = (run.epoch, run.attempt, run.lease_until, run.is_gated, run.ready_at)
    results = {
        f"{step} {item}": [result.outcome, result.epoch]
        for (step, item), result in run.results.items()
    }
    tries = {
        f"{step} {item} {attempt}": one.outcome
        for ((step, item), attempt), one in run.tries.items()
    }
    queue = leased if run.place == "queue" else None
    return run.trigger, run.state, run.reason, run.error, run.place, queue, results, tries


def _one(candidates: Sequence[T], which: int) -> Sequence[T]:
    """One of them; none if there is none."""
    return [candidates[which % len(candidates)]] if candidates else []


def problem_of(server: str, course: Sequence[Event]) -> Exception | None:
    """What is wrong after one of these events; None if nothing is."""
    world = World(server)
    try:
        for event in course:
            getattr(world, event.what)(event.which, event.given)
            world.compare()
        world.compare_events()
    except Exception as problem:  # noqa: BLE001 - whatever it is, it is told
        return problem
    finally:
        world.close()
    return None


def shrunk(server: str, course: Sequence[Event]) -> list[Event]:
    """Fewer events of this course that go wrong as well; what was applied first stays."""
    first, *rest = course
    size, replays = max(1, len(rest) // 2), 0
    while size and replays < MOST_REPLAYS:
        for start in range(len(rest) - 1, -1, -size):
            less = rest[: max(0, start - size + 1)] + rest[start + 1 :]
            replays += 1
            if problem_of(server, [first, *less]) is not None:
                rest = less
        size //= 2
    return [first, *rest]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_any_course_of_events_leaves_what_the_reference_says(
    servers: Urls, request: pytest.FixtureRequest
) -> None:
    """Asserts after each event: the same decisions with the same reasons, the same runs in the same queues under the same
    leases, the same results under the lease that recorded them, the same failed tries, and the same calls under way; and at
    the end, that each run is told once to have begun and to have ended.
    """
    is_long = request.config.getoption("--long")
    courses, length = (LONG_COURSES, LONG_LENGTH) if is_long else (COURSES, LENGTH)
    for seed in range(courses):
        course = course_of(seed, length)
        if problem_of(servers.database, course) is None:
            continue
        course = shrunk(servers.database, course)
        told = "\n".join(map(repr, course))
        raise AssertionError(f"seed {seed}, shrunk:\n{told}") from problem_of(
            servers.database, course
        )
