"""Webhooks: addresses of the web side at which others tell of events."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from schemas import patterns
from schemas.base import Model, PositiveDuration, Text, as_list

SecretName = Annotated[str, StringConstraints(pattern=patterns.SECRET_REFERENCE)]


class Webhook(Model):
    """Where somebody outside posts events, at `/hooks/PROJECT/NAME`."""

    preset: Literal["github", "gitlab", "generic"] = "generic"
    """How requests are signed and named: as GitHub does, as GitLab does, or as [Standard Webhooks](https://www.standardwebhooks.com) ask for."""
    secret: Annotated[
        tuple[SecretName, ...],
        BeforeValidator(as_list, json_schema_input_type=SecretName | tuple[SecretName, ...]),
    ] = Field(min_length=1, max_length=5, examples=["${secrets.github}"])
    """What senders sign with; while it is exchanged, the new one and the old."""
    topic: Text | None = Field(
        default=None, examples=["github.${event.type}.${event.data.action}"]
    )
    """The topic of its events: `event` has the `type`, the `id` and the `data` of the request. Without it, the name of the webhook, a dot and the type."""
    tolerance: PositiveDuration = dt.timedelta(minutes=5)
    """How far from now the time may be that a request was signed at."""


class HookAnswer(Model):
    """What a sender is told whose event is on record."""

    id: str
    """What the event is called."""
    topic: str
    """What it is about."""
    is_new: bool
    """False if it came before, and counts once."""


class CallbackAnswer(Model):
    """What somebody is told whose answer to a callback is on record."""

    resumed: bool
    """Whether the run goes on by it; false if it does not wait yet, and will find it."""
