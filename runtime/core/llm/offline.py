"""What is answered where no model is asked: by fixed rules, out of what is given, and the same every time.

It says so: each text ends with `NOTE`, words in structured data are the word `offline`, and provider and model of every
result are `offline`. Texts are made of what was given, set as lists or cut after whole sentences; data is the least that
fits the schema, with dates that the text names where the schema asks for one. Nothing is read or understood.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from runtime.core.llm.tools import OFFLINE, PLAN_OWN
from runtime.core.llm.words import DEFAULT_WORDS, cut, line, lines, title
from runtime.core.usage import Cost, Usage

NOTE: Final = "[offline: no language model was asked]"
"""The last line of every text."""
_DATE: Final = re.compile(r"\b\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])\b")
_NO_DATE: Final = "1970-01-01"
# Schemas may refer to themselves: so deep, every property is given; below, what is required.
_FULL_DEPTH: Final = 6
_DEPTH: Final = 24
# A schema may ask for more than anybody can use; then the value will not fit.
_MOST: Final = 10_000


def answer(tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What one of `llm.*` gives without a model; whether data fits its schema is for the caller to see.

    Args:
        tool: its name without the server's.
        arguments: checked against its schema.
    """
    told: dict[str, Any] = {}
    match tool:
        case "summarize":
            words = int(arguments.get("max_words", DEFAULT_WORDS))
            told["text"] = _noted(cut(_source(arguments), words))
        case "plan":
            told["text"] = _noted(_plan(arguments))
        case _:
            pass
    if "output_schema" in arguments:
        told["data"] = stand_in(arguments["output_schema"], _all_of(arguments))
    return {**told, "model": OFFLINE, "provider": OFFLINE}


def usage_of(arguments: Mapping[str, Any], value: Any) -> Usage:
    """What an answer counts as: a token for every four bytes of the arguments and of the result as JSON, and no money."""
    return Usage(
        OFFLINE,
        input_tokens=tokens_of(arguments),
        output_tokens=tokens_of(value),
        # In any currency.
        cost=Cost(Decimal(0), "USD", "provider"),
    )


def stand_in(schema: Any, text: str = "") -> Any:
    """The least value that fits a schema, as far as that can be seen.

    Args:
        schema: any JSON Schema.
        text: where dates are looked for.
    """
    found = _DATE.search(text)
    return _Maker(schema, found.group() if found else _NO_DATE).value(schema, 0)


def _plan(arguments: Mapping[str, Any]) -> str:
    parts = [arguments["goal"]] if "goal" in arguments else []
    for name, value in arguments.items():
        if name not in PLAN_OWN:
            parts.append("\n".join([title(name), *lines(value)]))
    return "\n\n".join(parts)


def _source(arguments: Mapping[str, Any]) -> str:
    if "text" in arguments:
        return str(arguments["text"])
    items = arguments["items"]
    counted = f"{len(items)} item{'s' if len(items) != 1 else ''}"
    return f"{counted}: {'; '.join(line(item) for item in items)}" if items else counted


def _all_of(arguments: Mapping[str, Any]) -> str:
    return "\n".join(
        line(value) if not isinstance(value, str) else value
        for name, value in arguments.items()
        if name != "output_schema"
    )


def _noted(text: str) -> str:
    return f"{text}\n\n{NOTE}" if text else NOTE


def tokens_of(value: Any) -> int:
    """As how many tokens a value counts where nobody counted: one for every four bytes of it as JSON."""
    return -(-len(json.dumps(value, ensure_ascii=False).encode(errors="replace")) // 4)


class _Maker:
    """Makes values for parts of one schema."""

    def __init__(self, root: Any, date: str) -> None:
        self._root = root
        self._date = date
        self._left = _MOST

    def value(self, schema: Any, depth: int) -> Any:
        self._left -= 1
        if not isinstance(schema, Mapping) or depth > _DEPTH or self._left < 0:
            return None
        match schema:
            case {"const": stated} | {"enum": [stated, *_]} | {"default": stated}:
                return stated
            case {"allOf": [*parts]}:
                return self._merged(schema, parts, depth)
            case {"$ref": str(ref)}:
                return self.value(self._local(ref), depth + 1)
            case {"anyOf": [first, *_]} | {"oneOf": [first, *_]}:
                return self.value(first, depth + 1)
            case _:
                return self._of_type(schema, depth)

    def _of_type(self, schema: Mapping[str, Any], depth: int) -> Any:
        kind = schema.get("type", "object" if "properties" in schema else None)
        made: Any = None
        match kind[0] if isinstance(kind, list) and kind else kind:
            case "object":
                made = self._object(schema, depth)
            case "array":
                item = schema.get("items")
                made = [self.value(item, depth + 1) for _ in range(_count(schema, "minItems"))]
            case "string":
                made = self._string(schema)
            case "integer" | "number":
                made = _number(schema)
            case "boolean":
                made = False
            case _:
                pass
        return made

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        parts, required = schema.get("properties", {}), schema.get("required")
        # In draft-03 a property says of itself whether it is.
        named = dict.fromkeys(required if isinstance(required, list) else ())
        wanted = {**dict.fromkeys(parts), **named} if depth < _FULL_DEPTH else named
        return {name: self.value(parts.get(name), depth + 1) for name in wanted}

    def _merged(self, schema: Mapping[str, Any], parts: list[Any], depth: int) -> Any:
        own = {name: part for name, part in schema.items() if name != "allOf"}
        made = [self.value(part, depth + 1) for part in (own, *parts)]
        objects = [one for one in made if isinstance(one, dict)]
        if objects:
            return {name: value for one in objects for name, value in one.items()}
        return next((one for one in made if one is not None), None)

    def _string(self, schema: Mapping[str, Any]) -> str:
        match schema.get("format"):
            case "date":
                return self._date
            case "date-time":
                return f"{self._date}T00:00:00Z"
            case _:
                pass
        least = _count(schema, "minLength")
        text = OFFLINE * max(1, -(-least // len(OFFLINE)))
        most = schema.get("maxLength", max(least, len(OFFLINE)))
        return text[: int(most)]

    def _local(self, ref: str) -> Any:
        """What a JSON pointer into the schema names; None where it leads out of it."""
        part = self._root
        for token in ref.removeprefix("#").split("/")[1:]:
            name = token.replace("~1", "/").replace("~0", "~")
            part = part.get(name) if isinstance(part, Mapping) else None
        return part if ref.startswith("#") else None


def _count(schema: Mapping[str, Any], keyword: str) -> int:
    found = schema.get(keyword, 0)
    return min(int(found), _MOST) if isinstance(found, int | float) else 0


def _number(schema: Mapping[str, Any]) -> int | float:
    least = schema.get("minimum")
    if least is None and "exclusiveMinimum" in schema:
        least = schema["exclusiveMinimum"] + 1
    most = schema.get("maximum", 0)
    value: int | float = max(0, least) if least is not None else min(0, most)
    return value
