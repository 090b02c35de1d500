"""`ordinaut show`: one run, in full."""

from __future__ import annotations

import click

from runtime.cli.options import configured, json_option
from runtime.cli.output import echo, echo_json
from runtime.cli.story import run_story
from runtime.config import Config
from runtime.database import open_database
from runtime.lookup import resolve_run
from runtime.store.runs import load_run


@click.command(
    epilog="""\b
Examples:
  ordinaut show last
  ordinaut show 3f9a1c20 -v
  ordinaut show weekday-morning-briefing --json | jq '.steps[].output'
"""
)
@click.argument("run")
@click.option("-v", "--verbose", "unfold", is_flag=True, help="Show long values in full.")
@json_option
@configured("database_url", "state_dir")
def show(config: Config, run: str, unfold: bool, as_json: bool) -> None:
    """Show one run: each step's input, output, timing and tries, and the run's events.

    RUN is its id, six or more digits of either end of it, a task's name for its newest run, or `last`. Secrets were
    masked before anything was stored.
    """
    with open_database(config, read_only=True, name="ordinaut show") as connection:
        report = load_run(connection, resolve_run(connection, run))
    if as_json:
        echo_json(report.model_dump(mode="json"))
    else:
        echo(run_story(report, unfold=unfold))
