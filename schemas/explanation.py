"""What `ordinaut why --json` prints: what became of a task's occurrences at some time, and for which reasons."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime

from schemas.base import Model
from schemas.event import Trigger
from schemas.run import RunState

Verdict = Literal["ran", "skipped", "active", "upcoming", "held", "undecided", "nothing"]


class Stand(Model):
    """The revision of the task that was in force."""

    revision: int
    """Its number."""
    applied_at: AwareDatetime
    """When it was applied."""
    actor: str
    """Who applied it."""
    commit: str | None = None
    """The git commit it was applied from."""


class Explained(Model):
    """One occurrence or run, or the lack of one, explained."""

    verdict: Verdict
    """It ran, was skipped, is active, lies ahead, is held by a pause, is due and undecided, or there was nothing."""
    sentence: str
    """What happened, in one sentence."""
    facts: tuple[str, ...] = ()
    """How that came about, a sentence each, in order."""
    hint: str | None = None
    """What to do to have it otherwise."""
    at: AwareDatetime | None = None
    """The nominal instant, with the offset of the task's zone."""
    due_at: AwareDatetime | None = None
    """When it was to begin, jitter included."""
    run_id: UUID | None = None
    """The run, or the record of its skip."""
    state: RunState | None = None
    """Where that stands."""
    trigger: Trigger | None = None
    """What called for it."""
    reason: str | None = None
    """Why it does not run, as a code."""
    detail: str | None = None
    """What the reason is about, such as the calendar."""
    late_seconds: float | None = None
    """How long after its due time it began."""
    decided_at: AwareDatetime | None = None
    """When it was decided."""
    decided_by: int | None = None
    """The runtime that decided it; none where an apply or a person did."""
    tzdata: str | None = None
    """The version of the time zone data it was found by."""
    stand: Stand | None = None
    """The revision it was decided by."""


class Explanation(Model):
    """The answer for one task and one span of time."""

    task: str
    """The task, as `namespace/name` outside the default namespace."""
    timezone: str
    """The zone of the times."""
    now: AwareDatetime
    """The database's clock."""
    since: AwareDatetime
    """The beginning of the time asked about."""
    until: AwareDatetime
    """Its end, exclusive."""
    schedule: str | None = None
    """The schedule that was in force then, in plain words; none where the task was not."""
    explained: tuple[Explained, ...]
    """What is known of it, in the order of time."""
    previous_at: AwareDatetime | None = None
    """The occurrence before that time."""
    next_at: AwareDatetime | None = None
    """The occurrence after it."""
    is_cut: bool = False
    """Whether there is more in that time than is explained here."""
