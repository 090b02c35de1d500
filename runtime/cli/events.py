"""`ordinaut events`: events from the stream, as they happened."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

import click

from runtime.bus import bus_address, bus_errors, connect_bus, is_away
from runtime.cli.eventlines import event_line
from runtime.cli.options import configured, json_option
from runtime.cli.output import echo, echo_json_line
from runtime.cli.replay import replay
from runtime.clock import SYSTEM_CLOCK
from runtime.config import Config
from runtime.database import redis_url
from runtime.errors import BusError
from runtime.stream import (
    Entry,
    Selection,
    entries_after,
    follow_entries,
    last_entries,
    newest_position,
)
from schemas.event import Event

_POSITION = re.compile(r"\d+(-\d+)?")
_AGAIN_SECONDS: Final = 0.5


def _position(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _POSITION.fullmatch(value):
        raise click.BadParameter(f"{value!r} is not a position such as 1767600000000-0, or 0")
    return value


@click.group(
    invoke_without_command=True,
    epilog="""\b
Examples:
  ordinaut events -n 50
  ordinaut events --follow --type 'run.*' --type revision.applied
  ordinaut events --json --from 0 | jq -r .position
  ordinaut events replay --from 2h
""",
)
@click.option("-f", "--follow", is_flag=True, help="Go on with the events to come.")
@click.option(
    "--from",
    "after",
    metavar="POSITION",
    callback=_position,
    help="Begin after this entry of the stream; 0 is its beginning.",
)
@click.option(
    "--type", "patterns", multiple=True, metavar="GLOB", help="Only such types; repeatable."
)
@click.option(
    "-n",
    "count",
    metavar="N",
    type=click.IntRange(0),
    help="How many; the last 20, or all with --from, when left out.",
)
@json_option
@configured("redis_url", "state_dir")
def events(
    *,
    config: Config,
    follow: bool,
    after: str | None,
    patterns: tuple[str, ...],
    count: int | None,
    as_json: bool,
) -> None:
    """Show events from the stream, or follow them.

    Prints the last events, oldest first; following outlasts a Redis that is away for a while. With --json each is a line:
    the attributes of CloudEvents, and its position on the stream, which --from takes.
    """
    if click.get_current_context().invoked_subcommand:
        return
    url = redis_url(config)
    if url is None:
        raise BusError(
            "there is no Redis: redis_url is not set, and no embedded one is running",
            hint="`ordinaut up` starts one; `ordinaut show RUN` has a run's events from the database",
        )
    selection = Selection(patterns)
    with bus_errors(url), connect_bus(url) as bus:
        newest = newest_position(bus, config.stream)
        if after is None:
            last = 20 if count is None else count
            _print(last_entries(bus, config.stream, selection, last, newest), as_json=as_json)
        elif not follow:
            wanted = filter(selection.wants, entries_after(bus, config.stream, after))
            _print(islice(wanted, count), as_json=as_json)
    if follow:
        coming = filter(selection.wants, _coming(config, url, after or newest))
        # Without a position, -n is about those before.
        _print(islice(coming, None if after is None else count), as_json=as_json)


events.add_command(replay)


def _coming(config: Config, url: str, position: str) -> Iterator[Entry]:
    """Every entry after a position, without end; a Redis that goes away is waited for, wherever it comes back."""
    is_lost = False
    while True:
        try:
            with bus_errors(url), connect_bus(url) as bus:
                if is_lost and bus.ping():
                    click.echo(f"{bus_address(url)} answers again", err=True)
                    is_lost = False
                for entry in follow_entries(bus, config.stream, position):
                    position = entry.position
                    yield entry
        except BusError as error:
            if not is_away(error):
                raise
            if not is_lost:
                click.echo(f"{error.message}; waiting for it", err=True)
            is_lost = True
            SYSTEM_CLOCK.wait(_AGAIN_SECONDS)
            url = redis_url(config) or url


def _print(entries: Iterable[Entry], *, as_json: bool) -> None:
    for entry in entries:
        if entry.event is None:
            click.echo(f"entry {entry.position} of the stream is no event of Ordinaut", err=True)
        elif as_json:
            echo_json_line({"position": entry.position, **entry.event.model_dump(mode="json")})
        else:
            echo(_line(entry.event))


def _line(event: Event) -> str:
    return event_line(event.time, event.runid, event.short_type, event.subject, event.data)
