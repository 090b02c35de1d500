"""What commands that ask for a run have in common: they say which it is, or follow it until it is over."""

from __future__ import annotations

from uuid import UUID

import click

from runtime.cli.output import colour_state, echo, echo_json, one_line
from runtime.cli.story import step_lines
from runtime.clock import SYSTEM_CLOCK
from runtime.core.spans import exact_span
from runtime.errors import EXIT_ERROR
from runtime.manual import follow_run
from runtime.store.rows import Connection
from runtime.store.runs import load_run
from schemas.run import RunReport, StepReport

overlap_option = click.option(
    "--overlap", is_flag=True, help="Run it beside an active run of the same task."
)
wait_option = click.option("--wait", is_flag=True, help="Follow the run until it is over.")


def tell_of(connection: Connection, run_id: UUID, *, wait: bool, as_json: bool) -> None:
    """Print the id of a run or all of it as JSON, or else follow it; exits with 1 unless what is followed succeeds."""
    if wait:
        _follow(connection, run_id, as_json=as_json)
    elif as_json:
        echo_json(load_run(connection, run_id).model_dump(mode="json"))
    else:
        echo(str(run_id))


def _follow(connection: Connection, run_id: UUID, *, as_json: bool) -> None:
    """Print each step of a run as it ends, and then its end; exits with 1 unless it succeeds."""

    def tell(step: StepReport) -> None:
        if not as_json:
            echo("\n".join(step_lines(step, unfold=False)) + "\n")

    finished = follow_run(connection, run_id, SYSTEM_CLOCK, tell)
    if as_json:
        echo_json(finished.model_dump(mode="json"))
    else:
        _print_end(finished)
    if finished.state != "succeeded":
        raise click.exceptions.Exit(EXIT_ERROR)


def _print_end(finished: RunReport) -> None:
    parts = [colour_state(finished.state)]
    if finished.started_at is not None and finished.finished_at is not None:
        parts.append(exact_span((finished.finished_at - finished.started_at).total_seconds()))
    if finished.error is not None:
        parts.append(f"{finished.error.code} {one_line(finished.error.message)}")
    echo("  ".join(parts))
