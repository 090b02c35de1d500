"""Revisions as JSON (`ordinaut history`, `show rN` and `diff`): who applied what and when, and what differs."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from schemas.approval import Approval
from schemas.base import Model
from schemas.plan import Action, Facet, PlannedChange

RevisionKind = Literal["apply", "rollback", "heal", "override", "adopt"]


class Written(Model):
    """How many documents a revision wrote."""

    created: int = 0
    brought_back: int = 0
    """Those that had been retired; they are not counted as created."""
    updated: int = 0
    renamed: int = 0
    adopted: int = 0
    retired: int = 0


class Revision(Model):
    """One apply."""

    revision: int
    """Its number."""
    parent: int | None = None
    """The revision of the same project and environment that it was planned over."""
    kind: RevisionKind
    """What made it."""
    project: str
    """The project whose documents it wrote."""
    environment: str
    """The environment."""
    commit: str | None = None
    """The git commit that the documents are of; null outside git."""
    confirmed_commit: str | None = None
    """A newer commit that was found to say the same; null where there is none."""
    tree: str | None = None
    """The tree object of the specs folder at that commit."""
    branch: str | None = None
    """The branch."""
    dirty: bool = False
    """Whether the specs differed from the commit."""
    pull_request: str | None = None
    """The pull request, where the CI system named it."""
    author: str | None = None
    """Who wrote the commit."""
    actor: str
    """Who applied it."""
    applied_at: AwareDatetime
    """When, by the database's clock."""
    plan_digest: str
    """The digest of the plan."""
    reason: str | None = None
    """Why it was rolled back, as whoever did so said."""
    override_freeze: str | None = None
    """Why it was applied although a freeze window was open; null where none was."""
    approval: Approval | None = None
    """Who let its plan pass that `ordinaut sync` was refused; null where nobody was asked."""
    override_policies: dict[str, str] = Field(default_factory=dict)
    """Why it was applied although policies refused, by their names."""
    written: Written
    """What it wrote, in numbers."""
    action: Action | None = None
    """What it did to the one document that was asked about."""
    brought_back: bool = False
    """Whether it created that document in the place, and with the history, of one that had been retired."""
    facets: tuple[Facet, ...] = ()
    """The parts of that document in which it differs from the revision before."""


class History(Model):
    """Revisions, newest first."""

    format: Literal["ordinaut.dev/history/v1"] = "ordinaut.dev/history/v1"
    """This format."""
    now: AwareDatetime
    """The database's clock."""
    document: str | None = None
    """The document that was asked about."""
    revisions: tuple[Revision, ...]
    """The revisions."""


class RevisionReport(Model):
    """One revision, and every document that it wrote."""

    format: Literal["ordinaut.dev/revision/v1"] = "ordinaut.dev/revision/v1"
    """This format."""
    now: AwareDatetime
    """The database's clock."""
    revision: Revision
    """Who, when, and of which commit."""
    changes: tuple[PlannedChange, ...]
    """What it wrote; fire times are those that were next when it was applied."""


class Difference(Model):
    """Everything in which one revision's documents differ from another's."""

    format: Literal["ordinaut.dev/diff/v1"] = "ordinaut.dev/diff/v1"
    """This format."""
    as_of: AwareDatetime
    """When it was asked: fire times are those after it."""
    before: Revision
    """The one side."""
    after: Revision
    """The other."""
    unchanged: int
    """How many documents are the same in both."""
    changes: tuple[PlannedChange, ...]
    """What leads from the one to the other."""
