"""`ordinaut events replay`: publish events again."""

from __future__ import annotations

import asyncio
import sys
from io import StringIO
from typing import Final

import click

from runtime.actor import current_actor
from runtime.cli.options import configured, json_option
from runtime.cli.output import echo, echo_json
from runtime.clock import SYSTEM_CLOCK
from runtime.config import Config
from runtime.database import open_database
from runtime.store.replaying import Queued, count_replayed
from runtime.store.rows import Connection
from schemas.replay import ReplayReport

_LOOK_AGAIN_SECONDS: Final = 0.1
# A relay tries a Redis that is away at least so often.
_PATIENCE_SECONDS: Final = 15.0


@click.command(
    epilog="""\b
Examples:
  ordinaut events replay --from 2h --dry-run
  ordinaut events replay --from 2026-03-28T08:00 --to 2026-03-28T09:30 --type 'run.*'
  ordinaut events replay --from 0000000000000004711
  ordinaut events replay --run weekly-payments
"""
)
@click.option(
    "--from",
    "since",
    metavar="TIME|SEQUENCE",
    help="The first: a time (UTC without an offset), a span before now, or a sequence.",
)
@click.option(
    "--to", "until", metavar="TIME|SEQUENCE", help="The last, likewise; a date is all of it."
)
@click.option(
    "--type", "patterns", multiple=True, metavar="GLOB", help="Only such types; repeatable."
)
@click.option("--run", metavar="RUN", help="Only those of a run; all of them without --from.")
@click.option(
    "--most",
    metavar="N",
    type=click.IntRange(1),
    help="Refuse more; as many as the stream holds, when left out.",
)
@click.option("--dry-run", is_flag=True, help="Only count them.")
@click.option("--no-wait", is_flag=True, help="Do not wait until they are out.")
@json_option
@configured("database_url", "state_dir")
def replay(
    *,
    config: Config,
    since: str | None,
    until: str | None,
    patterns: tuple[str, ...],
    run: str | None,
    most: int | None,
    dry_run: bool,
    no_wait: bool,
    as_json: bool,
) -> None:
    """Publish events of the log again, for those who lost them or read them for the first time.

    The same events, with their ids and sequences, in their order: whoever drops repetitions by id sees each once. A relay
    publishes them before whatever is new, so that the order within each run stays; that takes it about a second for 20,000.
    The log keeps events for as long as keep_events says. What Redis lost within the last hour goes out again by itself.
    """
    from runtime.lookup import resolve_run  # noqa: PLC0415 - showing events needs no database
    from runtime.replaying import Asked  # noqa: PLC0415 - likewise
    from runtime.replaying import replay as publish_again  # noqa: PLC0415 - likewise

    if since is None and run is None:
        raise click.UsageError("say where to begin with --from, or which --run is meant")
    with open_database(config, name="ordinaut replay") as connection:
        run_id = None if run is None else resolve_run(connection, run)
        most = most or config.stream_length
        asked = Asked(since, until, patterns, run_id, most, dry_run, current_actor())
        report, queued = publish_again(connection, asked)
        if not dry_run and not no_wait and report.has_relay:
            left = _wait(connection, queued, report.events)
            report = report.model_copy(update={"published": report.events - left})
    if as_json:
        echo_json(report.model_dump(mode="json"))
    else:
        echo(_told(report))


def _wait(connection: Connection, queued: Queued, total: int) -> int:
    """Wait until all are out, or none has gone for a while; how many are left."""
    left, moved_at = total, SYSTEM_CLOCK.monotonic()
    shown = sys.stderr if sys.stderr.isatty() else StringIO()
    with click.progressbar(length=total, label="publishing", file=shown) as bar:
        while SYSTEM_CLOCK.monotonic() - moved_at < _PATIENCE_SECONDS:
            now_left = count_replayed(connection, queued)
            if now_left < left:
                bar.update(left - now_left)
                left, moved_at = now_left, SYSTEM_CLOCK.monotonic()
            if not left:
                break
            asyncio.run(SYSTEM_CLOCK.sleep(_LOOK_AGAIN_SECONDS))
    return left


def _told(report: ReplayReport) -> str:
    events = f"{report.events:,} event{'s' * (report.events != 1)}"
    span = f"{report.first_at:%Y-%m-%d %H:%M:%S}Z to {report.last_at:%Y-%m-%d %H:%M:%S}Z"
    if report.dry_run:
        return f"{events} would be published again, of {span}"
    if report.published == report.events:
        return f"{events} published again, of {span}"
    why = "" if report.has_relay else "; no runtime is there that publishes"
    out = f", {report.published:,} of them are out" if report.published else ""
    return f"{events} of {span} go out again{out}: they wait in the outbox{why}"
