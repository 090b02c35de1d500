"""What `ordinaut top --json` prints: one line a look at what happens now."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from schemas.base import Model
from schemas.run import RunSummary
from schemas.status import (
    BusStatus,
    OutboxStatus,
    QueueStatus,
    RunProgress,
    RuntimeStatus,
    TaskStatus,
    Verdict,
)


class Rates(Model):
    """What ended and began since the command began to look, within the last minute."""

    seconds: float
    """Of how many seconds."""
    started: int
    """Runs that began."""
    succeeded: int
    """Runs that succeeded."""
    failed: int
    """Runs that failed."""
    skipped: int
    """Occurrences that were left out."""


class Top(Model):
    """One look. Fields are only ever added within a format."""

    format: Literal["ordinaut.dev/top/v1"] = "ordinaut.dev/top/v1"
    """This format."""
    now: AwareDatetime
    """The database's clock."""
    verdict: Verdict
    """Whether everything is all right."""
    bus: BusStatus
    """Redis or Valkey."""
    queue: QueueStatus
    """What is to be done."""
    outbox: OutboxStatus
    """What is to be told."""
    runtimes: tuple[RuntimeStatus, ...]
    """Who works."""
    rates: Rates
    """How fast."""
    active: tuple[RunSummary, ...]
    """Runs that are not over: those under way, then those that wait or are queued, each the oldest first."""
    progress: tuple[RunProgress, ...] = ()
    """How far runs are that say so and are not over."""
    upcoming: tuple[TaskStatus, ...]
    """Tasks that fire next."""
