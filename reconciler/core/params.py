"""Pipeline parameters: whether their JSON Schema is one, and whether what a task gives fits it.

A value that is still a template has no type yet, so only its presence counts. A `$ref` stays inside its own schema:
nothing here reaches a file or the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import orjson

from reconciler.core.digest import canonical
from reconciler.core.documents import shown
from reconciler.core.entry import Entry
from reconciler.core.locate import Path
from reconciler.core.misfit_words import TYPES, is_certain, said
from reconciler.core.resolve import default_params
from reconciler.core.suggest import did_you_mean
from schemas.pipeline import Pipeline, PipelineUse
from schemas.problem import Problem

if TYPE_CHECKING:
    from jsonschema.exceptions import SchemaError, ValidationError


def schema_problems(entry: Entry) -> Iterator[Problem]:
    """What is wrong with a pipeline's JSON Schema."""
    if isinstance(entry.document, Pipeline) and entry.document.params:
        for path, message, hint in _flaws_of_params(canonical(entry.document.params)):
            yield from entry.problem(("params", *path), "ORD014", message, hint)


Flaw: TypeAlias = tuple[Path, str, str]
"""Where in a schema something is wrong, what, and what to do."""


@lru_cache(maxsize=1024)
def _flaws_of_params(canonical_schema: bytes) -> tuple[Flaw, ...]:
    """Everything wrong with a schema of parameters; asked for it and for every task that uses it."""
    schema = orjson.loads(canonical_schema)
    if (flaws := schema_flaws(schema)) or schema.get("type", "object") == "object":
        return flaws
    return ((("type",), "the schema of parameters describes an object", "write `type: object`"),)


def schema_flaws(schema: Mapping[str, Any]) -> tuple[Flaw, ...]:
    """Everything wrong with a JSON Schema."""
    from reconciler.core.schema_errors import schema_error  # noqa: PLC0415 - heavy

    flaws = list(_refused_keywords(schema, schema, ()))
    if (error := schema_error(schema)) is not None:
        flaws.append((tuple(error.absolute_path), *_not_a_schema(error)))
    return tuple(flaws)


def _not_a_schema(error: SchemaError) -> tuple[str, str]:
    value = error.instance
    if error.absolute_path and error.absolute_path[-1] == "type" and isinstance(value, str):
        return f"JSON Schema knows no type `{shown(value)}`", did_you_mean(value, TYPES)
    return f"not a JSON Schema: {shown(error.message, 200)}", ""


def _refused_keywords(schema: Any, root: Any, path: Path) -> Iterator[Flaw]:
    """Keywords that would reach outside, lead nowhere, or could take forever."""
    match schema:
        case dict():
            for key, inner in schema.items():
                at = (*path, key)
                if (refused := _refused(key, inner, root)) is not None:
                    yield at, *refused
                elif key not in _DATA:
                    yield from _refused_keywords(inner, root, at)
        case list():
            for number, inner in enumerate(schema):
                yield from _refused_keywords(inner, root, (*path, number))
        case _:
            pass


def _refused(key: str, value: Any, root: Any) -> tuple[str, str] | None:
    match key, value:
        case "$ref", str() if not value.startswith("#"):
            hint = "put the part under `$defs` and refer to it as `#/$defs/name`"
            return f"`$ref` leads to `{shown(value)}`, outside of this schema", hint
        case "$ref", str() if not _leads_somewhere(value, root):
            return f"`$ref` leads to `{shown(value)}`, which is not there", "write `#/$defs/name`"
        case "pattern", str() if not _is_usable(value):
            hint = "looking ahead or behind and references back to groups are not supported"
            return f"the pattern `{shown(value)}` cannot be used", hint
        case "patternProperties", dict():
            return "`patternProperties` is not supported", "name the properties under `properties`"
        case "$dynamicRef", str():
            return "`$dynamicRef` is not supported", "use `$ref`"
        case _:
            return None


def _is_usable(pattern: str) -> bool:
    from reconciler.core.schema_errors import matcher  # noqa: PLC0415 - heavy

    return matcher(pattern) is not None


def _leads_somewhere(reference: str, root: Any) -> bool:
    """Whether a JSON pointer (RFC 6901) after `#` names a part of the schema."""
    for part in reference.removeprefix("#").split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(root, dict) and name in root:
            root = root[name]
        elif isinstance(root, list) and name.isdecimal() and int(name) < len(root):
            root = root[int(name)]
        else:
            return False
    return reference.startswith("#/") or reference == "#"


_DATA: Final = frozenset({"const", "default", "enum", "examples"})


def argument_problems(entry: Entry, use: PipelineUse, pipeline: Pipeline) -> Iterator[Problem]:
    """What is wrong with the parameters that a task gives to a pipeline whose schema is valid."""
    given = {**default_params(pipeline), **use.with_}
    if not given and not pipeline.params:
        return
    from reconciler.core.schema_errors import misfits  # noqa: PLC0415 - heavy

    schema = pipeline.params or {"type": "object", "additionalProperties": False}
    if _flaws_of_params(canonical(pipeline.params)):
        return
    try:
        for error in misfits(schema, given):
            if is_certain(error):
                yield from _misfit(entry, pipeline, error, given)
    except RecursionError:
        message = f"the JSON Schema of the pipeline {pipeline.name} refers to itself without end"
        yield from entry.problem(("pipeline", "use"), "ORD014", message)


def _misfit(
    entry: Entry, pipeline: Pipeline, error: ValidationError, given: dict[str, Any]
) -> Iterator[Problem]:
    path: Path = ("pipeline", "with", *error.absolute_path)
    known = sorted(pipeline.params.get("properties", {}))
    if error.validator == "additionalProperties" and not error.absolute_path:
        for name in sorted(set(given) - set(known)):
            yield from entry.problem(
                (*path, name),
                "ORD014",
                f"the pipeline {pipeline.name} has no parameter `{shown(name)}`",
                did_you_mean(name, known, "it has no parameters"),
            )
        return
    yield from entry.problem(
        path, "ORD014", said(error, "parameter", f"the pipeline {pipeline.name}")
    )
