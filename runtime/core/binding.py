"""What of a tool's contract binds a call, and what its server claims of its effects."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

# Keywords of JSON Schema that only describe. Servers write local things there, such as the zone of their machine.
_WORDS: Final = frozenset(
    {"$comment", "default", "deprecated", "description", "examples", "title"}
)
# Keywords whose keys are names of the schema's author, and those whose values are data.
_NAMED: Final = frozenset(
    {"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"}
)
_DATA: Final = frozenset({"const", "enum"})


def canonical(value: object) -> str:
    """The one JSON text of a value: sorted keys, no blanks. Equal values have equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def contract_digest(input_schema: Any, output_schema: Any) -> str:
    """sha256 (hex) of both schemas of a tool without their words: what a call depends on."""
    contract = {"input": binding(input_schema), "output": binding(output_schema)}
    return hashlib.sha256(canonical(contract).encode(errors="replace")).hexdigest()


def binding(schema: Any) -> Any:
    """A JSON Schema without what only describes: two that are equal so accept the same values."""
    match schema:
        case Mapping():
            return {
                key: _binding_below(key, value)
                for key, value in schema.items()
                if key not in _WORDS
            }
        case list() | tuple():
            return [binding(part) for part in schema]
        case _:
            return schema


def claims_destructive(annotations: Mapping[str, Any]) -> bool:
    """Whether a server says outright that a tool may destroy something.

    The protocol takes a tool about which nothing is said for one that may; so many servers say nothing that this would
    tell nobody anything. A tool that is claimed to write, and of which nothing more is said, may.
    """
    if annotations.get("readOnlyHint") is True:
        return False
    if annotations.get("readOnlyHint") is False:
        return annotations.get("destructiveHint") is not False
    return annotations.get("destructiveHint") is True


def _binding_below(key: str, value: Any) -> Any:
    if key in _DATA:
        return value
    if key == "required" and isinstance(value, list):
        return sorted(map(str, value))
    if key in _NAMED and isinstance(value, Mapping):
        return {name: binding(inner) for name, inner in value.items()}
    return binding(value)
