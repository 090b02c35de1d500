"""The event log, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from runtime.store.rows import Connection, fetch_rows
from schemas.event_log import LogEvent


@dataclass(frozen=True, slots=True)
class Sought:
    """Which events are asked for.

    Attributes:
        type: a type without its prefix; one that ends with a dot means all that begin so.
        subject: what they are about.
        run_id: the run that they are about.
        before: when, and as which, the event happened that the page comes before.
    """

    type: str | None = None
    subject: str | None = None
    run_id: UUID | None = None
    before: tuple[datetime, int] | None = None


def list_events(connection: Connection, sought: Sought, *, limit: int) -> tuple[LogEvent, ...]:
    """The newest events that fit, newest first."""
    at, sequence = sought.before or (None, None)
    rows = fetch_rows(
        connection,
        "list_logged_events",
        type=sought.type,
        subject=sought.subject,
        run_id=sought.run_id,
        at=at,
        sequence=sequence,
        limit=limit,
    )
    return tuple(LogEvent.model_validate(row) for row in rows)
