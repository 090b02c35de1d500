"""`ordinaut apply`: make the database match the specs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click
from click.core import ParameterSource

from reconciler.apply import Request
from reconciler.cache import Cache
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
from reconciler.cli.planoptions import expect_digest_option, only_option, verbose_option
from reconciler.cli.progress import Progress
from reconciler.cli.showing import problems_shown
from reconciler.core.guards import Allowed
from reconciler.database import database_to_write
from reconciler.expecting import require_expected
from reconciler.load import compile_source
from reconciler.planfile import read_plan
from reconciler.planning import plan_specs, require_sound
from reconciler.source import read_source
from reconciler.verifying import verified
from runtime.actor import current_actor
from runtime.cli.options import configured, json_option
from runtime.config import Config
from schemas.plan import Plan


@click.command(
    epilog="""\b
Examples:
  ordinaut apply
  ordinaut apply --yes
  ordinaut apply --plan plan.json
  ordinaut apply --allow-retire 37
"""
)
@ends_in_result
@configured("specs", "environment", "database_url", "state_dir")
@json_option
@verbose_option
@only_option
@click.option("--plan", "plan_file", type=click.Path(path_type=Path), metavar="FILE", help="Apply this plan, as it was reviewed.")  # fmt: skip
@expect_digest_option
@yes_option
@click.option(
    "--allow-retire", type=click.IntRange(0), metavar="N", help="Retire exactly this many."
)
@click.option(
    "--allow-adopt", type=click.IntRange(0), metavar="N", help="Take over exactly this many rows."
)
@click.option("--force-conflicts", type=click.IntRange(0), metavar="N", help="Overwrite exactly this many that were changed outside git too.")  # fmt: skip
@override_freeze_option
@override_policy_option
@lock_timeout_option
def apply(
    *,
    config: Config,
    as_json: bool,
    verbose: int,
    only: tuple[str, ...],
    plan_file: Path | None,
    expect_digest: str | None,
    yes: bool,
    allow_retire: int | None,
    allow_adopt: int | None,
    force_conflicts: int | None,
    override_freeze: str | None,
    override_policy: dict[str, str],
    lock_timeout: timedelta,
) -> None:
    """Make the database match the specs, in one transaction: all of it, or nothing.

    Shows the plan and asks first. What was reviewed is applied without asking: a plan FILE, or the plan of now if it
    has the DIGEST that was reviewed. Exits with 0, or 1 for an error, 3 if a guard refuses, 4 if the plan is stale, in
    conflict or another one than was reviewed, 5 if a lock or the database cannot be had.
    """
    allowed = Allowed(
        retire=allow_retire,
        adopt=allow_adopt,
        conflicts=force_conflicts,
        freeze=override_freeze,
        policies=override_policy,
    )
    request = Request(actor=current_actor(), allowed=allowed, lock_timeout=lock_timeout)
    if plan_file is not None:
        _require_as_it_is(only, expect_digest)
        saved = read_plan(plan_file)
        _require_environment(config, saved, plan_file)
        with database_to_write(config, request.actor) as connection:
            made = verified(connection, saved, plan_file, allowed)
            if made is not None:
                show_plan(made, as_json=as_json, verbose=verbose)
            carry_out(connection, made or saved, request, as_json=as_json)
        return
    require_way_to_ask(yes=yes or expect_digest is not None)
    source = read_source(config.specs)
    specs = compile_source(source, config.environment, Cache(config.state_dir), Progress().through)
    with problems_shown(source):
        require_sound(specs)
        with database_to_write(config, request.actor) as connection:
            made = plan_specs(connection, specs, source.root, allowed, only)
            show_plan(made, as_json=as_json, verbose=verbose)
            before = (
                require_expected(connection, made, expect_digest)
                if expect_digest is not None
                else None
            )
            require_consent(made, asks=not yes and expect_digest is None)
            carry_out(
                connection, made, request, as_json=as_json, folder=source.root, before=before
            )


def _was_given(option: str) -> bool:
    """Whether an option stands on the command line, and not only in the settings."""
    source = click.get_current_context().get_parameter_source(option)
    return source is ParameterSource.COMMANDLINE


def _require_as_it_is(only: tuple[str, ...], expect_digest: str | None) -> None:
    if only or expect_digest or _was_given("specs"):
        raise click.UsageError(
            "a plan FILE is applied as it is: leave out --only, --expect-digest and --specs"
        )


def _require_environment(config: Config, saved: Plan, path: Path) -> None:
    named = saved.environment.name
    if _was_given("environment") and config.environment != named:
        raise click.UsageError(
            f"{path} is a plan for environment {named}, not for {config.environment}"
        )
