"""`ordinaut fmt`: spec files in their one form."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import unified_diff
from pathlib import Path

import click

from reconciler.diagnostics import as_text
from reconciler.rewrite import Rewriting, rewritings_of, write_anew
from runtime.cli.options import configured, json_option
from runtime.cli.output import echo, echo_json
from runtime.config import Config
from runtime.errors import EXIT_CHANGES, EXIT_ERROR
from schemas.formatting import Formatting


@click.command(
    epilog="""\b
Examples:
  ordinaut fmt
  ordinaut fmt specs/briefing.yaml --diff
  ordinaut fmt --check
"""
)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing; exit with 2 if a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
@json_option
@configured("specs")
def fmt(
    *, config: Config, paths: tuple[Path, ...], check: bool, diff: bool, as_json: bool
) -> None:
    """Write spec files in their one form, comments included.

    PATHS are files and folders, the specs folder when left out. Keys come in the order of the reference, two spaces make
    an indent, brackets stay where they fit into 100 columns. What a file says never changes. A file that is not valid
    YAML is left alone, and ends the command with 1.
    """
    rewritings = rewritings_of(paths or (config.specs,))
    write = not (check or diff)
    formatting = _formatted(rewritings, write=write)
    if as_json:
        echo_json(formatting.model_dump(mode="json"))
    else:
        _print(formatting, rewritings, diff=diff)
    if formatting.problems:
        raise click.exceptions.Exit(EXIT_ERROR)
    if check and formatting.changed:
        raise click.exceptions.Exit(EXIT_CHANGES)


def _formatted(rewritings: Sequence[Rewriting], *, write: bool) -> Formatting:
    problems = [problem for one in rewritings for problem in one.problems]
    changed = []
    for one in rewritings:
        failure = write_anew(one) if write and one.changes else None
        if failure is not None:
            problems.append(failure)
        elif one.changes:
            changed.append(one.name)
    return Formatting(
        written=write,
        changed=tuple(changed),
        unchanged=sum(not (one.changes or one.problems) for one in rewritings),
        problems=tuple(problems),
    )


def _print(formatting: Formatting, rewritings: Sequence[Rewriting], *, diff: bool) -> None:
    if diff:
        for one in rewritings:
            if one.changes:
                echo(_difference(one).rstrip("\n"))
    else:
        for name in formatting.changed:
            echo(f"{'formatted' if formatting.written else 'would format'} {name}")
    if formatting.problems:
        texts = {one.name: one.before.decode(errors="replace") for one in rewritings}
        echo(as_text(formatting.problems, texts))
    click.echo(_summary(formatting), err=True)


def _difference(rewriting: Rewriting) -> str:
    before, after = (
        data.decode(errors="replace").splitlines(keepends=True)
        for data in (rewriting.before, rewriting.after)
    )
    lines = unified_diff(before, after, rewriting.name, f"{rewriting.name} (formatted)")
    # The last line of a file may lack its end.
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def _summary(formatting: Formatting) -> str:
    done = "formatted" if formatting.written else "would be formatted"
    parts = [
        f"{_count(len(formatting.changed))} {done}" if formatting.changed else "",
        f"{_count(formatting.unchanged)} unchanged" if formatting.unchanged else "",
        f"{_count(len({p.file for p in formatting.problems}))} refused"
        if formatting.problems
        else "",
    ]
    return ", ".join(part for part in parts if part) or "no files"


def _count(number: int) -> str:
    return f"{number} file" + ("" if number == 1 else "s")
