"""`ordinaut history`: what was applied, newest first."""

from __future__ import annotations

from datetime import UTC

import click

from reconciler.cli.revisions import commit_words, written_words
from reconciler.past import read_history, resolve_document
from runtime.cli.options import configured, json_option
from runtime.cli.output import brief_time, echo, echo_json, relative_time, table
from runtime.config import Config
from runtime.database import open_database
from schemas.revision import History, Revision


@click.command(
    epilog="""\b
Examples:
  ordinaut history
  ordinaut history weekday-morning-briefing -n 5
  ordinaut history Calendar/holidays --json
"""
)
@click.argument("document", required=False)
@click.option("-n", "limit", metavar="N", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many.")  # fmt: skip
@json_option
@configured("database_url", "state_dir")
def history(*, config: Config, document: str | None, limit: int, as_json: bool) -> None:
    """List what was applied, newest first: every revision, or those that wrote one document.

    DOCUMENT is a task's name, or KIND/NAME. `ordinaut show rN` shows one revision in full, `ordinaut diff rN` what
    became of it since.
    """
    with open_database(config, read_only=True, name="ordinaut history") as connection:
        found = read_history(
            connection, resolve_document(connection, document) if document else None, limit
        )
    if as_json:
        echo_json(found.model_dump(mode="json"))
    elif found.revisions:
        echo(_table(found))
    else:
        click.echo("nothing has been applied yet", err=True)


def _table(found: History) -> str:
    # Whose they are goes without saying where there is one project only.
    several = len({(one.project, one.environment) for one in found.revisions}) > 1
    header = ("REVISION", "WHEN", "", "KIND", *(["PROJECT"] if several else []), "COMMIT", "BY", "WHAT")  # fmt: skip
    return table(header, [_row(one, found, several=several) for one in found.revisions])


def _row(one: Revision, found: History, *, several: bool) -> tuple[str, ...]:
    return (
        f"r{one.revision}",
        brief_time(one.applied_at, UTC, found.now),
        relative_time(one.applied_at, found.now, units=1),
        one.kind,
        *([f"{one.project}/{one.environment}"] if several else []),
        commit_words(one),
        one.actor,
        written_words(one),
    )
