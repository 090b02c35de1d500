"""Entries of Redis streams as events: what each says, and which can be none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from runtime.core.identity import short_key
from runtime.core.webhooks import NotUnderstood, Told, read_json, topic_of

MOST_BYTES: Final = 1024 * 1024
"""How large an entry may be, in characters of its fields."""
MOST_DELIVERIES: Final = 5
"""How often an entry may be handed to somebody who does not come to its end."""
_SECRET: Final = len("${secrets.")


@dataclass(frozen=True, slots=True)
class StreamSource:
    """A stream as a Project declares it.

    Attributes:
        url: the name of the secret that holds the server's URL; None for the bus.
    """

    project: str
    name: str
    stream: str
    group: str
    url: str | None
    start: str
    topic: str | None
    id: str | None
    data: str | None

    @classmethod
    def of(cls, project: str, name: str, body: Mapping[str, Any]) -> Self:
        """The stream of a normalised Project body."""
        url = body.get("url")
        return cls(
            project,
            name,
            body["stream"],
            body["group"],
            None if url is None else url[_SECRET:-1],
            body["start"],
            body.get("topic"),
            body.get("id"),
            body.get("data"),
        )

    @property
    def label(self) -> str:
        """What its events have as their source."""
        return f"{self.project}/{self.name}"


def read_entry(
    source: StreamSource, entry_id: str, fields: Mapping[str, str], now: datetime
) -> Told:
    """The event that an entry is.

    Raises:
        NotUnderstood: it can be none.
        ExpressionError: its topic cannot be made.
    """
    if sum(len(name) + len(value) for name, value in fields.items()) > MOST_BYTES:
        raise NotUnderstood(f"it is larger than {MOST_BYTES:,} characters")
    data: Any = dict(fields)
    if source.data is not None:
        data = read_json(_field(fields, source.data).encode())
    event_id = entry_id if source.id is None else short_key(_field(fields, source.id))
    kind = fields.get("type", "")
    topic = source.topic or source.name
    return Told(topic_of(topic, kind, event_id, data, now), event_id, source.label, data)


def _field(fields: Mapping[str, str], name: str) -> str:
    if not (value := fields.get(name)):
        raise NotUnderstood(f"it has no field {name}")
    return value
