"""What `ordinaut approve --json` lists of runs: what they ask people."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import AwareDatetime

from schemas.base import Model


class Asked(Model):
    """A step that waits for a person."""

    run_id: UUID
    """The run."""
    task: str
    """Its task, as `namespace/name` outside the default namespace."""
    step: str
    """The step's id."""
    iteration: int
    """Which item of a `foreach` step asks, from 0; 0 for a step without."""
    attempt: int | None = None
    """The try in the middle of which its server asks; none where a person is asked before the call."""
    asked: dict[str, Any]
    """The `message`, or the call as `uses` and `arguments`; who may decide as `by`; with `foreach`, the `item`. What a server
    asks in the middle of the call is in `requests`, by keys of its own: each has a `message`, and a form as the JSON `schema`
    of its fields, or the `url` to be visited."""
    began_at: AwareDatetime
    """Since when it waits."""
    until: AwareDatetime | None = None
    """When it is too late; none where it never is."""
    timezone: str | None = None
    """The zone in which people read the task's times."""
    now: AwareDatetime
    """The database's clock."""


class AskedList(Model):
    """What waits for people."""

    steps: tuple[Asked, ...]
    """The steps, oldest first."""
