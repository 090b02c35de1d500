"""Runs commands inside the test process: faster than a process of their own, and as strict."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from click.testing import CliRunner

from reconciler.cli import main


@dataclass(frozen=True, slots=True)
class Invoked:
    """What a command did.

    Attributes:
        status: exit status.
        stdout: its results.
        stderr: its talk.
    """

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The one JSON value on stdout."""
        return json.loads(self.stdout)

    @property
    def lines(self) -> list[str]:
        """The lines on stdout."""
        return self.stdout.splitlines()


class Cli:
    """`ordinaut`, in an environment of its own; call it with arguments."""

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self._env = dict(env or {})

    def __call__(self, *arguments: str, **env: str) -> Invoked:
        result = CliRunner().invoke(
            main, arguments, env=self._env | env, prog_name="ordinaut", catch_exceptions=False
        )
        return Invoked(result.exit_code, result.stdout, result.stderr)
