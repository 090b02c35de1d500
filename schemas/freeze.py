"""Freezes as JSON, as a plan says them: a span in which nothing is applied, and when that is over."""

from __future__ import annotations

from pydantic import AwareDatetime

from schemas.base import Model


class PlanFreeze(Model):
    """A freeze window that is open."""

    window: str
    """When it begins, in words."""
    timezone: str
    """The zone of the window."""
    reason: str | None = None
    """Why, as the Project says."""
    since: AwareDatetime
    """When it began."""
    opens_at: AwareDatetime | None = None
    """When something can be applied again, later windows that follow without a gap included; null if never."""
    override: str | None = None
    """The reason for applying nevertheless; null if nobody gave one."""
