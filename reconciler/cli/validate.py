"""`ordinaut validate`: every problem of a specs folder at once."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Final

import click

from reconciler.core.desired import Specs
from reconciler.diagnostics import as_github, as_json, as_sarif, as_text, summary
from reconciler.load import compile_source
from reconciler.source import Source, folder_around, read_source
from runtime.cli.output import echo
from runtime.config import Config
from runtime.errors import EXIT_ERROR
from schemas.validation import Validation

_FORMATS: Final = ("text", "json", "github", "sarif")


@click.command(
    epilog="""\b
Examples:
  ordinaut validate
  ordinaut validate specs/briefing.yaml
  ordinaut validate --format github
"""
)
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(_FORMATS), default="text", help="What is printed."
)
@click.option("--json", "as_json_too", is_flag=True, help="The same as --format json.")
@click.option("--env", "environment", metavar="NAME", help="Whose variables are filled in.")
def validate(path: Path | None, form: str, as_json_too: bool, environment: str | None) -> None:
    """Check specs and show every problem at once.

    PATH is a specs folder, or one file of it, of which alone the problems are shown; the whole folder is read either
    way. Exits with 1 if there are errors. Needs no database, no network and no secret.
    """
    config = Config.load({"specs": path, "environment": environment})
    folder = folder_around(config.specs)
    source = _readable_here(folder)
    specs = compile_source(source, config.environment)
    validation = _validation(specs, source, None if folder == config.specs else config.specs)
    _print("json" if as_json_too else form, validation, source)
    if not validation.valid:
        raise click.exceptions.Exit(EXIT_ERROR)


def _readable_here(folder: Path) -> Source:
    """The specs, with files called so that they can be opened from the working folder, if they are below it."""
    here = Path.cwd()
    return read_source(folder, here if folder.resolve().is_relative_to(here) else None)


def _validation(specs: Specs, source: Source, only: Path | None) -> Validation:
    name = (Path(source.name) / only.resolve().relative_to(source.root)).as_posix() if only else ""
    problems = tuple(problem for problem in specs.problems if name in ("", problem.file))
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


def _print(form: str, validation: Validation, source: Source) -> None:
    match form:
        case "json":
            click.echo(as_json(validation), nl=False)
        case "github":
            click.echo(as_github(validation.problems), nl=False)
        case "sarif":
            click.echo(as_sarif(validation.problems, version("ordinaut")), nl=False)
        case _:
            texts = {file.name: file.data.decode(errors="replace") for file in source.files}
            if validation.problems:
                echo(as_text(validation.problems, texts))
            click.echo(summary(validation), err=True)
