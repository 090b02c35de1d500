"""Proposals: a change of specs that somebody wants, as a commit on a branch of its own, and what `ordinaut propose` prints of it."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from schemas.base import Flag, Model, ShortText
from schemas.plan import Plan
from schemas.wishes import JsonObject, Reason, Wish

PROPOSAL_FORMAT: Final = "ordinaut.dev/proposal/v1"
MOST_CHANGES: Final = 100

Status = Literal["dry_run", "proposed", "known", "renewed"]
"""What became of a proposal."""

DocumentName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=160),
    Field(examples=["Task home/briefing", "Pipeline/looking"]),
]
"""`KIND NAME` or `KIND NAMESPACE/NAME`; without a kind it is a task's."""


class DocumentPatch(Model):
    """What is to differ in one document."""

    document: DocumentName
    """Which one."""
    patch: JsonObject
    """A JSON merge patch (RFC 7396) over the document as it is written: mappings are merged, null takes a field away, everything else replaces what was."""


Documents = Annotated[str, StringConstraints(min_length=1, max_length=1_048_576)]


class Edits(Wish):
    """A change of specs: documents that are written, patched and deleted, all of it or nothing."""

    documents: Annotated[str, StringConstraints(min_length=1, max_length=1_048_576)] | None = None
    """Whole documents in YAML, divided by `---`: each takes the place of the document of its kind and name, or is new."""
    patches: Annotated[tuple[DocumentPatch, ...], Field(max_length=MOST_CHANGES)] = ()
    """Parts of documents."""
    delete: Annotated[tuple[DocumentName, ...], Field(max_length=MOST_CHANGES)] = ()
    """Documents that are no longer wanted."""


class ValidateManifest(Wish):
    """Documents that may be valid."""

    documents: Documents
    """Whole documents in YAML, divided by `---`."""


class PlanChange(Edits):
    """A change that may be wanted."""

    onto: ShortText = "HEAD"
    """The revision of git that it starts from: a branch, a tag, a hash."""


class ProposeChange(PlanChange):
    """A change that is wanted."""

    reason: Reason
    subject: Annotated[str, StringConstraints(max_length=100)] = ""
    """What it does, in a line; made up from the change if empty."""
    merge: Flag = False
    """Merge it at once, if the Project lets the caller do that (`proposals.merge`); else it stays a proposal, with the reasons."""
    dry_run: Flag = False
    """Tell what would be written, and write nothing."""


class ProposedDocument(Model):
    """One document that a proposal writes."""

    document: str
    """Its kind and name."""
    action: Literal["create", "update", "delete"]
    """What becomes of it."""
    file: str
    """The file in which it stands, from the top of the repository."""


class Merge(Model):
    """Whether a proposal may be merged, or was, without a person."""

    branch: str
    """The branch that it would go into; empty if nobody says which."""
    merged: bool
    """Whether that branch holds it now."""
    reasons: tuple[str, ...] = ()
    """What speaks against it: it stays a proposal then. None of a dry run, or of a plan, means that it may be merged."""


class ChangePlan(Model):
    """What a change would do."""

    base: str
    """The commit that it starts from."""
    documents: tuple[ProposedDocument, ...]
    """What it would write."""
    gains: tuple[str, ...]
    """What somebody may do from then on that they could not do before."""
    refusals: tuple[str, ...]
    """What guards and policies of the Project have against it; nobody could apply it as it is."""
    diff: str | None
    """The files as they would differ; null where that is longer than 65,536 characters."""
    markdown: str
    """The plan as a comment on a pull request."""
    merge: Merge | None = None
    """Whether who asks may merge it; null where no rule of the Project is for them."""
    plan: Plan
    """What applying it would change: fields, fire times before and after, tools, guards, policies."""


class Proposal(Model):
    """What `ordinaut propose --json` prints. Fields are only ever added within a format."""

    format: Literal["ordinaut.dev/proposal/v1"] = PROPOSAL_FORMAT
    """This format."""
    status: Status
    """Nothing was written; the branch is new; it was there already; or it was there and now starts from the newer commit."""
    digest: str
    """sha256 of what the documents are to say: the same wish has the same."""
    subject: str
    """What it does, in a line."""
    reason: str
    """Why."""
    actor: str
    """Who proposes it."""
    branch: str
    """The branch."""
    commit: str | None
    """The commit on it; null where nothing was written."""
    base: str
    """The commit that it starts from."""
    documents: tuple[ProposedDocument, ...]
    """What it writes."""
    diff: str | None
    """The files as they differ; null where that is longer than 65,536 characters."""
    markdown: str
    """The plan as a comment on a pull request."""
    patch_file: str | None = None
    """Where the commit was written as a patch, which `git am` takes."""
    plan_file: str | None = None
    """Where the plan was written as Markdown."""
    merge: Merge | None = None
    """What became of merging it; null where that was not asked for."""
    plan: Plan
    """What applying the branch would change."""
