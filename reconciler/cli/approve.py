"""`ordinaut approve`: let a plan pass that `ordinaut sync` was refused."""

from __future__ import annotations

from typing import Final

import click

from reconciler.cli.consent import require_way_to_ask, yes_option
from reconciler.cli.planoptions import verbose_option
from reconciler.cli.showing import look_of_terminal
from reconciler.core.render import render_plan
from reconciler.core.syncing import SHORT
from runtime.actor import current_actor
from runtime.cli.options import configured, json_option
from runtime.cli.output import echo, echo_json
from runtime.config import Config
from runtime.database import open_database
from runtime.errors import EXIT_ERROR, NotFound, StalePlan
from runtime.store.sources import approve_plan, list_sources, read_waiting_plan
from runtime.store.specs import Connection
from schemas.plan import Plan
from schemas.source import SourceStatus

_SHORTEST: Final = 8


@click.command(
    epilog="""\b
Examples:
  ordinaut approve
  ordinaut approve 9b1c04e7a2d3 --reason 'the team was dissolved'
"""
)
@click.argument("digest", required=False)
@click.option("--reason", default="", metavar="TEXT", help="Why; the revision remembers it.")
@yes_option
@json_option
@verbose_option
@configured("database_url", "state_dir")
def approve(
    *,
    config: Config,
    digest: str | None,
    reason: str,
    yes: bool,
    as_json: bool,
    verbose: int,
) -> None:
    """Let the plan pass that `ordinaut sync` waits with, or list the plans that wait.

    Shows the plan of this DIGEST, or of its first eight letters or more, and asks. The next look applies exactly that
    plan: should git or the database have moved by then, there is another plan, which waits anew. Exits with 0, or 1 if
    no such plan waits.
    """
    if digest is not None:
        require_way_to_ask(yes=yes)
    with open_database(config, name="ordinaut approve") as connection:
        waiting = [
            one for one in list_sources(connection) if one.plan_digest and one.approval is None
        ]
        if digest is None:
            _list(waiting, as_json=as_json)
            return
        found = _find(waiting, digest)
        if not as_json:
            plan = _plan(connection, found)
            echo(render_plan(plan, look_of_terminal(verbose=verbose)).rstrip("\n"))
            echo(found.message)
        if not yes and not click.confirm("Let this plan pass?", err=True):
            click.echo("Nothing was approved.", err=True)
            raise click.exceptions.Exit(EXIT_ERROR)
        if not approve_plan(connection, found, actor=current_actor(), reason=reason.strip()):
            raise _moved(found)
    if as_json:
        echo_json({"approved": found.plan_digest})
    else:
        echo(
            f"Approved: the next look of `ordinaut sync` applies {(found.plan_digest or '')[:SHORT]}."
        )


def _list(waiting: list[SourceStatus], *, as_json: bool) -> None:
    if as_json:
        echo_json([one.model_dump(mode="json") for one in waiting])
    elif not waiting:
        click.echo("nothing waits for approval", err=True)
    for one in () if as_json else waiting:
        echo(f"{(one.plan_digest or '')[:SHORT]}  {one.project}/{one.environment}  {one.message}")


def _find(waiting: list[SourceStatus], digest: str) -> SourceStatus:
    """The source that waits with a plan of this digest."""
    wanted = digest.removeprefix("sha256:").lower()
    if len(wanted) < _SHORTEST:
        raise click.UsageError(f"give at least {_SHORTEST} letters of the digest")
    found = [one for one in waiting if (one.plan_digest or "").startswith(wanted)]
    if len(found) != 1:
        known = ", ".join((one.plan_digest or "")[:SHORT] for one in waiting)
        raise NotFound(
            f"no plan of digest {wanted[:SHORT]} waits for approval",
            hint=f"these wait: {known}" if known else "none does; `ordinaut status` shows why",
        )
    return found[0]


def _plan(connection: Connection, source: SourceStatus) -> Plan:
    stored = read_waiting_plan(
        connection, source.project, source.environment, source.plan_digest or ""
    )
    if stored is None:
        raise _moved(source)
    return Plan.model_validate(stored)


def _moved(source: SourceStatus) -> StalePlan:
    return StalePlan(
        f"{source.project}/{source.environment} does not wait with that plan any more",
        hint="`ordinaut approve` lists what waits now",
    )
