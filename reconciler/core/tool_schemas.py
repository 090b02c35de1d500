"""The JSON Schema for editors with the arguments of locked tools: what a step's `with` takes follows from its `uses`.

Promises to mark nothing that a run could do: a template may stand for every value, what depends on the values of others is
left to the checks, and so are `format` and `pattern`, which editors read in other dialects. A tool of a name that servers of
several namespaces have is left out, since which of them is meant depends on who calls it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from reconciler.core.contract_checks import Contracts
from schemas.export import REF
from schemas.patterns import TOOL

Schema = dict[str, Any]

_TEMPLATE: Final = {"type": "string", "pattern": r"\$\{"}
_WORDS: Final = ("title", "description", "default", "examples")
# Keywords whose values are data, and those that hold a schema of other values.
_PLAIN: Final = frozenset(
    {"const", "enum", "exclusiveMaximum", "exclusiveMinimum", "maximum", "maxLength", "minimum"}
    | {"minLength", "multipleOf", "required", "type", *_WORDS}
)
_VALUES: Final = frozenset({"additionalProperties", "items"})
_NAMED: Final = frozenset({"$defs", "definitions"})
_REF: Final = re.compile(r"#(/(\$defs|definitions)/[^/]+)?")


class _Tool(NamedTuple):
    """What the arguments of a tool fit, and which of them it needs."""

    arguments: Schema
    needs: list[str]


def with_tools(schema: Mapping[str, Any], contracts: Contracts) -> Schema:
    """A schema of specs in draft-07, with the arguments of every locked tool.

    Args:
        schema: one of those that are published; what calls no tool comes back as it is.
        contracts: the tool lock.
    """
    definitions = dict(schema["definitions"])
    tools: dict[str, _Tool] = {}
    for server, name in _addresses(contracts):
        found = _tool(contracts, server, name, REF.format(model=_name(f"{server}.{name}")))
        if found is not None:
            tools[f"{server}.{name}"] = found
    callers = [one for one in _CALLERS if one[0] in definitions]
    for kind, field in callers:
        definitions[kind] = _with_calls(definitions[kind], field, tools)
    if callers:
        definitions |= {_name(address): tool.arguments for address, tool in tools.items()}
    return {**schema, "definitions": dict(sorted(definitions.items()))}


_CALLERS: Final = (("Step", "uses"), ("Poll", "uses"), ("Verify", "verify"))


def _name(address: str) -> str:
    """What the schema of a tool is called: a name that needs no escapes in a pointer."""
    return "Tool-" + address.replace("/", ":")


def _addresses(contracts: Contracts) -> Iterator[tuple[str, str]]:
    """The locked tools that a step can name, with their servers, whose names mean the same wherever they stand."""
    bare = Counter(server.rpartition("/")[2] for server in contracts.servers)
    for server, locked in sorted(contracts.servers.items()):
        if "/" in server or bare[server] == 1:
            called = sorted(one for one in locked.tools if re.search(TOOL, f"{server}.{one}"))
            yield from ((server, name) for name in called)


def _with_calls(definition: Mapping[str, Any], field: str, tools: Mapping[str, _Tool]) -> Schema:
    if not tools:
        return dict(definition)
    asked = definition["properties"][field]
    named = {field: {**asked, "anyOf": [{"enum": [*tools]}, *asked["anyOf"]]}}
    calls = [
        {
            "if": {"properties": {field: {"const": address}}, "required": [field]},
            "then": _call(address, tool),
        }
        for address, tool in tools.items()
    ]
    properties = {**definition["properties"], **named}
    return {**definition, "properties": properties, "allOf": calls}


def _call(address: str, tool: _Tool) -> Schema:
    fitting: Schema = {"properties": {"with": {"$ref": REF.format(model=_name(address))}}}
    if not tool.needs:
        return fitting
    # The idempotency key is an argument that does not stand in `with`.
    needing = {"required": ["with"], "properties": {"with": {"required": tool.needs}}}
    return {**fitting, "if": {"required": ["idempotency"]}, "else": needing}


def _tool(contracts: Contracts, server: str, name: str, at: str) -> _Tool | None:
    """What a call of a tool fits; None if that cannot be said."""
    contract = contracts.arguments(server, name)
    if isinstance(contract, str):
        return None
    fitted = _fitted(contracts.servers[server].tools[name].input_schema, at)
    needs = fitted.pop("required", [])
    names = {} if contract.declared is None else {"propertyNames": {"enum": sorted(contract.declared)}}  # fmt: skip
    return _Tool({**fitted, "type": "object", **names}, needs)


def _fitted(schema: Any, at: str) -> Schema:
    """A schema of 2020-12 or older in draft-07, and no stricter: what it says otherwise, or not at all, is left out.

    Args:
        at: where the whole of it stands.
    """
    if not isinstance(schema, Mapping):
        return {}
    found: Schema = {}
    # Draft-07 ignores everything beside a reference, so all that applies in place stands in a list.
    parts: list[Schema] = []
    for key, value in schema.items():
        if key in _PLAIN and not _is_of_draft_04(key, value):
            found[key] = value
        elif key in _VALUES and not isinstance(value, list):
            found[key] = _or_template(value, at) if isinstance(value, Mapping) else value
        elif key == "properties":
            found[key] = {name: _or_template(inner, at) for name, inner in value.items()}
        elif key in _NAMED:
            found[key] = {name: _fitted(inner, at) for name, inner in value.items()}
        else:
            parts += _in_place(key, value, at)
    return found | ({"allOf": parts} if parts else {})


def _in_place(key: str, value: Any, at: str) -> Iterator[Schema]:
    if key == "allOf":
        yield from (_fitted(part, at) for part in value)
    elif key in {"anyOf", "oneOf"}:
        yield {"anyOf": [_fitted(part, at) for part in value]}
    elif key == "$ref" and _REF.fullmatch(str(value)):
        yield {"$ref": at + str(value)[1:]}


def _is_of_draft_04(key: str, value: Any) -> bool:
    return isinstance(value, bool) and (key.startswith("exclusive") or key == "required")


def _or_template(schema: Any, at: str) -> Schema:
    """A value that a template may stand for; its words stay with it."""
    fitted = _fitted(schema, at)
    words: Schema = {key: fitted.pop(key) for key in _WORDS if key in fitted}
    if fitted in ({}, {"type": "string"}):
        return {**words, **fitted}
    return {**words, "anyOf": [fitted, _TEMPLATE]}
