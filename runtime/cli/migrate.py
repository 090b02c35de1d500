"""`ordinaut migrate`: the database schema, forwards or back."""

from __future__ import annotations

from dataclasses import asdict

import click

from runtime.cli.options import configured, json_option
from runtime.cli.output import echo, echo_json, table
from runtime.config import Config
from runtime.database import database
from runtime.store.migrate import MigrationState, migration_states
from runtime.store.migrate import migrate as bring_to


@click.command(
    epilog="""\b
Examples:
  ordinaut migrate
  ordinaut migrate --status
  ordinaut migrate --to 0
"""
)
@click.option(
    "--status", "status_only", is_flag=True, help="Show every migration; change nothing."
)
@click.option(
    "--to", "target", metavar="NUMBER", type=click.IntRange(0), help="The version to bring it to."
)
@json_option
@configured("database_url", "state_dir")
def migrate(*, config: Config, status_only: bool, target: int | None, as_json: bool) -> None:
    """Bring the database schema to the newest version, or to the one of --to.

    Going back loses what the older version has no place for; --to 0 loses everything. All of it is one transaction.
    """
    if status_only and target is not None:
        raise click.UsageError("--status changes nothing, so it takes no --to")
    with database(config, create=not status_only) as conninfo:
        if status_only:
            _print_states(migration_states(conninfo), as_json=as_json)
            return
        before, after = bring_to(conninfo, to=target)
    if as_json:
        echo_json({"before": before, "after": after})
    elif before == after:
        echo(f"the schema is at version {after}")
    else:
        echo(f"the schema went from version {before} to {after}")


def _print_states(states: tuple[MigrationState, ...], *, as_json: bool) -> None:
    if as_json:
        echo_json({"migrations": [asdict(state) for state in states]})
        return
    rows = [
        (
            f"{state.number:04d}",
            state.name,
            f"{state.applied_at:%Y-%m-%d %H:%M} +00:00" if state.applied_at else "not yet",
        )
        for state in states
    ]
    echo(table(("NUMBER", "NAME", "APPLIED"), rows))
