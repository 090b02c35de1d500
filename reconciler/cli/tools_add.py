"""`ordinaut tools add`: a tool server from what a registry says of it."""

from __future__ import annotations

import click

from reconciler.adding import add_server
from reconciler.core.registry import WAYS, Way
from runtime.cli.options import configured, json_option
from runtime.cli.output import dim, echo, echo_json
from runtime.config import Config
from schemas.tools import AddedServer


@click.command(
    epilog="""\b
Examples:
  ordinaut tools add server.json
  ordinaut tools add server.json --name weather --by npm
  curl -s "$REGISTRY/v0/servers/$SERVER/versions/latest" | ordinaut tools add -
"""
)
@click.argument("source", metavar="FILE")
@click.option("--name", help="What steps will call it; the last part of its name when left out.")
@click.option(
    "--by", "way", type=click.Choice(WAYS), help="How to run or reach it, where there are several."
)
@json_option
@configured("specs")
def add(*, config: Config, source: str, name: str | None, way: Way | None, as_json: bool) -> None:
    """Write a ToolServer document for the server that FILE, a server.json, describes; `-` reads it from standard input.

    Nothing is downloaded and nothing is started. Versions are pinned, secrets become references, and what must be filled
    in by hand is printed and stands above the document. A file that exists is never written over.
    """
    found = add_server(source, config.specs, name, way)
    if as_json:
        echo_json(found.model_dump(mode="json"))
        return
    echo(f"wrote  {found.file}  {dim(f'by {found.way}')}")
    click.echo(_next_steps(found), err=True)


def _next_steps(found: AddedServer) -> str:
    lines = []
    if found.secrets:
        lines.append("Declare in the Project, under `secrets`:")
        lines += [f"  {name}: {{env: {variable}}}" for name, variable in found.secrets.items()]
    if found.missing:
        lines.append("Fill in by hand:")
        lines += [f"  {each}" for each in found.missing]
    if found.others:
        lines.append(f"It could be had by {', '.join(found.others)}, too: `--by`.")
    return "\n".join([*lines, f"Next:\n  ordinaut tools test {found.server}"])
