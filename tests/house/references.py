"""Writes the pages of `docs/` that are made from the program itself: `python -m tests.house.references`.

The command line comes from its commands, the spec language from the JSON Schemas of its models and from the table of what
has no engine yet, the settings from the configuration. A test compares what is committed.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from typing import Any, Final

import click

from reconciler.cli import COMMANDS, main
from reconciler.web.app import whole_app
from runtime.config import Config
from runtime.web.description import described
from schemas import patterns
from schemas.base import Document
from schemas.durations import format_duration
from schemas.export import exported, file_name
from schemas.spec import BUILTIN_TOOLS, KINDS
from tests.house.sources import ROOT

_WIDTH: Final = 80
_NOTICE: Final = "<!-- Made by `make generated` from {source}; edit that, not this. -->\n"
_NULL: Final = {"type": "null"}
_VARIABLE: Final = {"$ref": "#/definitions/Variable"}
# How a person calls the texts that a pattern describes.
_TEXTS: Final = {
    patterns.DURATION: "span",
    patterns.NAME: "name",
    patterns.QUALIFIED_NAME: "name",
    patterns.IDENTIFIER: "identifier",
    patterns.TOOL: "tool",
}

_HEAD: Final = tuple(field.alias or name for name, field in Document.model_fields.items())

Schema = dict[str, Any]


@cache
def references() -> dict[str, str]:
    """The text of every generated page by its path from the root."""
    return {
        "docs/cli-reference.md": cli_reference(),
        "docs/configuration.md": configuration(),
        "docs/spec-reference.md": spec_reference(),
        "docs/openapi.json": openapi(),
    }


def openapi() -> str:
    """What the HTTP API is, for programs."""
    app = whole_app(Config.load({}, environ={}), "")
    return json.dumps(described(app), indent=2, ensure_ascii=False) + "\n"


def cli_reference() -> str:
    """Every command with its help, as a terminal of 80 columns shows it."""
    return "\n".join(
        (
            _NOTICE.format(source="the commands"),
            "# Command line\n",
            "Results go to stdout, everything else to stderr. `--json` prints one JSON document instead of text; `NO_COLOR`"
            " turns colours off. An option that names a setting overrides [the setting](configuration.md).\n",
            "| exit | meaning |\n|---|---|",
            "| 0 | Done. |",
            "| 1 | An error, or a command line that makes no sense. |",
            "| 2 | `plan --detailed-exitcode`: there are changes. `fmt --check`: a file is not in its form. |",
            "| 3 | Refused by a guard, a policy or `--fail-on`; also by a freeze or a hold, which `plan` only shows. |",
            "| 4 | The plan is stale, or somebody changed the same outside git. |",
            "| 5 | A lock or the database could not be had in time. |",
            "| 70 | A part of the runtime made no progress, so it ended. |",
            "| 130 | Interrupted. |\n",
            _help("ordinaut", main),
            *(_section(title, tuple(rows)) for title, rows in COMMANDS.items()),
        )
    )


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command with its whole name, groups first."""
    yield from _below("ordinaut", main)


