"""`ordinaut next`: when tasks will fire."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from reconciler.cli.showing import problems_shown
from reconciler.core.desired import Desired, Specs
from reconciler.core.suggest import did_you_mean
from reconciler.core.upcoming import upcoming
from reconciler.load import compile_source
from reconciler.source import Source, folder_around, read_source
from runtime.cli.options import configured, json_option
from runtime.cli.output import dim, echo, echo_json, local_time, relative_time, table
from runtime.clock import SYSTEM_CLOCK
from runtime.config import Config
from runtime.core.recurrence.zone import Zone, load_zone
from runtime.errors import NotFound, SpecError
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
@click.option("--from", "start", metavar="TIME", help="Begin here instead of now; ISO 8601.")
@click.option("--tz", "timezone", metavar="ZONE", help="Show times in this zone.")
@json_option
@configured("specs", "environment")
def next(  # noqa: A001 - commands are found by their name
    *,
    config: Config,
    what: str | None,
    limit: int,
    start: str | None,
    timezone: str | None,
    as_json: bool,
) -> None:
    """Show when tasks will fire, in their own zone, with what the clocks do to them.

    Reads the specs alone: no database is needed, and what is paused there is not known here. A time of --from without an
    offset is read in the zone of --tz, or else as UTC.
    """
    zone = load_zone(timezone) if timezone else None
    path = Path(what) if what and Path(what).exists() else None
    folder = folder_around(path or config.specs)
    source = read_source(folder)
    specs = compile_source(source, config.environment)
    file = _name_of(path, source) if path and path.is_file() else None
    with problems_shown(source):
        _require_sound(specs, file)
    tasks = _tasks(specs, file, None if path else what)
    found = upcoming(tasks, _instant(start, zone), limit, zone)
    if as_json:
        echo_json(found.model_dump(mode="json"))
    else:
        _print(found, is_now=start is None)


def _name_of(path: Path, source: Source) -> str:
    return (Path(source.name) / path.resolve().relative_to(source.root)).as_posix()


def _require_sound(specs: Specs, file: str | None) -> None:
    """Refuse what cannot be read: a broken file next to the one that was asked for does not matter."""
    errors = [problem for problem in specs.errors if file in {None, problem.file}]
    if errors:
        raise SpecError(
            f"the specs hold {len(errors)} error{'s' if len(errors) > 1 else ''}, so not all of their times are known",
            problems=errors,
        )


def _tasks(specs: Specs, file: str | None, label: str | None) -> list[Desired]:
    tasks = [document for key, document in specs.documents.items() if key.kind == "Task"]
    if file is not None:
        tasks = [task for task in tasks if task.place.file == file]
    if label is None:
        return tasks
    named = [task for task in tasks if task.key.label == label]
    if not named:
        raise NotFound(
            f"there is no task {label} in these specs, and no such file",
            hint=did_you_mean(label, [task.key.label for task in tasks]),
        )
    return named


def _instant(text: str | None, zone: Zone | None) -> datetime:
    if text is None:
        return SYSTEM_CLOCK.now()
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not ISO 8601, such as 2026-03-28 or 2026-03-28T08:30+02:00",
            param_hint="--from",
        ) from None
    return start if start.tzinfo else start.replace(tzinfo=zone.tz if zone else UTC)


def _print(found: UpcomingList, *, is_now: bool) -> None:
    if found.occurrences:
        rows = [
            (
                local_time(occurrence.at, occurrence.at.tzinfo or UTC),
                relative_time(occurrence.due_at, found.after) if is_now else "",
                occurrence.task,
                dim(occurrence.note),
            )
            for occurrence in found.occurrences
        ]
        echo(table(("WHEN", "", "TASK", ""), rows, flexible=2))
    if found.silent:
        click.echo(f"not driven by time, or never again: {', '.join(found.silent)}", err=True)
