"""Reads the stream of events: the last ones, those after a position, and those to come."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

import orjson
from pydantic import ValidationError
from redis import Redis

from schemas.event import TYPE_PREFIX, Event

BEGINNING: Final = "0"
_CHUNK: Final = 500
# Shorter than the client's own timeout, so that silence is never taken for a lost connection.
_BLOCK_MILLISECONDS: Final = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the stream.

    Attributes:
        position: its id on the stream, which grows.
        event: what it holds; None if somebody else put something there that is no event of ours.
    """

    position: str
    event: Event | None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events are wanted: those whose type matches one of the patterns, with or without its prefix; all if there are none."""

    patterns: tuple[str, ...] = ()

    def wants(self, entry: Entry) -> bool:
        """Whether the entry is wanted; one that is no event always is, so that it is seen."""
        if entry.event is None or not self.patterns:
            return True
        kind = entry.event.short_type
        return any(
            fnmatchcase(kind, pattern.removeprefix(TYPE_PREFIX)) for pattern in self.patterns
        )


def last_entries(
    bus: Redis, stream: str, selection: Selection, count: int, until: str
) -> list[Entry]:
    """The newest entries up to a position that are wanted, oldest first."""
    found: deque[Entry] = deque()
    while chunk := read_entries(bus.xrevrange(stream, max=until, count=_CHUNK)):
        for entry in chunk:
            if len(found) == count:
                return list(found)
            if selection.wants(entry):
                found.appendleft(entry)
        until = f"({chunk[-1].position}"
    return list(found)


def entries_after(bus: Redis, stream: str, position: str) -> Iterator[Entry]:
    """All entries after a position, up to the newest."""
    while chunk := read_entries(bus.xrange(stream, min=f"({position}", count=_CHUNK)):
        yield from chunk
        position = chunk[-1].position


def follow_entries(bus: Redis, stream: str, position: str) -> Iterator[Entry]:
    """All entries after a position, and then those to come, without end."""
    while True:
        answer: Any = bus.xread({stream: position}, count=_CHUNK, block=_BLOCK_MILLISECONDS)
        for _, entries in answer or ():
            for entry in read_entries(entries):
                position = entry.position
                yield entry


def newest_position(bus: Redis, stream: str) -> str:
    """The position after which everything is still to come."""
    newest: Any = bus.xrevrange(stream, count=1)
    return str(newest[0][0]) if newest else BEGINNING


def read_entries(entries: Any) -> list[Entry]:
    """Entries as the client gives them: pairs of position and fields."""
    return [Entry(position, _event(fields)) for position, fields in entries]


def _event(fields: dict[str, str]) -> Event | None:
    try:
        return Event.model_validate({**fields, "data": orjson.loads(fields.get("data", ""))})
    except (ValidationError, orjson.JSONDecodeError):
        return None
