"""Builds the report of one run: results, tries and events in the order in which they happened, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from runtime.core.course import Failure
from runtime.core.identity import derive_event_id
from runtime.core.opencalls import OpenCall
from runtime.core.outcomes import CallError, CallOutcome
from runtime.core.program import ProgramStep
from runtime.core.retry import REPEATABLE_EFFECTS
from runtime.core.waits import COUNT, EMIT, Wait
from runtime.ending import Ending, error_of
from runtime.store.due_work import OVER, WHOLE, Claim, Report
from runtime.store.recorded import Place

SKIPPED: Final = "skipped"


@dataclass(frozen=True, slots=True)
class Try:
    """One try of one call of a step, as it will be recorded.

    Attributes:
        step: what was tried.
        iteration: which item of `foreach` it is for, from 0; 0 for a step without.
        attempt: which try it was, from 1.
        arguments: the rendered arguments with secrets masked; None if they could not be rendered.
        outcome: what became of it; the value already redacted.
        seconds: how long it took.
        idempotency_key: the key the tool was given.
    """

    step: ProgramStep
    iteration: int
    attempt: int
    arguments: Any
    outcome: CallOutcome
    seconds: float
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class Items:
    """How the items of a `foreach` ended.

    Attributes:
        count: how many there are.
        skipped: for how many the condition did not hold.
        failed: how many failed for good.
        seconds: how long all of them took, as far as this runtime knows.
    """

    count: int
    skipped: int
    failed: int
    seconds: float


class Progress:
    """What a run has to report since it last did."""

    def __init__(self, claim: Claim, label: str) -> None:
        self._claim = claim
        self._label = label
        self._told = 0
        self.held: set[Place] = set()
        """Calls that a budget waits for until their results are on record."""
        self.has_waited = False
        """Whether it has waited for anything that others may have to be told of when it is over."""
        self._has_unrepeatable = False
        # What every event says.
        self._run = {
            "task": label,
            "run_id": claim.run,
            "trigger": claim.trigger,
            "occurrence_for": claim.occurrence_for.isoformat(),
        }
        self._report = self._fresh()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to be recorded."""
        report = self._report
        return not (
            report.results or report.attempts or report.intents or report.waits or report.events
        )

    @property
    def is_urgent(self) -> bool:
        """Whether something has to be on record before any other call is made: more than results of repeatable calls."""
        report = self._report
        return bool(report.attempts or report.intents or report.waits or self._has_unrepeatable)

    def step_skipped(self, step: ProgramStep, iteration: int = 0) -> None:
        """The condition did not hold, or a failure before it put the step out of the course."""
        self._report.results.append(_bare(step.name, iteration, SKIPPED, step.uses))
        if step.foreach is None:
            self._tell("step.skipped", step=step.name, uses=step.uses)

    def call_intended(self, step: ProgramStep, iteration: int, attempt: int, key: str) -> None:
        """A call that must not be made twice is about to be made."""
        self._report.intents.append(
            {
                "step": step.name,
                "iteration": iteration,
                "attempt": attempt,
                "idempotency_key": key,
            }
        )

    def alone(self, tried: Try) -> Report:
        """The result of a call as a report of its own, whatever else is still to be said."""
        kept, self._report = self._report, self._fresh()
        self.call_finished(tried)
        report, self._report = self._report, kept
        return report

    def call_in_doubt(self, tried: Try) -> None:
        """A call that must not be made twice may have happened: people are asked whether it did."""
        step = tried.step
        asked: dict[str, Any] = {
            "uses": step.uses,
            "arguments": tried.arguments,
            "problem": _error(tried.outcome.error),
        }
        item = {} if step.foreach is None else {"item": tried.iteration}
        self._report.intents.append(
            {
                "step": step.name,
                "iteration": tried.iteration,
                "attempt": tried.attempt,
                "idempotency_key": tried.idempotency_key,
                "asked": asked | item,
            }
        )
        self._tell(
            "step.waiting", step=step.name, uses=step.uses, kind="unknown", **item, asked=asked
        )

    def call_finished(self, tried: Try) -> None:
        """The call has its one result, good or bad."""
        outcome = tried.outcome
        self._report.size += outcome.size
        self._report.results.append(
            {
                "step": tried.step.name,
                "iteration": tried.iteration,
                "attempt": tried.attempt,
                "outcome": outcome.kind,
                "uses": tried.step.uses,
                "input": tried.arguments,
                "output": outcome.value,
                "error": _error(outcome.error),
                "idempotency_key": tried.idempotency_key,
                "server_generation": outcome.generation,
                "schema_digest": outcome.schema_digest,
                "sent": outcome.sent,
                "size": outcome.size,
                "seconds": tried.seconds,
                **_reused(outcome),
            }
        )
        self._use(tried)
        if tried.step.effect not in REPEATABLE_EFFECTS:
            self._has_unrepeatable = True
        if tried.step.uses == EMIT and outcome.kind == "ok":
            self._emit(tried)
        if tried.step.uses == COUNT and outcome.kind == "ok":
            self._report.counted.append({"run": self._claim.run, "failed": 0} | tried.arguments)
        if tried.step.foreach is None:
            kind = "step.succeeded" if outcome.kind == "ok" else "step.failed"
            self._tell(kind, **_facts(tried))

    def _use(self, tried: Try) -> None:
        """What the try used up, if it told of it; no budget waits for it any more."""
        if self.held and (place := (tried.step.name, tried.iteration)) in self.held:
            self.held.discard(place)
            self._report.freed.append({"step": place[0], "iteration": place[1]})
        if (usage := tried.outcome.usage) is None:
            return
        call = {
            "step": tried.step.name,
            "iteration": tried.iteration,
            "attempt": tried.attempt,
            "tool": tried.step.uses,
        }
        self._report.used.append(call | usage.columns())

    def _emit(self, tried: Try) -> None:
        """The event has the step's own key where it has no id: told again after a crash it is the same."""
        event = tried.arguments
        self._report.emits.append(
            {
                "source": self._label,
                "id": event.get("id", tried.idempotency_key),
                "topic": event["event"],
                "data": event.get("data"),
            }
        )

    def items_finished(
        self, step: ProgramStep, items: Items, error: CallError | None = None
    ) -> None:
        """Every item of a `foreach` has its result, or one that failed ends the step."""
        outcome = "ok" if error is None else "tool_error"
        self._report.results.append(
            _bare(step.name, WHOLE, outcome, step.uses)
            | {
                "output": {
                    "items": items.count,
                    "skipped": items.skipped,
                    "failed": items.failed,
                },
                "error": _error(error),
                "seconds": items.seconds,
            }
        )
        facts = {
            "step": step.name,
            "uses": step.uses,
            "attempt": 1,
            "outcome": outcome,
            "seconds": round(items.seconds, 6),
            "items": items.count,
        }
        if error is None:
            self._tell("step.succeeded", **facts)
        else:
            self._tell("step.failed", **facts, error=_error(error))

    def steps_over(self, ending: Ending) -> None:
        """The steps are over, and those of `finally` begin."""
        error = None if ending.failure is None else error_of(ending.failure)
        over = {"output": {"seconds": ending.seconds}, "error": error}
        outcome = "ok" if error is None else "failed"
        self._report.results.append(_bare(OVER, 0, outcome, "") | over)

    def call_retrying(self, tried: Try, wait_seconds: float) -> None:
        """The try failed, and another follows after a wait."""
        self._attempt(tried, wait_seconds)
        self._tell("step.retrying", **_facts(tried), ready_in_seconds=round(wait_seconds, 3))

    def call_left_open(self, tried: Try, opened: OpenCall, wait: Wait | None) -> None:
        """The try ended with the server asking something back; `wait` is for people, None where nobody is asked."""
        self._attempt(tried, 0.0, left_open=opened.recorded)
        if wait is not None:
            self._report.attempts[-1] |= {"asked": wait.asked, "ask_seconds": wait.seconds}
            self._tell_waiting(tried.step, tried.iteration, wait)

    def _attempt(self, tried: Try, wait_seconds: float, **more: Any) -> None:
        """A try that another follows."""
        attempt = {
            "step": tried.step.name,
            "iteration": tried.iteration,
            "attempt": tried.attempt,
            "outcome": tried.outcome.kind,
            "error": _error(tried.outcome.error),
            "seconds": tried.seconds,
            "wait_seconds": wait_seconds,
        }
        self._report.attempts.append(attempt | more)
        self._use(tried)

    def wait_begun(self, step: ProgramStep, iteration: int, wait: Wait) -> None:
        """The step waits for a time, a person, an event or another run."""
        self.has_waited = self.has_waited or wait.kind == "run"
        self._report.waits.append(
            {
                "step": step.name,
                "iteration": iteration,
                "kind": wait.kind,
                "asked": wait.asked,
                "seconds": wait.seconds,
            }
        )
        self._tell_waiting(step, iteration, wait)

    def _tell_waiting(self, step: ProgramStep, iteration: int, wait: Wait) -> None:
        facts: dict[str, Any] = {"step": step.name, "uses": step.uses, "kind": wait.kind}
        if step.foreach is not None:
            facts["item"] = iteration
        if wait.seconds is not None:
            facts["ready_in_seconds"] = round(wait.seconds, 3)
        if wait.asked:
            facts["asked"] = wait.asked
        self._tell("step.waiting", **facts)

    def waiting(self, reason: str, wait_seconds: float) -> Report:
        """The run goes to sleep: nothing of it can go on before the wait is over or something is answered."""
        self._tell("run.waiting", reason=reason, ready_in_seconds=round(wait_seconds, 3))
        return self._send(move="wait", state="waiting", wait_seconds=wait_seconds)

    def checkpoint(self) -> Report:
        """What is known so far; the run goes on."""
        return self._send(move="keep")

    def finished(
        self, seconds: float, failure: Failure | None = None, ending: Ending | None = None
    ) -> Report:
        """The run is over: succeeded, failed for a reason, or cancelled where its steps ended so."""
        cancelled = None if ending is None else ending.cancelled
        error = None if failure is None or cancelled is not None else error_of(failure)
        self._report.rouses = self._claim.trigger == "run" or self.has_waited
        state = "succeeded" if error is None else "failed"
        facts: dict[str, Any] = {"seconds": round(seconds, 3)} | dict(cancelled or {})
        state = state if cancelled is None else "cancelled"
        self._tell(f"run.{state}", **facts, **({"error": error} if error else {}))
        return self._send(move="finish", state=state, error=error)

    def _tell(self, kind: str, /, **data: Any) -> None:
        self._told += 1
        event_id = derive_event_id(self._claim.run, self._claim.lease_epoch, self._told)
        self._report.events.append({"id": event_id, "type": kind, "data": self._run | data})

    def _send(
        self,
        *,
        move: Literal["keep", "wait", "finish"],
        state: str | None = None,
        wait_seconds: float = 0.0,
        error: Mapping[str, Any] | None = None,
    ) -> Report:
        report, self._report = self._report, self._fresh()
        report.move, report.state, report.wait_seconds, report.error = (
            move,
            state,
            wait_seconds,
            error,
        )
        return report

    def _fresh(self) -> Report:
        self._has_unrepeatable = False
        return Report(
            run_id=self._claim.run_id, lease_epoch=self._claim.lease_epoch, task=self._label
        )


def _bare(step: str, iteration: int, outcome: str, uses: str) -> dict[str, Any]:
    """A result that no call of its own stands behind."""
    return {
        "step": step,
        "iteration": iteration,
        "attempt": 0,
        "outcome": outcome,
        "uses": uses,
        "seconds": 0.0,
        "server_generation": 0,
        "schema_digest": "",
    }


def _facts(tried: Try) -> dict[str, Any]:
    outcome = tried.outcome
    facts: dict[str, Any] = {
        "step": tried.step.name,
        "uses": tried.step.uses,
        "attempt": tried.attempt,
        "outcome": outcome.kind,
        "seconds": round(tried.seconds, 6),
    }
    if tried.step.foreach is not None:
        facts["item"] = tried.iteration
    return facts | ({"error": _error(outcome.error)} if outcome.error else {})


def _error(error: CallError | None) -> dict[str, str] | None:
    if error is None:
        return None
    told = {"code": error.code, "message": error.message}
    return told | ({"detail": error.detail} if error.detail else {})


def _reused(outcome: CallOutcome) -> dict[str, str]:
    """When what it reuses was answered, where it does."""
    return {} if outcome.reused_at is None else {"reused_at": outcome.reused_at.isoformat()}
