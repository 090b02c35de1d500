"""`ordinaut validate`: every problem of a specs folder at once."""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from typing import Any, Final

import click

from reconciler.cache import Cache
from reconciler.cli.progress import Progress
from reconciler.commits import read_revision
from reconciler.core.annotations import as_github
from reconciler.core.concerning import problems_about
from reconciler.core.desired import Specs
from reconciler.core.remarks import Remarks
from reconciler.diagnostics import as_json, as_text, summary
from reconciler.load import compile_source
from reconciler.reviewing import from_top, sarif_of
from reconciler.source import Source, read_around
from runtime.cli.options import Command, configured
from runtime.cli.output import echo
from runtime.config import Config
from runtime.errors import EXIT_ERROR
from schemas.problem import Problem
from schemas.validation import Validation

_FORMATS: Final = ("text", "json", "github", "sarif")

head_option = click.option(
    "--head", metavar="REV", help="Read this revision of git, not the working tree."
)


def format_options(command: Command) -> Command:
    """The options `--format` and `--json`, which the command receives as `form`."""

    @wraps(command)
    def call(*, form: str, as_json: bool, **others: Any) -> None:
        command(form="json" if as_json else form, **others)

    flag = click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
    choice = click.option(
        "--format", "form", type=click.Choice(_FORMATS), default="text", help="What is printed."
    )
    return choice(flag(call))


@click.command(
    epilog="""\b
Examples:
  ordinaut validate
  ordinaut validate specs/briefing.yaml
  ordinaut validate --specs ../other/specs --format github
  ordinaut validate --head origin/feature
"""
)
@click.argument("path", required=False, type=click.Path(path_type=Path))
@configured("specs", "environment", "state_dir")
@format_options
@head_option
def validate(*, config: Config, path: Path | None, form: str, head: str | None) -> None:
    """Check specs and show every problem at once.

    PATH is a specs folder, the one of the settings if left out, or one file. Of a file its own problems are shown, and the
    errors of the Project and of the environment's overlays, without which it may mean something else. Exits with 1 if
    there are errors. Needs no database, no network and no secret, and with --head no checkout.
    """
    named = path or config.specs
    source = read_around(named, Path.cwd()) if head is None else read_revision(named, head)
    specs = compile_source(source, config.environment, Cache(config.state_dir), Progress().through)
    file = source.name_of(named) if head is None and named.is_file() else None
    validation = validation_of(specs, source, problems_about(specs, file))
    print_validation(form, validation, source, "validate")
    if not validation.valid:
        raise click.exceptions.Exit(EXIT_ERROR)


def validation_of(specs: Specs, source: Source, problems: tuple[Problem, ...]) -> Validation:
    """What is told of specs, with these problems of them."""
    errors = sum(problem.severity == "error" for problem in problems)
    return Validation(
        valid=not errors,
        project=specs.project,
        environment=specs.environment,
        files=len(source.files),
        documents=len(specs.documents),
        errors=errors,
        warnings=sum(problem.severity == "warning" for problem in problems),
        problems=problems,
    )


def print_validation(form: str, validation: Validation, source: Source, command: str) -> None:
    """Print problems as `--format` says.

    Those that other tools show beside the lines of a repository name files from its top; the others as they can be opened.

    Args:
        command: what found them.
    """
    remarks = Remarks(validation.problems, texts=source.texts)
    match form:
        case "json":
            click.echo(as_json(validation), nl=False)
        case "github":
            click.echo(as_github(from_top(remarks, source)), nl=False)
        case "sarif":
            log = sarif_of(from_top(remarks, source), command, validation.environment)
            click.echo(log, nl=False)
        case _:
            if validation.problems:
                echo(as_text(remarks.problems, remarks.texts))
            click.echo(summary(validation), err=True)
