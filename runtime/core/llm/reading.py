"""What a model answered, read: the answer out of what the endpoint sent, and the value out of the answer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from runtime.core.binding import canonical
from runtime.core.contracts import UnusableSchema, contract
from runtime.core.llm.definition import ModelDefinition
from runtime.core.llm.words import DEFAULT_WORDS, cut
from runtime.core.outcomes import OutcomeClass
from runtime.core.usage import Usage, read_usage
from schemas import genai

_SCHEMA: Final = "output_schema"
_FENCED: Final = re.compile(r"\s*```[a-zA-Z]*\n(.*)\n```\s*", re.DOTALL)
# Some endpoints leave in the answer what a model said to itself.
_THOUGHTS: Final = re.compile(r"\s*<think>.*?</think>", re.DOTALL)
_MODEL_CHARACTERS: Final = 256


class Misfit(Exception):
    """The answer is not what was asked for; the text says why, one problem or several."""


class NoAnswer(Exception):
    """What came is no answer at all, and asking for it in other words would not help.

    Attributes:
        kind: what the outcome of the call is.
        usage: what it used up all the same.
    """

    def __init__(self, kind: OutcomeClass, message: str, usage: Usage | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.usage = usage


@dataclass(frozen=True, slots=True)
class Completion:
    """What an endpoint sent: the text, the model that wrote it, and what that used up; None where it was not told."""

    text: str
    model: str
    usage: Usage | None


def read_completion(body: bytes, definition: ModelDefinition) -> Completion:
    """The answer out of a response.

    Raises:
        NoAnswer: it holds none, or not the whole.
    """
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        raise NoAnswer("contract_error", "its answer is not JSON") from None
    usage = _usage(sent, definition)
    match sent:
        case {"choices": [{"message": {**message}, **choice}, *_]}:
            pass
        case _:
            said = f": {complaint}" if (complaint := _complaint(sent)) else ""
            raise NoAnswer("contract_error", f"it answered without any choice{said}", usage)
    text = _text(message)
    match choice.get("finish_reason"):
        case "length":
            limit = f"{definition.max_tokens:,} tokens (`max_tokens` of the model)"
            raise NoAnswer("contract_error", f"its answer was cut off after {limit}", usage)
        case "content_filter":
            raise NoAnswer("tool_error", "its answer was kept back by a filter", usage)
        case _:
            pass
    if refusal := message.get("refusal"):
        raise NoAnswer("tool_error", f"the model refused: {refusal}", usage)
    if not text and message.get("tool_calls"):
        raise NoAnswer("contract_error", "the model called a tool, and it was given none", usage)
    model = sent.get("model")
    named = model[:_MODEL_CHARACTERS] if isinstance(model, str) and model else definition.model
    return Completion(text, named, usage)


def read_value(arguments: Mapping[str, Any], answered: str) -> dict[str, Any]:
    """The text and the data of an answer.

    Raises:
        Misfit: it is not what was asked for.
    """
    thoughts = _THOUGHTS.match(answered)
    text = answered[thoughts.end() if thoughts else 0 :].strip()
    if not text:
        raise Misfit("the answer is empty")
    if _SCHEMA not in arguments:
        return {"text": text}
    fenced = _FENCED.fullmatch(text)
    try:
        data = json.loads(fenced[1] if fenced else text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Misfit(f"the answer is not JSON: {error}") from None
    value = {"text": text, "data": data}
    keep_to_schema(arguments, value)
    return value


def result_of(tool: str, arguments: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    """What a tool gives of the text and the data of an answer."""
    match tool:
        case "extract":
            return {"data": value["data"]}
        case "summarize":
            # Models count badly, and a step that says how many words there is room for relies on it.
            limit = int(arguments.get("max_words", DEFAULT_WORDS))
            text = str(value["text"])
            return {"text": text if len(text.split()) <= limit else cut(text, limit)}
        case _:
            return dict(value)


def complaint_of(body: bytes) -> str:
    """What an endpoint says is wrong; empty if it says nothing that can be read."""
    try:
        return _complaint(json.loads(body))
    except (ValueError, RecursionError):
        return ""


def schema_error(arguments: Mapping[str, Any]) -> str:
    """Why nothing can be held against the `output_schema` among the arguments; empty if something can, or there is none."""
    if _SCHEMA in arguments:
        try:
            contract(canonical(arguments[_SCHEMA]))
        except UnusableSchema as error:
            return f"the output_schema cannot be used: {error}"
    return ""


def keep_to_schema(arguments: Mapping[str, Any], value: Mapping[str, Any]) -> None:
    """Hold the `data` of a result against the `output_schema` among the arguments, if there is one.

    Raises:
        Misfit: it does not fit.
    """
    if _SCHEMA not in arguments:
        return
    try:
        problems = contract(canonical(arguments[_SCHEMA])).problems(value["data"])
    except UnusableSchema as error:
        problems = [f"the output_schema cannot be used: {error}"]
    if problems:
        raise Misfit("; ".join(problems))


def _complaint(sent: Any) -> str:
    match sent:
        case {"error": {"message": str(said)}} | {"error": str(said)} | {"message": str(said)}:
            return " ".join(said.split())
        case _:
            return ""


def _text(message: Mapping[Any, Any]) -> str:
    match message.get("content"):
        case str(text):
            return text
        case [*parts]:
            texts = [part.get("text") for part in parts if isinstance(part, Mapping)]
            return "".join(text for text in texts if isinstance(text, str))
        case _:
            return ""


def _usage(sent: Any, definition: ModelDefinition) -> Usage | None:
    if not isinstance(sent, Mapping) or not isinstance(told := sent.get("usage"), Mapping):
        return None
    went_in, came_out = (_part(told, name) for name in ("prompt", "completion"))
    usage, _ = read_usage(
        {
            genai.ASKED_MODEL: definition.model,
            genai.MODEL: sent.get("model"),
            genai.INPUT: told.get("prompt_tokens"),
            genai.OUTPUT: told.get("completion_tokens"),
            genai.CACHE_READ: went_in.get("cached_tokens"),
            genai.REASONING: came_out.get("reasoning_tokens"),
        }
    )
    return usage


def _part(told: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = told.get(f"{name}_tokens_details")
    return found if isinstance(found, Mapping) else {}


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")
