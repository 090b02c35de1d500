"""What git says of a specs folder: the commit a revision will be remembered by.

Only asks, and never lets the repository answer with code of its own: no hooks, no file system monitor, no pager, no
bare repository hidden in the tree, no configuration but the clone's, no network, no lock. Each question has a time
limit. Without git, outside of a repository, or before the first commit there are no facts, which is no error.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runtime.config import base_environment

_TIME_LIMIT_SECONDS: Final = 10
_FILTERS: Final = r"^filter\..*\.(clean|smudge|process|required)$"
GUARDS: Final = (
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.hooksPath=/dev/null"),
)
"""Options that keep git from running what a repository's configuration names."""

_GUARDED: Final = (
    "git",
    "--no-optional-locks",
    "--no-pager",
    *GUARDS,
    *("-c", "protocol.allow=never"),
    *("-c", "safe.bareRepository=explicit"),
    # A container often runs as another user than the one who cloned; reading facts from such a clone is harmless.
    *("-c", "safe.directory=*"),
)
ISOLATION: Final = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
"""Variables that keep git from reading anybody's configuration, from asking anybody, and from showing other objects."""


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
    head = ask_text(folder, "rev-parse", "--show-toplevel", "HEAD^{commit}")
    if head is None:
        return None
    top, commit = head.splitlines()
    changed = _changes(folder)
    origin = ask_text(folder, "config", "--local", "--get", "remote.origin.url") or top
    return GitFacts(
        commit=commit,
        tree=ask_text(folder, "rev-parse", "--verify", "--quiet", f"{commit}:./"),
        branch=ask_text(folder, "symbolic-ref", "--quiet", "--short", "HEAD"),
        dirty=changed != b"",
        author=author_of(folder, commit),
        repository=origin.rstrip("/").removesuffix(".git").replace(":", "/").rpartition("/")[2],
    )


def _changes(folder: Path) -> bytes | None:
    """How a folder differs from HEAD, nothing if it does not, None if git cannot say.

    git would look at edited files through the filters that the clone names, which are programs, and into submodules, whose
    configuration nobody here can answer for.
    """
    names = ask_text(folder, "config", "--name-only", "--get-regexp", _FILTERS) or ""
    # As variables, since the name of a filter may hold what ends a name among options.
    none = {}
    for number, name in enumerate(names.splitlines()):
        none[f"GIT_CONFIG_KEY_{number}"] = name
        none[f"GIT_CONFIG_VALUE_{number}"] = "false" if name.endswith(".required") else ""
    answer = judge_by_git(
        folder,
        *("status", "--porcelain", "--untracked-files=normal", "--ignore-submodules=dirty"),
        *("--", "."),
        known={"GIT_CONFIG_COUNT": str(len(none) // 2), **none},
    )
    return None if answer is None or answer.returncode else answer.stdout


def ask_git(folder: Path, *question: str, sent: bytes = b"") -> bytes | None:
    """git's answer to a question that is asked in a folder, or None if it has none.

    Args:
        sent: what git reads before it answers.
    """
    answer = judge_by_git(folder, *question, sent=sent)
    return None if answer is None or answer.returncode else answer.stdout


def judge_by_git(
    folder: Path, *question: str, sent: bytes = b"", known: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes] | None:
    """git's exit status with all that it says, or None if it cannot be asked or takes too long.

    Args:
        known: variables that the programs which git asks in its turn need.
    """
    try:
        return subprocess.run(  # noqa: S603 - the command is ours, and what follows are its own words
            [*_GUARDED, *question],
            cwd=folder,
            env={**base_environment(), **ISOLATION, **(known or {})},
            input=sent,
            capture_output=True,
            timeout=_TIME_LIMIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None


def ask_text(folder: Path, *question: str) -> str | None:
    """The same in words, without the last newline."""
    answer = ask_git(folder, *question)
    return None if answer is None else answer.decode(errors="replace").rstrip("\n")


def author_of(folder: Path, commit: str) -> str:
    """Who wrote a commit, as `Name <address>`, without the time."""
    text = ask_text(folder, "cat-file", "commit", commit) or ""
    found = re.search(r"^author (.*>)", text, re.MULTILINE)
    return found[1] if found else ""
