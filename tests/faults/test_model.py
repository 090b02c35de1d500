"""Whatever happens in whatever order, the database says what the reference says: `reference.py` is what ought to be.

Several runtimes on one database are driven by hand, with the database's clock: they claim, fire, crash, freeze beyond
their leases and wake; people apply, pause, cancel and decide; events come; the clock is set. After each of these all
decisions, runs, step results, leases and queues are compared. A course of events that goes wrong is printed shrunk, and
can be repeated: all that is random follows from its seed.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import pytest

from runtime.cancelling import cancel_run
from runtime.core.identity import derive_run_id
from runtime.embedded import Urls
from runtime.manual import RunRefused, request_run
from runtime.overrides import pause_task, resume_task
from runtime.store.backlog import list_unwatched_turns
from runtime.store.connect import connect
from runtime.store.events import Event as Arriving
from runtime.store.events import arrive
from runtime.store.pool import borrow, open_pool
from runtime.store.waits import answer_wait
from schemas.asked import Asked
from tests.faults.reference import TRUSTED_LEASES, Body, Reference, Run, Step
from tests.support.applying import Bench, specs
from tests.support.clock import START, FakeClock
from tests.support.databases import fresh_database
from tests.support.driven import DrivenRuntime, quiet
from tests.support.scripted_tools import failed, ok

T = TypeVar("T")
RUNTIMES = 3
NEWS = "news"
NAMES = ("tick", "tock")
MINUTE = timedelta(minutes=1)
PIPELINES = (
    (Step("a", "call"),),
    (Step("a", "call"), Step("p", "approve", ("a",), 3 * MINUTE), Step("b", "call", ("p",))),
    (Step("a", "call", retries=True), Step("b", "call", ("a",))),
    (Step("p", "approve"), Step("a", "call", ("p",))),
    (Step("a", "call", retries=True), Step("o", "once", ("a",)), Step("b", "call", ("o",))),
    (Step("a", "call", retries=True), Step("p", "approve", (), 2 * MINUTE)),
    (Step("a", "call"), Step("e", "event", ("a",), 2 * MINUTE), Step("b", "call", ("e",))),
    (Step("e", "event", (), 5 * MINUTE), Step("a", "call", ("e",), retries=True)),
    (Step("s", "sleep", (), MINUTE), Step("a", "call", ("s",), retries=True)),
)
OVERLAPS = ("skip", "queue_one", "queue_all", "cancel_running", "allow")
COURSES, LENGTH = 9, 80
LONG_COURSES, LONG_LENGTH = 400, 150
MOST_REPLAYS = 100

_EVERYTHING = """
select r.run_id, r.state, r.reason, r.error ->> 'code', w.lease_epoch, w.attempt, nullif(w.lease_until, '-infinity'),
    w.ready_at, b.run_id is not null,
    (select jsonb_object_agg(step, jsonb_build_array(outcome, lease_epoch))
        from ordinaut.step_result s where s.run_id = r.run_id),
    (select jsonb_object_agg(step || attempt, outcome) from ordinaut.step_attempt t where t.run_id = r.run_id)
