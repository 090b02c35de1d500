"""`ordinaut pause`: hold a task back."""

from __future__ import annotations

from collections.abc import Iterator

import click

from runtime.actor import current_actor
from runtime.cli.options import configured, json_option
from runtime.cli.output import echo_report, local_time, relative_time, zone_of
from runtime.config import Config
from runtime.database import open_database
from runtime.overrides import pause_task
from schemas.override import Pause, PauseReport


@click.command(
    epilog="""\b
Examples:
  ordinaut pause weekday-morning-briefing
  ordinaut pause weekday-morning-briefing --until 3d --reason 'moving house'
  ordinaut pause weekday-morning-briefing --until 2026-12-28T08:00
"""
)
@click.argument("task")
@click.option(
    "--until",
    metavar="TIME",
    help="Resume it then: a span such as 2h, or ISO 8601; without an offset, in the task's zone.",
)
@click.option("--reason", metavar="TEXT", default="", help="Why; shown wherever the pause is.")
@json_option
@configured("database_url", "state_dir")
def pause(*, config: Config, task: str, until: str | None, reason: str, as_json: bool) -> None:
    """Let nothing of a task fire for a while.

    Runs that are queued or under way go on, and `ordinaut run` still runs it. What falls into the pause is not lost: once
    it is over, the task's catch_up policy decides every occurrence, as a run or a recorded skip. Pausing a paused task
    gives the pause another reason and end.
    """
    with open_database(config, name="ordinaut pause") as connection:
        done = pause_task(
            connection, task, until=until, reason=reason.strip(), actor=current_actor()
        )
    echo_report(done, _lines(done), as_json=as_json)


def pause_words(pause: Pause, report: PauseReport) -> str:
    """Who paused a task, since when and why."""
    actor = f" by {pause.actor}" if pause.actor else ""
    reason = f" ({pause.reason})" if pause.reason else ""
    return f"{actor} {relative_time(pause.since, report.now)}{reason}".strip()


def _lines(done: PauseReport) -> Iterator[tuple[str, str]]:
    assert done.pause is not None  # noqa: S101 - it was just set
    by = f"{done.task}, by {done.pause.actor}"
    match done.outcome:
        case "paused":
            yield "paused", by
        case "unchanged":
            yield "paused", f"{done.task}, as it was: {pause_words(done.pause, done)}"
        case _:
            yield "paused", f"{by}, instead of the pause set {_former(done)}"
    yield "until", _end(done.pause, done)
    if done.pause.reason:
        yield "reason", done.pause.reason
    if done.queued or done.in_flight:
        yield "runs", f"{done.queued} queued and {done.in_flight} under way go on"
    if done.next_for is not None:
        upcoming = local_time(done.next_for, zone_of(done.timezone))
        if done.pause.until is None or done.next_for < done.pause.until:
            yield (
                "holds",
                f"{upcoming} and what follows; decided later by catch_up: {done.catch_up}",
            )
        else:
            yield "holds", f"nothing: what comes next is {upcoming}"


def _former(done: PauseReport) -> str:
    assert done.before is not None  # noqa: S101 - only then is a pause changed
    end = f" until {_end(done.before, done)}" if done.before.until else ""
    return pause_words(done.before, done) + end


def _end(pause: Pause, done: PauseReport) -> str:
    if pause.until is None:
        return f"`ordinaut resume {done.task}`"
    zone = zone_of(done.timezone)
    return f"{local_time(pause.until, zone)}, {relative_time(pause.until, done.now)}"
