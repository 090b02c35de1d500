"""What every command that writes has in common: it shows the plan, asks where there is a terminal, and carries it out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from reconciler.apply import LOCK_TIMEOUT, Request, apply_plan
from reconciler.cli.ending import answer
from reconciler.cli.progress import Progress
from reconciler.cli.showing import look_of_terminal
from reconciler.confirming import confirm
from reconciler.core.guards import refusal, refused
from reconciler.core.look import counted
from reconciler.core.render import render_plan, render_report
from runtime.cli.options import Span
from runtime.cli.output import echo, echo_json_line
from runtime.errors import EXIT_ERROR, EXIT_INTERRUPTED
from runtime.store.rows import Connection
from schemas.apply import ApplyProgress, ApplyReport, ApplyResult, Stage
from schemas.durations import format_duration
from schemas.plan import Plan

_SHORT: Final = 7
# Changes from which on it takes long enough to be told how far it is.
_LARGE: Final = 1000


def _reason(_context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise click.BadParameter("say why it cannot wait", param=parameter)
    return value and value.strip()


def _reasons(
    _context: click.Context, parameter: click.Parameter, values: Sequence[str]
) -> dict[str, str]:
    given = [value.partition("=") for value in values]
    if not all(name.strip() and reason.strip() for name, _, reason in given):
        raise click.BadParameter(
            "name the policy and say why it cannot wait, as in 'quiet-fridays=the site is down'",
            param=parameter,
        )
    return {name.strip(): reason.strip() for name, _, reason in given}


yes_option = click.option(
    "-y", "--yes", is_flag=True, help="Do not ask; needed where there is no terminal."
)
override_freeze_option = click.option(
    "--override-freeze",
    callback=_reason,
    metavar="REASON",
    help="Apply in a freeze window, and record why.",
)
override_policy_option = click.option(
    "--override-policy",
    multiple=True,
    callback=_reasons,
    metavar="NAME=REASON",
    help="Apply although this policy refuses, and record why. May be given again.",
)
lock_timeout_option = click.option(
    "--lock-timeout",
    type=Span(),
    default=format_duration(LOCK_TIMEOUT),
    show_default=True,
    help="How long to wait for another apply.",
)


def is_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def require_way_to_ask(*, yes: bool) -> None:
    """Refuse to go on where nobody can be asked and nobody said yes beforehand, before anything is read."""
    if not yes and not is_terminal():
        command = click.get_current_context().command.name
        raise click.UsageError(
            f"{command} asks before it writes, and this is no terminal: give --yes"
        )


def show_plan(made: Plan, *, as_json: bool, verbose: int) -> None:
    """Print a plan, as text or as the first line of a stream of JSON."""
    if as_json:
        echo_json_line({"type": "plan", **made.model_dump(mode="json")})
    else:
        echo(render_plan(made, look_of_terminal(verbose=verbose)).rstrip("\n"))


def require_consent(made: Plan, *, asks: bool, question: str = "Apply these changes?") -> None:
    """Refuse what a guard refuses, then ask.

    Raises:
        Blocked, Conflicted: a guard refuses.
        click.exceptions.Exit: the answer was no, or none: Ctrl-C, or the end of what is typed.
    """
    if stopping := refused(made.guards):
        raise refusal(stopping)
    if not asks or not made.changes:
        return
    code = EXIT_ERROR
    try:
        if click.confirm(question, err=True):
            return
    except click.Abort:
        code = EXIT_INTERRUPTED
        click.echo(err=True)
    click.echo("Nothing was applied.", err=True)
    raise click.exceptions.Exit(code)


def carry_out(
    connection: Connection,
    made: Plan,
    request: Request,
    *,
    as_json: bool,
    folder: Path | None = None,
    before: int | None = None,
) -> ApplyReport:
    """Apply a plan and print what came of it.

    Args:
        folder: where the specs are that it is of; then a plan without changes may have something to note.
        before: the revision that what was reviewed was applied as, if nothing is left to do.
    """
    if as_json and len(made.changes) >= _LARGE:
        request = replace(request, tell=_stages(made))
    if made.changes or folder is None:
        with Progress().during(f"Applying {counted(len(made.changes), 'change')}"):
            report = apply_plan(connection, made, request)
    else:
        report = confirm(connection, made, folder, request.lock_timeout)
    if before is not None:
        report = report.model_copy(update={"revision": before, "already_applied": True})
    if as_json:
        answer(ApplyResult.of(report))
    elif made.changes or report.already_applied:
        echo(render_report(report))
    _tell_noted(made, report)
    return report


def _stages(made: Plan) -> Callable[[Stage], None]:
    """Tells how far an apply is, as lines of a stream of JSON."""

    def tell(stage: Stage) -> None:
        progress = ApplyProgress(stage=stage, changes=len(made.changes))
        echo_json_line(progress.model_dump(mode="json"))

    return tell


def _tell_noted(made: Plan, report: ApplyReport) -> None:
    if report.hold_ended:
        click.echo("The hold has ended.", err=True)
    if report.confirmed_commit and made.base:
        commit = report.confirmed_commit[:_SHORT]
        click.echo(f"Noted: r{made.base.revision} is what commit {commit} says.", err=True)
