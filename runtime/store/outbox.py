"""The outbox: which events of the log, committed with the state they tell of, are not yet published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from runtime.store.pool import Connection
from runtime.store.statements import statement

# Any fixed number serves: it names the one lock under which events are published.
RELAY_LOCK_ID: Final = 0x6F726472


@dataclass(frozen=True, slots=True)
class Batch:
    """Events on their way out.

    Attributes:
        events: how many.
        newest: the number of the last bundle.
        source: the attribute that all of them share.
        entries: them in order, each ended by U+001E but the last: sequence, id, type, subject, time, run (may be empty) and
            data as JSON, with U+001F between them.
    """

    events: int
    newest: int = 0
    source: str = ""
    entries: str = ""


async def lock_relay(connection: Connection) -> bool:
    """Become the one relay until the transaction ends; false if another is."""
    cursor = await connection.execute(statement("lock_relay"), {"lock_id": RELAY_LOCK_ID})
    row = await cursor.fetchone()
    return row is not None and bool(row["is_ours"])


async def take_events(connection: Connection, *, limit: int, after: int = 0) -> Batch:
    """Take the oldest bundles after a number out of the outbox, with their events: at least `limit` if there are as many, and
    less than a bundle more. It comes true when the transaction commits."""
    cursor = await connection.execute(statement("take_events"), {"limit": limit, "after": after})
    row = await cursor.fetchone()
    return Batch(**row) if row else Batch(0)
