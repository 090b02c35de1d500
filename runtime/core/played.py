"""What became of a rehearsed run: its calls, its steps, its results, its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runtime.errors import OrdinautError


class NotGiven(OrdinautError):
    """A step calls a tool, and nothing is given for that call."""

    default_code = "ORD701"

    def __init__(self, message: str, *, step: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.step = step


@dataclass(frozen=True, slots=True)
class Called:
    """A call that was made.

    Attributes:
        step: by which step.
        item: for which item of `foreach`, from 0.
        attempt: which try it was, from 1.
        uses: the tool.
        arguments: as records show them.
    """

    step: str
    item: int
    attempt: int
    uses: str
    arguments: Any


@dataclass(frozen=True, slots=True)
class StepPlayed:
    """What became of a step.

    Attributes:
        state: `succeeded`, `failed`, `skipped`, `waiting`, or `not_reached`.
        because: why it was skipped: `if`, `on_error` or `nobody_decided`.
        error: why it failed.
        tries: how often its calls were tried, those of all items together.
        failed: how many of its calls failed for good.
        waits_for: the kind of what it waits for.
        held: how often its `if` held, and how often it did not.
    """

    state: str
    because: str | None = None
    error: Mapping[str, Any] | None = None
    tries: int = 0
    failed: int = 0
    waits_for: str | None = None
    held: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Played:
    """What became of a run.

    Attributes:
        state: `succeeded`, `failed`, or `waiting` for what is not given.
        error: why it failed.
        steps: every step, by id.
        calls: what was called, in order.
        values: what templates find under `steps`.
        seconds: how long it took, by its own clock.
        not_given: the call that nothing is given for, at which it was broken off.
    """

    state: str
    error: Mapping[str, Any] | None
    steps: Mapping[str, StepPlayed]
    calls: tuple[Called, ...]
    values: Mapping[str, Any]
    seconds: float
    not_given: NotGiven | None = None
