"""`ordinaut runs`: runs, newest first."""

from __future__ import annotations

from datetime import datetime
from typing import Final, get_args

import click

from runtime.cli.options import configured, json_option
from runtime.cli.output import (
    brief_time,
    colour_state,
    echo,
    echo_json,
    relative_time,
    short_id,
    table,
    zone_of,
)
from runtime.config import Config
from runtime.core.spans import exact_span
from runtime.database import open_database
from runtime.lookup import resolve_task
from runtime.store.runs import list_runs
from schemas.run import RunList, RunState, RunSummary

_STATES: Final = get_args(RunState)


@click.command(
    epilog="""\b
Examples:
  ordinaut runs
  ordinaut runs weekday-morning-briefing --state failed -n 5
  ordinaut runs --quarantined
  ordinaut runs --json | jq -r '.runs[].run_id'
"""
)
@click.argument("task", required=False)
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(_STATES),
    help="Only such runs; repeatable.",
)
@click.option(
    "--quarantined",
    is_flag=True,
    help="Only those that lost their runtime again and again, and were not run again since.",
)
@click.option(
    "-n",
    "limit",
    metavar="N",
    type=click.IntRange(1, 10_000),
    default=20,
    help="How many.",
    show_default=True,
)
@json_option
@configured("database_url", "state_dir")
def runs(
    *,
    config: Config,
    task: str | None,
    states: tuple[str, ...],
    quarantined: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List runs, newest first.

    TASK is a task's name; all tasks when left out. Occurrences that were decided not to run are listed too, as skipped.
    """
    with open_database(config, read_only=True, name="ordinaut runs") as connection:
        uid = None if task is None else resolve_task(connection, task).uid
        found = list_runs(
            connection, task_uid=uid, states=states, limit=limit, quarantined=quarantined
        )
    if as_json:
        echo_json(found.model_dump(mode="json"))
    elif found.runs:
        echo(
            table(
                ("RUN", "TASK", "STATE", "FOR", "", "TOOK"),
                [_row(run, found) for run in found.runs],
                flexible=1,
            )
        )
    else:
        click.echo("no runs", err=True)


def _row(run: RunSummary, found: RunList) -> tuple[str, ...]:
    return (
        short_id(run.run_id),
        run.task,
        colour_state(run.state),
        brief_time(run.occurrence_for, zone_of(run.timezone), found.now),
        relative_time(run.occurrence_for, found.now, units=1),
        _took(run, found.now),
    )


def _took(run: RunSummary, now: datetime) -> str:
    if run.state == "skipped":
        return run.reason or ""
    if run.started_at is None:
        return ""
    return exact_span(((run.finished_at or now) - run.started_at).total_seconds())
