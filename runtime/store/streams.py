"""Streams that Projects declare, and what was read of them: events, and what none could be made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from runtime.core.storable import storable, storable_text
from runtime.core.streaming import StreamSource
from runtime.store.events import Event, insert_events
from runtime.store.pool import Connection
from runtime.store.runtimes import RELATED
from runtime.store.statements import statement


@dataclass(frozen=True, slots=True)
class Poison:
    """An entry that no event can be made of, and why."""

    source: str
    entry_id: str
    fields: Mapping[str, str]
    error: str


async def list_streams(connection: Connection) -> list[StreamSource]:
    """What Projects in force declare."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement("list_streams"))
        return [StreamSource.of(**row) for row in await cursor.fetchall()]


async def take_in(connection: Connection, found: Sequence[Event | Poison]) -> int:
    """Put what was read on record, all of it or nothing, and wake who delivers; how many events are new."""
    async with connection.transaction():
        new = await insert_events(connection, [one for one in found if isinstance(one, Event)])
        for one in found:
            if isinstance(one, Poison):
                await connection.execute(statement("set_aside"), _params(one))
    if new:
        await connection.execute(statement("cry"), {"hint": RELATED})
    return new


def _params(poison: Poison) -> dict[str, Any]:
    return {
        "source": poison.source,
        "entry_id": poison.entry_id,
        "fields": Jsonb(storable(poison.fields)),
        "error": storable_text(poison.error),
    }
