"""Somebody's wish to a commit on a branch of its own, with its plan: read from git, planned, and written past the working tree.

What is proposed starts from a commit, so edits that nobody committed are neither looked at nor lost. Nothing in force is
touched: not the database, not the index, not what is checked out. The same wish has the same branch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import unified_diff
from pathlib import Path
from typing import Final

from reconciler.branching import MARK, Tip, as_patch, set_branch, signature_of, write_commit
from reconciler.cache import Cache
from reconciler.commits import Repository, find_commit, find_repository, read_commit
from reconciler.comparing import plan_over
from reconciler.core.desired import Specs
from reconciler.core.digest import digest_of
from reconciler.core.edits import EditedFiles, edited
from reconciler.core.files import SourceFile
from reconciler.core.look import visible
from reconciler.core.render_markdown import render_markdown
from reconciler.linting import advised
from reconciler.load import compile_source
from reconciler.planning import plan_against, require_sound
from reconciler.source import YAML_SUFFIXES, Source
from runtime.core.leaks.secrets import leaks_in
from runtime.embedded.state import StateFolder
from runtime.errors import NotFound, PlanError
from runtime.files import write_private
from runtime.store.rows import Connection
from schemas.plan import Plan, PlanSource
from schemas.proposal import Edits, Proposal, ProposedDocument

PREFIX: Final = "ordinaut/propose/"
HEAD: Final = "HEAD"
FOLDER: Final = "proposals"
"""Where patches and plans are written, in the state folder."""

_NEVER: Final = "ORD222"
_LONGEST_DIFF: Final = 65_536
_LONGEST_SUBJECT: Final = 100
_LONGEST_SLUG: Final = 40
_DIGITS: Final = 12
# Where a line begins so, `git am` takes it for a header or a patch, or for another letter, and not for what is said.
_TAKEN: Final = re.compile(
    r"^(?=---|diff -|Index: |\[PATCH|>?From |(?i:from|date|subject):)", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Ground:
    """What proposals are made in.

    Attributes:
        folder: the specs folder.
        environment: for which of the Project's they are planned.
        state_dir: where compiled specs are remembered, and patches are written.
    """

    folder: Path
    environment: str
    state_dir: Path


@dataclass(frozen=True, slots=True)
class Draft:
    """A change that is sound and planned, and written nowhere yet.

    Attributes:
        repository: where its specs are.
        base: the commit that it starts from.
        before: the specs there.
        edited: what it does to documents and files.
        source: the files with the change.
        specs: what they compile to.
        base_specs: what they compile to without the change, be it with errors.
        plan: what applying it would change.
    """

    repository: Repository
    base: str
    before: Source
    edited: EditedFiles
    source: Source
    specs: Specs
    base_specs: Specs
    plan: Plan

    @property
    def digest(self) -> str:
        """sha256 of what the documents are to say, whatever else is in their files."""
        wanted = sorted([list(key), one.after] for key, one in self.edited.documents.items())
        return digest_of([self.repository.prefix, wanted])

    @property
    def files(self) -> dict[str, bytes | None]:
        """What files are to hold, by path from the specs folder."""
        folder = f"{self.before.name}/"
        return {name.removeprefix(folder): data for name, data in self.edited.files.items()}

    @property
    def documents(self) -> tuple[ProposedDocument, ...]:
        """What it writes."""
        prefix = self.repository.prefix
        folder = f"{self.before.name}/"
        return tuple(
            ProposedDocument(
                document=str(key),
                action=one.action,
                file="/".join(filter(None, (prefix, one.file.removeprefix(folder)))),
            )
            for key, one in sorted(self.edited.documents.items())
        )

    @property
    def diff(self) -> str | None:
        """The files as they differ; None where that is too long to be read."""
        prefix, folder = self.repository.prefix, f"{self.before.name}/"
        held: Mapping[str, bytes] = {one.name: one.data for one in self.before.files}
        lines: list[str] = []
        for name, data in sorted(self.edited.files.items()):
            path = "/".join(filter(None, (prefix, name.removeprefix(folder))))
            before, after = (
                part.decode(errors="replace").splitlines(keepends=True)
                for part in (held.get(name, b""), data or b"")
            )
            names = (
                f"a/{path}" if name in held else "/dev/null",
                f"b/{path}" if data is not None else "/dev/null",
            )
            lines += (
                line if line.endswith("\n") else f"{line}\n"
                for line in unified_diff(before, after, *names)
            )
        text = "".join(lines)
        return text if len(text) <= _LONGEST_DIFF else None


@dataclass(frozen=True, slots=True)
class Words:
    """What is said of a proposal.

    Attributes:
        subject: what it does, in a line; made up from the change if empty.
        reason: why.
        actor: who proposes it.
    """

    subject: str
    reason: str
    actor: str


def draft(
    ground: Ground, edits: Edits, onto: str = HEAD, connection: Connection | None = None
) -> Draft:
    """Make a change and plan it; writes nothing.

    Args:
        ground: where.
        edits: what is wished for.
        onto: the revision of git that it starts from.
        connection: a database to plan over; without one, the commit is taken for what is in force.

    Raises:
        NotFound: there is no repository, no such revision, or no document that is named.
        PlanError: ORD222, there is nothing to propose, or it cannot be done; ORD807, it holds a secret.
        SpecError: the specs would hold errors; each names its file as it would be.
    """
    repository = find_repository(ground.folder)
    base = find_commit(repository, onto)
    before = read_commit(repository, base)
    if before is None:
        raise NotFound(
            f"{onto} has no folder {ground.folder}",
            hint="commit the specs, or name their folder with --specs",
        )
    known = {one.name: one.data for one in before.files if one.name.endswith(YAML_SUFFIXES)}
    made = edited(known, before.name, edits)
    source = _with(before, made)
    cache = Cache(ground.state_dir)
    specs = compile_source(source, ground.environment, cache)
    require_sound(specs)
    found = PlanSource(project=specs.project, commit=base)
    if connection is None:
        plan = plan_over(repository, base, specs, found, named=onto, cache=cache)
    else:
        plan = plan_against(connection, specs, found)
    if plan.changes:
        plan = advised(plan, source, specs, plan.as_of, base)
    base_specs = compile_source(before, ground.environment, cache)
    return Draft(repository, base, before, made, source, specs, base_specs, plan)


def propose(
    ground: Ground,
    made: Draft,
    words: Words,
    *,
    dry_run: bool = False,
    recorded: Callable[[str], None] = lambda _: None,
) -> Proposal:
    """Write a draft as a branch with one commit, and as a patch beside its plan.

    Args:
        ground: where.
        made: the change.
        words: what is said of it.
        dry_run: tell what would be written, and write nothing.
        recorded: called with the name of the branch before it is made or moved, if it is.

    Raises:
        PlanError: ORD222, what is said of it cannot be written; ORD223, git cannot write it.
    """
    subject = _subject(words.subject, made.edited)
    reason = _told(words.reason)
    # Called after the change alone: whoever proposes it again may find other words.
    branch = f"{PREFIX}{_slug(_made_up(made.edited))}-{made.digest[:_DIGITS]}"
    markdown = render_markdown(made.plan)
    proposal = Proposal(
        status="dry_run",
        digest=made.digest,
        subject=subject,
        reason=reason,
        actor=words.actor,
        branch=branch,
        commit=None,
        base=made.base,
        documents=made.documents,
        diff=made.diff,
        markdown=markdown,
        plan=made.plan,
    )
    if dry_run:
        return proposal
    by, mark = signature_of(words.actor), f"sha256:{made.digest}"
    message = _message(proposal, mark)
    commit = write_commit(made.repository, made.base, made.files, message, by)
    status, tip = set_branch(
        made.repository, Tip(branch, commit, made.base, mark), by, lambda: recorded(branch)
    )
    patch_file, plan_file = _write_beside(
        ground.state_dir, branch, as_patch(made.repository, tip), markdown
    )
    return proposal.model_copy(
        update={
            "status": status,
            "commit": tip,
            "patch_file": str(patch_file),
            "plan_file": str(plan_file),
        }
    )


def _with(before: Source, made: EditedFiles) -> Source:
    """The files with what was edited in them."""
    held: dict[str, bytes | None] = {one.name: one.data for one in before.files}
    held.update(made.files)
    files = (SourceFile(name, data) for name, data in sorted(held.items()) if data is not None)
    return replace(before, files=tuple(files))


def _subject(given: str, made: EditedFiles) -> str:
    """One line, made up from the change where none is given."""
    subject = visible(given)
    if len(subject) > _LONGEST_SUBJECT:
        raise PlanError(
            f"the subject has {len(subject)} characters; {_LONGEST_SUBJECT} are the most",
            hint="say what it does in a line, and why in the reason",
            code=_NEVER,
        )
    return _told(subject) if subject else _made_up(made)


def _made_up(made: EditedFiles) -> str:
    first, *rest = sorted(made.documents.values(), key=lambda one: one.key)
    more = f" and {len(rest)} more" if rest else ""
    return f"{first.action.capitalize()} {first.key}{more}"


def _told(text: str) -> str:
    """Text in lines that hide nothing, and hold no secret."""
    if leaks_in({"description": text}):
        raise PlanError(
            "what is said of the proposal looks like a secret: nothing was written", code="ORD807"
        )
    return "\n".join(visible(line) for line in text.strip().split("\n"))


def _slug(subject: str) -> str:
    words = re.sub("[^a-z0-9]+", "-", subject.lower()).strip("-")
    return words[:_LONGEST_SLUG].rstrip("-") or "change"


def _message(proposal: Proposal, mark: str) -> str:
    """The commit's message; its last lines are ours, whatever the reason holds."""
    marks = [
        f"Proposed-by: {visible(proposal.actor)}",
        f"{MARK}: {mark}",
        f"Ordinaut-Plan: sha256:{proposal.plan.digest}",
    ]
    said = (proposal.reason, proposal.markdown.rstrip("\n"))
    parts = [proposal.subject, *(_TAKEN.sub(" ", one) for one in said), "\n".join(marks)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _write_beside(state_dir: Path, branch: str, patch: bytes, markdown: str) -> tuple[Path, Path]:
    """Write patch and plan to the state folder, each whole or not at all."""
    state = StateFolder(state_dir)
    state.prepare()
    folder = state.file(FOLDER)
    name = branch.removeprefix(PREFIX)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        paths = folder / f"{name}.patch", folder / f"{name}.md"
        for path, data in zip(paths, (patch, markdown.encode()), strict=True):
            write_private(path, data)
    except OSError as error:
        raise PlanError(
            f"{folder} cannot be written: {error.strerror}",
            hint=f"the branch {branch} was made; `git format-patch -1 {branch}` writes the patch",
            code="ORD223",
        ) from error
    return paths
