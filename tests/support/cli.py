"""Runs commands inside the test process: faster than a process of their own, and as strict."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from click.testing import CliRunner
from jsonschema import Draft7Validator

from reconciler.cli import main

_SCHEMAS: Final = Path(__file__).parents[2] / "schemas"


@cache
def schema_of(format_: str) -> Draft7Validator:
    """The published schema of what says that it has a format."""
    _, name, version = format_.split("/")
    assert version == "v1"
    return Draft7Validator(json.loads((_SCHEMAS / f"{name}.schema.json").read_text("utf-8")))


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
        """The one JSON value on stdout, which fits the published schema of its format."""
        value = json.loads(self.stdout)
        if isinstance(value, dict) and (format_ := value.get("format")):
            schema_of(format_).validate(value)
        return value

    @property
    def lines(self) -> list[str]:
        """The lines on stdout."""
        return self.stdout.splitlines()


class Cli:
    """`ordinaut`, in an environment of its own; call it with arguments."""

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self._env = dict(env or {})

    def __call__(self, *arguments: str, stdin: str | None = None, **env: str) -> Invoked:
        result = CliRunner().invoke(
            main,
            arguments,
            input=stdin,
            env=self._env | env,
            prog_name="ordinaut",
            catch_exceptions=False,
        )
        return Invoked(result.exit_code, result.stdout, result.stderr)
