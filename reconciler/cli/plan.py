"""`ordinaut plan`: what applying the specs would change."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.showing import look_of_terminal, problems_shown
from reconciler.core.guards import refusal, refused
from reconciler.core.render import render_plan
from reconciler.database import database_to_read
from reconciler.load import compile_source
from reconciler.planfile import write_plan
from reconciler.planning import plan_specs, require_sound
from reconciler.source import read_source
from runtime.cli.options import configured, json_option
from runtime.cli.output import echo, echo_json
from runtime.config import Config
from runtime.errors import EXIT_CHANGES


@click.command(
    epilog="""\b
Examples:
  ordinaut plan
  ordinaut plan --out plan.json && ordinaut apply --plan plan.json
  ordinaut plan --detailed-exitcode
"""
)
@configured("specs", "environment", "database_url", "state_dir")
@json_option
@click.option("-v", "--verbose", is_flag=True, help="Show every field that differs.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Also write the plan."
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 if there are changes.")
def plan(
    config: Config, as_json: bool, verbose: bool, out: Path | None, detailed_exitcode: bool
) -> None:
    """Show what applying the specs would change: when things fire, what is called, who is touched.

    Writes nothing, runs no code of the repository and needs no secret. Exits with 0, or 1 for an error, 3 if a guard
    refuses, 4 for a conflict, 5 if the database cannot be reached.
    """
    source = read_source(config.specs)
    specs = compile_source(source, config.environment)
    with problems_shown(source):
        require_sound(specs)
        with database_to_read(config) as connection:
            if connection is None:
                click.echo("There is no database yet: compared with an empty one.", err=True)
            made = plan_specs(connection, specs, source.root)
    if out is not None:
        write_plan(made, out)
        click.echo(f"Apply exactly this: ordinaut apply --plan {out}", err=True)
    if as_json:
        echo_json(made.model_dump(mode="json"))
    else:
        echo(render_plan(made, look_of_terminal(verbose=verbose)).rstrip("\n"))
    if stopping := refused(made.guards):
        raise click.exceptions.Exit(refusal(stopping).exit_code)
    if detailed_exitcode and made.changes:
        raise click.exceptions.Exit(EXIT_CHANGES)
