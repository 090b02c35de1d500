"""Which repository is pulled: what people type, checked before git sees it.

A repository is a folder of this machine, or an address of https, ssh or file. What is neither encrypted nor signed could
be anybody's, so http and git are for those who verify signatures. Passwords do not belong on a command line.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from reconciler.git import ask_text
from runtime.errors import ConfigError

# git's short form of an ssh address; a path may hold a colon too, but after a slash.
_SHORT_SSH: Final = re.compile(r"(?:[\w.-]+@)?[\w][\w.-]*:(?!/?/)[^:]+")
_CLEAR: Final = frozenset({"git", "http"})
PROTOCOLS: Final = frozenset({"file", "https", "ssh"})


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository.

    Attributes:
        address: what git is given, and what status shows.
        protocol: the one protocol that may be used to reach it.
        local: the repository's folder, if it is on this machine.
    """

    address: str
    protocol: str
    local: Path | None = None


def find_remote(text: str | None, *, is_verified: bool) -> Remote:
    """The repository that a text means: an address, a folder, or the repository around the working folder if it is None.

    Args:
        is_verified: whether signatures are.

    Raises:
        ConfigError: ORD306, it means none, or one that may not be used.
    """
    if text is None:
        return _around(Path.cwd())
    if "://" in text:
        return _by_address(text, is_verified=is_verified)
    if _SHORT_SSH.fullmatch(text) and not Path(text).exists():
        return Remote(text, "ssh")
    if "::" in text or text.startswith("-"):
        raise ConfigError(
            f"{text!r} is no repository", hint="name a folder, or an https or ssh address"
        )
    path = Path(text).absolute()
    return Remote(str(path), "file", path)


def _around(here: Path) -> Remote:
    top = ask_text(here, "rev-parse", "--show-toplevel")
    if top is None:
        raise ConfigError(
            f"{here} is in no git repository",
            hint="name one with --repo, as a folder or an address",
        )
    return Remote(top, "file", Path(top))


def _by_address(text: str, *, is_verified: bool) -> Remote:
    try:
        parts = urlsplit(text)
        password, local = parts.password, parts.scheme == "file"
    except ValueError as error:
        raise ConfigError(f"the address of the repository cannot be read: {error}") from error
    if password is not None:
        raise ConfigError(
            "the address of the repository holds a password, which every user of this machine can read",
            hint="put it into ~/.netrc, or use ssh",
        )
    if parts.scheme in _CLEAR and not is_verified:
        raise ConfigError(
            f"{parts.scheme}:// tells nobody whose the answer is",
            hint="use https or ssh, or let signatures tell: --verify",
        )
    if parts.scheme not in PROTOCOLS | _CLEAR:
        known = ", ".join(sorted(PROTOCOLS))
        raise ConfigError(f"repositories are not pulled by {parts.scheme}", hint=f"use {known}")
    return Remote(text, parts.scheme, folder_at(text) if local else None)


def folder_at(address: str) -> Path | None:
    """The folder of this machine that an address means, as git reads it; None if it means none."""
    path = address
    if address.startswith("file://"):
        # Whatever host is named; and for git a `#` or a `?` ends no path.
        path = "/" + os.fsdecode(unquote_to_bytes(address[len("file://") :].partition("/")[2]))
    return Path(path).resolve() if path.startswith("/") else None
