"""What earlier leases recorded of a run, put back where its execution looks: a run goes on where its record ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from runtime.core.calls import StepCalls
from runtime.core.course import Course
from runtime.core.outcomes import CallError
from runtime.core.program import ProgramStep
from runtime.progress import SKIPPED
from runtime.store.due_work import WHOLE
from runtime.store.recorded import Recorded, Result


def restore_course(
    steps: Sequence[ProgramStep], recorded: Recorded, course: Course, values: dict[str, Any]
) -> None:
    """Tell a fresh course of these steps which are over, and put their results into `values`, by result name."""
    known: dict[str, Result] = {}
    for step in steps:
        place = step.name, 0 if step.foreach is None else WHOLE
        if place in recorded.results:
            known[step.name] = recorded.results[place]
    # First all of them: a failure must not lead past a step that has its result.
    for name in known:
        course.restore(name)
    for step in steps:
        if (result := known.get(step.name)) is None:
            continue
        if (error := recorded_error(step.name, result)) is not None:
            course.failed(step.name, error)
            continue
        course.passed(step.name)
        if result.outcome != SKIPPED:
            values[step.result_name] = _value(step, result, recorded)


def restore_calls(
    calls: StepCalls, recorded: Recorded, now: float, *, at_once: bool = False
) -> None:
    """Tell the calls of a step that begins of those that are over or were tried.

    Args:
        calls: none of them has begun.
        recorded: the record.
        now: the monotonic clock.
        at_once: whether the next try of a call is looked at now: a run that is out of time waits for none.
    """
    for iteration in range(calls.count):
        place = calls.step.name, iteration
        if (result := recorded.results.get(place)) is not None:
            calls.restore(iteration, result.output, recorded_error(calls.step.name, result))
        elif (tries := recorded.tries.get(place)) is not None:
            calls.delay(
                iteration,
                now if at_once else now + tries.ready_in,
                tries.count + 1,
                rounds=tries.rounds,
                opened=tries.opened and replace(tries.opened, since=now + tries.opened.since),
            )


def recorded_error(step: str, result: Result) -> CallError | None:
    """The error of a recorded failure; None for what did not fail."""
    if result.outcome in {"ok", SKIPPED}:
        return None
    error = result.error or {}
    message = error.get("message", f"step {step} had failed: {result.outcome}")
    return CallError(error.get("code", "ORD505"), message, error.get("detail", ""))


def _value(step: ProgramStep, result: Result, recorded: Recorded) -> Any:
    if step.foreach is None:
        return result.output
    found = (recorded.results.get((step.name, item)) for item in range(result.output["items"]))
    return [one.output if one is not None and one.outcome == "ok" else None for one in found]
