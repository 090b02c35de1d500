"""`ordinaut snooze`: leave out what a task would do for a while."""

from __future__ import annotations

from collections.abc import Iterator

import click

from runtime.actor import current_actor
from runtime.cli.options import configured, json_option
from runtime.cli.output import echo_report, local_time, relative_time, zone_of
from runtime.config import Config
from runtime.database import open_database
from runtime.overrides import COUNTED, snooze_task
from schemas.override import SnoozeReport


@click.command(
    epilog="""\b
Examples:
  ordinaut snooze weekday-morning-briefing --for 2d --reason 'long weekend'
  ordinaut snooze weekday-morning-briefing --until 2026-12-28T08:00
"""
)
@click.argument("task")
@click.option("--for", "span", metavar="SPAN", help="For so long, such as 2h or 3d.")
@click.option(
    "--until",
    metavar="TIME",
    help="Until then: ISO 8601; without an offset, in the task's zone.",
)
@click.option("--reason", metavar="TEXT", default="", help="Why; shown wherever the snooze is.")
@json_option
@configured("database_url", "state_dir")
def snooze(
    *, config: Config, task: str, span: str | None, until: str | None, reason: str, as_json: bool
) -> None:
    """Leave out what a task would do for a while.

    Nothing of it fires meanwhile. Each occurrence that comes due is recorded as skipped, and none is caught up with; that is what `ordinaut pause` does.
    It ends by itself, or by `ordinaut resume`. Snoozing a snoozed task gives the snooze another reason and end.
    """
    if (span is None) == (until is None):
        raise click.UsageError("say for how long: either --for or --until")
    with open_database(config, name="ordinaut snooze") as connection:
        done = snooze_task(
            connection,
            task,
            until=until or span or "",
            reason=reason.strip(),
            actor=current_actor(),
        )
    echo_report(done, _lines(done), as_json=as_json)


def _lines(done: SnoozeReport) -> Iterator[tuple[str, str]]:
    assert done.snooze.until is not None  # noqa: S101 - a snooze has an end
    zone = zone_of(done.timezone)
    how = ", as it was" if done.outcome == "unchanged" else f", by {done.snooze.actor}"
    yield "snoozed", done.task + how
    end = local_time(done.snooze.until, zone)
    yield "until", f"{end}, {relative_time(done.snooze.until, done.now)}"
    if done.snooze.reason:
        yield "reason", done.snooze.reason
    count = f"{done.left_out:,} occurrence{'s' * (done.left_out != 1)}"
    yield "leaves out", count + (" or more" if done.left_out == COUNTED else "")
    if done.next_for is not None:
        yield "next", local_time(done.next_for, zone)
