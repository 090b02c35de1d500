"""One run, from claim to record: calls are made as their steps' needs allow, and every result is on record before what
depends on it begins.

Theory of operation
    A run executes under a lease. What earlier leases recorded is read first, so a run that was cut off goes on where its
    record ends. Steps that need nothing of one another run side by side, and so do the items of a `foreach`, as many as its
    `max_parallel` allows. All that is decided is decided in one loop: calls run beside it and only bring back outcomes. Each
    round collects what has come back, judges it, writes one report, and begins what has become possible: under load a report
    holds many results, and one call alone waits for nobody.

    Calls of tools that only compute are made on the spot, and their results recorded with whatever comes next, at the latest
    before a call that is more than that: until then computing them again does no harm.

    A failure that may be repeated waits for its time; when nothing else of the run is under way, the run goes to sleep in
    the database, without slot and lease. A failure that is final ends the step, and what that means for the run is
    `course`'s to say; calls under way are awaited and recorded all the same. A call that must not be made twice (`effect: once`)
    is written down before it is made. A result that could not be recorded because the lease was lost is somebody else's to
    repeat: nothing is written here.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Protocol

from runtime.caller import Caller, keyed
from runtime.calling import Tools
from runtime.clock import Clock
from runtime.core.calls import Call, StepCalls, items_of
from runtime.core.course import Course, Failure
from runtime.core.expressions import ABSENT, Context
from runtime.core.judging import judge
from runtime.core.outcomes import CallError, CallOutcome
from runtime.core.program import Program, ProgramStep
from runtime.core.retry import REPEATABLE_EFFECTS, may_retry, retry_delay
from runtime.core.waits import WAITING_TOOLS
from runtime.ending import Ending, recorded_ending
from runtime.errors import OrdinautError
from runtime.live import Live
from runtime.progress import Items, Progress, Try
from runtime.restoring import restore_calls, restore_course
from runtime.secrets import Secrets
from runtime.store.due_work import Claim, Recorded, Report
from runtime.underway import Landed, Ready, UnderWay
from runtime.waits import Ended, Held, LeftOut, Passed, Waits

# Of one run without a pause, lest the others wait for it.
_MOST_AT_ONCE: Final = 100
_CUT_OFF: Final = CallOutcome(
    "lost",
    error=CallError(
        "ORD406", "the runtime was lost when it was about to make the call, or had made it"
    ),
    sent=True,
)


class Recording(Protocol):
    """Whoever commits reports."""

    async def record(self, report: Report) -> None:
        """Commit a report, or raise LeaseLost."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every execution of a process shares."""

    tools: Tools
    recorder: Recording
    clock: Clock
    draw: random.Random


