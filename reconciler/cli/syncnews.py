"""What `ordinaut sync` says: where the branch stands, whenever that changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

import click

from reconciler.cli.showing import look_of_terminal
from reconciler.core.look import visible
from reconciler.core.render import render_plan, render_report
from reconciler.diagnostics import as_text
from reconciler.sync import Look
from runtime.cli.output import bold, colour_state, dim, echo, echo_json_line
from runtime.store.sources import Branch
from schemas.durations import format_duration


class News(Protocol):
    """Who is told."""

    def begins(self, branch: Branch, interval: timedelta) -> None:
        """Looking begins."""
        ...

    def looked(self, look: Look) -> None:
        """A look came to something new."""
        ...


class Lines:
    """News for people, on stdout."""

    def begins(self, branch: Branch, interval: timedelta) -> None:
        """What is pulled, and how often."""
        every = f"looking every {format_duration(interval)}; Ctrl-C stops, `ordinaut status` tells more"
        echo(
            f"{bold('pulling')} {visible(branch.branch)} of {branch.repository} for {branch.environment}"
        )
        echo(dim(every))

    def looked(self, look: Look) -> None:
        """Errors of the specs or the plan, and a line that says where the branch stands and what to do."""
        told = look.report
        errors = [problem for problem in told.problems if problem.severity == "error"]
        if errors and look.source is not None:
            texts = {file.name: file.data.decode(errors="replace") for file in look.source.files}
            echo(as_text(errors, texts).rstrip())
        if look.plan is not None and look.plan.changes:
            echo(render_plan(look.plan, look_of_terminal()).rstrip())
        if told.report is not None and told.report.revision is not None:
            echo(render_report(told.report))
        if told.condition is None:
            code = click.style(look.error.code, fg="red") if look.error else ""
            echo(f"{code} {visible(told.message)}")
        else:
            echo(f"{colour_state(told.condition)}  {visible(told.message)}")


class JsonLines:
    """News for programs: one JSON object a line."""

    def begins(self, branch: Branch, interval: timedelta) -> None:
        """Nothing: each line says what it is about."""

    def looked(self, look: Look) -> None:
        """The report of a look."""
        echo_json_line(look.report.model_dump(mode="json"))
