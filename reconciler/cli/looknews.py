"""What is said of a look at a specs folder, by whoever watches one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from reconciler.cli.showing import look_of_terminal
from reconciler.core.render import render_plan
from reconciler.diagnostics import as_text
from reconciler.reconcile import Reconciled
from reconciler.source import Source
from reconciler.watch import will_pass
from runtime.cli.output import bold, dim, echo
from runtime.errors import OrdinautError, SpecError
from schemas.apply import ApplyReport
from schemas.problem import Problem


class LookLines:
    """Looks in words, on stdout; one that finds nothing new is passed over in silence.

    Args:
        verbose: how much a plan says, as -v.
    """

    def __init__(self, verbose: int = 0) -> None:
        self._verbose = verbose
        self._was_refused = False
        self._broken: Source | None = None
        self._previewed: str | None = None

    def looked(
        self, outcome: Reconciled | OrdinautError, *, first: bool = False, brief: bool = False
    ) -> None:
        """A look came to an end.

        Args:
            first: of all, and told also if it finds nothing new.
            brief: leave out the plan of what was applied.
        """
        if isinstance(outcome, Reconciled) and outcome.source == self._broken:
            return
        refused, self._broken = True, None
        match outcome:
            case OrdinautError():
                _refusal(outcome)
            case Reconciled(specs=specs) if specs.errors:
                # Whoever saves a file may write it in several steps: what is said of it once is not said again.
                self._broken = outcome.source
                _problems(specs.errors, outcome.source)
                count = len(specs.errors)
                what = "1 error" if count == 1 else f"{count} errors"
                echo(f"{what}: nothing was applied, the last good revision stays in force")
            case Reconciled(refusal=refusal) if refusal is not None:
                self._plan(outcome)
                if isinstance(refusal, SpecError):
                    _problems(refusal.problems, outcome.source)
                _refusal(refusal)
            case _:
                refused = False
                self._sound(outcome, first=first, brief=brief)
        self._was_refused = refused

    def _sound(self, outcome: Reconciled, *, first: bool, brief: bool) -> None:
        if outcome.report is not None:
            if not brief:
                self._plan(outcome)
            report = outcome.report
            echo(f"{bold('applied')} revision r{report.revision}: {_counts(report)}")
        elif outcome.plan is not None and outcome.plan.changes:
            if self._was_refused or outcome.plan.digest != self._previewed:
                self._plan(outcome)
            self._previewed = outcome.plan.digest
            return
        elif first or self._was_refused or self._previewed is not None:
            echo(f"{bold('specs')}: nothing changed since the last apply")
        self._previewed = None

    def _plan(self, outcome: Reconciled) -> None:
        if outcome.plan is not None:
            echo(render_plan(outcome.plan, look_of_terminal(verbose=self._verbose)).rstrip())


def look_json(outcome: Reconciled | OrdinautError) -> dict[str, Any]:
    """A look as JSON: problems of the specs, what was applied, and what was refused, each where there is such a thing."""
    if isinstance(outcome, OrdinautError):
        return {"error": _error_json(outcome)}
    problems = outcome.specs.problems
    if isinstance(outcome.refusal, SpecError):
        problems = outcome.refusal.problems
    found = {
        "problems": [problem.model_dump(mode="json") for problem in problems],
        "report": None if outcome.report is None else outcome.report.model_dump(mode="json"),
    }
    return found if outcome.refusal is None else found | {"error": _error_json(outcome.refusal)}


def _error_json(error: OrdinautError) -> dict[str, str]:
    return {"code": error.code, "message": error.message, "hint": error.hint}


def _refusal(error: OrdinautError) -> None:
    echo(f"{click.style(error.code, fg='red')} {error.message}")
    for line in error.hint.splitlines():
        echo(f"  {line}")
    if will_pass(error):
        echo(dim("  tried again by itself until it is not refused any more"))


def _problems(problems: Iterable[Problem], source: Source) -> None:
    echo(as_text(tuple(problems), source.texts).rstrip())


def _counts(report: ApplyReport) -> str:
    named = (
        (name, getattr(report.summary, name))
        for name in ("create", "update", "rename", "adopt", "retire", "unchanged")
    )
    return ", ".join(f"{count} {name}" for name, count in named if count) or "nothing"
