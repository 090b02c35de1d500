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
    is written down before it is made, and `unknown` says what follows when nobody knows whether it happened. A result that
    could not be recorded because the lease was lost is somebody else's to repeat: nothing is written here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from runtime.caller import Caller
from runtime.calling import redacted, told
from runtime.checkpoints import Checkpoints
from runtime.context import context_of
from runtime.core.calls import Call, StepCalls, items_of, next_at
from runtime.core.course import Course, Failure
from runtime.core.expressions import Context
from runtime.core.leftopen import ASKS_AGAIN
from runtime.core.outcomes import CallError, CallOutcome
from runtime.core.program import Program, ProgramStep
from runtime.core.retry import REPEATABLE_EFFECTS, may_retry, retry_delay
from runtime.core.waits import LOOKED_UP, WAITING_TOOLS
from runtime.ending import Ending, recorded_ending
from runtime.errors import OrdinautError
from runtime.live import Live
from runtime.progress import Items, Progress
from runtime.restoring import restore_calls, restore_course
from runtime.secrets import Secrets
from runtime.store.due_work import Claim, Report
from runtime.store.recorded import NOTHING_RECORDED, Recorded
from runtime.surroundings import Surroundings
from runtime.throttle import throttle_of
from runtime.transactional import Transactional
from runtime.underway import Landed, Ready, UnderWay
from runtime.unknown import Again, Asked, Over, Unknowns, Verdict, Verify, as_unknown, is_unknown
from runtime.waits import Ended, Held, LeftOut, LookUp, Passed, Standing, Waits

# Of one run without a pause, lest the others wait for it.
_MOST_AT_ONCE: Final = 100
_LONGEST_SLEEP_SECONDS: Final = 86_400.0


