"""`ordinaut plan`: what applying the specs would change."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from reconciler.cache import Cache
from reconciler.cli.ending import answered, ends_in_plan
from reconciler.cli.planoptions import fail_on_option, only_option, verbose_option
from reconciler.cli.progress import Progress
from reconciler.cli.rendered import rendered_option
from reconciler.cli.reviewers import Reviewers
from reconciler.cli.showing import look_of_terminal, problems_shown
from reconciler.core.desired import Specs
from reconciler.core.fail_on import refusal_of
from reconciler.core.guards import refusal, refused_content
from reconciler.core.render import render_plan
from reconciler.database import database_to_read
from reconciler.load import compile_source
from reconciler.planning import plan_specs, require_sound
from reconciler.source import Source, read_source
from runtime.cli.options import configured, json_option
from runtime.cli.output import echo, echo_json
from runtime.config import Config
from runtime.database import open_database
from runtime.errors import EXIT_CHANGES
from schemas.plan import Plan


@dataclass(frozen=True, slots=True)
class _Files:
    """Where else the plan is written to."""

    out: Path | None
    json_out: Path | None
    md_out: Path | None

    def write(self, made: Plan) -> None:
        if not (self.out or self.json_out or self.md_out):
            return
        from reconciler.planfile import write_markdown, write_plan  # noqa: PLC0415 - few plans are written

        for path in filter(None, (self.out, self.json_out)):
            write_plan(made, path)
        if self.md_out is not None:
            write_markdown(made, self.md_out)

    def tell(self, made: Plan) -> None:
        """Say, after the plan, what can be done with a file of it."""
        if self.out is not None and made.changes:
            click.echo(f"Apply exactly this: ordinaut apply --plan {self.out}", err=True)


_FILE: Final = click.Path(path_type=Path, dir_okay=False)


@click.command(
    epilog="""\b
Examples:
  ordinaut plan
  ordinaut plan --out plan.json && ordinaut apply --plan plan.json
  ordinaut plan --base origin/main --md-out plan.md --fail-on retire,gain
  ordinaut plan --base origin/main --annotations github --sarif-out plan.sarif
  ordinaut plan --only ops/morning-brief --only team=ops
  ordinaut plan --env prod --rendered morning-brief
  ordinaut plan --detailed-exitcode
  ordinaut plan --drift-only --fail-on drift
