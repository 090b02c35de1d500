"""Events from outside, as they are told on the stream."""

from __future__ import annotations

from typing import Any

from schemas.base import Model


class EventArrived(Model):
    """Something happened outside, or a step told of it with `ordinaut.emit`."""

    topic: str
    """What it is about."""
    source: str
    """Who says so: a task, or what the command was told."""
    id: str
    """What the source calls it."""
    data: Any = None
    """What there is to say."""


class EventSetAside(Model):
    """An entry of a stream can be no event; it is kept in `ordinaut.poison`."""

    source: str
    """The project, and the name of the stream in it."""
    entry: str
    """The id of the entry in its stream."""
    error: str
    """Why it is none."""
