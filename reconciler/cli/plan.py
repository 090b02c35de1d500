"""`ordinaut plan`: what applying the specs would change."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from reconciler.cli.showing import look_of_terminal, problems_shown
from reconciler.comparing import plan_between, read_head
from reconciler.core.guards import refusal, refused
from reconciler.core.render import render_plan
from reconciler.database import database_to_read
from reconciler.load import compile_source
from reconciler.planfile import write_plan
from reconciler.planning import plan_specs, require_sound
from runtime.cli.options import configured, json_option
from runtime.cli.output import echo, echo_json
from runtime.config import Config
from runtime.errors import EXIT_CHANGES
from schemas.plan import Plan


@dataclass(frozen=True, slots=True)
class _Revisions:
    """What is compared where no database is asked."""

    base: str | None
    head: str | None


@click.command(
    epilog="""\b
Examples:
  ordinaut plan
  ordinaut plan --out plan.json && ordinaut apply --plan plan.json
  ordinaut plan --base origin/main
  ordinaut plan --detailed-exitcode
"""
)
@configured("specs", "environment", "database_url", "state_dir")
@json_option
@click.option("-v", "--verbose", is_flag=True, help="Show every field that differs.")
@click.option("--base", metavar="REV", help="Compare with git instead of a database: with where the history parts from REV.")  # fmt: skip
@click.option("--head", metavar="REV", help="With --base: plan for this revision, not for the working tree.")  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Also write the plan."
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 if there are changes.")
def plan(
    *,
    config: Config,
    as_json: bool,
    verbose: bool,
    base: str | None,
    head: str | None,
    out: Path | None,
    detailed_exitcode: bool,
) -> None:
    """Show what applying the specs would change: when things fire, what is called, who is touched.

    Writes nothing, runs no code of the repository and needs no secret; with --base it needs no database either. Exits
    with 0, or 1 for an error, 3 if a guard refuses, 4 for a conflict, 5 if the database cannot be reached.
    """
    _require_sense(base, head, out)
    made = _made(config, _Revisions(base, head))
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


def _require_sense(base: str | None, head: str | None, out: Path | None) -> None:
    if head is not None and base is None:
        raise click.UsageError("--head needs --base, which it is compared with")
    if base is not None and out is not None:
        raise click.UsageError("a plan of git against git cannot be applied: leave out --out")


def _made(config: Config, revisions: _Revisions) -> Plan:
    source = read_head(config.specs, revisions.head)
    specs = compile_source(source, config.environment)
    with problems_shown(source):
        require_sound(specs)
        if revisions.base is not None:
            return plan_between(config.specs, specs, revisions.base, revisions.head)
        with database_to_read(config) as connection:
            if connection is None:
                click.echo("There is no database yet: compared with an empty one.", err=True)
            return plan_specs(connection, specs, source.root)
