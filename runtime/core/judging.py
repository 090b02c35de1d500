"""What a step makes of a tool's answer: `fail_when` and `expect` may find a failure in what the tool called a success, and
`usage` lifts out of it what the call used up.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from runtime.core.expressions import JSON, Condition, Context
from runtime.core.outcomes import CallError, CallOutcome
from runtime.core.usage import Usage, with_names
from runtime.errors import OrdinautError
from schemas.genai import UsageName


class Expectations(Protocol):
    """What the judge reads of a step."""

    @property
    def fail_when(self) -> Condition | None: ...
    @property
    def expect(self) -> Sequence[Condition]: ...
    @property
    def usage(self) -> Sequence[tuple[UsageName, Condition]]: ...


def judge(step: Expectations, outcome: CallOutcome, context: Context) -> CallOutcome:
    """The outcome as the step sees it: a success that is none becomes a `tool_error`, which keeps the value."""
    if outcome.kind != "ok" or (step.fail_when is None and not step.expect and not step.usage):
        return outcome
    seen = replace(context, result=outcome.value)
    if step.usage and outcome.reused_at is None:
        lifted = _lifted(step.usage, seen)
        outcome = replace(outcome, usage=with_names(outcome.usage or Usage(), lifted))
    try:
        complaint = _complaint(step, seen)
    except OrdinautError as error:
        complaint = CallError(error.code, error.message, error.hint)
    return outcome if complaint is None else replace(outcome, kind="tool_error", error=complaint)


def _complaint(step: Expectations, seen: Context) -> CallError | None:
    if step.fail_when is not None and step.fail_when.test(seen):
        return CallError("ORD412", f"the answer meets fail_when: {step.fail_when.expression.text}")
    for expected in step.expect:
        if not expected.test(seen):
            return CallError(
                "ORD412", f"the answer does not meet what is expected: {expected.expression.text}"
            )
    return None


def _lifted(listed: Sequence[tuple[UsageName, Condition]], seen: Context) -> dict[str, JSON]:
    """What the answer tells where the step says; a place that holds nothing takes nothing else with it."""
    told: dict[str, JSON] = {}
    for name, where in listed:
        with suppress(OrdinautError):
            told[name] = where.evaluate(seen)
    return told
