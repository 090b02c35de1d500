"""Streams: Redis streams whose entries are events."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.base import Model, ShortText, Text
from schemas.webhook import SecretName


class Stream(Model):
    """A Redis stream that runtimes read as a consumer group; each entry is an event."""

    stream: ShortText = Field(examples=["shop:orders"])
    """The key of the stream."""
    group: Annotated[str, StringConstraints(min_length=1, max_length=100)] = "ordinaut"
    """The consumer group; it is made if there is none."""
    url: SecretName | None = Field(default=None, examples=["${secrets.shop_redis}"])
    """The server, as a secret that holds its URL; the one that Ordinaut publishes on when left out."""
    start: Literal["new", "oldest"] = "new"
    """Where a group begins that is made: with what comes from then on, or with all there is."""
    topic: Text | None = Field(default=None, examples=["orders.${event.type}"])
    """The topic of its events: `event` has the `type`, the `id` and the `data` of the entry. The name of the stream when left out."""
    id: ShortText | None = Field(default=None, examples=["order_id"])
    """The field that says what the event is called; the id of the entry when left out. The same one counts once."""
    data: ShortText | None = Field(default=None, examples=["payload"])
    """The field that holds the data as JSON; all fields, as texts, when left out."""
