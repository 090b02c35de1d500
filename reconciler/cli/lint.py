"""`ordinaut lint`: advice about specs that are valid."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from reconciler.cli.progress import Progress
from reconciler.cli.selecting import instant_given
from reconciler.cli.validate import format_options, head_option, print_validation, validation_of
from reconciler.commits import read_revision
from reconciler.core.leaking import LEAK
from reconciler.linting import lint_source
from reconciler.load import compile_source
from reconciler.source import Source, read_around
from runtime.cli.options import FAILING, configured, failing_option
from runtime.config import Config
from runtime.errors import EXIT_ERROR
from schemas.problem import Problem


@click.command(
    epilog="""\b
Examples:
  ordinaut lint
  ordinaut lint specs/team-a --fail-on warning
  ordinaut lint --format sarif > lint.sarif
  ordinaut lint --head origin/feature
"""
)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@configured("specs", "environment")
@format_options
@failing_option
@click.option("--from", "start", metavar="TIME", help="Look ahead from here instead of now; ISO 8601.")  # fmt: skip
@head_option
def lint(
    *,
    config: Config,
    paths: tuple[Path, ...],
    form: str,
    fail_on: str,
    start: str | None,
    head: str | None,
) -> None:
    """Advise about specs that are valid: what will surprise, grow stale, or leak.

    Shows what is found in PATHS, or in the whole specs folder. The Project sets what a rule is worth under `lint`; a
    comment `# ordinaut:ignore ORD801 reason` on a line or above it silences a rule there. Specs with errors get these
    instead of advice. Needs no database and no network.
    """
    source = _source(paths, config) if head is None else read_revision(config.specs, head)
    specs = compile_source(source, config.environment, through=Progress().through)
    # A secret is one of the things to advise about.
    unsound = tuple(one for one in specs.errors if one.code != LEAK)
    problems = unsound or lint_source(source, specs, instant_given(start, None), head)
    shown = tuple(_within(problems, [source.name_of(path) for path in paths]))
    validation = validation_of(specs, source, shown)
    print_validation(form, validation, source, "lint")
    if any(problem.severity in FAILING[fail_on] for problem in shown):
        raise click.exceptions.Exit(EXIT_ERROR)


def _source(paths: tuple[Path, ...], config: Config) -> Source:
    """The specs folder of the settings, unless what is asked for lies elsewhere."""
    folder = config.specs.resolve()
    inside = all(path.resolve().is_relative_to(folder) for path in paths)
    return read_around(config.specs if inside else paths[0], Path.cwd())


def _within(problems: Iterable[Problem], names: list[str]) -> Iterable[Problem]:
    return (
        problem
        for problem in problems
        if not names or any(Path(problem.file).is_relative_to(name) for name in names)
    )