class Execution:
    """One claim of one run. `run` is called once."""

    def __init__(
        self, around: Surroundings, claim: Claim, program: Program, live: Live, secrets: Secrets
    ) -> None:
        self._around = around
        self._claim = claim
        self._program = program
        self._secrets = secrets
        self._caller = Caller(
            claim, program, tools=around.tools, clock=around.clock, live=live, secrets=secrets
        )
        self._progress = Progress(claim, program.label)
        self._steps = {step.name: step for step in (*program.steps, *program.last)}
        self._course = Course(program.steps)
        self._ending: Ending | None = None
        self._calls: dict[str, StepCalls] = {}
        self._values: dict[str, Any] = {}
        self._recorded = Recorded()
        self._waits = self._fresh_waits()
        self._context = Context(now=claim.started_at)
        self._ready: list[Ready] = []
        self._under_way = UnderWay(self._call, around.clock)
        self._left_at_once = _MOST_AT_ONCE

    async def run(self, recorded: Recorded) -> None:
        """Execute what is left of the run, and report it.

        Raises:
            LeaseLost: another runtime holds the run.
        """
        report = self.begin(recorded)
        if report is None:
            await self.go_on()
        else:
            await self._around.recorder.record(report)

    def begin(self, recorded: Recorded) -> Report | None:
        """Go on from the record for as long as nothing has to be waited for.

        What is to be recorded when the run ends or goes to sleep by that; None if `go_on` must follow.
        """
        self._recorded = recorded
        self._waits = self._fresh_waits()
        try:
            self._context = self._first_context()
        except OrdinautError as error:
            return self._finished(Failure(_told(error)))
        restore_course(self._program.steps, self._recorded, self._course, self._values)
        if (ending := recorded_ending(recorded)) is not None:
            self._go_to_last(ending)
        return self._proceed()

    async def go_on(self) -> None:
        """Make the calls that have to be waited for, until the run ends or goes to sleep, and report it.

        Raises:
            LeaseLost: another runtime holds the run.
        """
        recorder = self._around.recorder
        try:
            while True:
                if not self._progress.is_empty:
                    await recorder.record(self._progress.checkpoint())
                ready, self._ready = self._ready, []
                next_at = self._next_at()
                until = None if next_at == math.inf else next_at
                for landed in await self._under_way.make(ready, until):
                    self._settle(landed)
                if (report := self._proceed()) is not None:
                    await recorder.record(report)
                    return
        finally:
            await self._under_way.end()
            self._around.tools.end_run(str(self._claim.run_id))

    def _proceed(self) -> Report | None:
        """Decide and compute all that can be; what is to be said at last, or None if calls have to be waited for."""
        while True:
            begun = self._begin()
            kept = [ready for ready in begun if not self._is_made_at_once(ready)]
            self._ready += kept
            if len(kept) < len(begun):
                continue
            if self._ready or self._under_way:
                return None
            next_at = self._next_at()
            if next_at is None:
                if self._ending is not None or not self._program.last:
                    return self._finished(self._failure)
                ending = Ending(self._failure, self._caller.elapsed.total_seconds())
                self._progress.steps_over(ending)
                self._go_to_last(ending)
            elif next_at > self._around.clock.monotonic():
                return self._asleep(next_at)

    def _is_made_at_once(self, ready: Ready) -> bool:
        """Make the call if it only computes: then nothing is waited for, and nothing need be on record before."""
        if not self._left_at_once or ready.call.step.effect not in REPEATABLE_EFFECTS:
            return False
        began = self._around.clock.monotonic()
        outcome = self._caller.call_at_once(ready.call, ready.arguments)
        if outcome is None:
            return False
        self._left_at_once -= 1
        seconds = self._around.clock.monotonic() - began
        self._settle(Landed(ready.call, ready.shown, outcome, seconds))
        return True

    @property
    def _failure(self) -> Failure | None:
        """Why the run fails, now that there is nothing more to do."""
        if self._course.failure is None and not self._course.is_complete:
            raise RuntimeError("a run must not succeed before each of its steps has passed")
        before = None if self._ending is None else self._ending.failure
        return before or self._course.failure

    def _go_to_last(self, ending: Ending) -> None:
        """Turn from the steps that are over to those of `finally`."""
        self._ending = ending
        self._calls.clear()
        self._course = Course(self._program.last)
        restore_course(self._program.last, self._recorded, self._course, self._values)
        self._waits = self._fresh_waits()
        self._caller.allow_again(timedelta(seconds=ending.seconds))
        self._context = replace(self._context, run={**self._context.run, **ending.told})

    def _fresh_waits(self) -> Waits:
        return Waits(self._recorded.waits, self._progress, self._caller, self._around.clock)

    def _asleep(self, next_at: float) -> Report:
        """Nothing can go on before `next_at`, or before a person has answered."""
        now = self._around.clock.monotonic()
        # A run that is out of time does not wait on.
        until = min(next_at, now + self._caller.left.total_seconds(), self._waits.next_at)
        return self._progress.waiting(self._waits.reason, max(0.0, until - now))

    def _first_context(self) -> Context:
        claim, program = self._claim, self._program
        params = {**program.params, **(claim.params or {})}
        context = Context(
            now=claim.started_at,
            run={"id": str(claim.run_id), "attempt": claim.attempt},
            task={"name": program.label},
            trigger={"kind": claim.trigger, "for": claim.occurrence_for.isoformat()},
            params=params,
            steps=self._values,
            secrets=self._secrets,
        )
        if claim.event is not None:
            context = replace(context, event=claim.event)
        if program.pipeline_params is not None:
            context = replace(context, params=program.pipeline_params.render(context))
        return context

    def _context_of(self, call: Call) -> Context:
        return self._context if call.item is ABSENT else replace(self._context, item=call.item)

    def _begin(self) -> list[Ready]:
        """Everything that may begin now, rendered; what ends without a call ends here."""
        ready: list[Ready] = []
        has_moved = True
        while has_moved:
            has_moved = False
            while names := self._course.begin():
                for name in names:
                    self._open(self._steps[name])
            for name in self._course.skipped():
                self._progress.step_skipped(self._steps[name])
            for calls in list(self._calls.values()):
                prepared = (self._prepare(call) for call in self._beginning(calls))
                ready.extend(one for one in prepared if one is not None)
                if calls.is_over:
                    self._close(calls)
                    has_moved = True
        return ready

    def _beginning(self, calls: StepCalls) -> Iterator[Call]:
        now = self._around.clock.monotonic()
        return iter(()) if self._course.failure is not None else calls.begin(now)

    def _next_at(self) -> float | None:
        """When a call that waits may be made; None if there is none, or the run has failed."""
        if self._course.failure is not None:
            return None
        times = (calls.next_at for calls in self._calls.values())
        return min((at for at in times if at is not None), default=None)

    def _open(self, step: ProgramStep) -> None:
        """The step begins; calls that are on record are not made again."""
        try:
            items = None if step.foreach is None else items_of(step.foreach.render(self._context))
        except OrdinautError as error:
            none = Items(0, 0, 0, 0.0)
            self._progress.items_finished(step, none, _told(error))
            self._course.failed(step.name, _told(error))
            return
        now = self._around.clock.monotonic()
        calls = self._calls[step.name] = StepCalls(step, items, now)
        restore_calls(calls, self._recorded, now)

    def _prepare(self, call: Call) -> Ready | None:
        """The call with its arguments; None if it ends without being made."""
        step, context = call.step, self._context_of(call)
        try:
            if step.condition is not None and not step.condition.test(context):
                self._calls[step.name].skip()
                self._progress.step_skipped(step, call.iteration)
                return None
            call.key = self._caller.key(call, context)
            arguments = keyed(call, step.arguments.render(context))
            shown = keyed(
                call, step.arguments.render(replace(context, secrets=self._secrets.masked()))
            )
        except OrdinautError as error:
            # Rendering again would give the same error, so it is never retried.
            refused = CallOutcome("contract_error", error=_told(error))
            self._end(Landed(call, None, refused, 0.0))
            return None
        if (step.approval is not None or step.uses in WAITING_TOOLS) and not self._may_go_on(
            call, arguments, shown
        ):
            return None
        if (step.name, call.iteration) in self._recorded.intents:
            self._end(Landed(call, shown, _CUT_OFF, 0.0))
            return None
        if step.effect not in REPEATABLE_EFFECTS:
            self._progress.call_intended(step, call.iteration, call.attempt, call.key)
        return Ready(call, arguments, shown)

    def _may_go_on(self, call: Call, arguments: Mapping[str, Any], shown: Any) -> bool:
        """Whether a call that has to wait may be made now; otherwise it is held, or over."""
        calls = self._calls[call.step.name]
        verdict = self._waits.look(call, arguments, shown)
        if self._caller.is_out_of_time and isinstance(verdict, Held):
            verdict = Ended(CallOutcome("timeout", error=self._caller.timed_out()))
        match verdict:
            case Held(ready_at=ready_at):
                calls.hold(call, ready_at)
            case LeftOut():
                calls.skip()
                self._progress.step_skipped(call.step, call.iteration)
            case Ended(outcome=outcome):
                self._end(Landed(call, shown, outcome, 0.0))
            case Passed(value=value) if call.step.uses in WAITING_TOOLS:
                self._end(Landed(call, shown, CallOutcome("ok", value=value), 0.0))
            case Passed():
                return True
        return False

    async def _call(self, ready: Ready) -> Landed:
        began = self._around.clock.monotonic()
        outcome = await self._caller.call(ready.call, ready.arguments)
        return Landed(ready.call, ready.shown, outcome, self._around.clock.monotonic() - began)

    def _settle(self, landed: Landed) -> None:
        """Judge what came back: it is a result, or a try that another follows."""
        call, step = landed.call, landed.call.step
        landed = replace(landed, outcome=judge(step, landed.outcome, self._context_of(call)))
        is_wanted = self._course.failure is None and not self._caller.is_out_of_time
        if (
            landed.outcome.kind != "ok"
            and is_wanted
            and may_retry(step.retry, landed.outcome, call.attempt, step.effect)
        ):
            draw = self._around.draw.random()
            delay = retry_delay(step.retry, call.attempt, draw, landed.outcome.retry_after)
            self._progress.call_retrying(self._tried(landed), delay.total_seconds())
            ready_at = self._around.clock.monotonic() + delay.total_seconds()
            self._calls[step.name].try_again(call, ready_at)
        else:
            self._end(landed)

    def _end(self, landed: Landed) -> None:
        """The call has its result, good or bad."""
        call, outcome = landed.call, landed.outcome
        self._progress.call_finished(self._tried(landed))
        error = None
        if outcome.kind != "ok":
            name = call.step.name
            error = outcome.error or CallError("ORD505", f"step {name} failed: {outcome.kind}")
            if self._caller.is_out_of_time:
                self._course.fail(self._caller.timed_out(), name)
        self._calls[call.step.name].end(call, outcome.value, error)

    def _tried(self, landed: Landed) -> Try:
        call = landed.call
        return Try(
            call.step,
            call.iteration,
            call.attempt,
            landed.shown,
            landed.outcome,
            landed.seconds,
            call.key,
        )

    def _close(self, calls: StepCalls) -> None:
        """The step is over."""
        step = calls.step
        del self._calls[step.name]
        if calls.items is not None:
            seconds = self._around.clock.monotonic() - calls.since
            items = Items(calls.count, calls.skipped, calls.failed, seconds)
            self._progress.items_finished(step, items, calls.error)
        if calls.error is not None:
            self._course.failed(step.name, calls.error)
            return
        if calls.items is not None or not calls.skipped:
            self._values[step.result_name] = calls.value
        self._course.passed(step.name)

    def _finished(self, failure: Failure | None) -> Report:
        return self._progress.finished(self._caller.elapsed.total_seconds(), failure)


def _told(error: OrdinautError) -> CallError:
    return CallError(error.code, error.message, error.hint)
