"""The specs of a commit, read out of git's objects: no checkout, no network, and nothing of the repository is run.

What `read_source` says of a folder on disk, `read_commit` says of the same folder in a commit: the same names, the same
files left out, links followed as far as they stay within the specs. Submodules are not part of a commit, and refused.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.core.files import SourceFile
from reconciler.git import ask_git, ask_text
from reconciler.source import TESTS_FOLDER, Source, is_read, most_bytes, shown_name, too_much
from runtime.errors import NotFound
from schemas.problem import Problem

_LINK: Final = "120000"
_SUBMODULE: Final = "160000"
# A link to a link to a link: as far as Linux follows them.
_LINKS: Final = 40
_LONGEST_LINK: Final = 4096


@dataclass(frozen=True, slots=True)
class Repository:
    """Where a specs folder is in its repository; the folder need not be in the checkout.

    Attributes:
        folder: the specs folder, resolved.
        place: a folder that exists, in which git is asked.
        prefix: the specs folder from the top of the repository, without a slash at its end; empty for the top itself.
    """

    folder: Path
    place: Path
    prefix: str


def find_repository(folder: Path) -> Repository:
    """The repository around a specs folder.

    Raises:
        NotFound: there is none, or git is missing.
    """
    resolved = folder.resolve()
    place = next(one for one in (resolved, *resolved.parents) if one.is_dir())
    above = ask_text(place, "rev-parse", "--show-prefix")
    if above is None:
        raise NotFound(
            f"{folder} is in no git repository, so there are no commits to compare",
            hint="run this in a clone; a plan without --base needs no git",
        )
    below = resolved.relative_to(place).as_posix()
    prefix = posixpath.normpath(posixpath.join(above, below))
    return Repository(resolved, place, "" if prefix == "." else prefix)


def find_commit(repository: Repository, revision: str) -> str:
    """The hash of the commit that a revision means: a branch, a tag, a hash or any other of git's ways to name one.

    Raises:
        NotFound: it means none in this clone.
    """
    # With this at its end, no revision can be taken for an option.
    named = f"{revision}^{{commit}}"
    found = ask_text(repository.place, "rev-parse", "--verify", "--quiet", named)
    if found is None:
        raise NotFound(
            f"git knows no commit {revision} in this clone",
            hint=f"fetch it first{_if_shallow(repository)}",
        )
    return found


def find_fork(repository: Repository, one: str, other: str) -> str:
    """The commit where two histories part (git's merge base): what a pull request is compared with.

    Raises:
        NotFound: they have no commit in common in this clone.
    """
    found = ask_text(repository.place, "merge-base", one, other)
    if found is None:
        raise NotFound(
            f"{one[:7]} and {other[:7]} have no commit in common in this clone",
            hint=f"fetch more of their history{_if_shallow(repository)}",
        )
    return found


def _if_shallow(repository: Repository) -> str:
    shallow = ask_text(repository.place, "rev-parse", "--is-shallow-repository") == "true"
    return "; this clone is shallow, which `git fetch --unshallow` mends" if shallow else ""


def find_tree(repository: Repository, commit: str) -> str | None:
    """The hash of the specs folder in a commit; None if it is not there."""
    question = ("rev-parse", "--verify", "--quiet")
    found = ask_text(repository.place, *question, f"{commit}:{repository.prefix}")
    # A file or a submodule may bear the folder's name.
    return found and ask_text(repository.place, *question, f"{found}^{{tree}}")


def read_revision(folder: Path, revision: str) -> Source:
    """Every file of a specs folder as a revision has it, without looking at the working tree.

    Raises:
        NotFound: there is no such revision, or no such folder in it.
    """
    repository = find_repository(folder)
    source = read_commit(repository, find_commit(repository, revision))
    if source is None:
        raise NotFound(f"{revision} has no folder {folder}", hint="name the folder with --specs")
    return source


def read_commit(repository: Repository, commit: str) -> Source | None:
    """Every file of the specs folder as a commit has it; None if the commit has no such folder.

    Raises:
        NotFound: this clone lacks parts of the commit.
    """
    tree = find_tree(repository, commit)
    if tree is None:
        return None
    listed = ask_git(repository.place, "ls-tree", "-r", "-z", "--long", "--full-tree", tree)
    if listed is None:
        raise _incomplete(commit)
    objects = dict(_objects(listed))
    links = [one for one in objects.values() if one.mode == _LINK and one.size <= _LONGEST_LINK]
    targets = _contents(repository, commit, links)
    reading = _Reading(repository.folder.name, objects, _folders(objects), targets)
    chosen = dict(reading.chosen())
    contents = _contents(repository, commit, chosen.values())
    return Source(
        root=repository.folder,
        name=repository.folder.name,
        files=tuple(
            SourceFile(reading.name(path), contents[found.hash]) for path, found in chosen.items()
        ),
        problems=tuple(reading.problems),
    )


class _Object(NamedTuple):
    """A file, a link or a submodule in a tree."""

    mode: str
    hash: str
    size: int


class _Refusal(NamedTuple):
    """Why something is not read: a code, and words."""

    code: str
    message: str


def _objects(listed: bytes) -> Iterator[tuple[str, _Object]]:
    """What `git ls-tree -z --long` lists, by path."""
    for line in listed.split(b"\0")[:-1]:
        head, _, path = line.partition(b"\t")
        mode, _, name, size = head.decode().split()
        yield os.fsdecode(path), _Object(mode, name, 0 if size == "-" else int(size))


def _folders(paths: Iterable[str]) -> frozenset[str]:
    """Every folder that paths go through, the top included."""
    parents = {posixpath.dirname(path) for path in paths}
    while above := {posixpath.dirname(folder) for folder in parents} - parents:
        parents |= above
    return frozenset(folder or "." for folder in parents)


def _contents(repository: Repository, commit: str, objects: Iterable[_Object]) -> dict[str, bytes]:
    """The bytes of objects, by hash."""
    wanted = "".join(f"{name}\n" for name in sorted({one.hash for one in objects}))
    answer = ask_git(repository.place, "cat-file", "--batch", sent=wanted.encode())
    if answer is None:
        raise _incomplete(commit)
    found, place = {}, 0
    while place < len(answer):
        end = answer.index(b"\n", place)
        name, _, size = answer[place:end].decode().partition(" blob ")
        if not size:
            raise _incomplete(commit)
        place = end + 1 + int(size)
        found[name] = answer[end + 1 : place]
        place += 1
    return found


def _incomplete(commit: str) -> NotFound:
    return NotFound(
        f"this clone lacks files of commit {commit[:7]}",
        hint="a partial clone leaves them on the server: fetch all of it",
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    """Which files of a tree are specs.

    Attributes:
        folder: what the specs folder is called in messages.
        objects: the tree.
        folders: every folder of the tree.
        targets: where links lead, by hash.
        problems: what cannot be read.
    """

    folder: str
    objects: Mapping[str, _Object]
    folders: frozenset[str]
    targets: Mapping[str, bytes]
    problems: list[Problem] = field(default_factory=list)

    def chosen(self) -> Iterator[tuple[str, _Object]]:
        """What to read for each path, in order, as far as a folder may go."""
        count = size = 0
        for path in sorted(self.objects):
            found = self._choose(path)
            if found is None:
                continue
            count, size = count + 1, size + found.size
            if what := too_much(count, size):
                self._refuse(path, _Refusal("ORD010", what))
                return
            yield path, found

    def _choose(self, path: str) -> _Object | None:
        """The file to read for a path; None if it is none of specs, or after telling why it cannot be read."""
        if any(part.startswith(".") for part in path.split("/")):
            return None
        if path.startswith(f"{TESTS_FOLDER}/"):
            return None
        end = self._followed(path)
        is_specs = is_read(path)
        refusal = self._no_file(path, end) or (self._unreadable(end) if is_specs else None)
        if refusal is not None:
            self._refuse(path, refusal)
        return self.objects[end] if is_specs and refusal is None and end is not None else None

    def _refuse(self, path: str, why: _Refusal) -> None:
        name = self.name(path)
        self.problems.append(
            Problem(code=why.code, message=why.message, file=name, line=1, column=1)
        )

    def name(self, path: str) -> str:
        """What a file is called in messages."""
        return shown_name(f"{self.folder}/{path}")

    def _followed(self, path: str) -> str | None:
        """Where a link ends, from the specs folder on, which is a link again if it goes in circles; None if it is absolute."""
        for _ in range(_LINKS):
            found = self.objects.get(path)
            if found is None or found.mode != _LINK:
                return path
            target = os.fsdecode(self.targets.get(found.hash, b"/"))
            if target.startswith("/"):
                return None
            path = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        return path

    def _no_file(self, path: str, end: str | None) -> _Refusal | None:
        """Why what stands at a path, specs or not, cannot be a file."""
        if self.objects[path].mode == _SUBMODULE:
            return _Refusal("ORD001", "is a submodule, whose files no commit here holds")
        if end in self.folders:
            return _Refusal("ORD010", "links to folders are not followed")
        return None

    def _unreadable(self, end: str | None) -> _Refusal | None:
        """Why a file of specs cannot be read."""
        if end is None or end.split("/")[0] == "..":
            return _Refusal("ORD010", "the link leads out of the specs folder")
        if end not in self.objects:
            return _Refusal("ORD001", "cannot be read: the link leads nowhere")
        if self.objects[end].mode == _LINK:
            return _Refusal("ORD001", "cannot be read: the link leads in a circle")
        size, most = self.objects[end].size, most_bytes(end)
        if size > most:
            return _Refusal("ORD010", f"the file has {size:,} bytes; {most:,} are the most")
        return None
