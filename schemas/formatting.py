"""The answer of `ordinaut fmt --json`: which files were not in their one form."""

from __future__ import annotations

from typing import Final, Literal

from schemas.base import Model
from schemas.problem import Problem

FORMATTING_FORMAT: Final = "ordinaut.dev/formatting/v1"


class Formatting(Model):
    """What became of the files that were asked for. Fields are only ever added within a format."""

    format: Literal["ordinaut.dev/formatting/v1"] = FORMATTING_FORMAT
    """The form of this answer."""
    written: bool
    """Whether files were changed; not with `--check` and `--diff`."""
    changed: tuple[str, ...] = ()
    """The files that were, or would be, written anew."""
    unchanged: int
    """How many files were in their one form already."""
    problems: tuple[Problem, ...] = ()
    """Why files could not be formatted; those were left alone."""
