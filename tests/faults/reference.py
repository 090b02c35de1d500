"""What becomes of schedules, runs and steps, told again in plain Python: the reference that `test_model` compares with.

One thing happens at a time here, nothing is ever lost, and nobody races. Written against the documented promises, not
after the statements, and of the product it uses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from math import inf
from typing import Final, Literal
from uuid import UUID

from tests.faults.deciding import Deciding, topic_of
from tests.faults.records import (
    OVER,
    WHOLE,
    Doubt,
    Hold,
    Place,
    Result,
    Run,
    Task,
    Try,
    Wait,
    end_of,
    items_of,
)
from tests.faults.wishes import NEWS, OTHER, SIDE_BY_SIDE, WORDS, Body, Step

LEASE: Final = timedelta(seconds=15)
RETRY: Final = timedelta(seconds=10)
TRIES: Final = 2
TRUSTED_LEASES: Final = 2
MOST_LEASES: Final = 5
LOOKED_UP: Final = frozenset({"event", "callback", "run"})
RATE: Final = timedelta(seconds=60)
"""One call in so much time."""


class Reference(Deciding):
    """Everything that is decided and recorded."""

    def apply(self, wanted: Mapping[str, Body]) -> None:
        for name, task in self.tasks.items():
            if not task.is_retired and name not in wanted:
                self._retire(task)
        for name, body in wanted.items():
            task = self.tasks.get(name)
            if task is None:
                self.tasks[name] = Task(name, body, self.now)
            elif task.is_retired:
                task.body, task.cursor, task.is_retired = body, self.now, False
            else:
                self._change(task, body)

    def _retire(self, task: Task) -> None:
        self._skip_owed(task, "retired")
        for run in self._runs_of(task):
            if run.place == "backlog" or (run.place == "queue" and run.epoch == 0):
                run.end("cancelled", "retired")
        task.is_retired = True
        task.resume(self.now)

    def _change(self, task: Task, body: Body) -> None:
        if body.times != task.body.times:
            if task.is_paused:
                self._skip_owed(task, "paused")
            else:
                self._decide(task)
            task.cursor = self.now
        task.body = body

    def _skip_owed(self, task: Task, reason: str) -> None:
        for at in task.reached(self.now):
            if self.ids.of_occurrence(task.name, at) not in self.runs:
                self._new_at(task, at).end("skipped", reason)

    def ask_for(self, task: Task, run_id: UUID, word: str | None) -> bool:
        """Somebody asks for a run of a task; whether there is one then."""
        fate = self._let_in(task, task.body.overlap)
        if fate == "skip":
            return False
        run = Run(run_id, task, task.body, "manual", given=word)
        self._begin_run(run, fate)
        return True

    def rerun(
        self, run: Run, run_id: UUID, *, start: str | None, only_failed: bool, latest: bool
    ) -> bool:
        """Somebody runs a run again; whether there is one then."""
        body = run.task.body if latest else run.body
        kept = self._kept(run, body, start=start, only_failed=only_failed)
        if kept is None or run.task.is_retired:
            return False
        fate = self._let_in(run.task, body.overlap)
        if fate == "skip":
            return False
        again = Run(run_id, run.task, body, "rerun", given=run.given)
        again.results = {
            place: Result(run.results[place].outcome, 0, run.results[place].error)
            for place in kept
        }
        if only_failed:
            again.doubts = {place: Doubt() for place in run.doubts}
        self._begin_run(again, fate)
        return True

    def _kept(
        self, run: Run, body: Body, *, start: str | None, only_failed: bool
    ) -> list[Place] | None:
        """Which results of a run stay where it is run again; None if it cannot be, so."""
        if run.state not in {"succeeded", "failed", "cancelled"}:
            return None
        before = {step.name: step for step in run.body.steps}
        steps = {step.name: step for step in body.steps}
        ends = {name: run.results.get(end_of(step)) for name, step in before.items()}
        good = {name for name, result in ends.items() if result and result.outcome == "ok"}
        items = set[str]()
        if only_failed:
            if run.state == "succeeded":
                return None
            failed = {name for name, result in ends.items() if result and name not in good}
            names = good - _behind(before, failed)
            items = _spread(before) - names - (_behind(before, failed) - failed)
        elif start is None:
            names = set()
        elif start not in steps or not _before(steps, start) <= good:
            return None
        else:
            names = (good & set(steps)) - _behind(steps, {start})
        fitting = {
            name
            for name in before
            if steps.get(name) and end_of(steps[name]) == end_of(before[name])
        }
        return [
            (name, item)
            for (name, item), result in run.results.items()
            if name in names & fitting
            or (name in items & fitting and item != WHOLE and result.outcome == "ok")
        ]

    def backfill(self, task: Task, since: datetime) -> None:
        """What came since then and did not run, runs now, behind whatever else waits."""
        fills = 0
        for at in task.between(since - timedelta(microseconds=1), min(self.now, task.cursor)):
            found = self.runs.get(self.ids.of_occurrence(task.name, at))
            before = [run for run in self._runs_of(task) if run.is_backfill and run.at == at]
            tried = [*before, found] if found is not None else before
            if all(run.state in {"skipped", "failed", "cancelled"} for run in tried):
                run_id = self.ids.of_backfill(task.name, at, len(before))
                run = self._add(Run(run_id, task, task.body, "backfill", at))
                self._place(run, "backlog", self.now)
                fills += 1
        if fills:
            self.look(task)

    def cancel(self, run: Run, *, at_once: bool) -> None:
        """Somebody ends a run, which still has its last steps; only `at_once` cuts these off."""
        if self._end_run(run, "cancelled", at_once=at_once) == "none" and run.is_followed:
            self.look(run.task)

    def answer(self, run: Run, step: str, *, approved: bool) -> bool:
        """A person decides; whether it counts."""
        wait = run.waits[step]
        is_open = wait.answer is None and (wait.until is None or wait.until > self.now)
        if run.has_left(wait.began_at) or (step, 0) in run.results or not is_open:
            return False
        wait.answer = approved
        self._wake(run)
        return True

    def settle_doubt(
        self, run: Run, place: Place, what: Literal["happened", "try_again", "failed"]
    ) -> bool:
        """A person says what became of a call; whether that counts."""
        doubt = run.doubts[place]
        if doubt.asked_at is None or doubt.answer is not None:
            return False
        if run.has_left(doubt.asked_at) or place in run.results:
            return False
        doubt.answer = what
        self._wake(run)
        return True

    def emit(self, word: str) -> None:
        """An event comes from outside; whoever waits for it, or will by then, has it."""
        self._happen(NEWS, word)

    def call_back(self, run: Run, step: str) -> bool:
        """Somebody has the token of a step; whether that ends its wait, or will as soon as it begins."""
        topic, wait = topic_of(run, step), run.waits.get(step)
        is_over = wait is not None and (
            run.has_left(wait.began_at) or (wait.until is not None and wait.until < self.now)
        )
        is_used = any(topic == other for other, _, _ in self.events)
        if run.place != "queue" or is_used or is_over or (step, 0) in run.results:
            return False
        self._happen(topic)
        return True

    def claim(self, run: Run, runtime: int) -> None:
        """A runtime begins, or goes on with, a run."""
        self.lease(run)
        run.lease_until = self.now + LEASE
        # What works there under an earlier lease of the run has lost that.
        self.holds = [one for one in self.holds if one.run is not run or one.runtime != runtime]
        is_suspect = run.attempt > TRUSTED_LEASES
        hold = Hold(run, runtime, run.epoch, is_suspect, self.monotonic + LEASE.total_seconds())
        self._read_decisions(hold)
        left = {step.name for step in run.steps if end_of(step) not in run.results}
        for name in left & run.waits.keys():
            hold.over_at[name] = self._over_at(run.waits[name].until)
        hold.settled = {place: one.answer for place, one in run.doubts.items() if one.answer}
        for place in {place for place, _ in run.tries if place[0] in left}:
            hold.again_at[place] = self._over_at(max(one.ready_at for one in run.tries_of(place)))
        if OVER in run.results:
            hold.error_before = run.results[OVER].error
        for step in run.steps:
            if end_of(step) in run.results:
                hold.error = hold.error or run.results[end_of(step)].error
        if run.attempt > MOST_LEASES and (OVER in run.results or not run.body.last):
            run.error = "ORD507"
            self._end(hold, "failed")
            return
        if run.attempt > MOST_LEASES:
            hold.error = "ORD507"
        self._go_on(hold)

    def _read_decisions(self, hold: Hold) -> None:
        """Whether somebody decided in time is only ever read from the record."""
        for name, wait in hold.run.waits.items():
            if hold.run.step(name).kind == "approve":
                hold.known[name] = _decided(wait, self.now)

    def skip(self, run: Run, runtime: int) -> None:
        """A runtime came to it when it was too late to begin."""
        run.end("skipped", "start_deadline")
        if run.is_followed:
            self.told.append((runtime, run.task))

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

    def come_back(
        self, hold: Hold, place: Place, outcome: Literal["ok", "tool_error", "lost"]
    ) -> None:
        """A call comes back to whoever made it; what it says counts if the lease does."""
        hold.calls.discard(place)
        self.holds.remove(hold)
        if not hold.is_current:
            return
        run, step = hold.run, hold.run.step(place[0])
        tried = 1 + len(run.tries_of(place))
        hold.says = True
        if outcome == "tool_error" and step.retries and tried < TRIES and hold.error is None:
            self._try_again(hold, place, Try(outcome, self.now + RETRY))
        elif outcome == "lost" and place in run.doubts and hold.error is None:
            hold.doubted.add(place)
        elif outcome == "lost" and place in run.doubts:
            self._record(hold, place, Result("unknown", hold.epoch, "ORD415"))
        else:
            error = None if outcome == "ok" else "ORD404"
            self._record(hold, place, Result(outcome, hold.epoch, error))
        self._go_on(hold)

    def attend(self, runtime: int) -> None:
        """A runtime hears of answers to what runs wait for that it executes."""
        for hold in [one for one in self.holds if one.runtime == runtime]:
            if hold.is_current and hold.run.is_woken and hold.listens:
                hold.run.is_woken = False
                self._look(hold)
                hold.known.clear()
                self._read_decisions(hold)
                self.holds.remove(hold)
                self._go_on(hold)

    def moves_at(self) -> float:
        """When something that is executed goes on by itself, by the clock that nobody sets."""
        return min((hold.moves_at for hold in self.holds), default=inf)

    def move(self) -> None:
        """What was waited for beside calls is over."""
        for hold in [one for one in self.holds if one.moves_at <= self.monotonic]:
            for name, over_at in hold.over_at.items():
                if over_at <= self.monotonic:
                    hold.known.pop(name, None)
            self.holds.remove(hold)
            self._go_on(hold)

    def _go_on(self, hold: Hold) -> None:
        self._begin(hold)
        self._report(hold)

    def beat(self, runtime: int) -> None:
        """A runtime stops what it cannot trust to hold any more, and renews the rest."""
        soon = self.monotonic + LEASE.total_seconds() / 4
        for hold in [one for one in self.holds if one.runtime == runtime]:
            if hold.trusted_until <= soon or not hold.is_current:
                self.holds.remove(hold)
            else:
                hold.run.lease_until = self.now + LEASE
                hold.trusted_until = self.monotonic + LEASE.total_seconds()

    def vanish(self, runtime: int) -> None:
        """A runtime is gone, with all that it knew."""
        self.holds = [hold for hold in self.holds if hold.runtime != runtime]
        self.told = [(one, task) for one, task in self.told if one != runtime]

    def _begin(self, hold: Hold) -> None:
        """Every step begins whose needs are over, until something has to be waited for; and after them the last ones."""
        has_moved = True
        while has_moved:
            has_moved = False
            # What has to be looked up is known when everything else has begun.
            for step in sorted(hold.run.steps, key=lambda step: step.kind in LOOKED_UP):
                if self._can_begin(hold, step) and not (has_moved and step.kind in LOOKED_UP):
                    has_moved |= self._begin_step(hold, step)
            for step in tuple(hold.spread):
                self._end_items(hold, step)
            self._give_up_doubts(hold)
            if hold.is_over and hold.run.body.last and OVER not in hold.run.results:
                outcome = "ok" if hold.error is None else "failed"
                hold.run.results[OVER] = Result(outcome, hold.epoch, hold.error)
                hold.run.over_at = self.now
                for times in (hold.over_at, hold.turn_at, hold.again_at):
                    times.clear()
                hold.error_before, hold.error = hold.error, None
                hold.says = has_moved = True

    def _give_up_doubts(self, hold: Hold) -> None:
        """Of calls in doubt nothing more is found out where their steps are over without them."""
        for place in hold.doubted if hold.is_over else ():
            if place not in hold.run.results:
                self._record(hold, place, Result("unknown", hold.epoch, "ORD415"))

    def _can_begin(self, hold: Hold, step: Step) -> bool:
        results = hold.run.results
        needed = (end_of(hold.run.step(need)) for need in step.needs)
        is_new = end_of(step) not in results and (step.name, 0) not in hold.calls
        is_new = is_new or (step.kind == "spread" and end_of(step) not in results)
        return is_new and hold.error is None and all(need in results for need in needed)

    def _begin_step(self, hold: Hold, step: Step) -> bool:
        """Whether the step is over."""
        match step.kind:
            case "call" | "limited" | "once" | "ask":
                return self._begin_call(hold, step)
            case "spread":
                return self._begin_items(hold, step)
            case "run":
                return self._wait_for_child(hold, step)
            case _:
                return self._wait(hold, step)

    def _begin_call(self, hold: Hold, step: Step) -> bool:
        """Whether the call is over before it is made: nobody knows whether it was made before, and it must not be twice."""
        run, place = hold.run, (step.name, 0)
        if hold.again_at.get(place, 0) > self.monotonic:
            return False
        hold.again_at.pop(place, None)
        # Where another revision is run again, its call may be one that can be repeated.
        doubt = run.doubts.get(place) if step.kind in {"once", "ask"} else None
        if doubt is not None:
            if step.kind == "once":
                self._record(hold, place, Result("unknown", hold.epoch, "ORD415"))
                return True
            answer = hold.settled.pop(place, None)
            if answer is None:
                hold.doubted.add(place)
                hold.says |= doubt.asked_at is None
                doubt.asked_at = doubt.asked_at or self.now
                return False
            if answer != "try_again":
                is_good = answer == "happened"
                result = Result("ok", hold.epoch) if is_good else _refused(hold, "ORD416")
                self._record(hold, place, result)
                return True
            self._try_again(hold, place, Try("unknown", self.now))
            hold.again_at.pop(place)
            hold.says = True
        if step.kind == "limited" and not self._has_turn(hold, place):
            return False
        if step.kind in {"once", "ask"}:
            run.doubts[place] = Doubt()
            hold.says = True
        hold.calls.add(place)
        return False

    def _begin_items(self, hold: Hold, step: Step) -> bool:
        """As many calls as may be under way at once; one that fails lets no other begin."""
        hold.spread.add(step)
        items = items_of(step)
        is_good = all(one.error is None for one in _found(hold, step))
        for item in items:
            has_room = sum(call in items for call in hold.calls) < SIDE_BY_SIDE
            if is_good and has_room and item not in hold.run.results:
                hold.calls.add(item)
        return self._end_items(hold, step)

    def _end_items(self, hold: Hold, step: Step) -> bool:
        """Also when another step has failed meanwhile: whether all of them are over, or no other begins."""
        found, items = _found(hold, step), items_of(step)
        error = next((result.error for result in found if result.error), None)
        is_going_on = any(call in items for call in hold.calls)
        if is_going_on or (error is None and len(found) < len(items)):
            return False
        outcome = "ok" if error is None else "tool_error"
        self._record(hold, end_of(step), Result(outcome, hold.epoch, error))
        hold.spread.discard(step)
        return True

    def _has_turn(self, hold: Hold, place: Place) -> bool:
        """Whether a try of a call has its token now. It is promised the next one, and keeps that promise if its runtime
        does not live to see it.
        """
        if hold.turn_at.get(place, 0) > self.monotonic:
            return False
        hold.turn_at.pop(place, None)
        turn = hold.run.run_id, place, 1 + len(hold.run.tries_of(place))
        promised = self.turns.get(turn)
        if promised is None:
            promised = max(self.spent_until or self.now, self.now)
            self.spent_until = promised + RATE
        if promised <= self.now:
            self.turns.pop(turn, None)
            return True
        self.turns[turn] = promised
        hold.turn_at[place] = self._over_at(promised)
        return False

    def _wait(self, hold: Hold, step: Step) -> bool:
        run, name = hold.run, step.name
        if name not in run.waits:
            until = None if step.span is None else self.now + step.span
            run.waits[name] = Wait(self.now, until)
            hold.over_at[name] = self._over_at(until)
            hold.says = True
        match step.kind:
            case "sleep":
                outcome = "ok" if hold.over_at[name] <= self.monotonic else None
            case "approve":
                outcome = hold.known.get(name)
            case _:
                self._look_for(hold, name)
                outcome = hold.known[name]
        if outcome is None:
            return False
        late = "ORD414" if step.kind == "approve" else "ORD417"
        error = {"ok": None, "denied": "ORD413", "timeout": late}[outcome]
        self._record(hold, (name, 0), Result(outcome, hold.epoch, error))
        return True

    def _look_for(self, hold: Hold, name: str) -> None:
        """What the record says of a wait for an event or a run, which is looked up once, and when there is a reason."""
        if name not in hold.known:
            self._look(hold)
            wait = hold.run.waits[name]
            hold.known[name] = _decided(wait, self.now)
            hold.over_at[name] = self._over_at(wait.until)

    def _look(self, hold: Hold) -> None:
        hold.run.is_woken |= self._end_waits_for_events(hold.run)
        hold.run.is_woken |= self._hear_of_child(hold.run)

    def _wait_for_child(self, hold: Hold, step: Step) -> bool:
        """Start a run of the other task, once, and wait for its end."""
        run, place = hold.run, (step.name, 0)
        if step.name not in run.waits:
            run.waits[step.name] = Wait(self.now, None)
            hold.says = True
            if not self._start_child(hold, step):
                self._record(hold, place, _refused(hold, "ORD509"))
                return True
        self._look_for(hold, step.name)
        outcome = hold.known[step.name]
        if outcome is None:
            return False
        is_good = outcome == "ok"
        self._record(
            hold, place, Result("ok", hold.epoch) if is_good else _refused(hold, "ORD509")
        )
        return True

    def _start_child(self, hold: Hold, step: Step) -> bool:
        """Whether there is one then."""
        task = self.tasks.get(OTHER)
        fate = "skip" if task is None or task.is_retired else self._let_in(task, task.body.overlap)
        if task is None or fate == "skip":
            return False
        run_id = hold.run.child = self.ids.of_child(hold.run, step.name)
        child = self._add(Run(run_id, task, task.body, "run", given=WORDS[1]))
        self._place(child, fate, self.now)
        if fate == "backlog":
            self.told.append((hold.runtime, task))
        return True

    def _record(self, hold: Hold, place: Place, result: Result) -> None:
        run = hold.run
        run.results[place] = result
        hold.over_at.pop(place[0], None)
        hold.says = True
        if result.outcome != "unknown":
            run.doubts.pop(place, None)
        if place == end_of(run.step(place[0])):
            hold.error = hold.error or result.error

    def _try_again(self, hold: Hold, place: Place, tried: Try) -> None:
        run = hold.run
        run.tries[place, 1 + len(run.tries_of(place))] = tried
        run.doubts.pop(place, None)
        hold.doubted.discard(place)
        hold.again_at[place] = self._over_at(tried.ready_at)

    def _report(self, hold: Hold) -> None:
        run = hold.run
        if hold.calls:
            self.holds.append(hold)
            if hold.says and run.attempt > 1:
                run.attempt = 1
            hold.says = False
        elif hold.is_over:
            is_cancelled = OVER in run.results and run.results[OVER].outcome == "cancelled"
            run.error = None if is_cancelled else hold.error_before or hold.error
            ended = "cancelled" if is_cancelled else "failed" if run.error else "succeeded"
            self._end(hold, ended)
        else:
            run.state, run.lease_until, run.attempt = "waiting", None, 0
            run.ready_at = self.now if run.is_woken else self._next_at(hold)

    def _end(self, hold: Hold, state: str) -> None:
        hold.run.end(state, hold.run.reason)
        if hold.run.is_followed:
            self.told.append((hold.runtime, hold.run.task))

    def _next_at(self, hold: Hold) -> datetime | None:
        """When a run that sleeps goes on by itself; spans are measured by a clock that nobody sets."""
        left = min((hold.moves_at, *hold.over_at.values())) - self.monotonic
        return None if left == inf else self.now + timedelta(seconds=max(0.0, left))

    def _over_at(self, until: datetime | None) -> float:
        return inf if until is None else self.monotonic + (until - self.now).total_seconds()


def _decided(wait: Wait, now: datetime) -> str | None:
    """How a wait ended, as the record says; None while it lasts."""
    if wait.answer is not None:
        return "ok" if wait.answer else "denied"
    return "timeout" if wait.until is not None and wait.until <= now else None


def _found(hold: Hold, step: Step) -> list[Result]:
    """What is on record of the items of a step."""
    results = hold.run.results
    return [results[item] for item in items_of(step) if item in results]


def _refused(hold: Hold, error: str) -> Result:
    return Result("tool_error", hold.epoch, error)


def _spread(steps: Mapping[str, Step]) -> set[str]:
    return {name for name, step in steps.items() if step.kind == "spread"}


def _behind(steps: Mapping[str, Step], starts: set[str]) -> set[str]:
    """These steps and all that need them, directly or through others."""
    found = set(starts)
    for _ in steps:
        found |= {name for name, step in steps.items() if found.intersection(step.needs)}
    return found


def _before(steps: Mapping[str, Step], start: str) -> set[str]:
    """All steps that one needs, directly or through others."""
    return {name for name in steps if start in _behind(steps, {name})} - {start}
