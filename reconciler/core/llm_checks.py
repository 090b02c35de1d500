"""Calls of `llm.*`: their arguments, the model that they name, and the schema that they ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from reconciler.core.contract_checks import (
    Call,
    argument_misfits,
    calls_of,
    compiled_contract,
)
from reconciler.core.documents import shown
from reconciler.core.entry import Entry
from reconciler.core.misfit_words import has_template
from reconciler.core.suggest import did_you_mean
from runtime.core.llm.tools import LLM_TOOLS, MODEL_TOOLS
from schemas.language_model import DEFAULT_MODEL, OFFLINE_MODEL
from schemas.problem import Problem

if TYPE_CHECKING:
    from runtime.core.contracts import Contract

_SCHEMA: Final = "output_schema"
_SOURCE: Final = frozenset({"items", "text"})


def llm_problems(entry: Entry, models: frozenset[str] | None) -> Iterator[Problem]:
    """Every call of a language model that would be refused.

    Args:
        entry: the document.
        models: those that the Project names; None if it could not be read.
    """
    for call in calls_of(entry):
        if call.address in MODEL_TOOLS:
            tool = call.address.partition(".")[2]
            if not _surely_fits(tool, call.arguments):
                yield from argument_misfits(entry, call, _arguments(tool))
            yield from _source_problems(entry, call, tool)
            if models is not None:
                yield from _model_problems(entry, call, models | {DEFAULT_MODEL, OFFLINE_MODEL})
            yield from _schema_problems(entry, call)


def _is_words(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


# What nearly every call has: seen without the whole of JSON Schema, which is heavy.
_PLAIN: Final[Mapping[str, Callable[[Any], bool]]] = {
    "goal": _is_words,
    "instructions": _is_words,
    "model": _is_words,
    _SCHEMA: lambda value: isinstance(value, dict),
    "text": _is_words,
}


def _surely_fits(tool: str, arguments: Mapping[str, Any]) -> bool:
    schema = LLM_TOOLS[tool].input_schema
    own = schema["properties"]
    return all(
        _PLAIN[name](value) if name in own and name in _PLAIN else schema["additionalProperties"]
        for name, value in arguments.items()
    ) and arguments.keys() >= {*schema.get("required", ())}


@cache
def _arguments(tool: str) -> Contract | str:
    """What the arguments fit, but for what is told in better words."""
    schema = LLM_TOOLS[tool].input_schema
    told = {"minProperties", "oneOf"}
    return compiled_contract({key: part for key, part in schema.items() if key not in told})


def _source_problems(entry: Entry, call: Call, tool: str) -> Iterator[Problem]:
    given = sorted(_SOURCE & call.arguments.keys())
    if "oneOf" in LLM_TOOLS[tool].input_schema and len(given) != 1:
        message = f"`{call.address}` takes either `text` or `items`"
        at = (*call.arguments_path, "items") if given else call.path
        yield from entry.problem(at, "ORD403", message, "" if given else "give it one of them")


def _model_problems(entry: Entry, call: Call, known: frozenset[str]) -> Iterator[Problem]:
    model = call.arguments.get("model")
    if isinstance(model, str) and not has_template(model) and model not in known:
        yield from entry.problem(
            (*call.arguments_path, "model"),
            "ORD009",
            f"the Project has no model `{shown(model)}`",
            did_you_mean(model, sorted(known), "add it to `models` of the Project"),
        )


def _schema_problems(entry: Entry, call: Call) -> Iterator[Problem]:
    schema = call.arguments.get(_SCHEMA)
    if isinstance(schema, dict) and not has_template(schema):
        contract = compiled_contract(schema)
        if isinstance(contract, str):
            at = (*call.arguments_path, _SCHEMA)
            yield from entry.problem(at, "ORD403", f"nothing can fit this: {contract}")
