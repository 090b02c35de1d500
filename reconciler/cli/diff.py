"""`ordinaut diff`: what differs between two revisions."""

from __future__ import annotations

import click

from reconciler.cli.revisions import difference_text
from reconciler.cli.showing import look_of_terminal
from reconciler.past import compare_revisions
from runtime.cli.options import configured, json_option
from runtime.cli.output import echo, echo_json
from runtime.config import Config
from runtime.database import open_database


@click.command(
    epilog="""\b
Examples:
  ordinaut diff r41
  ordinaut diff r38 r41 -v
  ordinaut diff r38 --json | jq '.changes[].key'
"""
)
@click.argument("before")
@click.argument("after", required=False)
@click.option("-v", "--verbose", is_flag=True, help="Show every field that differs.")
@json_option
@configured("database_url", "state_dir")
def diff(*, config: Config, before: str, after: str | None, verbose: bool, as_json: bool) -> None:
    """Show what differs between everything that revision BEFORE left in force and AFTER did.

    AFTER is the newest revision of the same project and environment when left out. Reads as a plan does; fire times are
    those from now on. What nobody applied, such as a row changed by hand, is in neither.
    """
    with open_database(config, read_only=True, name="ordinaut diff") as connection:
        found = compare_revisions(connection, before, after)
    if as_json:
        echo_json(found.model_dump(mode="json"))
    else:
        echo(difference_text(found, look_of_terminal(verbose=verbose)).rstrip("\n"))
