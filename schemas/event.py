"""What goes on the stream: the CloudEvents 1.0 envelope, and the data that each type of event carries.

The envelope follows the CloudEvents specification 1.0.2, and `sequence` its extension of that name. Events are at least
once: `id` tells a repetition. They are ordered per run. The database keeps types without their prefix, the stream has
them in full.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from schemas.arrival import EventArrived, EventSetAside
from schemas.base import Model
from schemas.drift import Strayed, StrayWrite
from schemas.override import TaskPaused, TaskRecovered, TaskResumed, TaskSnoozed
from schemas.rules import HealPolicy
from schemas.source import SourceApproved, SourceChanged, SourceReachable, SourceUnreachable

TYPE_PREFIX: Final = "ordinaut."

Trigger = Literal["schedule", "manual", "event", "condition", "backfill", "run", "rerun"]


class Failure(Model):
    """Why something did not succeed."""

    code: str
    """The stable code; `docs/errors.md` explains each."""
    message: str
    """What happened, in one sentence."""
    detail: str | None = None
    """What the tool said."""
    step: str | None = None
    """The step that failed, where a run tells of it."""


class RunFacts(Model):
    """What every event of a run says."""

    task: str
    """The task's name, as `namespace/name` outside the default namespace."""
    run_id: UUID
    """The run."""
    trigger: Trigger
    """What called for the run."""
    occurrence_for: AwareDatetime
    """The nominal instant the run stands for."""


class RunStarted(RunFacts):
    """A runtime began to work on the run."""

    due_at: AwareDatetime
    """When the run was due."""
    revision: int
    """The revision the run is pinned to."""
    late_seconds: float
    """How long after its due time it began."""


class RunLate(RunFacts):
    """The run should have begun; told once for each time after which a task listens for it."""

    due_at: AwareDatetime
    """When the run was due."""
    late_seconds: float
    """How long ago that is, or was when it began."""
    after_seconds: float
    """After how long it counts as late for whoever listens."""


class RunSucceeded(RunFacts):
    """Every step of the run is done."""

    seconds: float
    """Time since the run began."""


class RunFailed(RunFacts):
    """The run ended without reaching its last step."""

    seconds: float
    """Time since the run began."""
    error: Failure
    """Why."""


class RunCancelled(RunFacts):
    """The run was ended before it was over."""

    seconds: float
    """Time since the run began."""
    reason: str | None = None
    """Why, in one word."""
    actor: str | None = None
    """Who cancelled it; none where a policy did."""
    detail: str | None = None
    """Why, as whoever cancelled it said."""


class RunSkipped(RunFacts):
    """The occurrence was decided not to run."""

    reason: str
    """Why, in one word."""
    detail: str | None = None
    """What the reason is about, such as the calendar that excludes the occurrence."""


class RunWaiting(RunFacts):
    """The run gave up its slot, and goes on later."""

    reason: str
    """What it waits for."""
    ready_in_seconds: float
    """How long until it goes on."""


class StepFacts(RunFacts):
    """What every event of a step says."""

    step: str
    """The step's id."""
    uses: str
    """The tool it calls."""


class StepSucceeded(StepFacts):
    """The step has its result."""

    attempt: int
    """Which try it was, from 1."""
    outcome: str
    """The outcome class."""
    seconds: float
    """How long the call took; with `items`, all of them."""
    items: int | None = None
    """How many items a `foreach` step had; it is told once, when all of them are over."""


class StepFailed(StepSucceeded):
    """The step failed and is not tried again."""

    error: Failure | None = None
    """Why."""


class StepRetrying(StepFailed):
    """The try failed, and another follows."""

    item: int | None = None
    """Which item of a `foreach` step it was, from 0."""

    ready_in_seconds: float
    """How long until then."""


class StepWaiting(StepFacts):
    """The step waits for a time, a person, an event or a callback, and its run may give up its slot."""

    kind: Literal["sleep", "approval", "event", "callback", "run", "unknown"]
    """What it waits for; `unknown` for somebody to settle whether its call happened."""
    item: int | None = None
    """Which item of a `foreach` step it is for, from 0."""
    ready_in_seconds: float | None = None
    """How long until the wait is over by itself; none where it never is."""
    asked: dict[str, Any] | None = None
    """What a person is asked: `message`, or `uses` and `arguments` of a call, and who may decide as `by`; why nobody knows
    whether the call happened as `problem`. Of an event the `topic` and the `filter`, of a run its id as `run_id` and its `task`."""


class StepAnswered(StepFacts):
    """A person has decided."""

    item: int | None = None
    """Which item of a `foreach` step it is about, from 0."""
    approved: bool
    """Whether the step may go on."""
    by: str
    """Who decided."""
    reason: str
    """Why; may be empty."""


class StepSettled(StepFacts):
    """A person has said what became of a call that may have happened."""

    item: int | None = None
    """Which item of a `foreach` step it is about, from 0."""
    attempt: int
    """Which try it is about, from 1."""
    settled: Literal["happened", "try_again", "failed"]
    """It happened; it did not, and is tried again; or it counts as failed."""
    by: str
    """Who said so."""
    reason: str
    """Why; may be empty."""


class StepSkipped(StepFacts):
    """The step's condition did not hold."""


