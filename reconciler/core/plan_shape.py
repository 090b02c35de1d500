"""What may stand where in a plan, as types that a query can be followed through.

A type is a set of alternatives, each a piece of the plan's JSON Schema with every reference resolved; null is none of
them, since any part may be missing. `ANYTHING` is what nobody can know more about, such as what specs hand to tools.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from reconciler.core.policies import VERDICTS
from schemas.plan import Plan
from schemas.spec import KINDS

Schema = Mapping[str, Any]
Type = tuple[Schema, ...]

ANYTHING: Final[Type] = ({},)
# What compiling adds to the fields that documents are written with.
_COMPILED: Final = ("calendars", "events")
_OF_PYTHON: Final = {
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    list: "array",
    dict: "object",
}


@cache
def plan_type() -> Type:
    """The plan as policies see it."""
    schema = Plan.model_json_schema(mode="serialization")
    definitions = schema["$defs"]
    definitions["PlannedChange"]["properties"]["body"] = _body()
    asked = {name: one for name, one in schema["properties"].items() if name not in VERDICTS}
    root = {**schema, "properties": asked}
    return tuple(_resolved(root, definitions))


def of_value(value: Any) -> Type:
    """The type of what is written out in a query."""
    return () if value is None else ({"const": value, "type": _OF_PYTHON[type(value)]},)


def plain(*names: str) -> Type:
    """Any value of these JSON types."""
    return tuple({"type": name} for name in names)


def list_of(items: Type) -> Type:
    """A list."""
    return ({"type": "array", "items": items},)


def mapping_of(inner: Mapping[str, Type]) -> Type:
    """An object with just these fields."""
    return ({"type": "object", "properties": inner},)


def field(here: Type, name: str) -> Type | None:
    """What a field holds; None if nothing that may stand there has one of this name."""
    found: list[Schema] = []
    is_there = not here
    for one in here:
        if one.get("type") == "object" or "type" not in one:
            known = one.get("properties")
            inner = one.get("additionalProperties", ANYTHING) if known is None else known.get(name)
            is_there = is_there or inner is not None
            found += inner or ()
    return tuple(found) if is_there else None


def fields(here: Type) -> frozenset[str]:
    """The names of the fields that are known there."""
    return frozenset(name for one in here for name in one.get("properties", ()))


def elements(here: Type) -> Type:
    """What a list holds."""
    return _union(
        one.get("items", ANYTHING) for one in here if one.get("type", "array") == "array"
    )


def values(here: Type) -> Type:
    """What the fields of an object hold."""
    return _union(_values(one) for one in here if one.get("type", "object") == "object")


def kinds(here: Type) -> frozenset[str] | None:
    """The JSON types that may stand there; None where any may."""
    found = [one.get("type") for one in here]
    return None if None in found or not found else frozenset(map(str, found))


def words(here: Type) -> frozenset[str] | None:
    """The texts that may stand there; None where any may, or something else."""
    found: set[str] = set()
    for one in here:
        texts = [one["const"]] if "const" in one else one.get("enum")
        if texts is None or one.get("type") != "string":
            return None
        found.update(texts)
    return frozenset(found)


def _values(one: Schema) -> Type:
    if "properties" in one:
        return _union(one["properties"].values())
    found: Type = one.get("additionalProperties", ANYTHING)
    return found


def _union(types: Iterable[Type]) -> Type:
    return tuple(one for several in types for one in several)


def _body() -> Schema:
    """Fields of any kind of document: what one holds is checked where it is written."""
    written = {
        one.alias or name for kind in KINDS.values() for name, one in kind.model_fields.items()
    }
    return {"type": "object", "properties": {one: {} for one in (*written, *_COMPILED)}}


def _resolved(schema: Schema, definitions: Mapping[str, Schema]) -> Iterator[Schema]:
    """The alternatives of a schema; what is written in Plan refers to nothing that refers back."""
    match schema:
        case {"$ref": str(reference)}:
            yield from _resolved(definitions[reference.rpartition("/")[2]], definitions)
        case {"anyOf": list(several)}:
            for one in several:
                yield from _resolved(one, definitions)
        case {"type": "null"}:
            pass
        case {"type": "array"}:
            yield {"type": "array", "items": tuple(_resolved(schema["items"], definitions))}
        case {"type": "object"}:
            yield _object(schema, definitions)
        case {"type": str(kind)}:
            known = {name: schema[name] for name in ("const", "enum") if name in schema}
            yield {"type": "number" if kind == "integer" else kind, **known}
        case _:
            yield {}


def _object(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    known = schema.get("properties")
    if known is not None:
        inner = {name: tuple(_resolved(one, definitions)) for name, one in known.items()}
        return {"type": "object", "properties": inner}
    more = schema.get("additionalProperties")
    of_all = tuple(_resolved(more, definitions)) if isinstance(more, Mapping) else ANYTHING
    return {"type": "object", "additionalProperties": of_all}
