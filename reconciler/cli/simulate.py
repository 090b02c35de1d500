"""`ordinaut simulate`: what the whole spec set does over the coming days."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import click

from reconciler.cli.selecting import Selected, instant_given, selected
from reconciler.cli.showing import look_of_terminal
from reconciler.core.simulation import Assumptions, default_zone
from reconciler.core.simulation import simulate as played
from reconciler.core.simulation_runs import Period, period_of
from reconciler.core.simulation_text import render_simulation
from reconciler.icsfile import NotACalendar, write_ics
from runtime.cli.options import Span, configured, json_option
from runtime.cli.output import echo, echo_json, local_time
from runtime.config import Config
from runtime.core.recurrence.zone import Zone, load_zone


@click.command(
    epilog="""\b
Examples:
  ordinaut simulate
  ordinaut simulate --days 90 --from 2026-03-01 --tz Europe/Rome
  ordinaut simulate weekday-morning-briefing --duration 10m
  ordinaut simulate --ics schedules.ics
""",
)
@click.argument("what", metavar="[TASK|FILE|FOLDER]", required=False)
@click.option(
    "--days",
    metavar="N",
    type=click.IntRange(1, 3660),
    default=30,
    show_default=True,
    help="How many days.",
)
@click.option(
    "--from", "start", metavar="TIME", help="Begin here, inclusive, instead of now; ISO 8601."
)
@click.option("--tz", "timezone", metavar="ZONE", help="Count days and hours in this zone.")
@click.option(
    "--duration",
    type=Span(timedelta(milliseconds=1)),
    default="1m",
    show_default=True,
    help="How long a run is taken to last.",
)
@click.option(
    "--herd",
    metavar="N",
    type=click.IntRange(2),
    default=5,
    show_default=True,
    help="How many runs in a minute are a herd.",
)
@click.option(
    "--ics",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the runs to an iCalendar file too.",
)
@json_option
@configured("specs", "environment")
def simulate(
    *,
    config: Config,
    what: str | None,
    days: int,
    start: str | None,
    timezone: str | None,
    duration: timedelta,
    herd: int,
    ics: Path | None,
    as_json: bool,
) -> None:
    """Play the specs through the coming days: runs, overlaps, herds, budgets, and a map of the hours.

    Reads the specs alone: no database is needed and nothing is run. Days and hours are those of --tz, else of the
    Project's default zone, else UTC. How long runs take cannot be known: overlaps rest on --duration.
    """
    found = selected(what, config)
    zone = load_zone(timezone or default_zone(found.specs) or "UTC")
    period = _period(instant_given(start, zone), days, zone)
    assumed = Assumptions(duration=duration, herd=herd)
    simulation = played(found.specs, found.tasks, period, assumed)
    if ics:
        _write(ics, found, period, assumed.duration)
    if as_json:
        echo_json(simulation.model_dump(mode="json"))
    else:
        echo(render_simulation(simulation, look_of_terminal(verbose=False)).rstrip("\n"))


def _write(path: Path, found: Selected, period: Period, assumed: timedelta) -> None:
    from reconciler.core.simulation_ics import calendar_file  # noqa: PLC0415 - few ask for a file, and its library loads slowly

    file = calendar_file(found.specs.project, found.tasks, period, assumed)
    try:
        write_ics(file.content, path)
    except (NotACalendar, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise click.BadParameter(f"{why or error}", param_hint="--ics") from None
    cut = (
        f": all before {local_time(file.cut_at, period.zone.tz)}; fewer --days, or one task, give the rest"
        if file.cut_at
        else ""
    )
    click.echo(f"{path} holds {file.events:,} runs{cut}", err=True)


def _period(begin: datetime, days: int, zone: Zone) -> Period:
    try:
        return period_of(begin, days, zone)
    except OverflowError:
        raise click.BadParameter(
            "the period reaches over the end of the calendar", param_hint="--from"
        ) from None
