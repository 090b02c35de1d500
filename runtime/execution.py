"""One run, from claim to record: a cursor moves over the steps, and every move is reported before the next begins.

Theory of operation
    A run executes under a lease. Results that an earlier holder recorded are read first, so a run that was cut off goes
    on after its last recorded step. Each step is rendered, checked against the agent's scopes, called, and judged:
    success is recorded; a failure that may be repeated puts the run to sleep in the database (no slot, no lease); any
    other failure ends the run. A call whose result could not be recorded because the lease was lost is somebody else's
    to repeat: nothing is written here.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Protocol

from runtime.calling import Tools, redacted, refusal
from runtime.clock import Clock
from runtime.core.expressions import Context
from runtime.core.identity import idempotency_key
from runtime.core.outcomes import CallError, CallOutcome
from runtime.core.program import Program, ProgramStep
from runtime.core.retry import may_retry, retry_delay
from runtime.errors import OrdinautError
from runtime.live import Live
from runtime.progress import SKIPPED, Progress, Try
from runtime.secrets import Secrets
from runtime.store.due_work import Claim, Recorded, Report


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
        self._live = live
        self._secrets = secrets
        self._progress = Progress(claim, program.label)
        self._since = around.clock.monotonic()
        self._steps: dict[str, Any] = {}

    async def run(self, recorded: Recorded) -> None:
        """Execute what is left of the run, and report it.

        Raises:
            LeaseLost: another runtime holds the run.
        """
        try:
            await self._advance(recorded)
        finally:
            self._around.tools.end_run(str(self._claim.run_id))

    async def _advance(self, recorded: Recorded) -> None:
        try:
            context = self._context()
        except OrdinautError as error:
            await self._finish(CallError(error.code, error.message, error.hint))
            return
        for step in self._program.steps:
            if step.name in recorded.results:
                outcome, output = recorded.results[step.name]
                if outcome not in {"ok", SKIPPED}:
                    await self._finish(
                        CallError("ORD505", f"step {step.name} had failed: {outcome}"), step.name
                    )
                    return
                if outcome == "ok":
                    self._steps[step.result_name] = output
                continue
            if not await self._perform(step, context, recorded.attempts.get(step.name, 0) + 1):
                return
        await self._finish(None)

    def _context(self) -> Context:
        claim, program = self._claim, self._program
        params = {**program.params, **(claim.params or {})}
        context = Context(
            now=claim.started_at,
            run={"id": str(claim.run_id), "attempt": claim.attempt},
            task={"name": program.label},
            trigger={"kind": claim.trigger, "for": claim.occurrence_for.isoformat()},
            params=params,
            steps=self._steps,
            secrets=self._secrets,
        )
        if claim.event is not None:
            context = replace(context, event=claim.event)
        if program.pipeline_params is not None:
            context = replace(context, params=program.pipeline_params.render(context))
        return context

    async def _perform(self, step: ProgramStep, context: Context, attempt: int) -> bool:
        """Run one step; False when the run ends or sleeps here."""
        try:
            if step.condition is not None and not step.condition.test(context):
                self._progress.step_skipped(step)
                return True
            arguments = step.arguments.render(context)
            shown = step.arguments.render(replace(context, secrets=self._secrets.masked()))
        except OrdinautError as error:
            # Rendering again would give the same error, so it is never retried.
            outcome = CallOutcome(
                "contract_error", error=CallError(error.code, error.message, error.hint)
            )
            return await self._settle(self._tried(step, attempt, None, outcome, 0.0))
        began = self._around.clock.monotonic()
        outcome = await self._call(step, arguments)
        seconds = self._around.clock.monotonic() - began
        return await self._settle(self._tried(step, attempt, shown, outcome, seconds))

    async def _call(self, step: ProgramStep, arguments: Mapping[str, Any]) -> CallOutcome:
        left = self._program.timeout - self._elapsed()
        if left <= timedelta(0):
            return CallOutcome("not_sent", error=self._timed_out())
        refused = refusal(self._live, self._program.agent, step.uses)
        if refused is not None:
            return refused
        key = idempotency_key(self._claim.run_id, step.name, 0)
        return await self._around.tools.call(
            step.uses,
            arguments,
            None if step.timeout is None else min(left, step.timeout),
            {"dev.ordinaut/idempotency-key": key, "dev.ordinaut/run": str(self._claim.run_id)},
            at_most=left,
            run=str(self._claim.run_id),
        )

    def _tried(
        self, step: ProgramStep, attempt: int, shown: Any, outcome: CallOutcome, seconds: float
    ) -> Try:
        key = idempotency_key(self._claim.run_id, step.name, 0)
        return Try(step, attempt, shown, redacted(outcome, self._secrets), seconds, key)

    async def _settle(self, tried: Try) -> bool:
        step, outcome = tried.step, tried.outcome
        if outcome.kind == "ok":
            self._steps[step.result_name] = outcome.value
            self._progress.step_finished(tried)
            if step is not self._program.steps[-1]:
                await self._around.recorder.record(self._progress.checkpoint())
            return True
        if self._elapsed() < self._program.timeout and may_retry(
            step.retry, outcome, tried.attempt, step.effect
        ):
            delay = retry_delay(
                step.retry, tried.attempt, self._around.draw.random(), outcome.retry_after
            )
            await self._around.recorder.record(
                self._progress.step_retrying(tried, delay.total_seconds())
            )
            return False
        self._progress.step_finished(tried)
        reason = self._timed_out() if self._elapsed() >= self._program.timeout else outcome.error
        await self._finish(
            reason or CallError("ORD505", f"step {step.name} failed: {outcome.kind}"), step.name
        )
        return False

    async def _finish(self, error: CallError | None, step: str | None = None) -> None:
        seconds = self._elapsed().total_seconds()
        await self._around.recorder.record(self._progress.finished(seconds, error, step))

    def _elapsed(self) -> timedelta:
        """Time since the run's first start: by the server's clock up to the claim, by our monotonic one since."""
        before = self._claim.claimed_at - self._claim.started_at
        return before + timedelta(seconds=self._around.clock.monotonic() - self._since)

    def _timed_out(self) -> CallError:
        return CallError(
            "ORD504", f"the run took longer than its timeout of {self._program.timeout}"
        )
