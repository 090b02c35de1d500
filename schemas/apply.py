"""What an apply did, as JSON (`ordinaut apply --json`): a stream of one object a line, and the last one is the result."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import AwareDatetime

from schemas.base import Model
from schemas.failure import Failure
from schemas.plan import PlanSummary
from schemas.problem import Problem

Stage = Literal["waiting", "checking", "writing", "scheduling", "committing"]
"""How far an apply is: waiting for another one, looking at what is in force, and so on."""


class ApplyReport(Model):
    """The outcome of an apply."""

    format: Literal["ordinaut.dev/apply/v1"] = "ordinaut.dev/apply/v1"
    """This format."""
    revision: int | None = None
    """The number of the revision; null if there was nothing to do."""
    already_applied: bool = False
    """Whether that revision was made before, by the same plan."""
    applied_at: AwareDatetime | None = None
    """When it was applied, by the database's clock; null if there was nothing to do any more."""
    confirmed_commit: str | None = None
    """The commit that was noted to say what is in force already; null where a revision was made, or nothing was news."""
    hold_ended: bool = False
    """Whether a hold ended although there was nothing to do."""
    plan_digest: str
    """The digest of the plan."""
    summary: PlanSummary
    """The plan in numbers."""


class ApplyProgress(Model):
    """How far a large apply is; what comes of it is not decided before the result."""

    type: Literal["progress"] = "progress"
    """This type of line."""
    stage: Stage
    """What begins."""
    changes: int
    """How many changes there are."""


class ApplyResult(Model):
    """The last line of `ordinaut apply --json`, and of `rollback` and `adopt`: whatever happened, there is exactly one.

    Fields are only ever added within `ordinaut.dev/apply/v1`.
    """

    type: Literal["result"] = "result"
    """This type of line."""
    format: Literal["ordinaut.dev/apply/v1"] = "ordinaut.dev/apply/v1"
    """This format."""
    ok: bool
    """Whether what was asked for is in force."""
    exit_code: int
    """How the command ends."""
    error: Failure | None = None
    """Why nothing was applied; null if `ok`."""
    problems: tuple[Problem, ...] = ()
    """What is wrong with the specs, if that is why."""
    revision: int | None = None
    """The number of the revision; null if none was made."""
    already_applied: bool = False
    """Whether that revision was made before, by the same plan."""
    applied_at: AwareDatetime | None = None
    """When it was applied, by the database's clock."""
    confirmed_commit: str | None = None
    """The commit that was noted to say what is in force already."""
    hold_ended: bool = False
    """Whether a hold ended although there was nothing to do."""
    plan_digest: str | None = None
    """The digest of the plan that was carried out; null if none was."""
    summary: PlanSummary | None = None
    """The plan in numbers."""

    @classmethod
    def of(cls, report: ApplyReport) -> Self:
        """The result of an apply that was carried out."""
        return cls(ok=True, exit_code=0, **dict(report))
