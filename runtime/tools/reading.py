"""Text that a tool answered, read as its step says: for servers that answer with JSON, Python or lines in a text."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NoReturn

Parse = Literal["auto", "json", "text", "python", "lines"]

# Python's own reader needs a hundred times as much memory as its text, and a tenth of a second for this.
_PYTHON_BYTES: Final = 262_144


class Misread(Exception):
    """The text is not what the step takes it for; says why."""


def read_texts(texts: Sequence[str], parse: Parse) -> Any:
    """What the texts of an answer say; JSON and Python that come as several texts are a list.

    Raises:
        Misread: there is no text, or it cannot be read so.
    """
    if not texts:
        raise Misread(f"`parse: {parse}` reads text, and the answer has none")
    whole = "\n".join(texts)
    if parse == "lines":
        return whole.splitlines()
    if parse not in {"json", "python"}:
        return whole
    read = _json if parse == "json" else _python
    return read(whole) if len(texts) == 1 else [read(text) for text in texts]


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Misread(f"`parse: json`, and the text is no JSON: {error}") from error


def _python(text: str) -> Any:
    if len(text) > _PYTHON_BYTES:
        raise Misread(f"`parse: python` reads at most {_PYTHON_BYTES:,} characters")
    try:
        return _plain(ast.literal_eval(text.strip()))
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        reason = str(error).partition(" (<unknown>")[0]
        raise Misread(f"`parse: python`, and the text is no Python literal: {reason}") from error


def _plain(value: Any) -> Any:
    """A literal as JSON has it: tuples and sets are lists, and whatever has no like is refused."""
    match value:
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case set():
            return sorted((_plain(item) for item in value), key=repr)
        case None | bool() | int() | float() | str():
            return value
        case _:
            raise ValueError(f"{value!r} has no like in JSON")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")
