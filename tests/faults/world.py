"""The world of `test_model`: several runtimes, people and a clock, and beside them the reference.

What happens in it is in `acts`. Here is how time passes, and how all that is decided and recorded is compared.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from runtime.core.identity import derive_run_id
from runtime.store.connect import connect
from runtime.store.events import (
    CallbackRefused,
    Event,
    arrive,
    arrive_by_token,
    load_callback_key,
)
from runtime.store.pool import borrow, open_pool
from tests.faults.records import Place, Run
from tests.faults.reference import Reference
from tests.faults.wishes import FIRST_DAY, SERVERS, Body, as_yaml
from tests.support.applying import Bench
from tests.support.clock import FakeClock
from tests.support.databases import fresh_database
from tests.support.driven import DrivenRuntime, quiet

T = TypeVar("T")
RUNTIMES = 3

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
select run_id, type, count(*) from ordinaut.event_log
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
        self._claimed = Counter[int]()
        """How many runs each runtime has claimed, and how many of these from each lane before their turn."""
        self._early = Counter[tuple[int, int]]()
        self._was_set_back = False
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

    # What they share

    def _do(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(coroutine)

    async def _start(self, number: int) -> None:
        self.runtimes[number] = DrivenRuntime(number, self._pool, self.clock)

    async def _arrive(self, event: Event) -> None:
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
        """Time passes, and what is executed goes on where it waited for some instant of it."""
        until = self.reference.monotonic + seconds
        while (at := self.reference.moves_at()) <= until:
            for runtime in self._mistaken(at):
                self._beat(runtime)
            self._pass_to(max(at, self.reference.monotonic))
            self._do(quiet(*self.runtimes.values()))
            self.reference.move()
            self._look_around()
        self._pass_to(until)

    def _pass_to(self, monotonic: float) -> None:
        seconds = monotonic - self.reference.monotonic
        self._do(self.clock.advance(seconds))
        self.reference.now += timedelta(seconds=seconds)
        self.reference.monotonic = monotonic

    def _mistaken(self, at: float) -> list[DrivenRuntime]:
        """Runtimes that would go on by then with what they have lost: here they look before."""
        numbers = {
            hold.runtime
            for hold in self.reference.holds
            if not hold.is_current and hold.moves_at <= at
        }
        return [self.runtimes[number] for number in sorted(numbers)]

    def _beat(self, runtime: DrivenRuntime) -> None:
        runtime.leases.stop_untrusted()
        assert self._do(runtime.leases.renew())
        self._do(quiet(runtime))
        self.reference.beat(runtime.number)

    def _look_around(self) -> None:
        for runtime in self.runtimes.values():
            self._do(runtime.look_around())
        self.reference.look_around()

    def _apply(self, bodies: dict[str, Body], **allowed: int) -> None:
        self.bodies = bodies
        tasks = (as_yaml(name, body) for name, body in sorted(bodies.items()))
        self.people.apply("\n---\n".join((*SERVERS, *tasks)), **allowed)
        self.uids = {name: self.people.uid(name) for name in {*self.uids, *bodies}}
        self.reference.apply(bodies)

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


def one_of(candidates: Sequence[T], which: int) -> Sequence[T]:
    """One of them; none if there is none."""
    return [candidates[which % len(candidates)]] if candidates else []
