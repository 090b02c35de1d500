"""`ordinaut run`: run a task now."""

from __future__ import annotations

import click

from runtime.cli.following import follow
from runtime.cli.options import configured, json_option, named_values
from runtime.cli.output import echo, echo_json, short_id
from runtime.config import Config
from runtime.database import open_database
from runtime.manual import request_run
from runtime.store.runs import load_run


@click.command(
    epilog="""\b
Examples:
  ordinaut run weekday-morning-briefing --wait
  ordinaut run weekday-morning-briefing --param city=Brașov --param 'days=[1,2]'
"""
)
@click.argument("task")
@click.option(
    "-p",
    "--param",
    "pairs",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter for this run alone, as JSON or text; repeatable.",
)
@click.option("--overlap", is_flag=True, help="Run it beside an active run of the same task.")
@click.option("--wait", is_flag=True, help="Follow the run until it is over.")
@json_option
@configured("database_url", "state_dir")
def run(
    *,
    config: Config,
    task: str,
    pairs: tuple[str, ...],
    overlap: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Run a task now, whatever its schedule says.

    With --wait the command prints each step as it ends, and exits with 1 unless the run succeeds. Interrupting it leaves
    the run alone.
    """
    params = named_values(pairs)
    with open_database(config, name="ordinaut run") as connection:
        run_id = request_run(connection, task, params, may_overlap=overlap, needs_runtime=wait)
        click.echo(f"queued run {short_id(run_id)} of {task}", err=True)
        if wait:
            follow(connection, run_id, as_json=as_json)
        elif as_json:
            echo_json(load_run(connection, run_id).model_dump(mode="json"))
        else:
            echo(str(run_id))
