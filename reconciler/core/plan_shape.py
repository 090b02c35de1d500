"""What may stand where in a plan, as types that a query can be followed through.

A type is a set of alternatives, each a piece of the plan's JSON Schema with every reference resolved; null is none of
them, since any part may be missing. `ANYTHING` is what nobody can know more about, such as what specs hand to tools.

Beside the words of JSON Schema, an alternative may say that it is `written` in the query itself, that it is `falsy`
whatever it holds, or with which `fields` the JSON pointers may begin that it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from itertools import chain
from typing import Any, Final

from reconciler.core.digest import LEFT_OUT
from reconciler.core.policies import VERDICTS
from schemas.codes import CODES
from schemas.plan import Plan
from schemas.spec import KINDS

Schema = Mapping[str, Any]
Type = tuple[Schema, ...]

ANYTHING: Final[Type] = ({},)
_FREE: Final[Schema] = {"type": "object", "additionalProperties": True}
# What compiling adds to the fields that documents are written with, by what it adds them to.
_COMPILED: Final[Mapping[str, Mapping[str, Schema]]] = {
    "Task": {"calendars": _FREE},
    "ToolServer": {"locked": _FREE},
    "Calendar": {"events": {"type": "array", "items": _FREE}},
    "PipelineUse": {"steps": {"type": "array", "items": {"$ref": "#/$defs/Step"}}},
}
_NOT_WRITTEN: Final = frozenset(LEFT_OUT) | {"apiVersion"}
_OF_PYTHON: Final = {
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    list: "array",
    dict: "object",
}


def plan_type(environments: Iterable[str]) -> Type:
    """The plan as policies of a Project with these environments see it; with any, if there are none."""
    (plan,) = _plan_type()
    inner = plan["properties"]
    (place,) = inner["environment"]
    name = texts(environments) or plain("string")
    known = {**place, "properties": {**place["properties"], "name": name}}
    return ({**plan, "properties": {**inner, "environment": (known,)}},)


@cache
def _plan_type() -> Type:
    schema = Plan.model_json_schema(mode="serialization")
    definitions = schema["$defs"]
    bodies = [_body(kind) for kind in KINDS]
    pointer = {
        "type": "string",
        "fields": tuple(sorted({f for one in bodies for f in one["properties"]})),
    }
    change = definitions["PlannedChange"]["properties"]
    change["kind"] = {"type": "string", "enum": tuple(KINDS)}
    change["sensitive_paths"]["items"] = pointer
    definitions["FieldChange"]["properties"]["path"] = pointer
    definitions["Problem"]["properties"]["code"] = {"type": "string", "enum": tuple(CODES)}
    asked = {name: one for name, one in schema["properties"].items() if name not in VERDICTS}
    (plan,) = _resolved({**schema, "properties": asked}, definitions)
    (changes,) = plan["properties"]["changes"]
    (one,) = changes["items"]
    one["properties"]["body"] = tuple(bodies)
    return (plan,)


def of_value(value: Any) -> Type:
    """The type of what is written out in a query."""
    if value is None:
        return ()
    return ({"const": value, "type": _OF_PYTHON[type(value)], "written": True},)


def texts(words: Iterable[str]) -> Type:
    """One of these texts, if there are any."""
    known = tuple(words)
    return ({"type": "string", "enum": known},) if known else ()


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
        known = [one["const"]] if "const" in one else one.get("enum")
        if known is None or one.get("type") != "string":
            return None
        found.update(known)
    return frozenset(found)


def beginnings(here: Type) -> frozenset[str]:
    """What the JSON pointers that may stand there begin with."""
    return frozenset(f"/{name}" for one in here for name in one.get("fields", ()))


def may_hold(here: Type, fits: Callable[[str, str], bool], text: str) -> bool:
    """Whether a text that may stand there could fit this one.

    Args:
        fits: asked with what stands there, and the text: `str.__eq__`, `str.startswith` and the like.
    """
    return any(_may_hold(one, fits, text) for one in here)


def is_never_true(here: Type) -> bool:
    """Whether JMESPath takes for false whatever may stand there."""
    return all("falsy" in one or ("const" in one and _is_falsy(one["const"])) for one in here)


def if_false(here: Type) -> Type:
    """What may stand there where JMESPath takes it for false."""
    return tuple({**one, "falsy": True} for one in here if _is_falsy(one.get("const", "")))


def if_true(here: Type) -> Type:
    """What may stand there where JMESPath takes it for true."""
    return tuple(one for one in here if not is_never_true((one,)))


def _is_falsy(value: Any) -> bool:
    # Python takes 0 for false, and JMESPath for true.
    return value is False or value in ("", [], {})


def _may_hold(one: Schema, fits: Callable[[str, str], bool], text: str) -> bool:
    if one.get("type", "string") != "string":
        return False
    known = [one["const"]] if "const" in one else one.get("enum")
    if known is not None:
        return any(fits(word, text) for word in known)
    if "fields" not in one:
        return True
    if fits not in {str.__eq__, str.startswith}:
        # What comes below a field may be called anything.
        return True
    first, below, _ = text.removeprefix("/").partition("/")
    if below or fits is str.__eq__:
        return text.startswith("/") and first in one["fields"]
    return any(f"/{name}".startswith(text) for name in one["fields"])


def _values(one: Schema) -> Type:
    if "properties" in one:
        return _union(one["properties"].values())
    found: Type = one.get("additionalProperties", ANYTHING)
    return found


def _union(types: Iterable[Type]) -> Type:
    return tuple(one for several in types for one in several)


@cache
def _body(kind: str) -> Schema:
    """The normalised document of a kind."""
    schema = KINDS[kind].model_json_schema(mode="serialization", by_alias=True)
    definitions = schema.get("$defs", {})
    for name, more in _COMPILED.items():
        holder = schema if name == kind else definitions.get(name)
        if holder is not None:
            holder["properties"].update(more)
    written = {k: one for k, one in schema["properties"].items() if k not in _NOT_WRITTEN}
    return _object({"properties": written}, definitions)


def _resolved(schema: Schema, definitions: Mapping[str, Schema]) -> Iterator[Schema]:
    """The alternatives of a schema; what is written in Plan and in documents refers to nothing that refers back."""
    match schema:
        case {"$ref": str(reference)}:
            yield from _resolved(definitions[reference.rpartition("/")[2]], definitions)
        case {"anyOf": list(several)} | {"oneOf": list(several)}:
            for one in several:
                yield from _resolved(one, definitions)
        case {"type": "null"}:
            pass
        case {"type": "array", "items": Mapping() as items}:
            yield {"type": "array", "items": tuple(_resolved(items, definitions))}
        case {"type": "object"}:
            yield _object(schema, definitions)
        case {"type": str(kind)}:
            known = {name: schema[name] for name in ("const", "enum", "fields") if name in schema}
            yield {"type": "number" if kind == "integer" else kind, **known}
        case _:
            yield {}


def _object(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    known = schema.get("properties")
    if known is not None:
        inner = {name: tuple(_resolved(one, definitions)) for name, one in known.items()}
        return {"type": "object", "properties": inner}
    more = [schema.get("additionalProperties"), *schema.get("patternProperties", {}).values()]
    of_all = [_resolved(one, definitions) for one in more if isinstance(one, Mapping)]
    return {"type": "object", "additionalProperties": tuple(chain(*of_all)) or ANYTHING}
