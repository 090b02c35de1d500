"""A commit on a branch, written past the working tree: its files, its index and what is checked out stay as they are.

git is told of objects and of one reference, through an index of our own. None of the repository's hooks and filters run.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Final

from reconciler.commits import Repository
from reconciler.git import ask_git, ask_text, judge_by_git, no_filters
from runtime.errors import PlanError
from schemas.proposal import Status

BRANCHES: Final = "refs/heads/"
MARK: Final = "Ordinaut-Proposal"

_FAILED: Final = "ORD223"
# The index is ours, and nothing beside it is written.
_PLAIN: Final = ("-c", "core.splitIndex=false", "-c", "index.sparse=false", "-c", "core.untrackedCache=false")  # fmt: skip
_FILE_MODES: Final = ("100644", "100755")
_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Signature:
    """Who writes a commit."""

    name: str
    email: str

    @property
    def variables(self) -> dict[str, str]:
        """As git takes it."""
        return {
            f"GIT_{role}_{part}": value
            for role in ("AUTHOR", "COMMITTER")
            for part, value in (("NAME", self.name), ("EMAIL", self.email))
        }


def signature_of(actor: str) -> Signature:
    """The author that git shows for an actor, such as `ada@laptop` or the name of a token."""
    name = "".join(one for one in actor if one.isprintable() and one not in "<>").strip()
    name = name or "nobody"
    is_address = "@" in name and " " not in name
    return Signature(
        name.partition("@")[0] or name, name if is_address else f"{name}@ordinaut.invalid"
    )


def write_commit(
    repository: Repository,
    base: str,
    files: Mapping[str, bytes | None],
    message: str,
    by: Signature,
) -> str:
    """Write a commit on top of another; no reference leads to it yet.

    Args:
        repository: where.
        base: the commit that it follows.
        files: what differs, by path from the specs folder; None for a file that goes.
        message: all of it.
        by: its author.

    Returns:
        Its hash.

    Raises:
        PlanError: ORD223, git cannot; or a path is none of a file.
    """
    place = repository.place
    with TemporaryDirectory(prefix="ordinaut-") as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        _must(place, "read-tree", base, known=index)
        for path, data in files.items():
            full = posixpath.join(repository.prefix, path)
            mode = _mode_of(place, base, full)
            if data is None:
                # A path of options would be taken from the folder in which git is asked.
                gone = f"0 {'0' * len(base)}\t{full}\0".encode()
                _must(place, "update-index", "-z", "--index-info", sent=gone, known=index)
                continue
            blob = _must(place, "hash-object", "-w", "--stdin", sent=data)
            entry = f"{mode or _FILE_MODES[0]},{blob},{full}"
            _must(place, "update-index", "--add", "--cacheinfo", entry, known=index)
        tree = _must(place, "write-tree", known=index)
    return _must(
        place,
        "commit-tree",
        tree,
        "-p",
        base,
        "-F",
        "-",
        sent=message.encode(),
        known=by.variables,
    )


@dataclass(frozen=True, slots=True)
class Tip:
    """Where a branch is to lead.

    Attributes:
        branch: it, without `refs/heads/`.
        commit: what it is to lead to.
        base: the commit before that.
        mark: what the proposal is known by, in its message.
    """

    branch: str
    commit: str
    base: str
    mark: str


def set_branch(
    repository: Repository, wanted: Tip, by: Signature, recorded: Callable[[], None]
) -> tuple[Status, str]:
    """Let a branch lead to a commit, unless it leads to the same proposal already.

    One that was made of the same proposal from another commit is moved on, unless somebody added to it.

    Args:
        repository: where.
        wanted: the branch, and its commit.
        by: who moves it.
        recorded: called before it is moved, if it is.

    Returns:
        What became of it, and the commit that it leads to now.

    Raises:
        PlanError: ORD223, git cannot, or the branch is somebody else's.
    """
    place, name = repository.place, f"{BRANCHES}{wanted.branch}"
    said = ""
    for _ in range(_TRIES):
        tip = find_tip(repository, wanted.branch)
        if tip is not None:
            if wanted.mark not in marks_of(place, tip):
                return _foreign(place, wanted.branch, tip, wanted.mark)
            if ask_text(place, "rev-parse", "--verify", "--quiet", f"{tip}^1") == wanted.base:
                return "known", tip
        if not said:
            recorded()
        move = ("update-ref", "-m", "ordinaut propose", "--", name, wanted.commit, tip or "")
        answer = judge_by_git(place, *move, known=by.variables)
        if answer is not None and answer.returncode == 0:
            return ("proposed" if tip is None else "renewed"), wanted.commit
        said = "no answer" if answer is None else answer.stderr.decode(errors="replace")
    raise _failure(f"make the branch {wanted.branch}", said)


def _foreign(place: Path, branch: str, tip: str, mark: str) -> tuple[Status, str]:
    """A branch whose newest commit is not the proposal: somebody added to it, or it was never one."""
    history = ask_text(place, "log", "--format=%B", "-n", "100", tip, "--") or ""
    if mark in history:
        return "known", tip
    raise PlanError(
        f"there is a branch {branch} that is not this proposal",
        hint=f"rename it: `git branch -m {branch} OTHER`",
        code=_FAILED,
    )


def find_tip(repository: Repository, branch: str) -> str | None:
    """The commit that a branch leads to; None if there is no such branch."""
    question = ("rev-parse", "--verify", "--quiet", f"{BRANCHES}{branch}^{{commit}}")
    return ask_text(repository.place, *question)


def checked_out(repository: Repository) -> str | None:
    """The branch that is checked out where the specs are; None if none is."""
    return ask_text(repository.place, "symbolic-ref", "--quiet", "--short", "HEAD")


def why_immovable(repository: Repository, branch: str, wanted: Tip) -> str | None:
    """Why a branch cannot go on to a commit, if it cannot: it went on already, or what is checked out is in the way."""
    place = repository.place
    if find_tip(repository, branch) != wanted.base:
        return f"{branch} is not at {wanted.base[:7]}, from which the proposal starts"
    if branch != checked_out(repository):
        listed = ask_text(place, "worktree", "list", "--porcelain") or ""
        if f"branch {BRANCHES}{branch}" in listed.splitlines():
            return f"{branch} is checked out in another working tree"
        return None
    if not _would_follow(place, wanted):
        return f"what is checked out of {branch} has edits where the proposal has"
    return None


def _would_follow(place: Path, wanted: Tip) -> bool:
    """Whether what is checked out can go on to a commit; asked of a copy of the index, so that nothing is written."""
    index = ask_text(place, "rev-parse", "--path-format=absolute", "--git-path", "index")
    with TemporaryDirectory(prefix="ordinaut-") as folder:
        copy = Path(folder) / "index"
        try:
            copyfile(index or "", copy)
        except OSError:
            return False
        known = {**no_filters(place), "GIT_INDEX_FILE": str(copy)}
        _look_again(place, known)
        look = judge_by_git(
            place, *_PLAIN, "read-tree", "-n", "-m", "-u", wanted.base, wanted.commit, known=known
        )
    return look is not None and not look.returncode


def _look_again(place: Path, known: Mapping[str, str]) -> None:
    """Let the index know which files are as they were, however often they were written since: git compares times alone."""
    judge_by_git(place, *_PLAIN, "update-index", "-q", "--refresh", known=known)


def fast_forward(repository: Repository, branch: str, wanted: Tip, by: Signature) -> None:
    """Let a branch go on to a commit that follows its own, and with it the files, where it is checked out.

    Raises:
        PlanError: ORD223, git cannot; then the branch is where it was.
    """
    place, name = repository.place, f"{BRANCHES}{branch}"
    is_here = branch == checked_out(repository)
    move = ("update-ref", "-m", "ordinaut merge", "--", name)
    _must(place, *move, wanted.commit, wanted.base, known=by.variables)
    try:
        if is_here:
            # As git's own fast-forward does it: files that somebody edited are kept, or refuse it.
            _look_again(place, no_filters(place))
            step = (
                "-c",
                "submodule.recurse=false",
                "read-tree",
                "-m",
                "-u",
                wanted.base,
                wanted.commit,
            )
            _must(place, *step, known=no_filters(place))
    except PlanError as error:
        _must(place, *move, wanted.base, wanted.commit, known=by.variables)
        stays = f"{wanted.branch} stays a proposal"
        raise PlanError(error.message, hint=stays, code=_FAILED) from error
    judge_by_git(place, "update-ref", "-d", "--", f"{BRANCHES}{wanted.branch}", wanted.commit)


def marks_of(place: Path, commit: str) -> frozenset[str]:
    """What the last lines of a commit's message say of the proposal that it is."""
    message = ask_text(place, "cat-file", "commit", commit) or ""
    last = message.rstrip("\n").rpartition("\n\n")[2]
    return frozenset(re.findall(rf"^{MARK}: (\S+)$", last, re.MULTILINE))


