"""What a tool server asks in the middle of a call, on the command line: shown as a form, and filled in by options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click
import orjson

from runtime.cli.output import one_line, shorten
from runtime.core.answering import FormField, UnfitAnswer, fields_of, read_answers, responses_of
from runtime.core.harmless import moved_in
from schemas.asked import Asked

_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Filled:
    """What was filled in: fields one by one, or all of them as JSON."""

    fields: tuple[tuple[str, str], ...]
    data: Mapping[str, Any] | None


def filled_in(answers: Sequence[str], data: str | None) -> Filled | None:
    """What `--answer` and `--data` say; None if neither is given.

    Raises:
        UsageError: both are, or one is not what it has to be.
    """
    if not answers and data is None:
        return None
    if answers and data is not None:
        raise click.UsageError("--answer and --data exclude each other")
    fields = [tuple(answer.partition("=")[::2]) for answer in answers if "=" in answer]
    if len(fields) < len(answers):
        raise click.BadParameter("write FIELD=VALUE", param_hint="--answer")
    given = None if data is None else _json(data)
    return Filled(tuple((name.strip(), text) for name, text in fields), given)


def responses_to(asked: Asked, filled: Filled | None) -> dict[str, Any]:
    """What the server is answered; empty for a step whose server asks nothing.

    Raises:
        UnfitAnswer: ORD421, that is no answer.
    """
    requests = asked.asked.get("requests", {})
    if not requests and filled is None:
        return {}
    if not requests:
        raise UnfitAnswer(
            f"step {asked.step} of {asked.task} asks for no data",
            hint="leave out --answer and --data",
        )
    if filled is None:
        return responses_of(requests, {})
    if filled.data is None:
        return responses_of(requests, read_answers(requests, filled.fields))
    # With one question its fields are enough.
    data = filled.data if len(requests) > 1 else {next(iter(requests)): filled.data}
    return responses_of(requests, data)


def question_lines(asked: Asked) -> Iterator[str]:
    """What the server asks: each message, and under it the fields of its form or the address to visit."""
    requests = asked.asked.get("requests", {})
    fields = list(fields_of(requests))
    names = [one.name for one in fields]
    for key, request in requests.items():
        yield f"  asks: {moved_in(request['message'])}"
        if "url" in request:
            yield f"    visit {one_line(request['url'])}, then approve"
        for one in fields:
            if one.request == key:
                is_alone = names.count(one.name) == 1
                yield f"    {one_line(one.name if is_alone else f'{key}.{one.name}')}: {_kind(one)}"


def _kind(field: FormField) -> str:
    schema = field.schema
    is_list = schema["type"] == "array"
    items = schema.get("items", {}) if is_list else schema
    choices = _choices(items) if isinstance(items, Mapping) else []
    kind = " | ".join(map(str, choices)) if choices else str(schema["type"])
    if is_list and choices:
        kind = f"any of {kind}"
    if "default" in schema:
        kind += f", {orjson.dumps(schema['default']).decode()} unless given"
    elif not field.is_required:
        kind += ", may be left out"
    told = schema.get("description") or schema.get("title")
    return shorten(one_line(f"{kind}  ({told})" if told else kind), _SHOWN)


def _choices(schema: Mapping[str, Any]) -> list[Any]:
    """What is to be chosen from; with titles, it stands one by one (SEP-1330)."""
    titled = schema.get("oneOf") or schema.get("anyOf") or ()
    return schema.get("enum") or [one.get("const") for one in titled if isinstance(one, Mapping)]


def _json(text: str) -> dict[str, Any]:
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise click.BadParameter(f"no JSON: {error}", param_hint="--data") from None
    if not isinstance(data, dict):
        raise click.BadParameter("it must be a JSON object", param_hint="--data")
    return data
