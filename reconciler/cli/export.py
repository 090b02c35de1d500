"""`ordinaut export`: what is in force, as specs."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.export import Exported, write_files
from reconciler.export import export as exported
from reconciler.past import key_of_text
from runtime.cli.options import configured, json_option
from runtime.cli.output import echo, echo_json
from runtime.config import Config
from runtime.database import open_database


@click.command(
    epilog="""\b
Examples:
  ordinaut export --skip-defaults
  ordinaut export weekday-morning-briefing Calendar/holidays
  ordinaut export --out recovered
"""
)
@click.argument("documents", nargs=-1)
@click.option("--skip-defaults", is_flag=True, help="Leave out what says what is so anyway.")
@click.option("--project", metavar="NAME", help="Whose documents, where there are several projects; NAME/ENVIRONMENT.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="Write a file for each document; overwrites none.")  # fmt: skip
@json_option
@configured("database_url", "state_dir")
def export(
    *,
    config: Config,
    documents: tuple[str, ...],
    skip_defaults: bool,
    project: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Write what is in force as specs that compile to the same, whoever changed it last and however.

    DOCUMENTS are tasks' names, or KIND/NAME; all of the project when left out. Variables and defaults are filled in, a
    pipeline or calendar that a task uses is a document of its own, and secrets are references, as ever. Documents are as
    the environment has them that they are in force for: its overlays are laid, and the Project names none any more.
    """
    keys = tuple(dict.fromkeys(map(key_of_text, documents)))
    with open_database(config, read_only=True, name="ordinaut export") as connection:
        found = exported(connection, keys, project, skip_defaults=skip_defaults)
    files = write_files(found, out) if out else []
    if as_json:
        echo_json([one.data for one in found])
    elif out:
        for path in files:
            echo(str(path))
    else:
        echo("---\n".join(one.text for one in found).rstrip("\n"))
    _warn(found)


def _warn(found: list[Exported]) -> None:
    for one in found:
        if one.attached:
            click.echo(
                f"{one.key} reads {one.attached}, which the database does not hold: put it beside",
                err=True,
            )
        if one.overlays:
            click.echo(
                f"everything is written as {one.environment} has it, so {one.key} goes without "
                f"the overlays of {', '.join(one.overlays)}",
                err=True,
            )
