"""The answer of `ordinaut validate --json`: whether specs are valid, and every problem in them."""

from __future__ import annotations

from typing import Final, Literal

from schemas.base import Model
from schemas.problem import Problem

VALIDATION_FORMAT: Final = "ordinaut.dev/validation/v1"


class Validation(Model):
    """What was found in a specs folder. Fields are only ever added within a format."""

    format: Literal["ordinaut.dev/validation/v1"] = VALIDATION_FORMAT
    """The form of this answer."""
    valid: bool
    """Whether there are no errors; warnings and notes do not count."""
    project: str
    """The Project's name; empty if there is none."""
    environment: str
    """Whose variables were filled in."""
    files: int
    """How many files were read."""
    documents: int
    """How many documents are valid."""
    errors: int
    """How many problems are errors."""
    warnings: int
    """How many problems are warnings."""
    problems: tuple[Problem, ...] = ()
    """Every problem, by file and line."""
