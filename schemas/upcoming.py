"""What `ordinaut next --json` prints: when tasks will fire."""

from __future__ import annotations

from pydantic import AwareDatetime

from schemas.base import Model


class UpcomingOccurrence(Model):
    """One occurrence of one task."""

    task: str
    """The task, as `namespace/name` outside the default namespace."""
    at: AwareDatetime
    """The nominal instant, with the offset of its zone."""
    due_at: AwareDatetime
    """When it begins: `at`, and jitter."""
    timezone: str
    """The zone of the times."""
    note: str = ""
    """What the clocks do to it, in words."""


class UpcomingList(Model):
    """Occurrences in the order in which they come."""

    after: AwareDatetime
    """The instant they come after."""
    occurrences: tuple[UpcomingOccurrence, ...]
    """The occurrences."""
    silent: tuple[str, ...]
    """Tasks that time does not drive, or no more."""
