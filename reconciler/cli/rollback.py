"""`ordinaut rollback`: bring back what an earlier revision left in force."""

from __future__ import annotations

from datetime import timedelta

import click

from reconciler.apply import Request
from reconciler.cli.consent import (
    carry_out,
    lock_timeout_option,
    override_freeze_option,
    override_policy_option,
    require_consent,
    require_way_to_ask,
    show_plan,
    yes_option,
)
from reconciler.cli.ending import ends_in_result
from reconciler.core.guards import Allowed, told_by
from reconciler.past import resolve_revision
from reconciler.rollback import plan_rollback, require_meant
from runtime.actor import current_actor
from runtime.cli.holding import hold_words
from runtime.cli.options import configured, json_option
from runtime.clock import SYSTEM_CLOCK
from runtime.config import Config
from runtime.database import open_database
from runtime.store.holds import find_hold
from runtime.store.rows import Connection
from schemas.revision import Revision


@click.command(
    epilog="""\b
Examples:
  ordinaut rollback --to r40
  ordinaut rollback --to r40 --env prod --reason 'calls the wrong number'
  ordinaut rollback --to r40 --yes --allow-retire 12
"""
)
@ends_in_result
@click.option("--to", "target", required=True, metavar="rN", help="The revision to go back to.")
@click.option(
    "--reason", metavar="TEXT", help="Why: kept with the revision, and shown with the hold."
)
@click.option("--project", metavar="NAME[/ENV]", help="Whose, where that is not the project of the specs folder.")  # fmt: skip
@configured("specs", "environment", "database_url", "state_dir")
@json_option
@click.option("-v", "--verbose", is_flag=True, help="Show every field that differs.")
@yes_option
@click.option(
    "--allow-retire", type=click.IntRange(0), metavar="N", help="Retire exactly this many."
)
@click.option("--force-conflicts", type=click.IntRange(0), metavar="N", help="Overwrite exactly this many that were changed outside git too.")  # fmt: skip
@override_freeze_option
@override_policy_option
@lock_timeout_option
def rollback(
    *,
    config: Config,
    target: str,
    reason: str | None,
    project: str | None,
    as_json: bool,
    verbose: bool,
    yes: bool,
    allow_retire: int | None,
    force_conflicts: int | None,
    override_freeze: str | None,
    override_policy: dict[str, str],
    lock_timeout: timedelta,
) -> None:
    """Bring back every document of a project as revision rN left it, in one transaction.

    Shows the plan and asks first. The specs are not what is applied, and may be broken; they say whose revisions are
    meant, and another project's are refused. What is replaced is held: its commit is not applied again until a
    commit on top of it comes, or until `ordinaut hold clear`. Exits as apply does.
    """
    require_way_to_ask(yes=yes)
    actor = current_actor()
    allowed = Allowed(
        retire=allow_retire,
        conflicts=force_conflicts,
        freeze=override_freeze,
        policies=override_policy,
    )
    with open_database(config, name=f"ordinaut apply by {actor}") as connection:
        to = resolve_revision(connection, target)
        require_meant(connection, to, config.specs, config.environment, project)
        made = told_by(plan_rollback(connection, to, allowed), f"rollback --to r{to.revision}")
        show_plan(made, as_json=as_json, verbose=verbose)
        where = f"{to.project}/{to.environment}"
        require_consent(made, asks=not yes, question=f"Bring {where} back to r{to.revision}?")
        request = Request(
            actor=actor,
            allowed=allowed,
            lock_timeout=lock_timeout,
            reason=reason and reason.strip(),
            restores=to,
        )
        carry_out(connection, made, request, as_json=as_json)
        _tell_hold(connection, to)


def _tell_hold(connection: Connection, to: Revision) -> None:
    hold = find_hold(connection, to.project, to.environment)
    if hold is None:
        return
    click.echo(f"Held: {hold_words(hold, SYSTEM_CLOCK.now())}.", err=True)
    mend = f"`git revert {hold.commit[:12]}`" if hold.commit else "Take the edits back"
    click.echo(f"  {mend} and apply: that ends it, and so does `ordinaut hold clear`.", err=True)
