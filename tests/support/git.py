"""Real git repositories for tests, made without asking for anybody's settings."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_IDENTITY = (
    *("-c", "user.name=Ada"),
    *("-c", "user.email=ada@example.com"),
    *("-c", "init.defaultBranch=main"),
    *("-c", "protocol.file.allow=always"),
)


@dataclass(frozen=True, slots=True)
class Clone:
    """A repository with a checkout.

    Attributes:
        folder: its top.
    """

    folder: Path

    def git(self, *words: str) -> str:
        """What git answers; fails if git does."""
        command = ["git", *_IDENTITY, *words]
        return subprocess.run(
            command, cwd=self.folder, check=True, capture_output=True, text=True
        ).stdout.strip()

    def write(self, files: Mapping[str, str | None]) -> None:
        """Write files, by their path from the top; None takes one away."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_text(text, encoding="utf-8")

    def commit(self, message: str = "Change") -> str:
        """Commit everything that is there; returns the hash."""
        self.git("add", "--all", ".")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")


def new_repository(folder: Path) -> Clone:
    """An empty repository."""
    folder.mkdir(parents=True, exist_ok=True)
    clone = Clone(folder)
    clone.git("init", "--quiet")
    return clone
