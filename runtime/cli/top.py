"""`ordinaut top`: what happens now, drawn again and again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Final

import click

from runtime.cli.options import Span, configured, json_option
from runtime.cli.output import (
    bold,
    brief_time,
    colour_state,
    dim,
    echo,
    echo_json_line,
    progress_bar,
    relative_time,
    short_id,
    table,
    zone_of,
)
from runtime.clock import SYSTEM_CLOCK
from runtime.config import Config
from runtime.core.spans import rough_span
from runtime.database import open_database
from runtime.health import bus_status
from runtime.store.event_log import LogReader
from runtime.watching import Watch

if TYPE_CHECKING:
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
    other, and with --json as one line. It only reads.
    """
    looks = iter(range(times)) if times else count()
    with open_database(config, read_only=True, name="ordinaut top") as connection:
        watch = Watch(LogReader.from_now(connection, SYSTEM_CLOCK), SYSTEM_CLOCK)

        def look() -> Top:
            return watch.look(connection, bus_status(config), limit=limit)

        if sys.stdout.isatty() and not as_json:
            _draw(look, looks, every)
            return
        for number in looks:
            if number:
                SYSTEM_CLOCK.wait(every.total_seconds())
            seen = look()
            if as_json:
                echo_json_line(seen.model_dump(mode="json"))
            else:
                echo("\n".join(top_lines(seen)) + "\n")


def _draw(look: Callable[[], Top], looks: Iterator[int], every: timedelta) -> None:
    from runtime.cli.screen import whole_screen  # noqa: PLC0415 - only where there is a terminal

    with whole_screen() as screen:
        for _ in looks:
            screen.draw([*top_lines(look()), "", dim("q ends it")])
            if screen.wait(every.total_seconds()):
                return


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
