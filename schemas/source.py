"""What became of a branch that `ordinaut sync` pulls, as JSON and as events: its condition, why, and what to do about it."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from schemas.apply import ApplyReport
from schemas.approval import Approval
from schemas.base import Model
from schemas.problem import Problem

Condition = Literal["Synced", "OutOfSync", "Held", "NeedsApproval", "InvalidSource"]
"""Whether what is in force is what the branch says, and if not, who has to act."""

SignatureFault = Literal[
    "unsigned", "unknown_key", "expired_key", "revoked_key", "bad_signature", "too_many"
]
"""Why a commit is not trusted."""

Reason = Literal[
    "current",
    "applied",
    "frozen",
    "protected",
    "moving",
    "cleared",
    "rolled_back",
    "guard",
    "conflict",
    "rewritten",
    "renamed",
    "missing",
    "broken",
    "foreign",
    SignatureFault,
]
"""Why a source has its condition."""


class SourceStatus(Model):
    """A branch, and where it stands."""

    project: str
    """The project that it holds."""
    environment: str
    """The environment."""
    repository: str
    """Where it is pulled from."""
    branch: str
    """The branch."""
    folder: str
    """The specs folder in it."""
    condition: Condition
    """What is to be known of it in one word."""
    reason: str
    """Why, in one word."""
    message: str
    """Why, and what to do about it."""
    since: AwareDatetime
    """Since when it is so."""
    seen_commit: str | None = None
    """The head that this is about."""
    applied_commit: str | None = None
    """The newest commit that was found in force: whatever is applied descends from it."""
    plan_digest: str | None = None
    """The plan that waits for approval."""
    refusals: tuple[str, ...] = ()
    """What refuses it: the names of guards, `policy NAME`, `rewritten` and `renamed`."""
    author: str | None = None
    """Who wrote the head that it is for, as the commit says."""
    approval: Approval | None = None
    """Who let it pass, until it is applied."""
    looked_at: AwareDatetime | None = None
    """When somebody looked last, to a few minutes."""
    fetch_error: str | None = None
    """Why the repository cannot be read now."""
    failing_since: AwareDatetime | None = None
    """Since when."""


class SyncReport(Model):
    """One look of `ordinaut sync`."""

    format: Literal["ordinaut.dev/sync/v1"] = "ordinaut.dev/sync/v1"
    """This format."""
    repository: str
    """Where the branch is pulled from."""
    branch: str
    """The branch."""
    environment: str
    """The environment."""
    project: str | None = None
    """The project that it holds; null where that could not be found out."""
    commit: str | None = None
    """The head of the branch; null where it could not be read."""
    condition: Condition | None = None
    """Where the source stands; null where its head could not be read or judged."""
    reason: Reason | None = None
    """Why, in one word."""
    message: str
    """Why, and what to do about it."""
    plan_digest: str | None = None
    """The plan that waits for approval."""
    report: ApplyReport | None = None
    """What was applied; null where nothing was."""
    problems: tuple[Problem, ...] = ()
    """What is wrong with the specs, and remarks about them."""


class SourceFacts(Model):
    """What every event of a branch that `ordinaut sync` pulls says."""

    project: str
    """Its project."""
    environment: str
    """The environment."""
    repository: str
    """Where it is pulled from."""
    branch: str
    """The branch."""


class SourceChanged(SourceFacts):
    """The branch has another condition than before, or has it for another reason; the type says which."""

    condition: Condition
    """The condition."""
    reason: Reason
    """Why, in one word."""
    message: str
    """Why, and what to do about it."""
    commit: str
    """The head that it is about."""
    plan_digest: str | None = None
    """The plan that waits for approval."""


class SourceUnreachable(SourceFacts):
    """The repository cannot be read; told once, however long that lasts."""

    message: str
    """Why."""


class SourceReachable(SourceFacts):
    """The repository can be read again."""

    failing_since: AwareDatetime
    """Since when it could not."""


class SourceApproved(SourceFacts):
    """Somebody let a plan pass that was refused, to be applied at the next look; or took that back before it was."""

    plan_digest: str
    """The plan, and no other."""
    actor: str
    """Who."""
    reason: str
    """Why; may be empty."""


class SourceList(Model):
    """The branches that are pulled."""

    sources: tuple[SourceStatus, ...]
    """The branches."""
