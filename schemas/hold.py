"""Holds as JSON (`ordinaut hold`, `status` and plans): what was rolled back and is not applied again by itself."""

from __future__ import annotations

from pydantic import AwareDatetime

from schemas.base import Model


class Hold(Model):
    """What a rollback keeps from being applied again."""

    project: str
    """Whose documents."""
    environment: str
    """The environment."""
    commit: str | None = None
    """The commit that was rolled back; null where it came from outside git."""
    digest: str
    """sha256 of all documents that were in force before the rollback."""
    revision: int
    """The rollback."""
    actor: str
    """Who rolled back."""
    since: AwareDatetime
    """When."""
    reason: str | None = None
    """Why, as whoever rolled back said; null where nothing was said."""


class PlanHold(Hold):
    """A hold in force, as it concerns a plan."""

    ends: bool
    """Whether it ends when the plan is applied, since that comes after what is held, and is not the same again."""
    descends: bool = False
    """Whether the commit comes after the one that is held; if the hold does not end, it changes nothing of what was rolled back."""


class HoldList(Model):
    """Every hold in force."""

    holds: tuple[Hold, ...]
    """The holds, by project and environment."""
