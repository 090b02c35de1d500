"""What the tools of `ordinaut mcp` take and answer that change what runs; and the one that waits for it."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from schemas.base import Flag, Identifier, Model, Number
from schemas.mcp import Label, Reference
from schemas.override import SnoozeReport
from schemas.run import RunState, RunSummary, StepState
from schemas.wishes import Decided, Item, JsonObject, Reason, Until, Wish

LONGEST_WAIT_SECONDS: Final = 55
EXPOSED: Final = "mcp.expose"
"""The label of tasks that are tools of their own."""

IdempotencyKey = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]{1,128}$")]


class WriteWish(Wish):
    """Something that changes what runs."""

    reason: Reason
    dry_run: Flag = False
    """Tell what would be done, by doing it and taking it back."""


class RunNow(WriteWish):
    """Which task is to run."""

    task: Label
    params: JsonObject = Field(default_factory=dict)
    """Values that take the place of the task's own for this run."""
    event: JsonObject | None = None
    """What its steps find as `${event}`, as if that had started it."""
    overlap: Flag = False
    """Run beside another run of the task, whatever its policy says."""
    idempotency_key: IdempotencyKey | None = None
    """Asked again with the same key within 24 hours, the same caller gets the same run, and none is started."""


class ExposedWish(WriteWish):
    """A task that is a tool is to run."""

    idempotency_key: IdempotencyKey | None = None
    """Asked again with the same key within 24 hours, the same caller gets the same run, and none is started."""


class RunStarted(Model):
    """What became of a wish to run a task."""

    dry_run: bool
    """Whether it was only tried: then there is no such run."""
    is_new: bool
    """Whether it was not asked for before."""
    run: RunSummary
    """The run, which begins when a runtime takes it."""


class WaitRun(Wish):
    """Which run is waited for."""

    run: Reference
    seconds: Annotated[Number, Field(ge=0, le=LONGEST_WAIT_SECONDS)] = 25.0
    """How long at most."""


class StepMark(Model):
    """Where a step stands."""

    step: str
    """The step's id."""
    state: StepState
    """Where it stands."""


class RunWaited(Model):
    """Where a run stands after the wait."""

    is_over: bool
    """Whether nothing will happen to it any more; if not, wait again."""
    run: RunSummary
    """The run."""
    steps: tuple[StepMark, ...]
    """Its steps, in order."""


class CancelRun(WriteWish):
    """Which run is to end."""

    run: Reference
    at_once: Flag = False
    """Without its steps of `finally`."""


class RunCancelled(Model):
    """What became of a wish to end a run."""

    dry_run: bool
    """Whether it was only tried."""
    outcome: Literal["cancelled", "ending", "unchanged"]
    """Whether it is over now, has its steps of `finally` first, or was cancelled before."""
    was: RunState
    """Where the run stood."""
    was_executed: bool
    """Whether a runtime was at work on it, and was told to stop."""
    run: RunSummary
    """The run as it is now."""


class SnoozeTask(WriteWish):
    """Which task is to be left out for a while."""

    task: Label
    until: Until


class TaskPutOff(SnoozeReport):
    """What became of a wish to snooze a task."""

    dry_run: bool
    """Whether it was only tried."""


class DecideApproval(WriteWish):
    """Which step may go on, or not."""

    run: Reference
    step: Identifier
    """The step's id."""
    approved: Flag
    """Whether it goes on."""
    item: Item = 0
    """Which item of a `foreach` step, from 0."""
    data: JsonObject | None = None
    """Of a step whose tool server asks: the fields of its form; with several questions, an object for each."""


class ApprovalDecided(Decided):
    """What was decided."""

    dry_run: bool
    """Whether it was only tried."""
