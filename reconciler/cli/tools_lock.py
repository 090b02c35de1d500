"""`ordinaut tools lock`: what tools promise, written down for git."""

from __future__ import annotations

from collections.abc import Callable, Collection

import click

from reconciler.cli.trying import on_trial, told
from reconciler.lockfile import Renewal, renewal, write
from reconciler.trial import Trial
from runtime.cli.options import configured, json_option
from runtime.cli.output import bold, echo, echo_json
from runtime.config import Config
from runtime.errors import EXIT_CHANGES, EXIT_ERROR, NotFound
from schemas.spec import BUILTIN_SERVERS
from schemas.tool_lock import LockChanges
from schemas.tools import ServerReport


@click.command(
    epilog="""\b
Examples:
  ordinaut tools lock
  ordinaut tools lock --check
  ordinaut tools lock --update weather
"""
)
@click.argument("servers", nargs=-1)
@click.option("--check", is_flag=True, help="Write nothing; exit with 2 if the file would change.")
@click.option(
    "--update", multiple=True, metavar="SERVER", help="Lock this server anew, and no other."
)
@json_option
@configured("specs", "environment", "state_dir")
def lock(
    *,
    config: Config,
    servers: tuple[str, ...],
    check: bool,
    update: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write what tools promise into tools.lock.json, in the specs folder, for git.

    Starts SERVERS, or all of the specs when none is named, and prints how what they offer differs from what was locked.
    Servers that were not asked stay as they are; those that the specs no longer have are left out. If a server does not
    answer, nothing is written, and the command exits with 1.
    """
    wanted = {*servers, *update}
    if check and update:
        raise click.UsageError("--check writes nothing, and --update writes: give one of them")
    _refuse_builtin(wanted)
    trial = on_trial(config)
    reports = trial.reports(wanted)
    failed = tuple(report for report in reports if not report.ok)
    good = [report for report in reports if report.ok]
    found = renewal(config.specs, good, _stay(trial, failed, wanted))
    written = not check and not failed and found.is_pending
    if written:
        write(found)
    changes = _changes(found, failed, written=written)
    if as_json:
        echo_json(changes.model_dump(mode="json"))
    else:
        _print(changes, pending=found.is_pending)
    if failed:
        raise click.exceptions.Exit(EXIT_ERROR)
    if check and found.is_pending:
        raise click.exceptions.Exit(EXIT_CHANGES)


def _refuse_builtin(wanted: set[str]) -> None:
    if builtin := sorted(wanted & BUILTIN_SERVERS):
        raise NotFound(
            f"{builtin[0]} is built in, and its tools are those of this version",
            hint="only the ToolServers of the specs are locked",
        )


def _stay(
    trial: Trial, failed: Collection[ServerReport], wanted: Collection[str]
) -> Callable[[str], bool] | None:
    """Which servers stay as they are locked; None if every server is locked anew."""
    if trial.specs.errors:
        # One that cannot be read now is not one that is gone.
        return lambda _: True
    if not wanted and not failed:
        return None
    known = {key.label for key in trial.specs.known if key.kind == "ToolServer"}
    return known.__contains__


def _changes(found: Renewal, failed: tuple[ServerReport, ...], *, written: bool) -> LockChanges:
    servers = found.lock.servers
    return LockChanges(
        file=found.path.as_posix(),
        written=written,
        servers=len(servers),
        tools=sum(len(server.tools) for server in servers.values()),
        changes=found.changes,
        failed=failed,
    )


def _print(changes: LockChanges, *, pending: bool) -> None:
    for change in changes.changes:
        echo(f"{bold(change.tool or change.server)} {change.text}")
    for report in changes.failed:
        if report.error is not None:
            click.echo(f"{report.server}: {told(report.error)}", err=True)
    click.echo(_summary(changes, pending=pending), err=True)


def _summary(changes: LockChanges, *, pending: bool) -> str:
    held = f"{_count(changes.servers, 'server')}, {_count(changes.tools, 'tool')}"
    if changes.written:
        return f"wrote {changes.file}: {held}"
    if changes.failed:
        return f"{changes.file} was not written, since {_count(len(changes.failed), 'server')} did not answer"
    if pending:
        return f"{changes.file} would change: `ordinaut tools lock` writes it"
    return f"{changes.file} is up to date: {held}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