def as_patch(repository: Repository, commit: str) -> bytes:
    """A commit as `git am` takes it.

    Raises:
        PlanError: ORD223, git cannot.
    """
    question = ("format-patch", "-1", "--stdout", "--no-signature", "--no-ext-diff", "--no-textconv", "--full-index", "--binary", commit)  # fmt: skip
    answer = ask_git(repository.place, *question)
    if answer is None:
        raise _failure("write a patch", "")
    return answer


def _mode_of(place: Path, base: str, path: str) -> str | None:
    """The mode of a file that is there; None if nothing is."""
    listed = ask_text(
        place, "--literal-pathspecs", "ls-tree", "-z", "--full-tree", base, "--", path
    )
    if listed is None:
        raise _failure(f"look at {path}", "")
    if not listed:
        return None
    mode = listed.partition(" ")[0]
    if mode not in _FILE_MODES:
        raise PlanError(
            f"{path} is a link or a folder, so it is not written to",
            hint="edit what a link leads to",
            code=_FAILED,
        )
    return mode


def _must(
    place: Path, *words: str, sent: bytes = b"", known: Mapping[str, str] | None = None
) -> str:
    answer = judge_by_git(place, *_PLAIN, *words, sent=sent, known=known)
    if answer is None or answer.returncode:
        raise _failure(
            next(word for word in words if word.islower() and "-" in word[1:]),
            "" if answer is None else answer.stderr.decode(errors="replace"),
        )
    return answer.stdout.decode().strip()


def _failure(what: str, said: str) -> PlanError:
    first = next((line for line in said.splitlines() if line.strip()), "git did not answer")
    shown = "".join(one for one in first if one.isprintable())[:300]
    return PlanError(f"git could not {what}: {shown}", hint="nothing was proposed", code=_FAILED)
