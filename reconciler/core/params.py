"""Pipeline parameters: whether their JSON Schema is one, and whether what a task gives fits it.

A value that is still a template has no type yet, so only its presence counts. A `$ref` stays inside its own schema:
nothing here reaches a file or the network.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError

from reconciler.core.documents import shown, shown_kind
from reconciler.core.entry import Entry
from reconciler.core.locate import Path
from reconciler.core.resolve import default_params
from reconciler.core.suggest import did_you_mean
from schemas.pipeline import Pipeline, PipelineUse
from schemas.problem import Problem

# What these say holds whatever type the values turn out to have.
_ABOUT_PRESENCE: Final = frozenset(
    {"additionalProperties", "dependentRequired", "maxProperties", "minProperties", "required"}
)


def schema_problems(entry: Entry) -> Iterator[Problem]:
    """What is wrong with a pipeline's JSON Schema."""
    if not isinstance(entry.document, Pipeline):
        return
    schema = entry.document.params
    for path, target in _references(schema, ("params",)):
        yield from entry.problem(
            path,
            "ORD014",
            f"`$ref` leads to `{shown(target)}`, outside of this schema",
            "put the part under `$defs` and refer to it as `#/$defs/name`",
        )
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        path = ("params", *error.absolute_path)
        yield from entry.problem(path, "ORD014", *_not_a_schema(error))
        return
    if schema and schema.get("type", "object") != "object":
        yield from entry.problem(
            ("params", "type"),
            "ORD014",
            "the schema of parameters describes an object",
            "write `type: object`",
        )


def _not_a_schema(error: SchemaError) -> tuple[str, str]:
    value = error.instance
    if error.absolute_path and error.absolute_path[-1] == "type" and isinstance(value, str):
        return f"JSON Schema knows no type `{shown(value)}`", did_you_mean(value, _TYPES)
    return f"not a JSON Schema: {shown(error.message, 200)}", ""


def _references(schema: Any, path: Path) -> Iterator[tuple[Path, str]]:
    match schema:
        case dict():
            for key, inner in schema.items():
                if key in ("$ref", "$dynamicRef") and isinstance(inner, str):
                    if not inner.startswith("#"):
                        yield (*path, key), inner
                else:
                    yield from _references(inner, (*path, key))
        case list():
            for number, inner in enumerate(schema):
                yield from _references(inner, (*path, number))
        case _:
            pass


def argument_problems(entry: Entry, use: PipelineUse, pipeline: Pipeline) -> Iterator[Problem]:
    """What is wrong with the parameters that a task gives to a pipeline whose schema is valid."""
    given = {**default_params(pipeline), **use.with_}
    schema = pipeline.params or {"type": "object", "additionalProperties": False}
    for error in Draft202012Validator(schema).iter_errors(given):
        if error.validator in _ABOUT_PRESENCE or not _has_template(error.instance):
            yield from _misfit(entry, pipeline, error, given)


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
    yield from entry.problem(path, "ORD014", _said(error, pipeline.name))


_TYPES: Final = {"string": "text", "object": "a mapping", "array": "a list", "boolean": "`true` or `false`",
                 "integer": "a whole number", "number": "a number", "null": "null"}  # fmt: skip


def _said(error: ValidationError, pipeline: str) -> str:
    """What does not fit, in the words that are used for documents."""
    name = ".".join(map(str, error.absolute_path))
    what = (
        f"the parameter `{name}` of the pipeline {pipeline}"
        if name
        else f"the pipeline {pipeline}"
    )
    match error.validator, error.validator_value:
        case "required", list() as wanted:
            given: Any = error.instance
            lacking = [f"`{name}`" for name in wanted if name not in given]
            return f"{what} needs {' and '.join(lacking)}"
        case "type", str() | list() as wanted:
            kinds = [wanted] if isinstance(wanted, str) else wanted
            words = " or ".join(_TYPES[kind] for kind in kinds)
            return f"{what} is {words}; this is {shown_kind(error.instance)}"
        case "enum", list() as wanted:
            words = ", ".join(f"`{shown(str(word))}`" for word in wanted)
            return f"{what} is one of {words}; this is {shown_kind(error.instance)}"
        case _:
            return f"{what} does not fit its JSON Schema: {shown(error.message, 200)}"


def _has_template(value: Any) -> bool:
    match value:
        case str():
            return "${" in value
        case dict():
            return any(_has_template(inner) for inner in value.values())
        case list():
            return any(_has_template(inner) for inner in value)
        case _:
            return False
