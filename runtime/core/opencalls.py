"""Calls that were left open, as the steps that make them know them, and as they are on record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runtime.core.leftopen import GoingOn, LeftOpen
from runtime.core.outcomes import CallOutcome


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call that was left open, as its step knows it.

    Attributes:
        left: what the server said.
        attempt: the try that it said so to.
        arguments: of that call, as they are shown.
        responses: what people answered; empty as long as they have not, or nobody is asked.
        earlier: what they answered before, of a call that is repeated and so asks all of it again, or of a task.
        since: of a task, when it was left to itself, by the monotonic clock.
        ended: what the step has come to, so that nothing is left but to ask the task to stop.
    """

    left: LeftOpen
    attempt: int
    arguments: Any
    responses: Mapping[str, Any] = field(default_factory=dict)
    earlier: Mapping[str, Any] = field(default_factory=dict)
    since: float = 0.0
    ended: CallOutcome | None = None

    @property
    def recorded(self) -> dict[str, Any]:
        """What is to be on record of it, besides what people are asked."""
        kept: dict[str, Any] = {"state": self.left.state, "arguments": self.arguments}
        if self.left.task is not None:
            kept["task"] = self.left.task
        return kept | ({"earlier": dict(self.earlier)} if self.is_earlier_kept else {})

    @property
    def is_earlier_kept(self) -> bool:
        """Whether what was answered before matters still."""
        return self.left.repeats or bool(self.earlier)

    @property
    def going_on(self) -> GoingOn:
        """What the next try goes on with."""
        return GoingOn(self.left.state, {**self.earlier, **self.responses}, self.left.task)


def open_call(recorded: Mapping[str, Any], attempt: int, age: float) -> OpenCall:
    """An open call as it is on record, `asked` beside what `OpenCall.recorded` gave; seconds old, before the clock is known."""
    asked = recorded["asked"] or {}
    task = recorded.get("task")
    repeats = task is None and "earlier" in recorded
    left = LeftOpen(recorded["state"], asked.get("requests", {}), repeats, task)
    earlier = recorded.get("earlier", {})
    return OpenCall(left, attempt, recorded["arguments"], earlier=earlier, since=-age)


def question_of(step: str, attempt: int) -> str:
    """The name, which no step can have, under which stands what is asked in the middle of a step's call."""
    return f"{step}({attempt})"
