"""`ordinaut cancel`: end a run before it is over."""

from __future__ import annotations

from collections.abc import Iterator

import click

from runtime.actor import current_actor
from runtime.cancelling import cancel_run
from runtime.cli.options import configured, json_option
from runtime.cli.output import echo_report, relative_time, short_id
from runtime.config import Config
from runtime.database import open_database
from runtime.lookup import resolve_run
from schemas.run import CancelReport


@click.command(
    epilog="""\b
Examples:
  ordinaut cancel 3f9a1c20
  ordinaut cancel weekly-payments --reason 'wrong month'
  ordinaut cancel weekly-payments --now
"""
)
@click.argument("run", metavar="RUN")
@click.option("--reason", metavar="TEXT", default="", help="Why; it is kept with the run.")
@click.option(
    "--now", "at_once", is_flag=True, help="End it where it is, without its steps of `finally`."
)
@json_option
@configured("database_url", "state_dir")
def cancel(*, config: Config, run: str, reason: str, at_once: bool, as_json: bool) -> None:
    """End a run before it is over, whether it is queued, waits or is being executed.

    RUN is its id, six or more digits of either end of it, a task's name for its newest run, or `last`. From this moment on
    nothing that works on it can record anything; its runtime stops at once, and asks the tool to. What a tool has done
    already stays done. Steps of `finally` still run after what was begun, and only --now cuts them off. Exits with 1 if the run,
    or its steps, ended before.
    """
    with open_database(config, name="ordinaut cancel") as connection:
        done = cancel_run(
            connection,
            resolve_run(connection, run),
            reason=reason.strip(),
            actor=current_actor(),
            at_once=at_once,
        )
    echo_report(done, _lines(done), as_json=as_json)


def _lines(done: CancelReport) -> Iterator[tuple[str, str]]:
    run = done.run
    was = "as it was" if done.outcome == "unchanged" else f"it was {done.was}"
    yield "cancelled", f"run {short_id(run.run_id)} of {run.task}, {was}"
    if done.outcome == "unchanged" and run.finished_at is not None:
        by = f" by {run.ended_by}" if run.ended_by else ""
        yield "since", f"{relative_time(run.finished_at, run.now)}{by}"
    if run.detail:
        yield "reason", run.detail
    if done.was_executed:
        yield "stops", "the step under way; nothing it still brings is recorded"
    if not run.is_over:
        yield "finally", "its last steps run; --now ends it without them"
