"""Builds the report of one run: results, tries and events in the order in which they happened, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from runtime.core.identity import derive_event_id
from runtime.core.outcomes import CallError, CallOutcome
from runtime.core.program import ProgramStep
from runtime.store.due_work import Claim, Report

SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Try:
    """One try of one step, as it will be recorded.

    Attributes:
        step: what was tried.
        attempt: which try it was, from 1.
        arguments: the rendered arguments with secrets masked; None if they could not be rendered.
        outcome: what became of it; the value already redacted.
        seconds: how long it took.
        idempotency_key: the key the tool was given.
    """

    step: ProgramStep
    attempt: int
    arguments: Any
    outcome: CallOutcome
    seconds: float
    idempotency_key: str


class Progress:
    """What a run has to report since it last did."""

    def __init__(self, claim: Claim, label: str) -> None:
        self._claim = claim
        self._label = label
        self._told = 0
        self._report = self._fresh()

    def step_skipped(self, step: ProgramStep) -> None:
        """The step's condition did not hold."""
        self._report.results.append(
            {
                "step": step.name,
                "attempt": 0,
                "outcome": SKIPPED,
                "uses": step.uses,
                "seconds": 0.0,
                "server_generation": 0,
                "schema_digest": "",
            }
        )
        self._tell("step.skipped", step=step.name, uses=step.uses)

    def step_finished(self, tried: Try) -> None:
        """The step has its one result, good or bad."""
        outcome = tried.outcome
        self._report.results.append(
            {
                "step": tried.step.name,
                "attempt": tried.attempt,
                "outcome": outcome.kind,
                "uses": tried.step.uses,
                "input": tried.arguments,
                "output": outcome.value,
                "error": _error(outcome.error),
                "idempotency_key": tried.idempotency_key,
                "server_generation": outcome.generation,
                "schema_digest": outcome.schema_digest,
                "seconds": tried.seconds,
            }
        )
        self._tell("step.succeeded" if outcome.kind == "ok" else "step.failed", **_facts(tried))

    def step_retrying(self, tried: Try, wait_seconds: float) -> Report:
        """The try failed and another follows after a wait, during which the run holds no slot."""
        self._report.attempts.append(
            {
                "step": tried.step.name,
                "attempt": tried.attempt,
                "outcome": tried.outcome.kind,
                "error": _error(tried.outcome.error),
                "seconds": tried.seconds,
            }
        )
        self._tell("step.retrying", **_facts(tried), ready_in_seconds=round(wait_seconds, 3))
        self._tell(
            "run.waiting", **self._run(), reason="retry", ready_in_seconds=round(wait_seconds, 3)
        )
        return self._send(move="wait", state="waiting", wait_seconds=wait_seconds)

    def checkpoint(self) -> Report:
        """What is known so far; the run goes on."""
        return self._send(move="keep")

    def finished(
        self, seconds: float, error: CallError | None = None, step: str | None = None
    ) -> Report:
        """The run is over: succeeded without an error, failed with one."""
        failure = (
            None
            if error is None
            else {**(_error(error) or {}), **({"step": step} if step else {})}
        )
        state = "succeeded" if error is None else "failed"
        facts = (
            self._run() | {"seconds": round(seconds, 3)} | ({"error": failure} if failure else {})
        )
        self._tell(f"run.{state}", **facts)
        return self._send(move="finish", state=state, error=failure)

    def _run(self) -> dict[str, Any]:
        claim = self._claim
        return {
            "task": self._label,
            "run_id": str(claim.run_id),
            "trigger": claim.trigger,
            "occurrence_for": claim.occurrence_for.isoformat(),
        }

    def _tell(self, kind: str, **data: Any) -> None:
        self._told += 1
        event_id = derive_event_id(self._claim.run_id, self._claim.lease_epoch, self._told)
        self._report.events.append({"id": str(event_id), "type": kind, "data": self._run() | data})

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
        return Report(
            run_id=self._claim.run_id, lease_epoch=self._claim.lease_epoch, task=self._label
        )


def _facts(tried: Try) -> dict[str, Any]:
    outcome = tried.outcome
    facts: dict[str, Any] = {
        "step": tried.step.name,
        "uses": tried.step.uses,
        "attempt": tried.attempt,
        "outcome": outcome.kind,
        "seconds": round(tried.seconds, 6),
    }
    return facts | ({"error": _error(outcome.error)} if outcome.error else {})


def _error(error: CallError | None) -> dict[str, str] | None:
    if error is None:
        return None
    told = {"code": error.code, "message": error.message}
    return told | ({"detail": error.detail} if error.detail else {})
