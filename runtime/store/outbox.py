"""The outbox: which events of the log, committed with the state they tell of, are to be published, or published again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from runtime.store.pool import Connection
from runtime.store.statements import statement

# Any fixed number serves: it names the one lock under which events are published.
RELAY_LOCK_ID: Final = 0x6F726472
REMEMBERED: Final = timedelta(hours=1)
"""How long it is known what was published, to the second."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Events on their way out.

    Attributes:
        events: how many.
        newest: the number of the last bundle.
        source: the attribute that all of them share.
        number: of the batch; 0 if it has no events.
        last_number: of the batch before it that this Redis must have.
        entries: them in order, each ended by U+001E but the last: sequence, id, type, subject, time, run (may be empty) and
            data as JSON, with U+001F between them.
    """

    events: int
    newest: int = 0
    source: str = ""
    number: int = 0
    last_number: int = 0
    entries: str = ""


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What goes out again because Redis lost it.

    Attributes:
        events: how many.
        since: when the first of them was published.
        is_all: whether nothing before them can be missing.
    """

    events: int
    since: datetime | None
    is_all: bool


async def lock_relay(connection: Connection) -> bool:
    """Become the one relay until the transaction ends; false if another is."""
    row = await _row(connection, "lock_relay", {"lock_id": RELAY_LOCK_ID})
    return bool(row["is_ours"])


async def take_events(connection: Connection, *, limit: int, bus: UUID, after: int = 0) -> Batch:
    """Take the oldest bundles out of the outbox, with their events: at least `limit` if there are as many, and less than a
    bundle more. It comes true when the transaction commits.

    Args:
        bus: the id of the Redis that gets them.
        after: the number of a bundle behind which to begin; what is published again comes first in any case.
    """
    row = await _row(
        connection,
        "take_events",
        {"limit": limit, "after": after, "bus": bus, "remembered": REMEMBERED},
    )
    return Batch(**row)


async def take_back(connection: Connection, *, bus: UUID, held: int, most: int) -> TakenBack:
    """Put what a Redis lost into the outbox again, before everything else.

    Args:
        connection: in a transaction that holds the lock of the relay.
        bus: the id of the Redis.
        held: the number of the last batch that it has; -1 if it has none.
        most: how many events the stream can hold.
    """
    row = await _row(connection, "take_back", {"bus": bus, "held": held, "most": most})
    return TakenBack(**row)


async def _row(connection: Connection, name: str, values: dict[str, Any]) -> dict[str, Any]:
    cursor = await connection.execute(statement(name), values)
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - each of them returns one
    return row
