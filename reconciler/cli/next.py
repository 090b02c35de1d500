"""`ordinaut next`: when tasks will fire."""

from __future__ import annotations

from datetime import UTC

import click

from reconciler.cli.selecting import instant_given, selected
from runtime.cli.options import configured, json_option
from runtime.cli.output import dim, echo, echo_json, local_time, relative_time, table
from runtime.config import Config
from runtime.core.recurrence.zone import load_zone
from runtime.core.upcoming import upcoming
from schemas.upcoming import UpcomingList


@click.command(
    name="next",
    epilog="""\b
Examples:
  ordinaut next
  ordinaut next weekday-morning-briefing -n 5
  ordinaut next specs/briefing.yaml --from 2026-03-28 --tz Europe/Rome
""",
)
@click.argument("what", metavar="[TASK|FILE|FOLDER]", required=False)
@click.option(
    "-n",
    "limit",
    metavar="N",
    type=click.IntRange(1, 10_000),
    default=10,
    show_default=True,
    help="How many occurrences.",
)
@click.option(
    "--from", "start", metavar="TIME", help="Begin here, inclusive, instead of now; ISO 8601."
)
@click.option("--tz", "timezone", metavar="ZONE", help="Show times in this zone.")
@click.option("--all", "excluded", is_flag=True, help="Show what calendars exclude, too.")
@json_option
@configured("specs", "environment")
def next(  # noqa: A001 - commands are found by their name
    *,
    config: Config,
    what: str | None,
    limit: int,
    start: str | None,
    timezone: str | None,
    excluded: bool,
    as_json: bool,
) -> None:
    """Show when tasks will fire, in their own zone, with what clocks and calendars do to them.

    Reads the specs alone: no database is needed, and what is paused there is not known here. A time of --from without an
    offset is read in the zone of --tz, or else as UTC; an occurrence at that very time is shown.
    """
    zone = load_zone(timezone) if timezone else None
    begin = instant_given(start, zone)
    tasks = ((task.key.label, task.body) for task in selected(what, config).tasks)
    found = upcoming(tasks, begin, limit, zone, excluded=excluded)
    if as_json:
        echo_json(found.model_dump(mode="json"))
    else:
        _print(found, is_now=start is None)


def _print(found: UpcomingList, *, is_now: bool) -> None:
    if found.occurrences:
        rows = [
            (
                local_time(occurrence.at, occurrence.at.tzinfo or UTC),
                relative_time(occurrence.due_at, found.begin) if is_now else "",
                occurrence.task,
                dim(occurrence.note),
            )
            for occurrence in found.occurrences
        ]
        echo(table(("WHEN", "", "TASK", ""), rows, flexible=2))
    if found.silent:
        click.echo(f"not driven by time, or never again: {', '.join(found.silent)}", err=True)
