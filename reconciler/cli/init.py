"""`ordinaut init`: a repository of specs that runs as it is."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from reconciler.beginning import Service, begin
from runtime.cli.options import json_option
from runtime.cli.output import dim, echo, echo_json
from schemas.beginning import Beginning


@click.command(
    epilog="""\b
Examples:
  ordinaut init
  ordinaut init team-schedules --ci github
"""
)
@click.argument("folder", default=".", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--ci",
    "service",
    type=click.Choice(("github", "gitlab")),
    help="Also write steps that review specs there.",
)
@json_option
def init(*, folder: Path, service: Service | None, as_json: bool) -> None:
    """Begin a repository of specs: a Project, an agent, and a task that runs as it is.

    Writes into FOLDER, the working folder when left out, and never over a file that exists. The task needs no account and
    no secret. Editors find the JSON Schema of specs in specs/.schema.json.
    """
    beginning = begin(folder, service)
    if as_json:
        echo_json(beginning.model_dump(mode="json"))
        return
    for path in beginning.written:
        echo(f"wrote  {folder / path}")
    for path in beginning.kept:
        echo(dim(f"kept   {folder / path}"))
    click.echo(_next_steps(folder, beginning), err=True)


def _next_steps(folder: Path, beginning: Beginning) -> str:
    go = "" if folder == Path() else f"  cd {shlex.quote(str(folder))}\n"
    if not beginning.project:
        return f"There are specs already. Next:\n{go}  ordinaut validate && ordinaut plan"
    return (
        f"Next:\n{go}"
        "  ordinaut validate                  every problem at once\n"
        "  ordinaut next                      when the task will fire\n"
        "  ordinaut up                        servers, specs and a runtime on this machine\n"
        "  ordinaut run hello --wait          the task at once, beside `up`"
    )