class Execution:
    """One claim of one run, from what earlier claims recorded. `run` is called once."""

    _context: Context

    def __init__(
        self,
        around: Surroundings,
        claim: Claim,
        program: Program,
        live: Live,
        secrets: Secrets,
        *,
        recorded: Recorded = NOTHING_RECORDED,
    ) -> None:
        self._around = around
        self._claim = claim
        self._program = program
        self._secrets = secrets
        self._recorded = recorded
        self._caller = Caller(claim, program, around, live, secrets, recorded=recorded)
        self._progress = Progress(claim, program.label)
        self._throttle = throttle_of(live, program.agent, around, claim, self._progress.held)
        self._transactional = Transactional(
            around.statements, claim, self._progress, self._caller, around.clock
        )
        self._steps = {step.name: step for step in (*program.steps, *program.last)}
        self._course = Course(program.steps)
        self._ending: Ending | None = None
        self._calls: dict[str, StepCalls] = {}
        self._values: dict[str, Any] = {}
        self._waits = Waits(recorded.waits, self._progress, self._caller, around.clock)
        self._unknowns = Unknowns(recorded.intents, self._progress)
        self._ready: list[Ready] = []
        self._under_way = UnderWay(around.clock)
        self._checkpoints = Checkpoints(around, self._progress, self._under_way)
        self._left_at_once = _MOST_AT_ONCE

    async def run(self) -> None:
        """Execute what is left of the run, and report it.

        Raises:
            LeaseLost: another runtime holds the run.
        """
        if (report := self.begin()) is None:
            await self.go_on()
        else:
            await self._around.recorder.record(report)

    def begin(self) -> Report | None:
        """Go on from the record for as long as nothing has to be waited for.

        What is to be recorded when the run ends or goes to sleep by that; None if `go_on` must follow.
        """
        try:
            self._context = self._caller.context(self._values, self._around.callback_key)
        except OrdinautError as error:
            return self._finished(Failure(told(error)))
        restore_course(self._program.steps, self._recorded, self._course, self._values)
        if (ending := recorded_ending(self._recorded)) is not None:
            self._go_to_last(ending)
        return self._proceed()

    async def go_on(self) -> None:
        """Make the calls that have to be waited for, until the run ends or goes to sleep, and report it.

        Raises:
            LeaseLost: another runtime holds the run.
        """
        try:
            while True:
                await self._waits.heed(self._around, self._under_way, self._calls.values())
                await self._checkpoints.write()
                ready, self._ready = self._ready, []
                until = self._checkpoints.until(self._next_at())
                for landed in await self._under_way.make(ready, until, self._call):
                    self._settle(landed)
                if (report := self._proceed()) is not None:
                    await self._around.recorder.record(report)
                    return
        finally:
            self._around.attention.forget(self._claim)
            await self._under_way.end()
            self._around.tools.end_run(self._claim.run)

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
                for landed in self._unknowns.open():
                    self._progress.call_finished(landed.tried)
                if self._ending is not None or not self._program.last:
                    return self._finished(self._failure)
                ending = Ending(self._failure, self._caller.elapsed)
                self._progress.steps_over(ending)
                self._go_to_last(ending)
            elif next_at > self._now:
                return self._asleep(next_at)

    def _is_made_at_once(self, ready: Ready) -> bool:
        """Make the call if it only computes: then nothing is waited for, and nothing need be on record before."""
        if (
            not self._left_at_once
            or ready.asks_turn
            or ready.call.step.effect not in REPEATABLE_EFFECTS
        ):
            return False
        began = self._now
        outcome = self._caller.call_at_once(ready.call, ready.arguments)
        if outcome is None:
            return False
        self._left_at_once -= 1
        seconds = self._now - began
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
        self._waits.forget_begun()
        self._caller.allow_again(ending.seconds)
        self._context = replace(self._context, run={**self._context.run, **ending.told})

    def _asleep(self, next_at: float) -> Report:
        """Nothing can go on before `next_at`, or before a person has answered."""
        now = self._now
        # A run that is out of time does not wait on; while people are asked what happened, its time stands still.
        is_asking = self._unknowns.is_asking
        left = _LONGEST_SLEEP_SECONDS if is_asking else self._caller.left
        until = min(next_at, now + left, self._waits.next_at)
        reason = "unknown" if is_asking else self._waits.reason
        if reason == "retry" and self._throttle is not None:
            reason = self._throttle.waits_for or reason
        return self._progress.waiting(reason, max(0.0, until - now))

    def _context_of(self, call: Call) -> Context:
        return context_of(call, self._context, self._around.web_url)

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
                begun = () if self._course.failure is not None else calls.begin(self._now)
                ready += [one for call in begun if (one := self._prepare(call)) is not None]
                if calls.is_over:
                    self._close(calls)
                    has_moved = True
        return ready

    @property
    def _now(self) -> float:
        return self._around.clock.monotonic()

    def _next_at(self) -> float | None:
        """When a call that waits may be made; None if there is none, or the run has failed."""
        return None if self._course.failure is not None else next_at(self._calls.values())

    def _open(self, step: ProgramStep) -> None:
        """The step begins; calls that are on record are not made again."""
        try:
            items = None if step.foreach is None else items_of(step.foreach.render(self._context))
        except OrdinautError as error:
            self._progress.items_finished(step, Items(0, 0, 0, 0.0), told(error))
            self._course.failed(step.name, told(error))
            return
        self._checkpoints.is_due = True
        calls = self._calls[step.name] = StepCalls(step, items, self._now)
        restore_calls(calls, self._recorded, calls.since, at_once=self._caller.is_out_of_time)

    def _prepare(self, call: Call) -> Ready | None:
        """The call with its arguments; None if it ends without being made."""
        step, context = call.step, self._context_of(call)
        try:
            if step.condition is not None and not step.condition.test(context):
                self._calls[step.name].skip()
                self._progress.step_skipped(step, call.iteration)
                return None
            arguments, shown = self._caller.fill(call, context)
        except OrdinautError as error:
            # Rendering again would give the same error, so it is never retried.
            refused = CallOutcome("contract_error", error=told(error))
            self._end(Landed(call, None, refused, 0.0))
            return None
        if (step.waits or call.opened is not None) and not self._may_go_on(
            call, shown, self._waits.look(call, arguments, shown)
        ):
            return None
        if (doubt := self._unknowns.look(call, shown, context)) is not None:
            return self._in_doubt(call, doubt)
        if not (
            self._throttle is None or self._caller.is_out_of_time or self._throttle.lets(call)
        ):
            return Ready(call, arguments, shown, asks_turn=True)
        if step.effect == "once" and call.task is None:
            self._progress.call_intended(step, call.iteration, call.attempt, call.key)
        return Ready(call, arguments, shown)

    def _in_doubt(self, call: Call, verdict: Verdict) -> Ready | None:
        """The call may have happened: go on as its step says."""
        match verdict:
            case Asked():
                self._calls[call.step.name].hold(call, math.inf)
            case Verify(verification=verification, arguments=arguments):
                return Ready(call, arguments, None, verification)
            case Again(landed=landed, at_once=at_once):
                self._again(landed, at_once=at_once)
            case Over(landed=landed):
                self._end(landed)
        return None

    def _may_go_on(self, call: Call, shown: Any, verdict: Standing) -> bool:
        """Whether a call that has to wait may be made now; otherwise it is held, or over."""
        calls = self._calls[call.step.name]
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
            case Passed() | LookUp():
                return True
        return False

    async def _call(self, ready: Ready) -> Landed:
        if ready.asks_turn and self._throttle is not None:
            return await self._throttle.ask(ready)
        if ready.call.step.effect == "transactional":
            return await self._transactional.call(ready, self._judgement_of(ready.call))
        if ready.call.step.uses in LOOKED_UP:
            return await self._waits.look_up(ready, self._around.arrivals, self._claim)
        began = self._now
        outcome = await self._caller.call(ready, self._context_of(ready.call))
        seconds = self._now - began
        if self._throttle is not None:
            await self._throttle.heed(ready.call.step.uses, outcome.retry_after)
        return Landed(ready.call, ready.shown, outcome, seconds, ready.verification is not None)

    def _judgement_of(self, call: Call) -> Callable[[CallOutcome], CallOutcome]:
        step, context, secrets = call.step, self._context_of(call), self._secrets
        return lambda outcome: self._caller.judge(step, redacted(outcome, secrets), context)

    def _settle(self, landed: Landed) -> None:
        """Judge what came back: it is a result, or a try that another follows."""
        call, step, context = landed.call, landed.call.step, self._context_of(landed.call)
        if landed.turn_in is not None:
            self._calls[step.name].hold(call, self._now + landed.turn_in)
            return
        if landed.is_check:
            self._in_doubt(call, self._unknowns.checked(landed, context))
            return
        if step.uses in LOOKED_UP:
            self._may_go_on(call, landed.shown, self._waits.found(landed))
            return
        landed = landed.judged(self._caller.judge(step, landed.outcome, context))
        is_wanted = self._course.failure is None and not self._caller.is_out_of_time
        if is_wanted and self._waits.leave_open(self._calls[step.name], landed):
            return
        if is_unknown(step, landed.outcome):
            if is_wanted:
                self._unknowns.begin(landed)
                self._calls[step.name].hold(call, self._now)
            else:
                self._end(as_unknown(landed))
        elif is_wanted and may_retry(step.retry, landed.outcome, call.tries, step.effect):
            self._again(landed)
        else:
            self._end(landed)

    def _again(self, landed: Landed, *, at_once: bool = False) -> None:
        """Another try follows."""
        call, step, outcome = landed.call, landed.call.step, landed.outcome
        draw = self._around.draw.random()
        delay = retry_delay(step.retry, call.tries, draw, outcome.retry_after)
        seconds = 0.0 if at_once else delay.total_seconds()
        self._progress.call_retrying(landed.tried, seconds)
        opened = call.opened if outcome.kind in ASKS_AGAIN and call.task is None else None
        self._calls[step.name].try_again(call, self._now + seconds, opened)

    def _end(self, landed: Landed) -> None:
        """The call has its result, good or bad."""
        call, outcome = landed.call, landed.outcome
        if not landed.is_recorded:
            self._progress.call_finished(landed.tried)
        error = None
        if outcome.kind != "ok":
            name = call.step.name
            error = outcome.error or CallError("ORD505", f"step {name} failed: {outcome.kind}")
            if self._caller.is_out_of_time:
                self._course.fail(self._caller.timed_out(), name)
        self._calls[call.step.name].end(call, outcome.value, error)

    def _close(self, calls: StepCalls) -> None:
        """The step is over."""
        step = calls.step
        del self._calls[step.name]
        if calls.items is not None:
            seconds = self._now - calls.since
            items = Items(calls.count, calls.skipped, calls.failed, seconds)
            self._progress.items_finished(step, items, calls.error)
        if calls.error is not None:
            self._course.failed(step.name, calls.error)
            return
        if calls.items is not None or not calls.skipped:
            self._values[step.result_name] = calls.value
        self._course.passed(step.name)

    def _finished(self, failure: Failure | None) -> Report:
        return self._progress.finished(self._caller.elapsed, failure, self._ending)