def _below(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None
            yield from _below(f"{name} {inner}", found)


def _section(title: str, names: tuple[str, ...]) -> str:
    parts = [f"## {title}\n"]
    for first in names:
        for name, command in commands():
            if name.split()[1:2] == [first]:
                parts += [f"### {name}\n", _help(name, command)]
    return "\n".join(parts)


def _help(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name, terminal_width=_WIDTH)
    lines = [line.rstrip() for line in command.get_help(context).splitlines()]
    return "```text\n" + "\n".join(lines) + "\n```\n"


def configuration() -> str:
    """Every setting: its variable, its flag, its default, what it means."""
    rows = [
        (
            f"`{field.name}`",
            f"`ORDINAUT_{field.name.upper()}`",
            _flag(field.name),
            _default(field),
            meaning,
        )
        for field, meaning in settings()
    ]
    return "\n".join(
        (
            _NOTICE.format(source="`runtime/config.py`"),
            "# Settings\n",
            "A setting is a flag of a command, else an environment variable, else a line of `ordinaut.toml` in the working folder,"
            " else its default. A span of time has its unit: `500ms`, `30s`, `5m`, `1h30m`.\n",
            _table(("setting", "environment variable", "flag", "default", "meaning"), rows),
            '```toml\n# ordinaut.toml\nconcurrency = 8\ngrace = "1m"\n```\n',
            "Passwords belong into the environment, not into the file or onto the command line, where other users of the machine"
            " can read them.\n",
        )
    )


def settings() -> Iterator[tuple[dataclasses.Field[Any], str]]:
    """Every setting with the sentence that its class says of it."""
    told = dict(re.findall(r"^\s+(\w+): (.+)$", Config.__doc__ or "", flags=re.MULTILINE))
    for field in dataclasses.fields(Config):
        yield field, told[field.name][0].upper() + told[field.name][1:]


def _flag(name: str) -> str:
    """The option that overrides a setting, wherever a command has it."""
    for _, command in commands():
        for option in command.params:
            if option.name == name:
                return f"`{option.opts[0]}`"
    return ""


def _default(field: dataclasses.Field[Any]) -> str:
    match field.default:
        case None:
            return ""
        case timedelta() as span:
            return f"`{format_duration(span)}`"
        case value:
            return f"`{value}`"


def spec_reference() -> str:
    """Every field of every kind, with its type, default and meaning."""
    schemas = {kind: json.loads(exported()[file_name(kind)]) for kind in (*KINDS, "Test")}
    parts: dict[str, Schema] = {}
    for schema in schemas.values():
        parts |= schema["definitions"]
    del parts["Variable"]
    return "\n".join(
        (
            _NOTICE.format(source="the models in `schemas/`"),
            "# Spec language\n",
            _PREFACE,
            _fields_table(2, "Every document", _head(schemas["Task"])),
            *(
                _fields_table(2, kind, schema, but=_HEAD if kind in KINDS else ())
                for kind, schema in schemas.items()
            ),
            "## Parts\n",
            *(
                _fields_table(3, name, part)
                for name, part in sorted(parts.items())
                if "properties" in part
            ),
            "## Built-in tools\n",
            "They run in process and need no ToolServer.\n",
            *(
                f"- `{server}`: {', '.join(_built_in(f'{server}.{tool}') for tool in sorted(tools))}"
                for server, tools in BUILTIN_TOOLS.items()
            ),
            "",
        )
    )


def _built_in(tool: str) -> str:
    return f"`{tool}`"


_PREFACE: Final = """\
A specs folder holds YAML files, each with one or more documents; how they are spread over files means nothing. YAML is read as
1.2: `yes` and `on` are text, and whole numbers have at most 64 bits. Anchors, aliases, tags and repeated keys are refused, and
so are unknown fields. `ordinaut validate` shows every problem with its place, and `ordinaut schema` prints the JSON Schema of
all this for an editor.

Where a value is not text, `${vars.name}` may stand for it: variables are defined by the Project and filled in when a plan is made.
In the arguments of a step, `${...}` holds a [JMESPath](https://jmespath.org) expression that is evaluated when the step runs.

### Spans, names and tools

- A **span** is a number with its unit, or several: `500ms`, `30s`, `10m`, `12h`, `7d`, `2w`, `1h30m`.
- A **name** has lower-case letters, digits and inner hyphens, at most 63; `namespace/name` reaches another namespace.
- An **identifier** has letters, digits and underscores, so that expressions need no quotes around it.
- A **tool** is a server's name, a dot, and the tool's name: `time.get_current_time`.
"""


def _head(schema: Schema) -> Schema:
    """The fields that every kind has, told once."""
    fields = {name: dict(schema["properties"][name]) for name in _HEAD}
    fields["kind"] |= {"enum": list(KINDS), "description": "What the document describes."}
    del fields["kind"]["const"]
    return {
        "description": "Identity is `kind` with `namespace/name`, never the path of the file.",
        "properties": fields,
        "required": schema["required"],
    }


def _fields_table(
    level: int,
    name: str,
    schema: Schema,
    *,
    but: tuple[str, ...] = (),
) -> str:
    rows = []
    for field, about in schema["properties"].items():
        if field in but:
            continue
        default = "required" if field in schema.get("required", ()) else _default_text(about)
        meaning = about.get("description", "")
        rows.append((f"`{field}`", _type(about), default, meaning))
    said = schema.get("description", "")
    return f"{'#' * level} {name}\n\n{said}\n\n" + _table(
        ("field", "type", "default", "meaning"), rows
    )


def _default_text(about: Schema) -> str:
    default = about.get("default")
    return (
        ""
        if default in (None, [], {}) or isinstance(default, dict)
        else f"`{json.dumps(default).strip(chr(34))}`"
    )


def _type(schema: Schema) -> str:
    match schema:
        case {"$ref": reference}:
            name = reference.rpartition("/")[2]
            return f"[{name}](#{name.lower()})"
        case {"allOf": [inner]}:
            return _type(inner)
        case {"anyOf": alternatives}:
            return _one_of([one for one in alternatives if one not in (_VARIABLE, _NULL)])
        case {"type": "array", "items": items}:
            return f"list of {_type(items)}"
        case _:
            return _mapping(schema) if schema.get("type") == "object" else _plain_type(schema)


def _mapping(schema: Schema) -> str:
    values = schema.get("additionalProperties") or next(
        iter(schema.get("patternProperties", {}).values()), None
    )
    return f"mapping to {_type(values)}" if isinstance(values, dict) and values else "mapping"


def _one_of(alternatives: list[Schema]) -> str:
    """Alternatives in words; one that is a list of the others is said in short."""
    *others, last = alternatives
    if last.get("type") == "array" and last["items"] in ({"anyOf": others}, *others):
        return f"{_one_of(others)}; or a list of them"
    return " or ".join(dict.fromkeys(_type(one) for one in alternatives))


def _plain_type(schema: Schema) -> str:
    match schema:
        case {"const": value}:
            return f"`{value}`"
        case {"enum": values}:
            return ", ".join(f"`{value}`" for value in values)
        case {"type": "string"}:
            return _TEXTS.get(schema.get("pattern", ""), "text")
        case {"type": "integer" | "number"}:
            return "number" + _bounds(schema)
        case {"type": "boolean"}:
            return "`true`, `false`"
        case _:
            return "anything"


def _bounds(schema: Schema) -> str:
    match schema:
        case {"minimum": low, "maximum": high}:
            return f", {low:,} to {high:,}"
        case {"minimum": low}:
            return f", at least {low:,}"
        case _:
            return ""


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines
    )


def write() -> None:
    """Write every page."""
    for path, text in references().items():
        (ROOT / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
