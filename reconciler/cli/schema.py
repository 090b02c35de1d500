"""`ordinaut schema`: the JSON Schema of specs, for editors. Reads the generated files, so that it needs no models."""

from __future__ import annotations

from importlib import resources
from typing import Final

import click

from reconciler.core.suggest import did_you_mean

_KINDS: Final = ("Project", "Task", "Pipeline", "ToolServer", "Agent", "Calendar", "Test")
_FILES: Final = {
    "project": "project",
    "task": "task",
    "pipeline": "pipeline",
    "toolserver": "tool_server",
    "agent": "agent",
    "calendar": "calendar",
    "test": "test",
}


@click.command(
    epilog="""\b
Examples:
  ordinaut schema > .ordinaut/schema.json
  ordinaut schema Task
\b
An editor with a YAML language server takes it from the first line of a file:
  # yaml-language-server: $schema=../.ordinaut/schema.json
"""
)
@click.argument("kind", required=False)
def schema(kind: str | None) -> None:
    """Print the JSON Schema (draft-07) of all specs, or of one KIND.

    With completion, descriptions on hover, and marks under what does not fit while you type.
    """
    name = "ordinaut"
    if kind is not None:
        folded = kind.lower().replace("_", "").replace("-", "")
        if folded not in _FILES:
            raise click.BadParameter(
                f"there is no kind {kind}; {did_you_mean(kind, _KINDS)}", param_hint="KIND"
            )
        name = _FILES[folded]
    text = resources.files("schemas").joinpath(f"{name}.schema.json").read_text(encoding="utf-8")
    click.echo(text, nl=False)
