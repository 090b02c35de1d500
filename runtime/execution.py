"""One run, from claim to record: calls are made as their steps' needs allow, and every result is on record before what
depends on it begins.

Theory of operation
    A run executes under a lease. What earlier leases recorded is read first, so a run that was cut off goes on where its
    record ends. Steps that need nothing of one another run side by side, and so do the items of a `foreach`, as many as its
    `max_parallel` allows. All that is decided is decided in one loop: calls run beside it and only bring back outcomes. Each
    round collects what has come back, judges it, writes one report, and begins what has become possible: under load a report
    holds many results, and one call alone waits for nobody.

    A failure that may be repeated waits for its time; when nothing else of the run is under way, the run goes to sleep in
    the database, without slot and lease. A failure that is final ends the step, and what that means for the run is
    `course`'s to say; calls under way are awaited and recorded all the same. A call that must not be made twice (`effect: once`)
    is written down before it is made. A result that could not be recorded because the lease was lost is somebody else's to
    repeat: nothing is written here.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, cast

from runtime.caller import Caller
from runtime.calling import Tools
from runtime.clock import Clock
from runtime.core.calls import Call, StepCalls
from runtime.core.course import Course, Failure
from runtime.core.expressions import ABSENT, Context
from runtime.core.judging import judge
from runtime.core.outcomes import CallError, CallOutcome
from runtime.core.program import Program, ProgramStep
from runtime.core.retry import REPEATABLE_EFFECTS, may_retry, retry_delay
from runtime.errors import ExpressionError, OrdinautError
from runtime.live import Live
from runtime.progress import SKIPPED, Items, Progress, Try
from runtime.secrets import Secrets
from runtime.service import end_tasks
from runtime.store.due_work import WHOLE, Claim, Recorded, Report, Result
from runtime.wake import Bell

_MOST_ITEMS: Final = 100_000
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


@dataclass(frozen=True, slots=True)
class _Ready:
    """A call that may be made, and its arguments as the tool gets them and as they are shown."""

    call: Call
    arguments: Mapping[str, Any]
    shown: Any


@dataclass(frozen=True, slots=True)
class _Landed:
    """A call that came back."""

    call: Call
    shown: Any
    outcome: CallOutcome
    seconds: float


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
        self._steps = {step.name: step for step in program.steps}
        self._course = Course(program.steps)
        self._calls: dict[str, StepCalls] = {}
        self._values: dict[str, Any] = {}
        self._recorded = Recorded()
        self._active: set[asyncio.Task[None]] = set()
        self._landed: list[_Landed] = []
        self._fault: Exception | None = None
        self._bell = Bell(around.clock)

    async def run(self, recorded: Recorded) -> None:
        """Execute what is left of the run, and report it.

        Raises:
            LeaseLost: another runtime holds the run.
        """
        self._recorded = recorded
        try:
            await self._around.recorder.record(await self._advance())
        finally:
            await end_tasks(self._active)
            self._around.tools.end_run(str(self._claim.run_id))

    async def _advance(self) -> Report:
        """Go on as far as possible; what is to be said at last is left to be recorded."""
        try:
            context = self._context()
        except OrdinautError as error:
            return self._finished(Failure(_told(error)))
        self._restore()
        while True:
            ready = self._begin(context)
            if not (ready or self._active or self._landed):
                next_at = self._next_at()
                if next_at is None:
                    return self._finished(self._course.failure)
                if (wait := next_at - self._around.clock.monotonic()) > 0:
                    return self._progress.waiting(wait)
                continue
            if not self._progress.is_empty:
                await self._around.recorder.record(self._progress.checkpoint())
            for landed in await self._make(ready):
                self._settle(landed, context)

    def _context(self) -> Context:
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

    def _restore(self) -> None:
        """Take over what earlier leases recorded of whole steps."""
        known = {}
        for step in self._program.steps:
            place = step.name, 0 if step.foreach is None else WHOLE
            if place in self._recorded.results:
                known[step.name] = self._recorded.results[place]
                self._course.restore(step.name)
        for name, result in known.items():
            if (error := _recorded_error(name, result)) is not None:
                self._course.failed(name, error)
                continue
            self._course.passed(name)
            if result.outcome != SKIPPED:
                step = self._steps[name]
                self._values[step.result_name] = self._recorded_value(step, result)

    def _recorded_value(self, step: ProgramStep, result: Result) -> Any:
        if step.foreach is None:
            return result.output
        results = self._recorded.results
        found = (results.get((step.name, item)) for item in range(result.output["items"]))
        return [one.output if one is not None and one.outcome == "ok" else None for one in found]

    def _begin(self, context: Context) -> list[_Ready]:
        """Everything that may begin now, rendered; what ends without a call ends here."""
        ready: list[_Ready] = []
        has_moved = True
        while has_moved:
            has_moved = False
            while names := self._course.begin():
                for name in names:
                    self._open(self._steps[name], context)
            for name in self._course.skipped():
                self._progress.step_skipped(self._steps[name])
            for calls in list(self._calls.values()):
                prepared = (self._prepare(call, context) for call in self._beginning(calls))
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

    def _open(self, step: ProgramStep, context: Context) -> None:
        """The step begins; calls that are on record are not made again."""
        try:
            items = None if step.foreach is None else _items(step.foreach.render(context))
        except OrdinautError as error:
            none = Items(0, 0, 0, 0.0)
            self._progress.items_finished(step, none, _told(error))
            self._course.failed(step.name, _told(error))
            return
        now = self._around.clock.monotonic()
        calls = self._calls[step.name] = StepCalls(step, items, now)
        for iteration in range(calls.count):
            place = step.name, iteration
            if (result := self._recorded.results.get(place)) is not None:
                calls.restore(iteration, result.output, _recorded_error(step.name, result))
            elif (tries := self._recorded.tries.get(place)) is not None:
                calls.delay(iteration, now + tries.ready_in, tries.count + 1)

    def _prepare(self, call: Call, context: Context) -> _Ready | None:
        """The call with its arguments; None if it ends without being made."""
        step = call.step
        context = context if call.item is ABSENT else replace(context, item=call.item)
        try:
            if step.condition is not None and not step.condition.test(context):
                self._calls[step.name].skip()
                self._progress.step_skipped(step, call.iteration)
                return None
            arguments = step.arguments.render(context)
            shown = step.arguments.render(replace(context, secrets=self._secrets.masked()))
        except OrdinautError as error:
            # Rendering again would give the same error, so it is never retried.
            refused = CallOutcome("contract_error", error=_told(error))
            self._end(_Landed(call, None, refused, 0.0))
            return None
        if (step.name, call.iteration) in self._recorded.intents:
            self._end(_Landed(call, shown, _CUT_OFF, 0.0))
            return None
        if step.effect not in REPEATABLE_EFFECTS:
            self._progress.call_intended(
                step, call.iteration, call.attempt, self._caller.key(call)
            )
        return _Ready(call, arguments, shown)

    async def _make(self, ready: list[_Ready]) -> list[_Landed]:
        """Make the calls; what has come back, as soon as something has or a call that waits may be made."""
        next_at = self._next_at()
        if len(ready) == 1 and not self._active and next_at is None:
            return [await self._call(ready[0])]
        for one in ready:
            self._active.add(asyncio.create_task(self._call_beside(one)))
        if not self._landed:
            await self._bell.sleep(
                None if next_at is None else max(0.0, next_at - self._around.clock.monotonic())
            )
        if self._fault is not None:
            raise self._fault
        landed, self._landed = self._landed, []
        return landed

    async def _call_beside(self, ready: _Ready) -> None:
        try:
            landed = await self._call(ready)
            self._landed.append(landed)
        except Exception as error:  # noqa: BLE001 - it ends the run, and is told there
            self._fault = error
        finally:
            # Here, and not when the task is done: who is woken asks at once whether anything is under way.
            self._active.discard(cast("asyncio.Task[None]", asyncio.current_task()))
            self._bell.ring()

    async def _call(self, ready: _Ready) -> _Landed:
        began = self._around.clock.monotonic()
        outcome = await self._caller.call(ready.call, ready.arguments)
        return _Landed(ready.call, ready.shown, outcome, self._around.clock.monotonic() - began)

    def _settle(self, landed: _Landed, context: Context) -> None:
        """Judge what came back: it is a result, or a try that another follows."""
        call, step = landed.call, landed.call.step
        context = context if call.item is ABSENT else replace(context, item=call.item)
        landed = replace(landed, outcome=judge(step, landed.outcome, context))
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

    def _end(self, landed: _Landed) -> None:
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

    def _tried(self, landed: _Landed) -> Try:
        call = landed.call
        return Try(
            call.step,
            call.iteration,
            call.attempt,
            landed.shown,
            landed.outcome,
            landed.seconds,
            self._caller.key(call),
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
        seconds = self._caller.elapsed.total_seconds()
        if failure is None:
            if not self._course.is_complete:
                raise RuntimeError("a run must not succeed before each of its steps has passed")
            return self._progress.finished(seconds)
        return self._progress.finished(seconds, failure.error, failure.step)


def _items(value: Any) -> list[Any]:
    """What `foreach` gave.

    Raises:
        ExpressionError: ORD503 it is no list, ORD506 it is too long.
    """
    if not isinstance(value, list):
        raise ExpressionError(f"foreach gave no list but {type(value).__name__}", code="ORD503")
    if len(value) > _MOST_ITEMS:
        raise ExpressionError(
            f"foreach gave {len(value):,} items; at most {_MOST_ITEMS:,} are allowed",
            code="ORD506",
        )
    return value


def _told(error: OrdinautError) -> CallError:
    return CallError(error.code, error.message, error.hint)


def _recorded_error(step: str, result: Result) -> CallError | None:
    """The error of a recorded failure; None for what did not fail."""
    if result.outcome in {"ok", SKIPPED}:
        return None
    error = result.error or {}
    message = error.get("message", f"step {step} had failed: {result.outcome}")
    return CallError(error.get("code", "ORD505"), message, error.get("detail", ""))
