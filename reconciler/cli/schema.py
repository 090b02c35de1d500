"""`ordinaut schema`: the JSON Schema of specs, for editors, and of events, for their readers. Reads the generated files, so that without tools it needs no models."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Final

import click

from reconciler.core.suggest import did_you_mean
from runtime.cli.options import configured
from runtime.config import Config

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
  ordinaut schema run.failed
  ordinaut schema --with-tools > specs/.schema.json
\b
An editor with a YAML language server takes it from the first line of a file:
  # yaml-language-server: $schema=../.ordinaut/schema.json
"""
)
@click.argument("kind", required=False)
@click.option("--with-tools", is_flag=True, help="Add the tools of the tool lock, with their arguments.")  # fmt: skip
@configured("specs")
def schema(*, config: Config, kind: str | None, with_tools: bool) -> None:
    """Print the JSON Schema (draft-07) of all specs, or of one KIND, or of events: `event` or a type such as run.failed.

    With completion, descriptions on hover, and marks under what does not fit while you type.
    """
    name = "ordinaut"
    if kind is not None and (kind.lower() == "event" or "." in kind):
        name = _of_events(kind)
    elif kind is not None:
        folded = kind.lower().replace("_", "").replace("-", "")
        if folded not in _FILES:
            raise click.BadParameter(
                f"there is no kind {kind}; {did_you_mean(kind, _KINDS)}", param_hint="KIND"
            )
        name = _FILES[folded]
    text = resources.files("schemas").joinpath(f"{name}.schema.json").read_text(encoding="utf-8")
    click.echo(_text_with_tools(text, config.specs) if with_tools else text, nl=False)


def _of_events(kind: str) -> str:
    from schemas.event import EVENTS, TYPE_PREFIX  # noqa: PLC0415 - brings models, which specs do without

    name = kind.removeprefix(TYPE_PREFIX)
    if name not in EVENTS and name.lower() != "event":
        raise click.BadParameter(
            f"there is no type of event {name}; {did_you_mean(name, EVENTS)}", param_hint="KIND"
        )
    return f"events/{name.lower()}"


def _text_with_tools(text: str, specs: Path) -> str:
    from reconciler.core.contract_checks import Contracts  # noqa: PLC0415 - heavy, and few ask for tools
    from reconciler.core.tool_schemas import with_tools  # noqa: PLC0415 - likewise
    from reconciler.lockfile import locked_in  # noqa: PLC0415 - likewise

    whole = with_tools(json.loads(text), Contracts.of(locked_in(specs)))
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
