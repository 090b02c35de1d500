"""What becomes of schedules, runs and steps, told again in plain Python: the reference that `test_model` compares with.

One thing happens at a time here, nothing is ever lost, and nobody races. Written against the documented promises, not
after the statements, and of the product it uses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Final, Literal
from uuid import UUID

LEASE: Final = timedelta(seconds=15)
RETRY: Final = timedelta(seconds=10)
TRIES: Final = 2
TRUSTED_LEASES: Final = 2
MOST_LEASES: Final = 5
ON_TIME: Final = timedelta(seconds=60)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ERRORS: Final = {
    "tool_error": "ORD404",
    "denied": "ORD413",
    "timeout": "ORD414",
    "late": "ORD417",
    "unknown": "ORD415",
}
_ACTIVE: Final = frozenset({"queued", "running", "waiting"})

Ids = Callable[[str, datetime], UUID]
"""The id of the run of an occurrence of a task."""


@dataclass(frozen=True)
class Step:
    """A call of a tool (which may be one that must not be made twice), a person who is asked (for a time or for ever), a
    sleep, or a wait for an event.
    """

    name: str
    kind: Literal["call", "once", "approve", "sleep", "event"]
    needs: tuple[str, ...] = ()
    span: timedelta | None = None
    retries: bool = False


@dataclass(frozen=True)
class Body:
    """A task as it is applied."""

    overlap: str = "skip"
    catch_up: str = "latest"
    period: timedelta = timedelta(minutes=1)
    window: timedelta = timedelta(minutes=10)
    most: int = 2
    steps: tuple[Step, ...] = (Step("a", "call"),)


@dataclass
class Task:
    """A task in force or retired, and up to where its occurrences are decided."""

    name: str
    body: Body
    cursor: datetime
    is_paused: bool = False
    is_retired: bool = False

    @property
    def next_for(self) -> datetime:
        return next(_following(self.body.period, self.cursor))

    def reached(self, now: datetime) -> list[datetime]:
        """What time has reached, and nobody has decided."""
        found = []
        for at in _following(self.body.period, self.cursor):
            if at > now:
                return found
            found.append(at)
        raise AssertionError("time has no end")


@dataclass
class Wait:
    """A wait on record; `answer` is what a person said."""

    until: datetime | None
    answer: bool | None = None


@dataclass
class Run:
    """A run, or an occurrence that was skipped."""

    run_id: UUID
    task: Task
    steps: tuple[Step, ...]
    state: str = "queued"
    reason: str | None = None
    error: str | None = None
    place: Literal["queue", "backlog"] | None = None
    ready_at: datetime | None = None
    lease_until: datetime | None = None
    started_at: datetime | None = None
    epoch: int = 0
    attempt: int = 0
    is_followed: bool = False
    is_woken: bool = False
    results: dict[str, tuple[str, int]] = field(default_factory=dict)
    tries: dict[tuple[str, int], datetime] = field(default_factory=dict)
    waits: dict[str, Wait] = field(default_factory=dict)
    intents: set[str] = field(default_factory=set)

    def can_be_claimed(self, now: datetime) -> bool:
        is_free = self.lease_until is None or self.lease_until < now
        is_ready = self.ready_at is not None and self.ready_at <= now
        return self.place == "queue" and is_ready and is_free

    def end(self, state: str, reason: str | None = None) -> None:
        self.state, self.reason, self.place = state, reason, None


@dataclass
class Hold:
    """What one runtime believes to execute; `calls` are those it waits for, `known` what it read when it began."""

    run: Run
    runtime: int
    epoch: int
    trusted_until: float
    calls: set[str] = field(default_factory=set)
    known: Mapping[str, Wait] = field(default_factory=dict)
    over_at: dict[str, float] = field(default_factory=dict)
    error: str | None = None
    says: bool = False
    is_forgotten: bool = False

    @property
    def is_current(self) -> bool:
        return self.run.place == "queue" and self.run.epoch == self.epoch

    def is_kept_by(self, runtime: int) -> bool:
        """Whether this runtime looks after this lease: of several on one run it knows the newest."""
        return self.runtime == runtime and not self.is_forgotten


class Reference:
    """Everything that is decided and recorded."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.monotonic = 0.0
        self.tasks: dict[str, Task] = {}
        self.runs: dict[UUID, Run] = {}
        self.holds: list[Hold] = []
        self.events: list[datetime] = []
        self.told: list[tuple[int, Task]] = []
        """Runtimes that are about to look whether the turn of a run of a task has come."""

    # People

    def apply(self, wanted: Mapping[str, Body], ids: Ids) -> None:
        for name, task in self.tasks.items():
            if not task.is_retired and name not in wanted:
                self._retire(task, ids)
        for name, body in wanted.items():
            task = self.tasks.get(name)
            if task is None:
                self.tasks[name] = Task(name, body, self.now)
            elif task.is_retired:
                task.body, task.cursor, task.is_retired = body, self.now, False
            else:
                self._change(task, body, ids)

    def _retire(self, task: Task, ids: Ids) -> None:
        self._skip_owed(task, "retired", ids)
        for run in self._runs_of(task):
            if run.place == "backlog" or (run.place == "queue" and run.epoch == 0):
                run.end("cancelled", "retired")
        task.is_retired, task.is_paused = True, False

    def _change(self, task: Task, body: Body, ids: Ids) -> None:
        if body.period != task.body.period:
            if task.is_paused:
                self._skip_owed(task, "paused", ids)
            else:
                self._decide(task, ids)
            task.cursor = self.now
        task.body = body

    def _skip_owed(self, task: Task, reason: str, ids: Ids) -> None:
        for at in task.reached(self.now):
            if ids(task.name, at) not in self.runs:
                self._new(ids(task.name, at), task).end("skipped", reason)

    def ask_for(self, task: Task, run_id: UUID) -> bool:
        """Somebody asks for a run of a task; whether there is one then."""
        fate = self._let_in(task, most_wait=_room(task.body.overlap, missed=0))
        if fate == "skip":
            return False
        self._place(self._new(run_id, task), fate, self.now)
        if fate == "backlog":
            self.look(task)
        return True

    def cancel(self, run: Run) -> None:
        is_followed = run.place == "queue" and run.is_followed
        run.end("cancelled", "cancelled")
        if is_followed:
            self.look(run.task)

    def answer(self, run: Run, step: str, *, approved: bool) -> bool:
        """A person decides; whether it counts."""
        wait = run.waits[step]
        is_open = wait.answer is None and (wait.until is None or wait.until > self.now)
        if run.place != "queue" or not is_open:
            return False
        wait.answer = approved
        self._wake(run)
        return True

    def emit(self) -> None:
        """An event comes from outside; whoever waits for it, or will by then, has it."""
        self.events.append(self.now)
        for run in self.runs.values():
            waits = (run.waits.get(step.name) for step in run.steps if step.kind == "event")
            if run.place == "queue" and any(self._has_come(run, wait) for wait in waits if wait):
                self._wake(run)

    def _has_come(self, run: Run, wait: Wait) -> bool:
        """Whether an event that came since the run began ends this wait, which then is on record."""
        if wait.answer is not None or "late" in (outcome for outcome, _ in run.results.values()):
            return False
        assert run.started_at is not None
        has_come = any(
            at >= run.started_at and (wait.until is None or at <= wait.until) for at in self.events
        )
        if has_come:
            wait.answer = True
        return has_come

    def _wake(self, run: Run) -> None:
        run.is_woken = True
        if run.lease_until is None:
            run.ready_at = self.now

    # Time

    def fire(self, runtime: int, ids: Ids) -> None:
        """Every schedule that is due is decided; runs that this runtime executes, and that are ended by it, stop at once."""
        for task in self.tasks.values():
            if not task.is_paused and not task.is_retired:
                touched, ended = self._decide(task, ids)
                self.holds = [
                    hold
                    for hold in self.holds
                    if not (hold.run in ended and hold.is_kept_by(runtime))
                ]
                if touched:
                    self.told.append((runtime, task))

    def _decide(self, task: Task, ids: Ids) -> tuple[bool, list[Run]]:
        """Decide what time has reached: whether somebody must look at the backlog then, and the runs that were ended."""
        reached = task.reached(self.now)
        if not reached:
            return False, []
        reasons = self._passed_over(task.body, reached)
        chosen = [at for at in reached if at not in reasons]
        has_touched, ended = False, list[Run]()
        for at in reached:
            run_id = ids(task.name, at)
            if run_id in self.runs:
                continue
            if at in reasons:
                self._new(run_id, task).end("skipped", reasons[at])
                continue
            late = self.now - at > ON_TIME or len(chosen) > 1
            missed = task.body.most if task.body.catch_up == "all" and late else 0
            before = {run.run_id for run in self._runs_of(task) if run.state in _ACTIVE}
            room = _room(task.body.overlap, missed=missed)
            fate = self._let_in(task, most_wait=room)
            ended += [self.runs[one] for one in before if self.runs[one].state == "cancelled"]
            run = self._new(run_id, task)
            if fate == "skip":
                run.end("skipped", "overlap_queue_full" if room else "overlap")
            else:
                self._place(run, fate, at)
            has_touched |= fate == "backlog" or bool(ended)
        task.cursor = reached[-1]
        return has_touched, ended

    def _passed_over(self, body: Body, reached: Sequence[datetime]) -> dict[datetime, str]:
        """Why some of what time has reached does not run."""
        reasons = {at: "catch_up_window" for at in reached if self.now - at > body.window}
        fresh = [at for at in reached if at not in reasons]
        is_replacing = body.overlap == "cancel_running"
        match body.catch_up:
            case "latest":
                reasons |= dict.fromkeys(fresh[:-1], "catch_up_latest")
            case "all":
                left = 1 if is_replacing else body.most
                reason = "overlap_replaced" if is_replacing else "catch_up_max"
                reasons |= dict.fromkeys(fresh[:-left], reason)
            case _:
                kept = [at for at in fresh if self.now - at <= ON_TIME]
                kept = kept[-1:] if is_replacing else kept
                reasons |= {at: "catch_up_skip" for at in fresh if at not in kept}
        return reasons

    def _let_in(self, task: Task, *, most_wait: int) -> Literal["queue", "backlog", "skip"]:
        if task.body.overlap == "cancel_running":
            for run in self._runs_of(task):
                if run.state in _ACTIVE:
                    run.end("cancelled", "overlap")
        active, waiting = self._active(task), self._waiting(task)
        if task.body.overlap == "allow" or not (active or waiting):
            return "queue"
        room = most_wait if active else max(1, most_wait)
        return "backlog" if len(waiting) < room else "skip"

    def _place(self, run: Run, place: Literal["queue", "backlog"], due_at: datetime) -> None:
        run.place = place
        run.ready_at = max(self.now, due_at) if place == "queue" else due_at

    def look(self, task: Task) -> None:
        """Somebody looks whether the turn of a run has come."""
        waiting, active = self._waiting(task), self._active(task)
        if not waiting:
            return
        if active and task.body.overlap != "allow":
            for run in active:
                run.is_followed = True
            return
        first = waiting[0]
        assert first.ready_at is not None
        self._place(first, "queue", first.ready_at)
        first.is_followed = len(waiting) > 1

    def sweep(self) -> None:
        """Somebody looks after tasks where nobody would notice that a turn has come."""
        for task in self.tasks.values():
            if not any(run.is_followed for run in self._active(task)):
                self.look(task)

    # Runtimes

    def claim(self, run: Run, runtime: int) -> None:
        """A runtime begins, or goes on with, a run."""
        self.lease(run)
        run.lease_until = self.now + LEASE
        for older in self.holds:
            if older.runtime == runtime and older.run is run:
                older.is_forgotten = True
        hold = Hold(run, runtime, run.epoch, self.monotonic + LEASE.total_seconds())
        hold.known = {name: Wait(one.until, one.answer) for name, one in run.waits.items()}
        hold.over_at = {name: self._over_at(one.until) for name, one in run.waits.items()}
        for outcome, _ in run.results.values():
            hold.error = hold.error or _ERRORS.get(outcome)
        if run.attempt > MOST_LEASES:
            hold.error = "ORD507"
        else:
            self._begin(hold)
        self._report(hold)

    def lease(self, run: Run) -> None:
        """What is recorded of every lease, also of one that is handed back at once."""
        run.epoch += 1
        run.attempt += 1
        run.state, run.is_woken = "running", False
        run.started_at = run.started_at or self.now

    def postpone(self, run: Run) -> None:
        """It was leased, but another that is under suspicion is being executed."""
        self.lease(run)
        run.attempt -= 1
        run.lease_until, run.ready_at = None, self.now + timedelta(seconds=1)

    def settle(self, hold: Hold, step: str, *, is_ok: bool) -> bool:
        """A call comes back to whoever made it; whether what it says counts."""
        hold.calls.discard(step)
        if not hold.is_current:
            self.holds.remove(hold)
            return False
        run = hold.run
        tried = 1 + sum(name == step for name, _ in run.tries)
        retries = next(one.retries for one in run.steps if one.name == step)
        if is_ok:
            run.results[step] = ("ok", hold.epoch)
        elif hold.error is None and retries and tried < TRIES:
            run.tries[step, tried] = self.now + RETRY
        else:
            run.results[step] = ("tool_error", hold.epoch)
            hold.error = hold.error or "ORD404"
        hold.says = True
        self._begin(hold)
        self.holds.remove(hold)
        self._report(hold)
        return True

    def beat(self, runtime: int) -> None:
        """A runtime stops what it cannot trust to hold any more, and renews the rest."""
        soon = self.monotonic + LEASE.total_seconds() / 4
        for hold in [one for one in self.holds if one.is_kept_by(runtime)]:
            if hold.trusted_until <= soon or not hold.is_current:
                self.holds.remove(hold)
            else:
                hold.run.lease_until = self.now + LEASE
                hold.trusted_until = self.monotonic + LEASE.total_seconds()

    def look_around(self) -> None:
        """Every runtime looks where it was told to."""
        for _, task in self.told:
            self.look(task)
        self.told.clear()

    def vanish(self, runtime: int) -> None:
        """A runtime is gone, with all that it knew."""
        self.holds = [hold for hold in self.holds if hold.runtime != runtime]
        self.told = [(one, task) for one, task in self.told if one != runtime]

    def _begin(self, hold: Hold) -> None:
        """Every step begins whose needs are over, until something has to be waited for."""
        has_moved = True
        while has_moved:
            has_moved = False
            for step in hold.run.steps:
                if self._can_begin(hold, step):
                    has_moved |= self._begin_step(hold, step)

    def _can_begin(self, hold: Hold, step: Step) -> bool:
        results = hold.run.results
        is_new = step.name not in results and step.name not in hold.calls
        return is_new and hold.error is None and all(need in results for need in step.needs)

    def _begin_step(self, hold: Hold, step: Step) -> bool:
        """Whether the step is over."""
        run = hold.run
        if step.kind in {"call", "once"}:
            return self._begin_call(hold, step)
        known = hold.known.get(step.name)
        if step.kind == "event":
            known = self._looked_up(hold, step)
        if known is None:
            if step.name not in run.waits:
                until = None if step.span is None else self.now + step.span
                run.waits[step.name] = Wait(until)
                hold.over_at[step.name] = self._over_at(until)
                hold.says = True
            return False
        outcome = _end_of_wait(step, known, self.now)
        if outcome is None:
            return False
        hold.says = True
        run.results[step.name] = (outcome, hold.epoch)
        hold.error = hold.error or _ERRORS.get(outcome)
        return True

    def _begin_call(self, hold: Hold, step: Step) -> bool:
        """Whether the call is over before it is made: nobody knows whether it was made before, and it must not be twice."""
        run = hold.run
        if step.name in run.intents:
            run.results[step.name] = ("unknown", hold.epoch)
            hold.error = hold.error or _ERRORS["unknown"]
            return True
        if step.kind == "once":
            run.intents.add(step.name)
            hold.says = True
        tries = (at for (name, _), at in run.tries.items() if name == step.name)
        if max(tries, default=self.now) <= self.now:
            hold.calls.add(step.name)
        return False

    def _looked_up(self, hold: Hold, step: Step) -> Wait:
        """How the wait for an event stands, which begins if it has not; what came before it counts."""
        run = hold.run
        if step.name not in run.waits:
            assert step.span is not None
            run.waits[step.name] = Wait(self.now + step.span)
            hold.says = True
        wait = run.waits[step.name]
        hold.over_at[step.name] = self._over_at(wait.until)
        if self._has_come(run, wait):
            run.is_woken = True
        return wait

    def _report(self, hold: Hold) -> None:
        run = hold.run
        if hold.calls:
            self.holds.append(hold)
            if hold.says and run.attempt > 1:
                run.attempt = 1
            hold.says = False
        elif hold.error is not None or len(run.results) == len(run.steps):
            run.error = hold.error
            is_followed = run.is_followed
            run.end("succeeded" if hold.error is None else "failed")
            if is_followed:
                self.told.append((hold.runtime, run.task))
        else:
            run.state, run.lease_until, run.attempt = "waiting", None, 0
            run.ready_at = self.now if run.is_woken else self._next_at(hold)

    def _next_at(self, hold: Hold) -> datetime | None:
        """When a run that sleeps goes on by itself; spans are measured by a clock that nobody sets."""
        results = hold.run.results
        times = [at for (name, _), at in hold.run.tries.items() if name not in results]
        left = min((at for name, at in hold.over_at.items() if name not in results), default=inf)
        if left < inf:
            times.append(self.now + timedelta(seconds=max(0.0, left - self.monotonic)))
        return min(times, default=None)

    def _over_at(self, until: datetime | None) -> float:
        return inf if until is None else self.monotonic + (until - self.now).total_seconds()

    # Looking

    def _new(self, run_id: UUID, task: Task) -> Run:
        run = self.runs[run_id] = Run(run_id, task, task.body.steps)
        return run

    def _runs_of(self, task: Task) -> list[Run]:
        return [run for run in self.runs.values() if run.task is task]

    def _active(self, task: Task) -> list[Run]:
        return [run for run in self._runs_of(task) if run.place == "queue"]

    def _waiting(self, task: Task) -> list[Run]:
        found = [run for run in self._runs_of(task) if run.place == "backlog"]
        return sorted(found, key=lambda run: run.run_id)


def _following(period: timedelta, after: datetime) -> Iterator[datetime]:
    count = (after - _EPOCH) // period
    while True:
        count += 1
        yield _EPOCH + count * period


def _room(overlap: str, *, missed: int) -> int:
    """How many runs of a task may wait."""
    return {"skip": missed, "queue_one": max(1, missed), "allow": 0}.get(overlap, 1000)


def _end_of_wait(step: Step, known: Wait, now: datetime) -> str | None:
    """The outcome of a wait that was found on record; none while it lasts."""
    is_over = known.until is not None and known.until <= now
    if step.kind == "sleep":
        return "ok" if is_over else None
    if known.answer is not None:
        return "ok" if known.answer else "denied"
    if is_over:
        return "late" if step.kind == "event" else "timeout"
    return None
