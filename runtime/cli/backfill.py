"""`ordinaut backfill`: run what a task did not run in the past."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click

from runtime.actor import current_actor
from runtime.backfilling import Asked, backfill_task
from runtime.cli.options import configured, json_option, reason_option
from runtime.cli.output import echo_report, local_time, zone_of
from runtime.config import Config
from runtime.database import open_database
from schemas.backfill import BackfillReport

_SHOWN: Final = 10


@click.command(
    epilog="""\b
Examples:
  ordinaut backfill weekday-morning-briefing --from 2026-03-01 --to 2026-03-31 --dry-run
  ordinaut backfill billing/invoices --from 2026-03-28T00:00 --to 2026-03-28T06:00 --limit 3
"""
)
@click.argument("task")
@click.option(
    "--from",
    "since",
    metavar="TIME",
    required=True,
    help="A date, or ISO 8601; without an offset, in the task's zone.",
)
@click.option(
    "--to", "until", metavar="TIME", required=True, help="Likewise, included; a date is all of it."
)
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=1),
    help="Run at most so many, the oldest first.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would run.")
@reason_option
@json_option
@configured("database_url", "state_dir")
def backfill(
    *,
    config: Config,
    task: str,
    since: str,
    until: str,
    limit: int | None,
    dry_run: bool,
    reason: str,
    as_json: bool,
) -> None:
    """Run what a task did not run in the past.

    Every occurrence of its schedule in that time gets a run, unless it has had one that succeeded or is not over. The runs
    go one after another, and let what is due now go first. Asking again queues nothing twice.
    """
    asked = Asked(since, until, limit, dry_run, current_actor(reason=reason.strip()))
    with open_database(config, name="ordinaut backfill") as connection:
        done = backfill_task(connection, task, asked)
    echo_report(done, _lines(done), as_json=as_json)


def _lines(done: BackfillReport) -> Iterator[tuple[str, str]]:
    zone = zone_of(done.timezone)
    runs = f"{len(done.queued)} run{'' if len(done.queued) == 1 else 's'}"
    yield (
        "would queue" if done.dry_run else "queued",
        f"{runs} of {done.task}, by r{done.revision}",
    )
    for at in done.queued[:_SHOWN]:
        yield "", local_time(at, zone)
    if len(done.queued) > _SHOWN:
        yield "", f"and so on until {local_time(done.queued[-1], zone)}"
    for count, what in (
        (done.already, "have run, or are going to"),
        (done.excluded, "excluded by a calendar"),
        (done.undecided, "not decided yet: catch_up will"),
        (done.left, "more than --limit"),
    ):
        if count:
            yield "left out", f"{count} {what}"
