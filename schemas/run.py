"""What is told of runs (`ordinaut runs|show|run --json`): the list's summary, and the whole story of one."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from schemas.base import Model
from schemas.event import Failure, Trigger

RunState = Literal["queued", "running", "waiting", "succeeded", "failed", "cancelled", "skipped"]
StepState = Literal["succeeded", "failed", "skipped", "running", "retrying", "waiting", "pending"]


class Progress(Model):
    """How far something is that a run counts."""

    done: int
    """How many are done."""
    total: int
    """How many there are."""
    failed: int = 0
    """How many failed for good; they are not among those that are done."""


class RunSummary(Model):
    """One run in a list."""

    run_id: UUID
    """Its id; any end of it that no other recent run shares will do on the command line."""
    task: str
    """The task, as `namespace/name` outside the default namespace."""
    state: RunState
    """Where it stands."""
    reason: str | None = None
    """Why it was skipped or cancelled, in one word."""
    trigger: Trigger
    """What called for it."""
    occurrence_for: AwareDatetime
    """The nominal instant it stands for."""
    due_at: AwareDatetime
    """When it was to begin."""
    started_at: AwareDatetime | None = None
    """When it began."""
    finished_at: AwareDatetime | None = None
    """When it was over."""
    error: Failure | None = None
    """Why it failed."""
    revision: int
    """The revision it is pinned to."""
    timezone: str | None = None
    """The zone in which people read the task's times."""
    progress: dict[str, Progress] = Field(default_factory=dict)
    """How far it is, by what is counted, where a step of `ordinaut.progress` says so."""

    @property
    def is_over(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.state in {"succeeded", "failed", "cancelled", "skipped"}


class RunList(Model):
    """Runs, newest first."""

    now: AwareDatetime
    """The database's clock when the list was made."""
    runs: tuple[RunSummary, ...]
    """The runs."""


class TryReport(Model):
    """A try of a step that failed and was followed by another."""

    attempt: int
    """Which try it was, from 1."""
    outcome: str
    """The outcome class."""
    error: Failure | None = None
    """What went wrong."""
    started_at: AwareDatetime
    """When it began."""
    finished_at: AwareDatetime
    """When it was over."""
    retry_at: AwareDatetime | None = None
    """When the next try was due."""
    item: int | None = None
    """Which item of a `foreach` step it was for, from 0."""


class WaitReport(Model):
    """What a step waits for."""

    kind: Literal["sleep", "approval", "event", "callback", "run", "unknown", "rate_limit"]
    """A time, a person who decides, an event, a callback, another run, a person who settles whether the call happened, or the
    turn of the call."""
    until: AwareDatetime | None = None
    """When the wait is over by itself."""
    asked: dict[str, Any] = Field(default_factory=dict)
    """What a person is asked; of a call that may have happened, why nobody knows is the `problem`."""


class StepReport(Model):
    """One step of a run; a step that has not ended has no outcome."""

    step: str
    """The step's id."""
    uses: str
    """The tool it calls."""
    state: StepState
    """Where it stands."""
    outcome: str | None = None
    """The outcome class of its last try."""
    attempt: int | None = None
    """Which try that was, from 1; 0 where the step was skipped."""
    input: Any = None
    """The arguments, with secrets masked."""
    output: Any = None
    """The normalised result."""
    error: Failure | None = None
    """Why it failed."""
    started_at: AwareDatetime | None = None
    """When its last try began."""
    finished_at: AwareDatetime | None = None
    """When it was over."""
    reused_at: AwareDatetime | None = None
    """When what it reuses was answered; no call was made."""
    sent: bool | None = None
    """Whether the request may have reached the tool."""
    size: int | None = None
    """Bytes of the result as compact JSON."""
    server_generation: int | None = None
    """Which start of the tool server, by one runtime, served the call."""
    schema_digest: str | None = None
    """A digest of the tool's schemas as they were then."""
    items: int | None = None
    """How many items of a `foreach` step are over."""
    failed_items: int | None = None
    """How many of them failed for good."""
    tries: tuple[TryReport, ...] = ()
    """The tries before."""
    waits: tuple[WaitReport, ...] = ()
    """What it waits for, for each item of a `foreach` that does."""


class RunEvent(Model):
    """An event of a run."""

    sequence: int
    """Its place in the order of the installation."""
    id: UUID
    """The same for every repetition."""
    type: str
    """What happened, without the prefix of the stream."""
    time: AwareDatetime
    """When."""
    data: dict[str, Any]
    """The facts."""
    published: bool
    """Whether it is on the stream, or still in the outbox."""


class Lease(Model):
    """Who works on a run, and what it waits for."""

    runtime_id: int | None = None
    """The runtime that holds it; none where nobody does."""
    lease_until: AwareDatetime | None = None
    """When the lease ends unless it is renewed."""
    lease_epoch: int
    """The fencing token: how often the run was claimed."""
    ready_at: AwareDatetime
    """From when on it may be claimed."""


class SlotHolder(Model):
    """A run that holds a slot of a concurrency key."""

    slot: int
    """Which slot, from 1."""
    run_id: UUID
    """The run."""
    task: str
    """Its task."""
    taken_at: AwareDatetime
    """Since when."""


class SlotWait(Model):
    """The concurrency key of which a run waits for a slot."""

    key: str
    """The key; empty as long as no runtime has worked it out."""
    holders: tuple[SlotHolder, ...] = ()
    """Who holds its slots."""


class RunReport(RunSummary):
    """The whole story of one run."""

    now: AwareDatetime
    """The database's clock when the report was made."""
    commit: str | None = None
    """The git commit of its revision."""
    requested_by: str | None = None
    """Who asked for it, where somebody did."""
    rerun_of: UUID | None = None
    """The run that it runs again."""
    replay_no: int | None = None
    """How often that was asked for to be done anew; part of the idempotency keys."""
    reruns: tuple[UUID, ...] = ()
    """The runs that run this one again."""
    ended_by: str | None = None
    """Who cancelled it, where somebody did."""
    detail: str | None = None
    """What the reason is about, such as the calendar that excludes it, or the words of who cancelled it."""
    params: dict[str, Any] | None = None
    """Parameters given for this run alone."""
    event: dict[str, Any] | None = None
    """The event that called for it."""
    lease: Lease | None = None
    """Who works on it; none when it is over."""
    slot_wait: SlotWait | None = None
    """What it waits for before it may begin, where its concurrency key has no slot free."""
    steps: tuple[StepReport, ...] = ()
    """Its steps, in order."""
    events: tuple[RunEvent, ...] = ()
    """What was told of it, in order."""


class CancelReport(Model):
    """What `ordinaut cancel --json` prints."""

    outcome: Literal["cancelled", "ending", "unchanged"]
    """Whether it is over now, has its steps of `finally` first, or was cancelled before."""
    was: RunState
    """Where the run stood."""
    was_executed: bool = False
    """Whether a runtime was at work on it, and was told to stop."""
    run: RunReport
    """The run as it is now."""
