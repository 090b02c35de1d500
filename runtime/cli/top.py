"""`ordinaut top`: what happens now, drawn again and again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Final, Protocol

import click

from runtime.cli.options import Span, configured, json_option
from runtime.cli.output import (
    bold,
    brief_time,
    colour_state,
    dim,
    echo,
    echo_json_line,
    one_line,
    progress_bar,
    relative_time,
    short_id,
    table,
    zone_of,
)
from runtime.clock import SYSTEM_CLOCK
from runtime.config import Config
from runtime.core.spans import rough_span
from runtime.database import join_database
from runtime.errors import DatabaseUnavailable
from runtime.health import bus_status
from runtime.store.event_log import LogReader
from runtime.watching import Watch

if TYPE_CHECKING:
    from runtime.cli.screen import Screen
    from schemas.run import RunSummary
    from schemas.status import TaskStatus
    from schemas.top import Rates, Top

_COLOURS: Final = {"well": "green", "attention": "yellow", "trouble": "red"}
_MARKS: Final = {"error": "red", "warning": "yellow"}
_ROWS: Final = 20
_UPCOMING: Final = 5
_LEAST: Final = timedelta(milliseconds=200)


@click.command(
    epilog="""\b
Examples:
  ordinaut top
  ordinaut top --every 5s
  ordinaut top --json --count 1 | jq .rates
