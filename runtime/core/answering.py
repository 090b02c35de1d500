"""Answers to what a server asks in the middle of a call: put together from what a person says, and checked by its forms.

Fields that nobody fills in take the defaults of the form (SEP-1034); a form's `format` is left to the server.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from runtime.core.binding import canonical
from runtime.core.contracts import UnusableSchema, contract
from runtime.core.storable import storable
from runtime.errors import OrdinautError

_WORDS: Final = {"yes": True, "true": True, "no": False, "false": False}


class UnfitAnswer(OrdinautError):
    """An answer does not fit what is asked."""

    default_code = "ORD421"


@dataclass(frozen=True, slots=True)
class FormField:
    """One field of a form.

    Attributes:
        request: the server's key of the question that it belongs to.
        name: its own.
        schema: what may be in it.
        is_required: whether it must be filled in, and has no default.
    """

    request: str
    name: str
    schema: Mapping[str, Any]
    is_required: bool


def fields_of(requests: Mapping[str, Mapping[str, Any]]) -> Iterator[FormField]:
    """The fields of all forms, in the order in which the server gives them."""
    for key, request in requests.items():
        form = request.get("schema", {})
        for name, said in form.get("properties", {}).items():
            # A schema may be `true`, too.
            schema = said if isinstance(said, Mapping) else {}
            is_required = name in form.get("required", ()) and "default" not in schema
            yield FormField(key, name, schema, is_required)


def read_answers(
    requests: Mapping[str, Mapping[str, Any]], given: Iterable[tuple[str, str]]
) -> dict[str, dict[str, Any]]:
    """Values by question and field, from texts by `FIELD`, or `QUESTION.FIELD` where several questions have it.

    Raises:
        UnfitAnswer: ORD421, there is no such field, or several, or the text is none of its values.
    """
    fields = list(fields_of(requests))
    data: dict[str, dict[str, Any]] = {}
    for name, text in given:
        found = [one for one in fields if name in {one.name, f"{one.request}.{one.name}"}]
        if len(found) != 1:
            known = ", ".join(f"{one.request}.{one.name}" for one in found or fields)
            what = "names several fields" if found else "is no field of what is asked"
            raise UnfitAnswer(f"{name!r} {what}", hint=f"there are {known or 'no fields'}")
        data.setdefault(found[0].request, {})[found[0].name] = _value(found[0], text)
    return data


def responses_of(
    requests: Mapping[str, Mapping[str, Any]], data: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """What the server is answered: each form filled in, each address confirmed as visited.

    Args:
        requests: what is asked.
        data: values by question and field; what is left out takes its default.

    Raises:
        UnfitAnswer: ORD421, the values are not what a form takes.
    """
    unknown = [key for key in data if key not in requests]
    if unknown:
        raise UnfitAnswer(
            f"nothing is asked as {', '.join(unknown)}", hint=f"it asks {', '.join(requests)}"
        )
    return {key: _response(key, request, data.get(key, {})) for key, request in requests.items()}


def _response(key: str, request: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    form = request.get("schema")
    if form is None:
        return {"action": "accept"}
    defaults = {
        name: field["default"]
        for name, field in form.get("properties", {}).items()
        if isinstance(field, Mapping) and "default" in field
    }
    content = {**defaults, **given}
    if storable(content) != content:
        raise UnfitAnswer(
            f"an answer to {key} has a letter or a number that cannot be kept",
            hint="leave out NUL, and numbers of more than 64 bits",
        )
    try:
        checked = contract(canonical(form))
        declared = checked.declared
        strange = [name for name in content if declared is not None and name not in declared]
        problems = [f"{name!r} is no field of it" for name in strange] or checked.problems(content)
    except UnusableSchema as error:
        raise UnfitAnswer(
            f"the form of {key} is one that nobody can fill in: {error}",
            hint="refuse it, and tell whoever keeps the server",
        ) from None
    if problems:
        named = ", ".join(one.name for one in fields_of({key: request}) if one.is_required)
        hint = f"it needs {named}" if named else "all its fields may be left out"
        raise UnfitAnswer(f"that is no answer to {key}: {'; '.join(problems)}", hint=hint)
    return {"action": "accept", "content": content}


def _value(field: FormField, text: str) -> Any:
    kind = field.schema.get("type")
    if kind == "string":
        return text
    if kind == "boolean" and text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if kind == "array" and not text.startswith("["):
        return [part.strip() for part in text.split(",")] if text.strip() else []
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise UnfitAnswer(f"{text!r} is no {kind}, as {field.name} wants it") from None
