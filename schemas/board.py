"""What the dashboard shows beside what commands print: tasks with their newest runs, namespaces, and time as slots."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime

from schemas.base import Model
from schemas.override import Pause
from schemas.run import RunState

Standing = Literal["failing", "late", "missing", "paused", "running", "well", "new"]
"""Where a task stands, the worst that is true of it first: its newest run that is over failed; it is due, and nobody has
decided or taken it for half a minute; its schedule was deleted past git; somebody paused or snoozed it; a run is under way; its
newest run succeeded or was cancelled; it never ran."""


class StandingCount(Model):
    """How many tasks stand somewhere."""

    standing: Standing
    """Where."""
    tasks: int
    """How many."""


class NamespaceStanding(Model):
    """The tasks of a namespace, rolled up: it stands where its worst task does."""

    namespace: str
    """The namespace."""
    worst: Standing
    """The worst standing of a task."""
    counts: tuple[StandingCount, ...]
    """How many tasks stand where, the worst first."""


class StripRun(Model):
    """A run, as one mark of a strip."""

    run_id: UUID
    """Its id."""
    state: RunState
    """Where it stands."""
    reason: str | None = None
    """Why it was skipped or cancelled."""
    occurrence_for: AwareDatetime
    """The nominal instant it stands for."""
    late_seconds: float | None = None
    """How long after its due time it began; none where it did not."""


class BoardTask(Model):
    """A task, and how it has been doing."""

    task: str
    """Its name, as `namespace/name` outside the default namespace."""
    namespace: str
    """Its namespace."""
    name: str
    """Its name in there."""
    project: str
    """Its project."""
    owner: str | None = None
    """Who answers for it."""
    labels: dict[str, str]
    """Its labels."""
    standing: Standing
    """Where it stands."""
    schedule: str
    """Its schedules in plain words."""
    timezone: str | None = None
    """The zone in which people read its times."""
    next_for: AwareDatetime | None = None
    """The next occurrence; none where time does not drive it, or no more."""
    pause: Pause | None = None
    """Who holds it back, why and until when."""
    file: str
    """The file of the specs that it stands in."""
    line: int
    """The line there."""
    commit: str | None = None
    """The git commit of that."""
    revision: int
    """The revision that wrote it last."""
    runs: tuple[StripRun, ...]
    """Its newest runs, the newest first."""


class Board(Model):
    """A page of tasks, by name."""

    now: AwareDatetime
    """The database's clock."""
    total: int
    """How many tasks there are with this owner, these labels and this text, wherever they stand."""
    counts: tuple[StandingCount, ...]
    """How many of them stand where, the worst first."""
    owners: tuple[str, ...]
    """Every owner of a task."""
    tasks: tuple[BoardTask, ...]
    """The page."""
    after: str | None = None
    """What to ask the next page with; none on the last."""


class Slot(Model):
    """A span of time, and how many runs begin in it."""

    at: AwareDatetime
    """Its beginning."""
    runs: int
    """How many."""


class PastSlot(Model):
    """A span of time that is past, and what became of its occurrences."""

    at: AwareDatetime
    """Its beginning."""
    succeeded: int = 0
    """Runs that succeeded."""
    failed: int = 0
    """Runs that failed."""
    skipped: int = 0
    """Occurrences that did not run."""
    other: int = 0
    """Runs that were cancelled or are not over."""


class Herding(Model):
    """A minute in which several tasks begin."""

    at: AwareDatetime
    """The minute."""
    runs: int
    """How many runs begin in it."""
    tasks: tuple[str, ...]
    """The first of the tasks, by name."""


class Timeline(Model):
    """What will begin when, of all tasks that time drives and nobody holds back; and what became of the last day."""

    now: AwareDatetime
    """The database's clock."""
    tasks: int
    """How many tasks are counted."""
    held: int
    """How many are left out, as somebody holds them back with no end."""
    day: tuple[Slot, ...]
    """The next 24 hours in slots of five minutes, from the last full hour of UTC on; those without runs are left out."""
    week: tuple[Slot, ...]
    """The next seven days in slots of a quarter of an hour, likewise."""
    herds: tuple[Herding, ...]
    """The fullest minutes of the next 24 hours in which several tasks begin."""
    past: tuple[PastSlot, ...]
    """The last 24 hours, by the hour."""
