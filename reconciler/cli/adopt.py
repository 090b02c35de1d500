"""`ordinaut adopt`: take over documents that are in the database and not ours."""

from __future__ import annotations

from datetime import timedelta

import click

from reconciler.adopting import allowed_adoption, plan_adoption
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
from reconciler.cli.showing import problems_shown
from reconciler.core.guards import told_by
from reconciler.load import compile_source
from reconciler.past import key_of_text
from reconciler.planning import require_sound
from reconciler.source import read_source
from runtime.actor import current_actor
from runtime.cli.options import configured, json_option
from runtime.config import Config
from runtime.database import open_database


@click.command(
    epilog="""\b
Examples:
  ordinaut adopt weekday-morning-briefing
  ordinaut adopt Calendar/holidays Task/ops/nightly --yes
"""
)
@ends_in_result
@click.argument("documents", nargs=-1, required=True)
@configured("specs", "environment", "database_url", "state_dir")
@json_option
@click.option("-v", "--verbose", is_flag=True, help="Show every field that differs.")
@yes_option
@override_freeze_option
@override_policy_option
@lock_timeout_option
def adopt(
    *,
    config: Config,
    documents: tuple[str, ...],
    as_json: bool,
    verbose: bool,
    yes: bool,
    override_freeze: str | None,
    override_policy: dict[str, str],
    lock_timeout: timedelta,
) -> None:
    """Take over documents that are in the database and belong to another project, or that no apply made.

    DOCUMENTS are tasks' names, or KIND/NAME, and must be in the specs: from then on they are as the specs say, with their
    history, queue and overrides. Shows the plan and asks first. Exits as apply does.
    """
    require_way_to_ask(yes=yes)
    keys = tuple(dict.fromkeys(map(key_of_text, documents)))
    source = read_source(config.specs)
    specs = compile_source(source, config.environment)
    actor = current_actor()
    allowed = allowed_adoption(keys, override_freeze, override_policy)
    request = Request(actor=actor, allowed=allowed, lock_timeout=lock_timeout, kind="adopt")
    with problems_shown(source):
        require_sound(specs)
        with open_database(config, name=f"ordinaut apply by {actor}") as connection:
            made = plan_adoption(connection, specs, source.root, keys, allowed)
            made = told_by(made, f"adopt {' '.join(documents)}")
            show_plan(made, as_json=as_json, verbose=verbose)
            require_consent(made, asks=not yes)
            carry_out(connection, made, request, as_json=as_json)
