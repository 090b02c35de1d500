"""What `ordinaut settle --json` lists: calls that may have happened, and that somebody has to settle."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import AwareDatetime

from schemas.base import Model


class Unsettled(Model):
    """A call of which nobody knows whether it happened."""

    run_id: UUID
    """The run."""
    task: str
    """Its task, as `namespace/name` outside the default namespace."""
    step: str
    """The step's id."""
    iteration: int
    """Which item of a `foreach` step it was made for, from 0; 0 for a step without."""
    attempt: int
    """Which try it was, from 1."""
    idempotency_key: str
    """The key that the tool was given with it."""
    asked: dict[str, Any]
    """The call as `uses` and `arguments`, and the `problem`; with `foreach`, the `item`."""
    asked_at: AwareDatetime
    """Since when somebody is asked."""
    timezone: str | None = None
    """The zone in which people read the task's times."""
    now: AwareDatetime
    """The database's clock."""


class UnsettledList(Model):
    """What people are to settle."""

    calls: tuple[Unsettled, ...]
    """The calls, oldest first."""
