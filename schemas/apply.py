"""What an apply did, as JSON (`ordinaut apply --json`)."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from schemas.base import Model
from schemas.plan import PlanSummary


class ApplyReport(Model):
    """The outcome of an apply."""

    format: Literal["ordinaut.dev/apply/v1"] = "ordinaut.dev/apply/v1"
    """This format."""
    revision: int | None = None
    """The number of the new revision; null if there was nothing to do."""
    applied_at: AwareDatetime | None = None
    """When it was applied, by the database's clock; null if there was nothing to do."""
    confirmed_commit: str | None = None
    """The commit that was noted to say what is in force already; null where a revision was made, or nothing was news."""
    hold_ended: bool = False
    """Whether a hold ended although there was nothing to do."""
    plan_digest: str
    """The digest of the plan."""
    summary: PlanSummary
    """The plan in numbers."""
