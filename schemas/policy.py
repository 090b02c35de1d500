"""What a plan says of each policy of the Project that judged it."""

from __future__ import annotations

from typing import Literal

from schemas.base import Model


class PlanPolicy(Model):
    """One policy, and what it makes of the plan."""

    name: str
    """Its name in the Project."""
    standing: Literal["kept", "new", "leaving"]
    """In force before and after; only after; or only before, since the plan takes it out or changes it."""
    severity: Literal["error", "warning"]
    """Whether breaking it refuses the plan, or is only told."""
    ok: bool
    """Whether the plan keeps it; false too where that could not be found out."""
    message: str
    """What is wrong with a plan that breaks it, as the Project says."""
    found: tuple[str, ...] = ()
    """What breaks it: changes by key, or whatever else its expression gave."""
    failure: str | None = None
    """Why it could not be evaluated; null where it could."""
    override: str | None = None
    """The reason for going on nevertheless; null if nobody gave one."""
