"""What git says of a specs folder: the commit a revision will be remembered by.

Only asks, and never lets the repository answer with code of its own: no hooks, no file system monitor, no pager, no
bare repository hidden in the tree, no configuration but the clone's, no network, no lock. Each question has a time
limit. Without git, outside of a repository, or before the first commit there are no facts, which is no error.

Where something is decided by what git says, within `Inquiry.strictly`, no answer is an error and never a no.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

from reconciler.core.look import visible
from runtime.config import base_environment
from runtime.errors import SourceUnavailable

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


class Inquiry:
    """Questions whose answers decide something: each is answered, or an error, and another thread can end them all."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    @contextmanager
    def strictly(self) -> Iterator[None]:
        """Ask git on behalf of this inquiry, wherever in this thread it is asked."""
        token = _INQUIRY.set(self)
        try:
            yield
        finally:
            _INQUIRY.reset(token)

    def stop(self) -> None:
        """End the git that runs, with all that it started, and let no other begin."""
        with self._lock:
            self._stopped = True
            self._end()

    def require_going(self) -> None:
        """Refuse to go on once it was stopped.

        Raises:
            SourceUnavailable: it was.
        """
        if self._stopped:
            raise SourceUnavailable("the look was stopped", hint="nothing was changed")

    def answer(
        self, command: list[str], folder: Path, env: Mapping[str, str], sent: bytes
    ) -> subprocess.CompletedProcess[bytes]:
        """What a command says and how it ends.

        Raises:
            OSError, SubprocessError: it cannot be run, takes too long, or was ended by a signal.
            SourceUnavailable: the inquiry was stopped.
        """
        with self._lock:
            self.require_going()
            process = self._process = subprocess.Popen(  # noqa: S603 - as in judge_by_git
                command,
                cwd=folder,
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        try:
            answer, talk = process.communicate(sent, timeout=_TIME_LIMIT_SECONDS)
        finally:
            with self._lock:
                self._end()
                self._process = None
            with process:
                pass
        self.require_going()
        if process.returncode < 0:
            raise subprocess.CalledProcessError(process.returncode, command)
        return subprocess.CompletedProcess(command, process.returncode, answer, talk)

    def _end(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


_INQUIRY: Final[ContextVar[Inquiry | None]] = ContextVar("inquiry", default=None)


def unanswered(what: str) -> SourceUnavailable:
    """The error of a question that git did not answer."""
    return SourceUnavailable(
        f"git did not answer ({what}), so the commit could not be verified",
        hint="what was applied before stays in force; it is tried again",
    )


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
    answer = judge_by_git(
        folder,
        *("status", "--porcelain", "--untracked-files=normal", "--ignore-submodules=dirty"),
        *("--", "."),
        known=no_filters(folder),
    )
    return None if answer is None or answer.returncode else answer.stdout


def no_filters(folder: Path) -> dict[str, str]:
    """Variables that keep git from running the filters that a clone names when it compares or writes files."""
    names = ask_text(folder, "config", "--name-only", "--get-regexp", _FILTERS) or ""
    # As variables, since the name of a filter may hold what ends a name among options.
    none = {}
    for number, name in enumerate(names.splitlines()):
        none[f"GIT_CONFIG_KEY_{number}"] = name
        none[f"GIT_CONFIG_VALUE_{number}"] = "false" if name.endswith(".required") else ""
    return {"GIT_CONFIG_COUNT": str(len(none) // 2), **none}


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

    Raises:
        SourceUnavailable: within `Inquiry.strictly`, instead of None.
    """
    inquiry = _INQUIRY.get()
    command, env = [*_GUARDED, *question], {**base_environment(), **ISOLATION, **(known or {})}
    try:
        if inquiry is not None:
            return inquiry.answer(command, folder, env, sent)
        return subprocess.run(  # noqa: S603 - the command is ours, and what follows are its own words
            command,
            cwd=folder,
            env=env,
            input=sent,
            capture_output=True,
            timeout=_TIME_LIMIT_SECONDS,
            check=False,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        # No program is asked what holds a zero byte.
        if inquiry is not None:
            raise unanswered(question[0]) from error
        return None


def ask_text(folder: Path, *question: str) -> str | None:
    """The same in words, without the last newline."""
    answer = ask_git(folder, *question)
    return None if answer is None else answer.decode(errors="replace").rstrip("\n")


def author_of(folder: Path, commit: str) -> str:
    """Who wrote a commit, as `Name <address>`, without the time, and with nothing that a terminal would obey."""
    text = ask_text(folder, "cat-file", "commit", commit) or ""
    found = re.search(r"^author (.*>)", text, re.MULTILINE)
    return visible(found[1]) if found else ""
