"""What is on record about a task and a span of time, as values: what an explanation argues from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from schemas.event import Trigger
from schemas.run import RunState


@dataclass(frozen=True, slots=True)
class TaskStand:
    """A task at one revision, and what that revision did to it."""

    revision: int
    action: str
    body: Mapping[str, Any]
    applied_at: datetime
    actor: str
    commit: str | None


@dataclass(frozen=True, slots=True)
class DecidedRun:
    """One decision on record; the fields are those of the run and of the revision it is pinned to.

    Attributes:
        blocked_by: a run of the same task that was under way between the decision and the start.
        waits_its_turn: it may not begin before another run of the task has ended.
        ready_at: from when on it may be taken, while it is queued.
        slot_key: the concurrency key of which it waits for a slot.
        waits_for: what it waits for since it has begun, if it does, as `run.waiting` tells it.
    """

    run_id: UUID
    trigger: Trigger
    occurrence_for: datetime
    due_at: datetime
    state: RunState
    reason: str | None
    detail: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    decided_by: int | None
    tzdata: str | None
    requested_by: str | None
    error: Mapping[str, Any] | None
    revision: int
    applied_at: datetime
    actor: str
    commit: str | None
    blocked_by: UUID | None
    ready_at: datetime | None
    waits_its_turn: bool
    slot_key: str | None = None
    waits_for: str | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause of the task, or a snooze; `until` is None while it lasts."""

    since: datetime
    until: datetime | None
    actor: str
    reason: str
    kind: str = "pause"


@dataclass(frozen=True, slots=True)
class RuntimeSpan:
    """When a runtime was alive."""

    runtime_id: int
    host: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class ScheduleStand:
    """Where a task's schedule stands: everything up to the cursor is decided."""

    cursor_for: datetime
    next_for: datetime | None
    next_due_at: datetime | None


@dataclass(frozen=True, slots=True)
class ConditionStand:
    """What is remembered of a condition's answers now; `schemas.status.ConditionStatus` says what each means.

    Attributes:
        body: its task's, normalised.
    """

    position: int
    uses: str
    phase: str
    met_since: datetime | None
    next_poll_at: datetime
    polled_at: datetime | None
    changed_at: datetime | None
    failing_since: datetime | None
    error: Mapping[str, Any] | None
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ListenerStand:
    """What a task listens to now.

    Attributes:
        heard: how many events wait to be decided, at `fire_at`.
        last_at: when an event of exactly this topic came last; None where none did, and where the topic has a `*`.
    """

    position: int
    topic: str
    filter: str | None
    since: datetime
    heard: int
    fire_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is on record about a task from `since` until before `until`, all instants aware.

    Attributes:
        timezone: the zone in which people read the task's times today; None where it has none.
        stands: the revision in force at `since`, and those that came into force until `until`, in order.
        pauses: those of that time, and the one in force now.
        runtimes: those that were alive at some moment of it, or are now.
        conditions: the task's conditions, as they stand now.
        listeners: what the task listens to now.
    """

    label: str
    timezone: str | None
    since: datetime
    until: datetime
    now: datetime
    first_applied_at: datetime | None
    stands: tuple[TaskStand, ...]
    decisions: tuple[DecidedRun, ...]
    pauses: tuple[Pause, ...]
    runtimes: tuple[RuntimeSpan, ...]
    schedule: ScheduleStand | None
    conditions: tuple[ConditionStand, ...] = ()
    listeners: tuple[ListenerStand, ...] = ()
