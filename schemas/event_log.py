"""The event log as JSON: what happened, a page at a time."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import AwareDatetime

from schemas.base import Model


class LogEvent(Model):
    """An event of the log."""

    sequence: int
    """Its place in the order of the installation."""
    id: UUID
    """The same for every repetition."""
    type: str
    """What happened, without the prefix of the stream."""
    subject: str
    """What it is about: most often a task."""
    run_id: UUID | None = None
    """The run that it is about."""
    time: AwareDatetime
    """When."""
    data: dict[str, Any]
    """The facts; `docs/events.md` tells those of each type."""


class EventPage(Model):
    """A page of events, newest first."""

    events: tuple[LogEvent, ...]
    """The events."""