class RevisionApplied(Model):
    """The database matches the specs of a commit."""

    project: str
    """The project."""
    environment: str
    """The environment."""
    revision: int
    """The number of the revision."""
    commit: str | None = None
    """The git commit; none where the specs are in no repository."""
    created: int
    """How many documents are new."""
    updated: int
    """How many changed."""
    retired: int
    """How many are no longer in force."""


class TaskChanged(Model):
    """A task is new, changed, or no longer in force."""

    task: str
    """The task's name, as `namespace/name` outside the default namespace."""
    project: str
    """Its project."""
    revision: int
    """The revision that did it."""


class ScheduleRederived(Model):
    """Newer time zone data moved the next occurrence of a task."""

    task: str
    """The task's name, as `namespace/name` outside the default namespace."""
    before: AwareDatetime | None = None
    """The next occurrence by the older data; none if there was none."""
    after: AwareDatetime | None = None
    """The next occurrence by the newer data."""
    tzdata_before: str
    """The version of the older data."""
    tzdata_after: str
    """The version of the newer data."""


class ConditionFacts(Model):
    """What every event of a condition says."""

    task: str
    """The task's name, as `namespace/name` outside the default namespace."""
    condition: int
    """Where the condition stands among the task's schedules, from 0."""
    uses: str
    """The tool it asks."""


class ConditionFailed(ConditionFacts):
    """The tool gave no answer that could be judged; told once, however long that lasts."""

    error: Failure
    """Why."""


class ConditionRecovered(ConditionFacts):
    """The tool answers again."""

    failing_since: AwareDatetime
    """Since when it did not."""


class DriftFacts(Model):
    """What every event of drift says."""

    document: str
    """The document, as `Kind/name` or `Kind/namespace/name`."""
    project: str
    """Its project."""
    environment: str
    """The environment."""


class DriftDetected(DriftFacts, StrayWrite):
    """A document differs from what was applied: somebody wrote it past git."""

    policy: HealPolicy
    """What becomes of it."""
    differs: tuple[Strayed, ...] = ()
    """What of it differs."""


class DriftResolved(DriftFacts):
    """The document is again as it was applied, or was applied anew."""

    detected_at: AwareDatetime
    """When the difference was found."""
    revision: int | None = None
    """The revision that did it; none where somebody changed it back by hand."""
    by: str | None = None
    """The kind of that revision; `heal` where nobody had to ask."""


EVENTS: Final[dict[str, type[Model]]] = {
    "run.started": RunStarted,
    "run.late": RunLate,
    "run.succeeded": RunSucceeded,
    "run.failed": RunFailed,
    "run.cancelled": RunCancelled,
    "run.skipped": RunSkipped,
    "run.waiting": RunWaiting,
    "step.succeeded": StepSucceeded,
    "step.failed": StepFailed,
    "step.waiting": StepWaiting,
    "step.answered": StepAnswered,
    "step.settled": StepSettled,
    "step.skipped": StepSkipped,
    "step.retrying": StepRetrying,
    "event.arrived": EventArrived,
    "event.set_aside": EventSetAside,
    "condition.failed": ConditionFailed,
    "condition.recovered": ConditionRecovered,
    "revision.applied": RevisionApplied,
    "task.created": TaskChanged,
    "task.updated": TaskChanged,
    "task.retired": TaskChanged,
    "task.paused": TaskPaused,
    "task.snoozed": TaskSnoozed,
    "task.resumed": TaskResumed,
    "task.recovered": TaskRecovered,
    "schedule.rederived": ScheduleRederived,
    "drift.detected": DriftDetected,
    "drift.resolved": DriftResolved,
    "source.synced": SourceChanged,
    "source.out_of_sync": SourceChanged,
    "source.held": SourceChanged,
    "source.needs_approval": SourceChanged,
    "source.invalid": SourceChanged,
    "source.unreachable": SourceUnreachable,
    "source.reachable": SourceReachable,
    "source.approved": SourceApproved,
    "source.approval_withdrawn": SourceApproved,
}
"""The data of each type of event; a type, once released, may gain fields but never loses one or changes its meaning."""


def types_like(patterns: Iterable[str]) -> tuple[str, ...]:
    """The types of the catalogue that fit one of these globs, written with or without the prefix; themselves without."""
    wanted = [pattern.removeprefix(TYPE_PREFIX) for pattern in patterns]
    return tuple(kind for kind in EVENTS if any(fnmatchcase(kind, one) for one in wanted))


class Event(BaseModel):
    """An event as it stands on the stream, one field an attribute; newer programs may have added attributes."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    specversion: Literal["1.0"]
    """The version of CloudEvents."""
    id: UUID
    """The same for every repetition of this event."""
    source: str
    """`ordinaut/` and the id of the installation."""
    type: str = Field(examples=["ordinaut.run.started"])
    """What happened."""
    subject: str
    """What it happened to: the task, or the project."""
    time: datetime
    """When it happened, by the database's clock."""
    datacontenttype: str
    """How `data` is written: always JSON."""
    sequence: str
    """Grows with every event of the installation; compares as text."""
    runid: UUID | None = None
    """The run, where there is one."""
    data: dict[str, Any]
    """The facts; which ones depends on the type."""

    @property
    def short_type(self) -> str:
        """The type without its prefix."""
        return self.type.removeprefix(TYPE_PREFIX)