"""
)
@ends_in_plan
@configured("specs", "environment", "database_url", "state_dir")
@json_option
@verbose_option
@click.option("--base", metavar="REV", help="Compare with git instead of a database: with where the history parts from REV.")  # fmt: skip
@click.option("--head", metavar="REV", help="With --base: plan for this revision, not for the working tree.")  # fmt: skip
@only_option
@click.option("--drift-only", is_flag=True, help="Compare with what was applied last, and not with the specs: reads none.")  # fmt: skip
@click.option("--project", metavar="NAME", help="With --drift-only: whose, where there are several.")  # fmt: skip
@click.option("--out", type=_FILE, metavar="FILE", help="Also write the plan, to be applied.")
@click.option("--json-out", type=_FILE, metavar="FILE", help="Also write what --json prints.")
@click.option("--md-out", type=_FILE, metavar="FILE", help="Also write it as a comment on a pull request.")  # fmt: skip
@click.option("--sarif-out", type=_FILE, metavar="FILE", help="Also write problems, refusals and gains with their lines, for code scanning.")  # fmt: skip
@click.option("--annotations", type=click.Choice(["github"]), help="Also show them beside the lines of a pull request: commands for GitHub Actions, on stderr.")  # fmt: skip
@fail_on_option
@rendered_option
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 if there are changes.")
def plan(
    *,
    config: Config,
    as_json: bool,
    verbose: int,
    base: str | None,
    head: str | None,
    only: tuple[str, ...],
    drift_only: bool,
    project: str | None,
    out: Path | None,
    json_out: Path | None,
    md_out: Path | None,
    sarif_out: Path | None,
    annotations: str | None,
    fail_on: tuple[str, ...],
    detailed_exitcode: bool,
) -> None:
    """Show what applying the specs would change: when things fire, what is called, who is touched.

    Only reads the database and the repository, runs no code of theirs and needs no secret; with --base it needs no
    database either. What it compiled is kept in the state folder. Exits with 0, or 1 for an error, 3 if a guard or
    --fail-on refuses, 4 for a conflict, 5 if the database cannot be reached. A freeze or a hold is shown, and refuses
    only to apply.
    """
    _require_sense(base, head, out)
    reviewers = Reviewers(config.environment, sarif_out, annotations)
    if drift_only or project is not None:
        _require_drift_sense(drift_only=drift_only, other=base is not None or bool(only))
        reviewers.require_none("--drift-only reads no files")
    made = _drift(config, project) if drift_only else _made(config, base, head, only, reviewers)
    files = _Files(out, json_out, md_out)
    files.write(made)
    if as_json:
        answered()
        echo_json(made.model_dump(mode="json"))
    else:
        echo(render_plan(made, look_of_terminal(verbose=verbose)).rstrip("\n"))
    files.tell(made)
    refused_too = refusal_of(made, fail_on, only_drift=drift_only)
    if stopping := refused_content(made.guards):
        if refused_too:
            click.echo(refused_too.message, err=True)
        raise click.exceptions.Exit(refusal(stopping).exit_code)
    if refused_too:
        raise refused_too
    if detailed_exitcode and made.changes:
        raise click.exceptions.Exit(EXIT_CHANGES)


def _require_sense(base: str | None, head: str | None, out: Path | None) -> None:
    if head is not None and base is None:
        raise click.UsageError("--head needs --base, which it is compared with")
    if base is not None and out is not None:
        raise click.UsageError(
            "a plan of git against git cannot be applied: give --json-out instead of --out"
        )


def _require_drift_sense(*, drift_only: bool, other: bool) -> None:
    if not drift_only:
        raise click.UsageError("--project is for --drift-only: specs say whose they are")
    if other:
        raise click.UsageError(
            "--drift-only is about all that was applied: leave out --base and --only"
        )


def _drift(config: Config, project: str | None) -> Plan:
    from reconciler.drifting import only_project, plan_drift  # noqa: PLC0415 - no other plan needs it

    with open_database(config, read_only=True, name="ordinaut plan") as connection:
        name = project or only_project(connection, config.environment)
        return plan_drift(connection, name, config.environment)


def _made(
    config: Config,
    base: str | None,
    head: str | None,
    only: tuple[str, ...],
    reviewers: Reviewers,
) -> Plan:
    source = _source(config.specs, head)
    cache = Cache(config.state_dir)
    specs = compile_source(source, config.environment, cache, Progress().through)
    with problems_shown(source), reviewers.told_of_problems(source):
        require_sound(specs)
        if base is not None:
            from reconciler.comparing import plan_between  # noqa: PLC0415 - no other plan needs it

            made = plan_between(config.specs, specs, base, head, only, cache=cache)
        else:
            made = _over_database(config, specs, source, only)
    if made.changes:
        from reconciler.linting import advised  # noqa: PLC0415 - a plan without changes needs none of it

        made = advised(made, source, specs, made.as_of, head)
    reviewers.tell(source, made)
    return made


def _source(folder: Path, head: str | None) -> Source:
    """The specs to plan for: those of a revision, or those that are checked out, edits included."""
    if head is None:
        return read_source(folder)
    from reconciler.commits import read_revision  # noqa: PLC0415 - no other plan needs it

    return read_revision(folder, head)


def _over_database(config: Config, specs: Specs, source: Source, only: tuple[str, ...]) -> Plan:
    with database_to_read(config) as connection:
        if connection is None:
            click.echo("There is no database yet: compared with an empty one.", err=True)
        return plan_specs(connection, specs, source.root, only=only)
