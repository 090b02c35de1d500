"""Pauses and snoozes: what `ordinaut pause`, `snooze` and `resume` print as JSON, and what is told of them."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime

from schemas.base import Model


class Pause(Model):
    """A pause: nothing of the task fires while it is in force."""

    actor: str | None = None
    """Who set it, or changed it last; none where somebody wrote it past the program."""
    reason: str = ""
    """Why."""
    since: AwareDatetime
    """Since when."""
    until: AwareDatetime | None = None
    """When it ends by itself; none if somebody has to end it."""
    kind: Literal["pause", "snooze"] = "pause"
    """Whether what falls into it is decided when it is over, or left out."""


class SnoozeReport(Model):
    """What `ordinaut snooze` did."""

    task: str
    """The task, as `namespace/name` outside the default namespace."""
    timezone: str | None = None
    """The zone in which people read its times."""
    now: AwareDatetime
    """The database's clock."""
    outcome: Literal["snoozed", "changed", "unchanged"]
    """What was done."""
    snooze: Pause
    """The snooze in force now."""
    before: Pause | None = None
    """The snooze that was in force before."""
    left_out: int
    """Occurrences that fall into it from now on; counting stops at 1,000."""
    next_for: AwareDatetime | None = None
    """The first occurrence after it; none where time does not drive the task, or no more."""


class PauseReport(Model):
    """What a pause or a resumption did."""

    task: str
    """The task, as `namespace/name` outside the default namespace."""
    timezone: str | None = None
    """The zone in which people read its times."""
    now: AwareDatetime
    """The database's clock."""
    outcome: Literal["paused", "changed", "unchanged", "resumed", "not_paused"]
    """What was done."""
    pause: Pause | None = None
    """The pause in force now."""
    before: Pause | None = None
    """The pause that was in force before."""
    queued: int = 0
    """Its runs that wait for a slot; a pause does not stop them."""
    in_flight: int = 0
    """Its runs under way; a pause does not stop them either."""
    undecided: int = 0
    """Occurrences that have come and are not decided; counting stops at 1,000."""
    catch_up: str
    """The policy by which these are decided once the task is not paused."""
    next_for: AwareDatetime | None = None
    """The next occurrence to come; none where time does not drive it, or no more."""


class TaskPaused(Model):
    """Nothing of the task fires from now on, or the pause in force has another reason or end."""

    task: str
    """The task's name, as `namespace/name` outside the default namespace."""
    actor: str
    """Who paused it, or changed the pause."""
    reason: str
    """Why; may be empty."""
    paused_at: AwareDatetime
    """Since when it is paused."""
    until: AwareDatetime | None = None
    """When the pause ends by itself; none if somebody has to end it."""
    failures: int | None = None
    """After how many failed runs in a row it was paused; none where a person paused it."""


class TaskRecovered(Model):
    """A run succeeded, and the one that ended before it had failed; told of tasks whose recovery a task listens to."""

    task: str
    """The task's name, as `namespace/name` outside the default namespace."""
    run_id: UUID
    """The run that succeeded."""
    failed_run_id: UUID
    """The last run that failed."""
    failed_at: AwareDatetime
    """When that ended."""


class TaskSnoozed(Model):
    """Nothing of the task fires for a while, and what is due then is left out; or that has another reason or end."""

    task: str
    """The task's name, as `namespace/name` outside the default namespace."""
    actor: str
    """Who snoozed it, or changed the snooze."""
    reason: str
    """Why; may be empty."""
    snoozed_at: AwareDatetime
    """Since when it is snoozed."""
    until: AwareDatetime
    """When that is over."""


class TaskResumed(Model):
    """The pause is over, and what fell into it is decided now; or the snooze is."""

    task: str
    """The task's name, as `namespace/name` outside the default namespace."""
    actor: str | None = None
    """Who ended the pause; none where its time was over."""
    paused_at: AwareDatetime
    """Since when the task was paused, or snoozed."""
    kind: Literal["pause", "snooze"] = "pause"
    """Which of the two is over."""
