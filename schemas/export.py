"""Models of specs to JSON Schemas for editors, in draft-07, which is what YAML language servers read.

One schema a kind, and one for files that mix kinds, which leads an editor by `kind`. The text is the same on every machine,
so that it can be committed and compared. `python -m schemas.export` writes the files, and those of `printed` too.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from schemas.base import Model
from schemas.durations import format_duration
from schemas.spec import KINDS
from schemas.testing import Test

DRAFT: Final = "http://json-schema.org/draft-07/schema#"
COMBINED: Final = "ordinaut"

REF: Final = "#/definitions/{model}"
"""Where schemas that are asked for of pydantic find one another."""

_VARIABLE: Final = {"$ref": "#/definitions/Variable"}
_VARIABLE_SCHEMA: Final = {
    "type": "string",
    "pattern": r"\$\{\s*vars\b",
    "description": "A variable of the Project, such as `${vars.city}`, filled in when a plan is made.",
}
_WORDS: Final = ("description", "default", "examples")
_NULL: Final = {"type": "null"}
# What a variable may not stand for: the fields that say what a document is.
_FIXED: Final = frozenset({"apiVersion", "kind"})
# What the Project's defaults may give, so that an editor cannot know whether it is missing.
_DEFAULTED: Final = frozenset({"timezone"})


class _Generator(GenerateJsonSchema):
    """pydantic's own, with defaults written as the language writes them."""

    def encode_default(self, dft: Any) -> Any:
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


_WRITTEN: Final[dict[str, type[Model]]] = {**KINDS, Test.__name__: Test}
"""Whatever a file in a specs folder may hold: specs, and tests of them."""


def file_name(name: str) -> str:
    """The file of a kind's schema, or of the combined one."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() + ".schema.json"


def exported() -> dict[str, str]:
    """The text of every schema file by its name."""
    schemas = {file_name(kind): kind_schema(model) for kind, model in _WRITTEN.items()}
    schemas[file_name(COMBINED)] = _combined_schema()
    return {
        name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in schemas.items()
    }


def kind_schema(model: type[Model]) -> dict[str, Any]:
    """The schema of one kind."""
    schema = _converted(
        model.model_json_schema(by_alias=True, ref_template=REF, schema_generator=_Generator)
    )
    if model is Test:
        schema = _without_variables(schema)
    definitions = schema.pop("definitions", {})
    if model is not Test:
        definitions["Variable"] = _VARIABLE_SCHEMA
    return {"$schema": DRAFT, **schema, "definitions": dict(sorted(definitions.items()))}


def _combined_schema() -> dict[str, Any]:
    """A schema that asks for the kind first and then for the fields of that kind."""
    definitions: dict[str, Any] = {}
    for kind, model in _WRITTEN.items():
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
            "kind": {"description": "What the document describes.", "enum": list(_WRITTEN)},
        },
        "required": ["apiVersion", "kind", "name"],
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                "then": {"$ref": REF.format(model=kind)},
            }
            for kind in _WRITTEN
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
    return with_wrapped_reference(converted)


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


def _without_variables(schema: Any) -> Any:
    """The same where no variable is filled in."""
    match schema:
        case dict():
            kept = {key: _without_variables(value) for key, value in schema.items()}
            alternatives = [one for one in kept.get("anyOf", ()) if one != _VARIABLE]
            if "anyOf" in kept and len(alternatives) == 1:
                del kept["anyOf"]
                return with_wrapped_reference(alternatives[0] | kept)
            return kept | ({"anyOf": alternatives} if alternatives else {})
        case list():
            return [_without_variables(inner) for inner in schema]
        case _:
            return schema


def with_wrapped_reference(schema: dict[str, Any]) -> dict[str, Any]:
    """Draft-07 ignores everything beside a `$ref`, so a reference with words of its own is wrapped."""
    if "$ref" not in schema or len(schema) == 1:
        return schema
    return {"allOf": [{"$ref": schema.pop("$ref")}], **schema}


if __name__ == "__main__":
    from schemas.printed import published

    for file, text in {**exported(), **published()}.items():
        Path(__file__).with_name(file).write_text(text, encoding="utf-8")
