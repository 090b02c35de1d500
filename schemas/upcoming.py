"""What `ordinaut next --json` prints: when tasks will fire."""

from __future__ import annotations

from pydantic import AwareDatetime

from schemas.base import Model


class UpcomingOccurrence(Model):
    """One occurrence of one task."""

    task: str
    """The task, as `namespace/name` outside the default namespace."""
    at: AwareDatetime
    """The nominal instant, with the offset of its zone; as UTC where that offset has seconds."""
    due_at: AwareDatetime
    """When it begins: `at`, and jitter."""
    timezone: str
    """The zone of the times."""
    excluded_by: str | None = None
    """The calendar that keeps it from running; null if it runs."""
    moved_to: AwareDatetime | None = None
    """Where its calendar moves it; only of one that is excluded."""
    moved_from: AwareDatetime | None = None
    """The excluded occurrence that it stands in for, if it does."""
    note: str = ""
    """What the clocks and calendars do to it, in words."""


class UpcomingList(Model):
    """Occurrences in the order in which they come."""

    begin: AwareDatetime
    """The instant from which they count, inclusive."""
    occurrences: tuple[UpcomingOccurrence, ...]
    """The occurrences."""
    silent: tuple[str, ...]
    """Tasks that time does not drive, or no more."""
