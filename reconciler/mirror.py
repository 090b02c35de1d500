"""A bare mirror of one branch in the state folder: what `ordinaut sync` fetches, and reads without a checkout.

Promises: fetches this branch and nothing else, by one protocol, without hooks, submodules, tags, prompts or anybody's
configuration, in bounded time and size. Killed at any moment, the next fetch goes on from what is there. Of several
processes one fetches at a time; reading needs no lock, as nothing is ever taken away that a reader holds.

    .ordinaut/sync/NAME/        0700, NAME from the address
        .git/                   the mirror
        lock                    flock of whoever fetches; git's own locks that outlive their git are removed under it
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final

from reconciler.git import GUARDS, ISOLATION, ask_text
from reconciler.remote import Remote
from runtime.asking import ask_program
from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.config import base_environment, network_environment
from runtime.embedded.state import StateFolder
from runtime.errors import ConfigError, SourceUnavailable
from runtime.tools.waiting import time_limit

FETCH_SECONDS: Final = 300.0
"""The longest that a fetch may take."""
MOST_BYTES: Final = 1_073_741_824
"""The largest file that git may write: what one fetch brings is one file."""

_LOOK_SECONDS: Final = 60.0
_MOST_LISTED: Final = 64 << 20
_LOCK_AGAIN_SECONDS: Final = 0.1
_LONGEST_MESSAGE: Final = 300
_SHALLOW: Final = (
    "it lacks a part of its history, as a shallow clone does: `git fetch --unshallow`"
)
_SHA256_DIGITS: Final = 64
_HEAD: Final = "HEAD"
_CONFIG: Final = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
_CONFIG_SHA256: Final = (
    "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectformat = sha256\n"
)
_BRANCHES: Final = "refs/heads/"
# The shell sets the limit for git and for all that git starts, in units of 512 bytes.
_LIMITED: Final = ("/bin/sh", "-c", f'ulimit -f {MOST_BYTES // 512} && exec git "$@"', "git")
_QUIET_SSH: Final = "ssh -oBatchMode=yes -oConnectTimeout=15 -oServerAliveInterval=15"
_OPTIONS: Final = (
    *GUARDS,
    *("-c", "credential.helper="),
    *("-c", "core.gitProxy="),
    *("-c", "core.alternateRefsCommand="),
    *("-c", "fetch.recurseSubmodules=false"),
    *("-c", "gc.autoDetach=false"),
    # A server that falls silent is given up, also where nobody is left to stop git.
    *("-c", "http.lowSpeedLimit=1"),
    *("-c", "http.lowSpeedTime=30"),
)
_ISOLATION: Final = {
    **ISOLATION,
    "GIT_ASKPASS": "",
    # In whatever folder this is, its repository has no say.
    "GIT_DIR": "/dev/null",
    "GIT_SSH_COMMAND": _QUIET_SSH,
}


class Mirror:
    """The mirror of one branch.

    Args:
        remote: the repository.
        branch: the branch.
        state_dir: the state folder.
        clock: for waiting.

    Raises:
        ConfigError: ORD306, no branch can be called so.
    """

    def __init__(
        self, remote: Remote, branch: str, state_dir: Path, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        name = sha256(remote.address.encode()).hexdigest()[:16]
        self.place = state_dir.absolute() / "sync" / name
        self._branch = branch
        # Not called as the branch is: git could not have one that is called as the folder of another.
        self._ref = f"{_BRANCHES}{sha256(branch.encode()).hexdigest()[:16]}"
        self._remote = remote
        self._state_dir = state_dir
        self._clock = clock
        if not _is_branch(branch):
            raise ConfigError(f"no branch can be called {branch!r}")

    async def fetch(self) -> str:
        """Bring the branch here; returns the commit at its head.

        One question to the repository tells whether there is anything new; only then something is fetched.

        Raises:
            SourceUnavailable: the repository cannot be reached, has no such branch, or took too long.
        """
        head = await self._ask()
        if head != self._fetched():
            async with self._alone():
                await self._bring(head)
            found = self._fetched()
            if found is None:
                raise _unavailable(self._remote, _SHALLOW)
            head = found
        return head

    async def _ask(self) -> str:
        """The head of the branch as the repository has it."""
        name = f"{_BRANCHES}{self._branch}"
        for line in (await self._git("ls-remote", "--", self._remote.address, name)).splitlines():
            commit, _, found = line.partition("\t")
            if found == name:
                return commit
        raise _unavailable(self._remote, f"it has no branch {self._branch}")

    def _fetched(self) -> str | None:
        """The head of the branch as it is here."""
        if not (self.place / ".git").is_dir():
            return None
        return ask_text(self.place, "rev-parse", "--verify", "--quiet", f"{self._ref}^{{commit}}")

    async def _bring(self, head: str) -> None:
        """Fetch; only under the lock, so that whatever git left locked here is nobody's."""
        git = self.place / ".git"
        if not git.is_dir():
            await self._make(git, "sha256" if len(head) == _SHA256_DIGITS else "sha1")
        for lock in git.rglob("*.lock"):
            lock.unlink(missing_ok=True)
        # Ours from its beginning, unless somebody copied a state folder here.
        config = _CONFIG if len(head) != _SHA256_DIGITS else _CONFIG_SHA256
        (git / "config").write_text(config, encoding="ascii")
        name = f"{_BRANCHES}{self._branch}"
        await self._git(
            f"--git-dir={git}",
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--",
            self._remote.address,
            f"+{name}:{self._ref}",
            seconds=FETCH_SECONDS,
        )

    async def _make(self, git: Path, hash_name: str) -> None:
        half = git.with_name("new")
        shutil.rmtree(half, ignore_errors=True)
        await self._git("init", "--quiet", "--bare", "--template=", f"--object-format={hash_name}", "--", str(half))  # fmt: skip
        half.rename(git)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Be the one that fetches; waits for another one as long as a fetch may take."""
        StateFolder(self._state_dir).prepare()
        self.place.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.place / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            async with time_limit(self._clock, FETCH_SECONDS):
                while not _taken(lock):
                    await self._clock.sleep(_LOCK_AGAIN_SECONDS)
            yield
        except TimeoutError:
            raise _unavailable(self._remote, "another process keeps fetching it") from None
        finally:
            os.close(lock)

    async def _git(self, *words: str, seconds: float = _LOOK_SECONDS) -> str:
        return await _ask(self._remote, self._clock, *words, seconds=seconds)


async def find_branch(remote: Remote, clock: Clock = SYSTEM_CLOCK) -> str:
    """The branch that a repository's HEAD names: the one that is checked out there, or its default.

    Raises:
        SourceUnavailable: the repository cannot be read, or its HEAD names none.
    """
    answer = await _ask(remote, clock, "ls-remote", "--symref", "--", remote.address, _HEAD)
    for line in answer.splitlines():
        target, _, found = line.partition("\t")
        if found == _HEAD and target.startswith(f"ref: {_BRANCHES}"):
            return target.removeprefix(f"ref: {_BRANCHES}")
    raise _unavailable(remote, "it is empty, or its HEAD is on no branch: name one with --branch")


async def _ask(remote: Remote, clock: Clock, *words: str, seconds: float = _LOOK_SECONDS) -> str:
    """What git answers.

    Raises:
        SourceUnavailable: it fails, or takes longer.
    """
    try:
        answer = await ask_program(
            [*_LIMITED, *_OPTIONS, *words],
            env={
                **base_environment(),
                **network_environment(),
                **_ISOLATION,
                "GIT_ALLOW_PROTOCOL": remote.protocol,
            },
            clock=clock,
            seconds=seconds,
            most=_MOST_LISTED,
        )
    except TimeoutError:
        raise _unavailable(remote, f"it did not answer within {seconds:g} s") from None
    if len(answer.printed) > _MOST_LISTED:
        raise _unavailable(remote, f"it lists more than {_MOST_LISTED >> 20} MiB of branches")
    if answer.code:
        raise _unavailable(remote, _last_words(answer.said))
    return answer.printed.decode(errors="replace")


def _unavailable(remote: Remote, why: str) -> SourceUnavailable:
    return SourceUnavailable(
        f"{remote.address} cannot be read: {why}", hint=f"try `git ls-remote {remote.address}`"
    )


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_branch(name: str) -> bool:
    return ask_text(Path("/"), "check-ref-format", f"{_BRANCHES}{name}") is not None


def _last_words(talk: bytes) -> str:
    """What git says of its failure, fit to be printed and kept."""
    lines = [line for line in talk.decode(errors="replace").splitlines() if line.strip()]
    # What ssh says comes first, and tells more than what git makes of it.
    fatal = [line for line in lines if line.startswith("fatal: ")]
    told = dict.fromkeys([*lines[:1], *fatal[:1]]) or ["git failed without a word"]
    text = "; ".join(line.removeprefix("fatal: ") for line in told)
    return "".join(letter for letter in text if letter.isprintable())[:_LONGEST_MESSAGE]
