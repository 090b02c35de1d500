"""Models to JSON Schemas: of specs for editors, in draft-07, which is what YAML language servers read; and of what
commands print with `--json`.

One schema a kind, and one for files that mix kinds, which leads an editor by `kind`. The schema of a plan and its like is for
the programs that read them: it is open, since fields are only ever added to what is printed. The text is the same on every machine,
so that it can be committed and compared. `python -m schemas.export` writes the files.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from schemas.apply import ApplyResult
from schemas.base import Document, Model
from schemas.beginning import Beginning
from schemas.durations import format_duration
from schemas.failure import CommandFailure, PlanFailure
from schemas.formatting import Formatting
from schemas.plan import Plan
from schemas.revision import Difference, History, RevisionReport
from schemas.simulation import Simulation
from schemas.source import SyncReport
from schemas.spec import KINDS
from schemas.status import Status
from schemas.validation import Validation

DRAFT: Final = "http://json-schema.org/draft-07/schema#"
COMBINED: Final = "ordinaut"

_REF: Final = "#/definitions/{model}"
_VARIABLE: Final = {"$ref": "#/definitions/Variable"}
_VARIABLE_SCHEMA: Final = {
    "type": "string",
    "pattern": r"\$\{\s*vars\b",
    "description": "A variable of the Project, such as `${vars.city}`, filled in when a plan is made.",
}
_WORDS: Final = ("description", "default", "examples")
# Keywords whose keys are names of ours.
_NAMED: Final = frozenset({"properties", "$defs"})
_NULL: Final = {"type": "null"}
# What a variable may not stand for: the fields that say what a document is.
_FIXED: Final = frozenset({"apiVersion", "kind"})
# What the Project's defaults may give, so that an editor cannot know whether it is missing.
_DEFAULTED: Final = frozenset({"timezone"})
# What is printed has the name of its schema in its `format`.
_PRINTED: Final[tuple[tuple[str, str, type[Model]], ...]] = (
    ("apply", "apply result", ApplyResult),
    ("beginning", "beginning", Beginning),
    ("diff", "difference of two revisions", Difference),
    ("failure", "failure of a command", CommandFailure),
    ("formatting", "formatting", Formatting),
    ("history", "history", History),
    ("plan", "plan", Plan),
    ("plan-failure", "plan failure", PlanFailure),
    ("revision", "revision", RevisionReport),
    ("simulation", "simulation", Simulation),
    ("status", "status", Status),
    ("sync", "look at a branch", SyncReport),
    ("validation", "validation", Validation),
)


class _Generator(GenerateJsonSchema):
    """pydantic's own, with defaults written as the language writes them."""

    def encode_default(self, dft: Any) -> Any:
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def file_name(name: str) -> str:
    """The file of a kind's schema, or of the combined one."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() + ".schema.json"


def exported() -> dict[str, str]:
    """The text of every schema file by its name."""
    schemas = {file_name(kind): kind_schema(model) for kind, model in KINDS.items()}
    schemas[file_name(COMBINED)] = _combined_schema()
    return {
        name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in schemas.items()
    }


def published() -> dict[str, str]:
    """The text of every schema of what the program prints, by its file."""
    return {
        file_name(name): _printed(f"Ordinaut {title}", model) for name, title, model in _PRINTED
    }


def _printed(title: str, model: type[Model]) -> str:
    schema = _opened(model.model_json_schema(mode="serialization", ref_template=_REF))
    definitions = dict(sorted(schema.pop("$defs", {}).items()))
    whole = {"$schema": DRAFT, "title": title, **schema, "definitions": definitions}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _opened(schema: Any) -> Any:
    """A schema that lets through what a later version adds, without the titles that only repeat names."""
    match schema:
        case dict():
            opened = {
                key: {name: _opened(inner) for name, inner in value.items()}
                if key in _NAMED
                else _opened(value)
                for key, value in schema.items()
                if key != "title" and (key, value) != ("additionalProperties", False)
            }
            return _with_wrapped_reference(opened)
        case list():
            return [_opened(inner) for inner in schema]
        case _:
            return schema


def kind_schema(model: type[Document]) -> dict[str, Any]:
    """The schema of one kind."""
    schema = _converted(
        model.model_json_schema(by_alias=True, ref_template=_REF, schema_generator=_Generator)
    )
    definitions = {**schema.pop("definitions", {}), "Variable": _VARIABLE_SCHEMA}
    return {"$schema": DRAFT, **schema, "definitions": dict(sorted(definitions.items()))}


def _combined_schema() -> dict[str, Any]:
    """A schema that asks for the kind first and then for the fields of that kind."""
    definitions: dict[str, Any] = {}
    for kind, model in KINDS.items():
        schema = kind_schema(model)
        del schema["$schema"]
        definitions |= schema.pop("definitions")
        definitions[kind] = schema
    return {
        "$schema": DRAFT,
        "title": "Ordinaut specs",
        "description": "One document of a specs folder.",
        "type": "object",
        "properties": {
            "apiVersion": definitions["Task"]["properties"]["apiVersion"],
            "kind": {"description": "What the document describes.", "enum": list(KINDS)},
        },
        "required": ["apiVersion", "kind", "name"],
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                "then": {"$ref": _REF.format(model=kind)},
            }
            for kind in KINDS
        ],
        "definitions": dict(sorted(definitions.items())),
    }


def _converted(schema: Any) -> Any:
    """A schema of 2020-12 as pydantic writes it, in draft-07."""
    match schema:
        case dict():
            return _converted_object(schema)
        case list():
            return [_converted(inner) for inner in schema]
        case _:
            return schema


def _converted_object(schema: dict[str, Any]) -> dict[str, Any]:
    converted: dict[str, Any] = {}
    for key, value in schema.items():
        match key:
            case "$defs":
                converted["definitions"] = {
                    name: _converted(inner) for name, inner in value.items()
                }
            case "properties":
                converted[key] = {name: _property(name, inner) for name, inner in value.items()}
            case "oneOf":
                # A text may be a condition and a variable at once: one that fits is enough.
                converted["anyOf"] = _converted(value)
            case "required":
                converted[key] = [name for name in value if name not in _DEFAULTED]
            case "discriminator":
                pass
            case "default" if value is None:
                pass
            case "default" | "examples" | "enum" | "const":
                converted[key] = value
            case _:
                converted[key] = _converted(value)
    return _with_wrapped_reference(converted)


def _property(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A field: its own words stay with it, and a variable may stand for its value."""
    converted = _converted_object({k: v for k, v in schema.items() if k != "title"})
    if name in _FIXED or not _is_typed(converted):
        return converted
    words: dict[str, Any] = {k: converted.pop(k) for k in _WORDS if k in converted}
    alternatives = converted.pop("anyOf", None) or [converted]
    return {**words, "anyOf": [*alternatives, _VARIABLE]}


def _is_typed(schema: dict[str, Any]) -> bool:
    """Whether a field is a single value, and a text such as `${vars.x}` would not fit it."""
    if "anyOf" in schema:
        return all(one == _NULL or _is_typed(one) for one in schema["anyOf"])
    if schema.get("type") == "string":
        return "pattern" in schema or "enum" in schema
    return schema.get("type") in ("integer", "number", "boolean")


def _with_wrapped_reference(schema: dict[str, Any]) -> dict[str, Any]:
    """Draft-07 ignores everything beside a `$ref`, so a reference with words of its own is wrapped."""
    if "$ref" not in schema or len(schema) == 1:
        return schema
    return {"allOf": [{"$ref": schema.pop("$ref")}], **schema}


if __name__ == "__main__":
    for file, text in {**exported(), **published()}.items():
        Path(__file__).with_name(file).write_text(text, encoding="utf-8")
