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
