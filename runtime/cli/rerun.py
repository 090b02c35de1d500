"""`ordinaut rerun`: run a run once more."""

from __future__ import annotations

import click

from runtime.actor import current_actor
from runtime.cli.following import overlap_option, tell_of, wait_option
from runtime.cli.options import configured, json_option, reason_option
from runtime.cli.output import short_id
from runtime.config import Config
from runtime.database import open_database
from runtime.lookup import resolve_run
from runtime.rerunning import Rerun, rerun_run


@click.command(
    epilog="""\b
Examples:
  ordinaut rerun last --wait
  ordinaut rerun 3f9a1c20 --failed
  ordinaut rerun 3f9a1c20 --from send --latest
"""
)
@click.argument("run", metavar="RUN")
@click.option(
    "--from",
    "start",
    metavar="STEP",
    help="Begin at this step; what is on record of those before it stays.",
)
@click.option(
    "--failed", "only_failed", is_flag=True, help="Do only what failed, and what comes after it."
)
@click.option(
    "--latest", is_flag=True, help="By the revision in force, not by that of the run before."
)
@overlap_option
@wait_option
@reason_option
@json_option
@configured("database_url", "state_dir")
def rerun(
    *,
    config: Config,
    run: str,
    start: str | None,
    only_failed: bool,
    latest: bool,
    overlap: bool,
    wait: bool,
    reason: str,
    as_json: bool,
) -> None:
    """Run a run once more, with the parameters and the event that it was started with.

    RUN is its id, six or more digits of either end of it, a task's name for its newest run, or `last`. The new run is
    linked to it. Steps that are done again get new idempotency keys, since they are meant to happen once more. With
    --failed they keep their keys: a tool that knows them does not do again what it has done already.
    """
    if start is not None and only_failed:
        raise click.UsageError("--from and --failed exclude each other")
    asked = Rerun(
        start=start,
        only_failed=only_failed,
        latest=latest,
        may_overlap=overlap,
        needs_runtime=wait,
    )
    with open_database(config, name="ordinaut rerun") as connection:
        before = resolve_run(connection, run)
        run_id = rerun_run(connection, before, asked, actor=current_actor(reason=reason.strip()))
        click.echo(f"queued run {short_id(run_id)}, again for {short_id(before)}", err=True)
        tell_of(connection, run_id, wait=wait, as_json=as_json)
