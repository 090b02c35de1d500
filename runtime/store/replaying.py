"""What of the event log is published again because somebody asks for it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from runtime.actor import Actor
from runtime.store.audit import Deed, write_audit
from runtime.store.outbox import RELAY_LOCK_ID
from runtime.store.rows import Connection, fetch_rows
from runtime.store.runtimes import EVENTS


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events of the log are meant: those that fit all that is not None. Bounds are inclusive."""

    from_at: datetime | None
    to_at: datetime | None
    from_sequence: int | None
    to_sequence: int | None
    types: list[str] | None
    run_id: UUID | None


@dataclass(frozen=True, slots=True)
class Queued:
    """Events that go out again, or would.

    Attributes:
        events: how many.
        first_at: when the first of them happened.
        first_sequence: its sequence.
        first_id: the number of their first bundle in the outbox; None if they are only counted.
    """

    events: int
    first_at: datetime | None
    last_at: datetime | None
    first_sequence: int
    last_sequence: int
    first_id: int | None
    last_id: int | None


@dataclass(frozen=True, slots=True)
class Log:
    """What is known of the log: when its oldest event happened, and whether a relay is there; and the database's clock."""

    oldest_at: datetime | None
    has_relay: bool
    now: datetime


def look_at_log(connection: Connection) -> Log:
    """See what there is to publish again, and who would do it."""
    return Log(**fetch_rows(connection, "look_at_log")[0])


def count_events(connection: Connection, wanted: Wanted) -> Queued:
    """Which published events those are."""
    (found,) = fetch_rows(connection, "replay_events", is_dry=True, **asdict(wanted))
    return Queued(**found)


def replay_events(connection: Connection, wanted: Wanted, actor: Actor) -> Queued:
    """Put published events into the outbox again, in front. Relays stand by meanwhile."""
    with connection.transaction():
        fetch_rows(connection, "await_relay", lock_id=RELAY_LOCK_ID)
        (found,) = fetch_rows(connection, "replay_events", is_dry=False, **asdict(wanted))
        queued = Queued(**found)
        facts = {
            "events": queued.events,
            "first_sequence": queued.first_sequence,
            "last_sequence": queued.last_sequence,
            "types": wanted.types,
        }
        subject = "events" if wanted.run_id is None else str(wanted.run_id)
        write_audit(connection, actor, Deed("events.replay", subject, details=facts))
    fetch_rows(connection, "cry", hint=EVENTS)
    return queued


def count_replayed(connection: Connection, queued: Queued) -> int:
    """How many of them are still to be published."""
    ends = {"first_id": queued.first_id, "last_id": queued.last_id}
    return int(fetch_rows(connection, "count_replayed", **ends)[0]["events"])
