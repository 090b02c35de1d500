"""`ordinaut resume`: end a pause."""

from __future__ import annotations

from collections.abc import Iterator

import click

from runtime.actor import current_actor
from runtime.cli.options import configured, json_option, reason_option
from runtime.cli.output import echo_report, local_time, zone_of
from runtime.cli.pause import pause_words
from runtime.config import Config
from runtime.database import open_database
from runtime.overrides import COUNTED, resume_task
from schemas.override import PauseReport


@click.command(
    epilog="""\b
Examples:
  ordinaut resume weekday-morning-briefing
  ordinaut resume weekday-morning-briefing --json | jq .undecided
"""
)
@click.argument("task")
@reason_option
@json_option
@configured("database_url", "state_dir")
def resume(*, config: Config, task: str, reason: str, as_json: bool) -> None:
    """End a task's pause, or its snooze.

    What fell into the pause is decided at once by a runtime, by the task's catch_up policy: every occurrence becomes a run
    or a recorded skip. A task that is not paused is left alone.
    """
    with open_database(config, name="ordinaut resume") as connection:
        done = resume_task(connection, task, actor=current_actor(reason=reason.strip()))
    echo_report(done, _lines(done), as_json=as_json)


def _lines(done: PauseReport) -> Iterator[tuple[str, str]]:
    if done.before is None:
        yield "resumed", f"nothing: {done.task} is not paused"
    else:
        held = "paused" if done.before.kind == "pause" else "snoozed"
        yield "resumed", f"{done.task}, {held} {pause_words(done.before, done)}"
        if done.undecided:
            yield "missed", f"{_count(done.undecided)}; decided now by catch_up: {done.catch_up}"
    if done.next_for is not None:
        yield "next", local_time(done.next_for, zone_of(done.timezone))


def _count(undecided: int) -> str:
    if undecided == 1:
        return "1 occurrence"
    return f"{undecided:,} occurrences" + (" or more" if undecided == COUNTED else "")
