"""`ordinaut logs`: what happened, from the database, as it happened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from uuid import UUID

import click
import psycopg

from runtime.cli.eventlines import event_line
from runtime.cli.options import configured, json_option
from runtime.cli.output import echo, echo_json_line, one_line
from runtime.clock import SYSTEM_CLOCK
from runtime.config import Config
from runtime.database import join_database, open_database
from runtime.errors import DatabaseUnavailable
from runtime.lookup import resolve_run
from runtime.store.event_log import LogReader
from runtime.store.event_pages import Sought, list_events
from runtime.store.rows import Connection
from runtime.store.runs import find_task
from schemas.event_log import LogEvent

_LAST: Final = 20
_MOST: Final = 10_000
_AGAIN_SECONDS: Final = 0.5
_AWAY_SECONDS: Final = 2.0
_ENDS: Final = frozenset({"run.succeeded", "run.failed", "run.cancelled", "run.skipped"})


@click.command(
    epilog="""\b
Examples:
  ordinaut logs -f
  ordinaut logs weekday-morning-briefing -n 50
  ordinaut logs 3f9a1c20 --follow
  ordinaut logs last --json | jq -r .type
"""
)
@click.argument("what", metavar="[RUN|TASK]", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is to come.")
@click.option(
    "-n",
    "count",
    metavar="N",
    type=click.IntRange(0, _MOST),
    help="How many; the last 20, or all of a run, when left out.",
)
@json_option
@configured("database_url", "state_dir")
def logs(
    *, config: Config, what: str | None, follow: bool, count: int | None, as_json: bool
) -> None:
    """Show what happened to a run, a task or everything: one line an event, oldest first.

    RUN is its id, six or more digits of either end of it, or `last`; TASK is a task's name, and means all of its runs. Of a run
    that is over --follow shows all and ends; so it does when the run ends. Redis is not asked: what is shown comes from the
    database, which keeps events as long as `keep_events` says. With --json each is a line.
    """
    with open_database(config, read_only=True, name="ordinaut logs") as connection:
        sought = _sought(connection, what)
        # Before the past is read, so that nothing falls in between.
        reader = LogReader.from_now(connection, SYSTEM_CLOCK)
        last = count if count is not None else _LAST if sought.run_id is None else _MOST
        past = list_events(connection, sought, limit=last)[::-1] if last else ()
        _print(iter(past), as_json=as_json)
    if follow and not _is_over(sought, past):
        _print(_coming(config, reader, sought, {one.sequence for one in past}), as_json=as_json)


def _sought(connection: Connection, what: str | None) -> Sought:
    if what is None:
        return Sought()
    if find_task(connection, what) is not None:
        return Sought(subject=what.removeprefix("default/"))
    return Sought(run_id=resolve_run(connection, what))


def _is_over(sought: Sought, past: tuple[LogEvent, ...]) -> bool:
    return sought.run_id is not None and any(one.type in _ENDS for one in past)


def _coming(
    config: Config, reader: LogReader, sought: Sought, shown: set[int]
) -> Iterator[LogEvent]:
    """Every event that is committed from now on, until the run is over; a database that goes away is waited for."""
    lost = ""
    while True:
        try:
            with join_database(config, name="ordinaut logs") as connection:
                if lost:
                    click.echo("the database answers again", err=True)
                    lost = ""
                for event in _read(connection, reader, sought):
                    if event.sequence in shown:
                        continue
                    yield event
                    if _is_over(sought, (event,)):
                        return
        except (psycopg.OperationalError, DatabaseUnavailable) as error:
            # A server that ended is one thing, and that none runs is another.
            if lost != (lost := _reason(error)):
                click.echo(f"{lost}; waiting for it", err=True)
            SYSTEM_CLOCK.wait(_AWAY_SECONDS)


def _reason(error: Exception) -> str:
    told = error.message if isinstance(error, DatabaseUnavailable) else str(error)
    return one_line(told)


def _read(connection: Connection, reader: LogReader, sought: Sought) -> Iterator[LogEvent]:
    while True:
        for event in reader.read(connection):
            if _wants(sought, event.subject, event.run_id):
                yield LogEvent(
                    sequence=event.sequence,
                    id=event.event_id,
                    type=event.type,
                    subject=event.subject,
                    run_id=event.run_id,
                    time=event.occurred_at,
                    data=event.data,
                )
        if not reader.is_behind:
            SYSTEM_CLOCK.wait(_AGAIN_SECONDS)


def _wants(sought: Sought, subject: str, run_id: UUID | None) -> bool:
    return sought.subject in {None, subject} and sought.run_id in {None, run_id}


def _print(events: Iterator[LogEvent], *, as_json: bool) -> None:
    for event in events:
        if as_json:
            echo_json_line(event.model_dump(mode="json"))
        else:
            echo(event_line(event.time, event.run_id, event.type, event.subject, event.data))
