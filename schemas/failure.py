"""How a command failed, as JSON: the last object of what it prints, where its answer would have been."""

from __future__ import annotations

from typing import Literal

from schemas.base import Model
from schemas.problem import Problem


class Failure(Model):
    """Why a command did not do what it was asked to do; the same is on stderr, in words."""

    code: str
    """An `ORDnnn` code, or one of `declined`, `interrupted`, `usage` and `defect`."""
    message: str
    """What happened and where."""
    hint: str = ""
    """What to do about it."""


class CommandFailure(Model):
    """What `--json` of a command prints that failed before it printed anything. Fields are only ever added within a format."""

    format: Literal["ordinaut.dev/failure/v1"] = "ordinaut.dev/failure/v1"
    """This format."""
    ok: Literal[False] = False
    """That the command failed."""
    exit_code: int
    """How the command ends."""
    error: Failure
    """Why."""
    problems: tuple[Problem, ...] = ()
    """What is wrong with the specs, and remarks about them."""


class PlanFailure(Model):
    """What `ordinaut plan --json` prints where there is no plan. Fields are only ever added within a format."""

    format: Literal["ordinaut.dev/plan-failure/v1"] = "ordinaut.dev/plan-failure/v1"
    """This format."""
    ok: Literal[False] = False
    """That there is no plan."""
    exit_code: int
    """How the command ends."""
    error: Failure
    """Why."""
    diagnostics: tuple[Problem, ...] = ()
    """What is wrong with the specs, and remarks about them."""