"""
)
@click.option(
    "--every",
    metavar="SPAN",
    type=Span(_LEAST),
    default="1s",
    show_default=True,
    help="How often to look.",
)
@click.option("--count", "times", metavar="N", type=click.IntRange(1), help="End after N looks.")
@click.option(
    "-n",
    "limit",
    metavar="N",
    type=click.IntRange(1, 1000),
    default=_ROWS,
    show_default=True,
    help="How many runs.",
)
@json_option
@configured("database_url", "redis_url", "state_dir")
def top(*, config: Config, every: timedelta, times: int | None, limit: int, as_json: bool) -> None:
    """Watch what runs, what is due next, how fast it goes, and whether all is well.

    On a terminal the screen is drawn anew in its place, and q or Ctrl-C ends it; elsewhere each look is printed after the
    other, and with --json as one line. It only reads, and waits for a database that goes away meanwhile.
    """
    if sys.stdout.isatty() and not as_json:
        from runtime.cli.screen import whole_screen  # noqa: PLC0415 - only where there is a terminal

        with whole_screen() as screen:
            _watch(config, _OnScreen(screen, every), times, limit)
    else:
        _watch(config, _OnLines(every, as_json=as_json), times, limit)


class _Place(Protocol):
    """Where looks are shown."""

    def show(self, seen: Top) -> None:
        """Show what there is now."""

    def miss(self, why: str) -> None:
        """Say that the database does not answer."""

    def rest(self, *, is_last: bool) -> bool:
        """Wait until the next look; whether somebody ended it."""
        ...


def _watch(config: Config, place: _Place, times: int | None, limit: int) -> None:
    """Look so many times, or until somebody ends it. A database that goes away is waited for, one that never was is not."""
    watch: Watch | None = None
    looks = count(1)
    while True:
        try:
            with join_database(config, name="ordinaut top") as connection:
                watch = watch or Watch(LogReader.from_now(connection, SYSTEM_CLOCK), SYSTEM_CLOCK)
                for number in looks:
                    place.show(watch.look(connection, bus_status(config), limit=limit))
                    if place.rest(is_last=number == times) or number == times:
                        return
        except DatabaseUnavailable as error:
            if watch is None:
                raise
            place.miss(one_line(error.message))
            if place.rest(is_last=False):
                return


@dataclass(frozen=True, slots=True)
class _OnScreen:
    screen: Screen
    every: timedelta

    def show(self, seen: Top) -> None:
        self.screen.draw([*top_lines(seen), "", dim("q ends it")])

    def miss(self, why: str) -> None:
        away = bold(click.style("The database does not answer", fg="red"))
        self.screen.draw([away, why, "", dim("waiting for it; q ends it")])

    def rest(self, *, is_last: bool) -> bool:  # noqa: ARG002 - the last look stays for as long as every other
        return self.screen.wait(self.every.total_seconds())


@dataclass(slots=True)
class _OnLines:
    every: timedelta
    as_json: bool = field(kw_only=True)
    _is_lost: bool = field(init=False, default=False)

    def show(self, seen: Top) -> None:
        self._is_lost = False
        if self.as_json:
            echo_json_line(seen.model_dump(mode="json"))
        else:
            echo("\n".join(top_lines(seen)) + "\n")

    def miss(self, why: str) -> None:
        if not self._is_lost:
            echo(f"{why}; waiting for it", err=True)
        self._is_lost = True

    def rest(self, *, is_last: bool) -> bool:
        if not is_last:
            SYSTEM_CLOCK.wait(self.every.total_seconds())
        return False


def top_lines(seen: Top) -> Iterator[str]:
    """The screen, without colours where nobody wants them."""
    yield bold(click.style(seen.verdict.headline, fg=_COLOURS[seen.verdict.state]))
    for finding in seen.verdict.findings:
        if finding.severity in _MARKS:
            mark = click.style(finding.severity.ljust(9), fg=_MARKS[finding.severity])
            yield f"{mark}{finding.what}"
    yield ""
    yield from _facts(seen)
    if seen.active:
        yield ""
        rows = [_run(run, seen) for run in seen.active]
        yield from table(("RUN", "TASK", "STATE", "FOR", "SINCE"), rows, flexible=1).splitlines()
    if seen.progress:
        yield ""
        bars = [
            (one.task, one.name, progress_bar(one.done, one.total, one.failed))
            for one in seen.progress
        ]
        yield from table(("PROGRESS OF", "WHAT", ""), bars, flexible=0).splitlines()
    if seen.upcoming:
        yield ""
        tasks = [_task(task, seen) for task in seen.upcoming[:_UPCOMING]]
        yield from table(("NEXT", "", "TASK"), tasks).splitlines()


def _facts(seen: Top) -> Iterator[str]:
    queue, outbox = seen.queue, seen.outbox
    late = f", {queue.overdue:,} overdue" if queue.overdue else ""
    yield f"runs      {queue.running:,} running, {queue.waiting:,} waiting, {queue.queued:,} queued{late}"
    yield f"rate      {_rates(seen.rates)}"
    alive = sum(one.alive for one in seen.runtimes)
    silent = len(seen.runtimes) - alive
    yield f"runtimes  {alive} alive" + (f", {silent} silent" if silent else "")
    waits = f"{outbox.events:,} not yet published" if outbox.events else "all published"
    yield f"events    {waits}"
    yield dim(f"at        {seen.now:%Y-%m-%d %H:%M:%S} UTC")


def _rates(rates: Rates) -> str:
    if rates.seconds < 1:
        return "counting"
    begun = rates.started / rates.seconds
    ends = f"{rates.succeeded:,} succeeded, {rates.failed:,} failed, {rates.skipped:,} left out"
    return f"{begun:,.1f} begun a second; {ends} in {rough_span(timedelta(seconds=rates.seconds))}"


def _run(run: RunSummary, seen: Top) -> tuple[str, ...]:
    since = run.started_at or run.due_at
    occurrence = brief_time(run.occurrence_for, zone_of(run.timezone), seen.now)
    return (
        short_id(run.run_id),
        run.task,
        colour_state(run.state),
        occurrence,
        relative_time(since, seen.now),
    )


def _task(task: TaskStatus, seen: Top) -> tuple[str, ...]:
    assert task.next_for is not None  # noqa: S101 - only armed tasks come here
    due = task.next_due_at or task.next_for
    at = brief_time(task.next_for, zone_of(task.timezone), seen.now)
    return at, relative_time(due, seen.now), task.task