from ordinaut.run r
left join ordinaut.due_work w on w.run_id = r.run_id
left join ordinaut.backlog b on b.run_id = r.run_id
"""


_TOLD = """
select run_id, type, count(*) from ordinaut.outbox
where type in ('run.started', 'run.succeeded', 'run.failed', 'run.cancelled', 'run.skipped')
group by 1, 2
"""


def as_yaml(name: str, body: Body) -> str:
    """A task as people write it."""
    steps = "\n".join(f"  - {_step(step)}" for step in body.steps)
    return (
        f"kind: Task\nname: {name}\noverlap: {body.overlap}\ntimeout: 7d\n"
        f"schedule: {{every: {body.period.seconds}s}}\n"
        f"catch_up: {{policy: {body.catch_up}, window: {body.window.seconds}s, max: {body.most}}}\n"
        f"pipeline:\n{steps}\n"
    )


def _step(step: Step) -> str:
    span = "" if step.span is None else f"{step.span.seconds}s"
    match step.kind:
        case "call":
            call = f"uses: fs.list, with: {{step: {step.name}}}"
        case "once":
            call = f"uses: fs.list, with: {{step: {step.name}}}, effect: once"
        case "approve":
            timeout = f", timeout: {span}" if span else ""
            call = f"uses: ordinaut.approve, with: {{message: really{timeout}}}"
        case "sleep":
            call = f"uses: ordinaut.sleep, with: {{for: {span}}}"
        case "event":
            call = f"uses: ordinaut.wait_for, with: {{event: {NEWS}, timeout: {span}}}"
    retry = "attempts: 2, initial: 10s, jitter: none, retry_on: [tool_error]"
    more = f", retry: {{{retry}}}" if step.retries else ""
    return f"{{id: {step.name}, {call}, needs: [{', '.join(step.needs)}]{more}}}"


@dataclass(frozen=True)
class Event:
    """Something that happens; `which` of those to whom it can happen is counted round. To nobody, it does not happen."""

    what: str
    which: int = 0
    given: Any = None


def some_body(draw: random.Random) -> Body:
    """A task as people may want it."""
    return Body(
        overlap=draw.choice(OVERLAPS),
        catch_up=draw.choice(["latest", "all", "skip"]),
        period=draw.choice([MINUTE, 2 * MINUTE]),
        steps=draw.choice(PIPELINES),
    )


def _answer(draw: random.Random) -> tuple[bool, bool]:
    """Whether a call succeeds, and whether its runtime dies right after it has recorded that."""
    return draw.random() < 0.7, draw.random() < 0.1


# How often each happens, among all, and what else has to be drawn for it.
EVENTS: Mapping[str, tuple[int, Callable[[random.Random], Any]]] = {
    "apply": (2, lambda draw: (draw.choice(NAMES), some_body(draw))),
    "retire": (1, lambda _: None),
    "run_now": (6, lambda _: None),
    "pause": (2, lambda _: None),
    "resume": (4, lambda _: None),
    "cancel": (3, lambda _: None),
    "decide": (12, lambda draw: draw.random() < 0.7),
    "emit": (5, lambda _: None),
    "wait": (12, lambda draw: draw.choice([5, 11, 16, 31, 60, 61, 200, 700])),
    "set_clock_back": (2, lambda draw: draw.choice([1, 20, 90])),
    "fire": (10, lambda _: None),
    "fire_all_at_once": (2, lambda _: None),
    "claim": (20, lambda _: None),
    "come_back": (25, _answer),
    "beat": (5, lambda _: None),
    "crash": (7, lambda _: None),
    "sweep": (3, lambda _: None),
}


def course_of(seed: int, length: int) -> list[Event]:
    """A random course of events, the same for the same seed."""
    draw = random.Random(seed)
    names, weights = list(EVENTS), [weight for weight, _ in EVENTS.values()]
    # Each pipeline has its turn, however few courses there are.
    first = replace(some_body(draw), steps=PIPELINES[seed % len(PIPELINES)])
    course = [Event("apply", given=("tick", first))]
    course += [
        Event(what, draw.randrange(8), EVENTS[what][1](draw))
        for what in draw.choices(names, weights, k=length)
    ]
    return course


class World:
    """Runtimes, people and a clock, and beside them the reference."""

    def __init__(self, server: str) -> None:
        self._stack = ExitStack()
        url = self._stack.enter_context(fresh_database(server))
        self._runner = self._stack.enter_context(asyncio.Runner())
        self._connection = self._stack.enter_context(connect(url))
        self.clock = FakeClock()
        self._do(self.clock.attach(url))
        self._pool = self._do(open_pool(url))
        self.people = Bench(url, self._connection)
        self.reference = Reference(START)
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

    def run_now(self, which: int, _: None) -> None:
        name = self._named(which)
        # Runs of one instant are in no order that a test could know.
        self._pass(0.007)
        self._asked += 1
        run_id: UUID | None = None
        with suppress(RunRefused):
            run_id = request_run(
                self._connection, name, {}, may_overlap=False, needs_runtime=False
            )
        task = self.reference.tasks[name]
        is_let_in = self.reference.ask_for(task, run_id or UUID(int=self._asked))
        assert is_let_in == (run_id is not None)

    def pause(self, which: int, _: None) -> None:
        name = self._named(which)
        pause_task(self._connection, name, until=None, reason="", actor="ada")
        self.reference.tasks[name].is_paused = True

    def resume(self, which: int, _: None) -> None:
        for task in _one([one for one in self.reference.tasks.values() if one.is_paused], which):
            resume_task(self._connection, task.name, actor="ada")
            task.is_paused = False

    def cancel(self, which: int, _: None) -> None:
        for run in _one(self._live_runs(), which):
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

    def emit(self, _: int, __: None) -> None:
        self._emitted += 1
        self._do(self._arrive(Arriving(NEWS, {}, "test", str(self._emitted))))
        self.reference.emit()

    # Time

    def wait(self, _: int, seconds: float) -> None:
        self._pass(seconds)

    def set_clock_back(self, _: int, seconds: float) -> None:
        self.reference.now -= timedelta(seconds=seconds)
        self._do(self.clock.set(self.reference.now))

    # Runtimes

    def fire(self, which: int, _: None) -> None:
        runtime = self._runtime(which)
        self._do(runtime.scheduler.run_once())
        self._do(quiet(runtime))
        self.reference.fire(runtime.number, self._id_of)
        self._look_around()

    def fire_all_at_once(self, _: int, __: None) -> None:
        # Who fires what is anybody's guess; what comes of it is not, unless some of it ends what somebody executes.
        held = [hold.run.task for hold in self.reference.holds]
        if all(task.body.overlap != "cancel_running" for task in held):
            self._do(self._all_fire())
            self.reference.fire(min(self.runtimes), self._id_of)
            self._look_around()

    def come_back(self, which: int, given: tuple[bool, bool]) -> None:
        """A tool answers; also one that was called long ago, by a runtime that has lost its lease since."""
        is_ok, dies = given
        for hold in _one(self.reference.holds, which):
            runtime, run = self.runtimes[hold.runtime], hold.run
            (step,) = hold.calls
            same = [
                one
                for one in self.reference.holds
                if (one.runtime, one.run, one.calls) == (hold.runtime, run, hold.calls)
            ]
            answer = ok() if is_ok else failed()
            runtime.tools.answer(run.run_id, step, answer, nth=same.index(hold))
            self._do(quiet(runtime))
            self.reference.settle(hold, step, is_ok=is_ok)
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
        text = specs(*(as_yaml(name, body) for name, body in sorted(bodies.items())))
        self.people.apply(text, **allowed)
        self.uids = {name: self.people.uid(name) for name in {*self.uids, *bodies}}
        self.reference.apply(bodies, self._id_of)

    def claim(self, which: int, _: None) -> None:
        """A runtime claims; what of it is its own choice is taken from it, and whether it may is the reference's to say."""
        reference, runtime = self.reference, self._runtime(which)
        free = [run for run in reference.runs.values() if run.can_be_claimed(reference.now)]
        room, before = runtime.room, self._epochs()
        runtime.begun.clear()
        self._do(runtime.worker.run_once())
        self._do(quiet(runtime))
        begun = [reference.runs[claim.run_id] for claim in runtime.begun]
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
            (runtime.number, run_id, step)
            for runtime in self.runtimes.values()
            for run_id, step, _ in runtime.tools.waiting
        ]
        assert sorted(waiting) == sorted(
            (hold.runtime, hold.run.run_id, step)
            for hold in self.reference.holds
            for step in hold.calls
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
        for (
            run_id,
            state,
            reason,
            error,
            epoch,
            *queue,
            is_behind,
            results,
            tries,
        ) in self.people.rows(_EVERYTHING):
            place = "backlog" if is_behind else "queue" if epoch is not None else None
            ours = self.reference.runs.get(run_id)
            if ours is not None and ours.ready_at is None:
                queue[-1] = None
            leased = (epoch, *queue) if place == "queue" else None
            found[run_id] = state, reason, error, place, leased, results or {}, tries or {}
        return found

    def _expected(self) -> dict[UUID, Any]:
        return {run.run_id: _as_recorded(run) for run in self.reference.runs.values()}

    def _id_of(self, name: str, at: datetime) -> UUID:
        return derive_run_id(self.uids[name], "schedule", "", at)

    def _named(self, which: int) -> str:
        return sorted(self.bodies)[which % len(self.bodies)]

    def _runtime(self, which: int) -> DrivenRuntime:
        return list(self.runtimes.values())[which % RUNTIMES]

    def _live_runs(self) -> list[Run]:
        return [run for run in self.reference.runs.values() if run.place is not None]

    def _asking(self) -> list[tuple[Run, str]]:
        """Every wait for a person of runs that are not over, those that are answered included."""
        return [
            (run, step.name)
            for run in self._live_runs()
            for step in run.steps
            if step.kind == "approve" and step.name in run.waits
        ]


def _as_recorded(run: Run) -> tuple[Any, ...]:
    leased = (run.epoch, run.attempt, run.lease_until, run.ready_at)
    results = {
        step: ["timeout" if outcome == "late" else outcome, epoch]
        for step, (outcome, epoch) in run.results.items()
    }
    tries = {f"{step}{attempt}": "tool_error" for step, attempt in run.tries}
    queue = leased if run.place == "queue" else None
    return run.state, run.reason, run.error, run.place, queue, results, tries


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
