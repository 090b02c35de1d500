"""`ordinaut doctor`: what is wrong with an installation, why it matters, and what to do."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import click

from runtime.cli.options import FAILING, Span, configured, failing_option, json_option
from runtime.cli.output import bold, dim, echo, echo_json, fields, wrapped
from runtime.config import Config
from runtime.doctor import examine
from runtime.errors import EXIT_ERROR, EXIT_LOCKED
from schemas.doctor import Examination, Finding

_COLOURS: Final = {"error": "red", "warning": "yellow", "note": "cyan"}
_INDENT: Final = 9


@click.command(
    epilog="""\b
Examples:
  ordinaut doctor
  ordinaut doctor --fail-on warning
  ordinaut doctor --json | jq -r '.findings[] | [.severity, .check, .what] | @tsv'
"""
)
@click.option(
    "--patience",
    type=Span(),
    default="1m",
    show_default=True,
    help="How long a transaction, due work or an event may wait.",
)
@failing_option
@json_option
@configured("database_url", "redis_url", "state_dir")
def doctor(*, config: Config, patience: timedelta, fail_on: str, as_json: bool) -> None:
    """Look for what does not work, will not for long, or could be lost.

    Asks the database and Redis, with the role that the settings name: that of a runtime, if it is a runtime that is not
    well. Changes nothing. Exits with 0 if it finds no error, 1 if it does, and 5 if the database does not answer.
    """
    found = examine(config, patience)
    if as_json:
        echo_json(found.model_dump(mode="json"))
    else:
        _print(found)
    if found.database is None:
        raise click.exceptions.Exit(EXIT_LOCKED)
    if any(finding.severity in FAILING[fail_on] for finding in found.findings):
        raise click.exceptions.Exit(EXIT_ERROR)


def _print(found: Examination) -> None:
    servers = [("database", found.database), ("redis", found.redis)]
    echo(fields([(name, told or "does not answer") for name, told in servers]))
    for finding in found.findings:
        echo()
        echo(_told(finding))
    echo()
    troubled = {finding.check for finding in found.findings}
    if sound := [check for check in found.checks if check not in troubled]:
        echo(wrapped(f"{click.style('sound', fg='green')}    {', '.join(sound)}", _INDENT))
    counts = [
        f"{count} {severity}{'s' if count != 1 else ''}"
        for severity in _COLOURS
        if (count := sum(1 for finding in found.findings if finding.severity == severity))
    ]
    echo(f"{len(found.checks)} checks: {', '.join(counts) or 'nothing found'}")


def _told(finding: Finding) -> str:
    severity = click.style(finding.severity.ljust(_INDENT), fg=_COLOURS[finding.severity])
    return "\n".join(
        (
            wrapped(f"{severity}{bold(finding.check)}: {finding.what}", _INDENT),
            wrapped(" " * _INDENT + dim(finding.why), _INDENT),
            wrapped(" " * _INDENT + "→ " + finding.remedy, _INDENT),
        )
    )
