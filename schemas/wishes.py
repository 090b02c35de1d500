"""What is asked for over HTTP: the bodies of requests that do something, and what they are answered."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
)

from schemas import patterns
from schemas.base import Flag, Model

MAX_DEPTH: Final = 64


def shallow(value: Any) -> Any:
    """A value that is not nested deeper than anything needs; looked through without recursion, which it could exhaust."""
    level, depth = [value], 0
    while level := [
        inner
        for outer in level
        if isinstance(outer, (dict, list))
        for inner in (outer.values() if isinstance(outer, dict) else outer)
    ]:
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    return value


def _whole(value: Any) -> Any:
    # In JSON 3.0 is the integer 3, and its schema has it so.
    return int(value) if isinstance(value, float) and value.is_integer() else value


Item = Annotated[int, Strict(), Field(ge=0, le=2**31 - 1), BeforeValidator(_whole)]
Json = Annotated[Any, AfterValidator(shallow)]
JsonObject = Annotated[dict[str, Any], AfterValidator(shallow)]
Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=1000, pattern=r"\S"),
    Field(description="Why; it is kept with what was done.", examples=["the feed is back"]),
]
Until = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    Field(
        description="A span such as `2h`, or ISO 8601; without an offset, in the task's zone.",
        examples=["2h", "2026-11-30T08:30"],
    ),
]


class Wish(Model):
    """The body of a request."""

    # The web framework gives it a name of its own as it builds it, which pydantic takes amiss where that is put off.
    model_config = ConfigDict(defer_build=False)


class RunWish(Wish):
    """Run a task now."""

    reason: Reason
    params: JsonObject = Field(default_factory=dict)
    """Values that take the place of the task's own for this run."""
    event: JsonObject | None = None
    """What its steps find as `${event}`, as if that had started it."""
    overlap: Flag = False
    """Run beside another run of the task, whatever its policy says."""


class RerunWish(Wish):
    """Run a run once more."""

    reason: Reason
    redo: Annotated[
        str,
        StringConstraints(pattern=r"^(all|failed|from:[a-z_][a-z0-9_]{0,62})$"),
        Field(examples=["failed", "from:send"]),
    ] = "all"
    """What is done anew: `all`, what `failed` and what comes after it, or all `from:STEP` on."""
    latest: Flag = False
    """By the revision in force, not by that of the run before."""
    overlap: Flag = False
    """Run beside another run of the task, whatever its policy says."""


class CancelWish(Wish):
    """End a run before it is over."""

    reason: Reason
    at_once: Flag = False
    """Without its steps of `finally`."""


class PauseWish(Wish):
    """Let nothing of a task fire."""

    reason: Reason
    until: Until | None = None
    """When the pause ends; when somebody resumes the task if left out."""


class SnoozeWish(Wish):
    """Leave out what a task would do for a while."""

    reason: Reason
    until: Until


class ReasonWish(Wish):
    """Nothing but why."""

    reason: Reason


class Decision(Wish):
    """Let a step go on that asks, or not."""

    approved: Flag
    """Whether it goes on."""
    reason: Reason
    item: Item = 0
    """Which item of a `foreach` step, from 0."""
    data: JsonObject | None = None
    """Of a step whose tool server asks: the fields of its form; with several questions, an object for each."""
    instead_of: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None
    """For whom it is decided, of those whom the step asks; kept with the decision."""


class Decided(Model):
    """What was decided."""

    run_id: UUID
    """The run."""
    step: str
    """The step."""
    item: int
    """The item of a `foreach` step, from 0."""
    approved: bool
    """Whether it goes on."""


class Settlement(Wish):
    """Say what became of a call that may have happened."""

    settled: Literal["happened", "try_again", "failed"]
    """What became of it."""
    reason: Reason
    item: Item = 0
    """Which item of a `foreach` step, from 0."""
    result: Json = None
    """What the tool gave, where it happened."""


class Settled(Model):
    """What was settled."""

    run_id: UUID
    """The run."""
    step: str
    """The step."""
    item: int
    """The item of a `foreach` step, from 0."""
    settled: Literal["happened", "try_again", "failed"]
    """What became of the call."""


class PlanDecided(Model):
    """What became of a plan that waits."""

    digest: str
    """The plan."""
    approved: bool
    """Whether the next look of `ordinaut sync` applies it."""


class Emission(Wish):
    """Tell of an event."""

    topic: Annotated[
        str, StringConstraints(pattern=patterns.TOPIC), Field(examples=["orders.paid"])
    ]
    """What it is about."""
    data: Json = None
    """What there is to say."""
    id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    """What the event is called: of one token, the same one counts once."""


class Emitted(Model):
    """What became of an event."""

    id: str
    """What it is called."""
    topic: str
    """What it is about."""
    is_new: bool
    """Whether it had not come before."""
    ended: int
    """How many waits it ended."""
    heard: int
    """How many tasks it is for so far."""
