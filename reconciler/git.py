"""What git says of a specs folder: the commit a revision will be remembered by.

Only asks, and never lets the repository answer with code of its own: no hooks, no file system monitor, no pager, no
bare repository hidden in the tree, no configuration but the clone's, no network, no lock. Each question has a time
limit. Without git, outside of a repository, or before the first commit there are no facts, which is no error.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runtime.config import base_environment

_TIME_LIMIT_SECONDS: Final = 10
_GUARDED: Final = (
    "git",
    "--no-optional-locks",
    "--no-pager",
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "protocol.allow=never"),
    *("-c", "safe.bareRepository=explicit"),
    # A container often runs as another user than the one who cloned; reading facts from such a clone is harmless.
    *("-c", "safe.directory=*"),
)
_ENVIRONMENT: Final = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}


@dataclass(frozen=True, slots=True)
class GitFacts:
    """The state of the repository around a folder.

    Attributes:
        commit: hash of HEAD.
        tree: hash of the folder's tree at HEAD; None if the folder is not in it.
        branch: the branch that is checked out; None for a detached HEAD.
        dirty: whether the folder differs from HEAD, files that git does not know included.
        author: who wrote HEAD, as `Name <address>`.
        repository: the last part of the origin's address, else the name of the folder that holds the repository.
    """

    commit: str
    tree: str | None
    branch: str | None
    dirty: bool
    author: str
    repository: str


def read_git_facts(folder: Path) -> GitFacts | None:
    """The facts about the repository that holds `folder`, or None if there are none."""
    head = _ask(folder, "rev-parse", "--show-toplevel", "HEAD^{commit}")
    if head is None:
        return None
    top, commit = head.splitlines()
    author = _author(_ask(folder, "cat-file", "commit", commit) or "")
    tree = _ask(folder, "rev-parse", "--verify", "--quiet", f"{commit}:./")
    changed = _ask(folder, "status", "--porcelain", "--untracked-files=normal", "--", ".")
    branch = _ask(folder, "symbolic-ref", "--quiet", "--short", "HEAD")
    origin = _ask(folder, "config", "--local", "--get", "remote.origin.url") or top
    return GitFacts(
        commit=commit,
        tree=tree.strip() if tree else None,
        branch=branch.strip() if branch else None,
        dirty=changed != "",
        author=author,
        repository=origin.strip()
        .rstrip("/")
        .removesuffix(".git")
        .replace(":", "/")
        .rpartition("/")[2],
    )


def _author(commit: str) -> str:
    """The author in the text of a commit object, without the time."""
    found = re.search(r"^author (.*>)", commit, re.MULTILINE)
    return found[1] if found else ""


def _ask(folder: Path, *question: str) -> str | None:
    """git's answer, or None if it has none."""
    try:
        answer = subprocess.run(  # noqa: S603 - the command is ours, and what follows are its own words
            [*_GUARDED, *question],
            cwd=folder,
            env={**base_environment(), **_ENVIRONMENT},
            capture_output=True,
            timeout=_TIME_LIMIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.decode(errors="replace")
