"""What a tool answered, as one JSON value that PostgreSQL can keep.

Which part of an answer counts, in this order:

1. the structured result, as it is (a lone `{"result": x}` is not unwrapped);
2. the first text, if it is a JSON object or array; where *every* text is one, the list of them, because servers older
   than structured results send a list as one text an element;
3. all texts, joined by line breaks;
4. other content (images, links, …) as `{"content": [...]}`;
5. nothing at all: null.

A step that says how it is to be read (`parse`) gets what its texts say, and nothing else (`runtime.tools.reading`).

Made safe for `jsonb`: NUL and lone surrogates become U+FFFD, secrets are blotted out. Refused rather than altered:
numbers that JSON does not have (NaN, Infinity), integers of more than 64 bits (readers of JSON disagree on them),
nesting deeper than `MAX_DEPTH`, and more bytes than the limit.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import orjson

from runtime.core.outcomes import CallError
from runtime.core.storable import LARGEST_INTEGER, MAX_DEPTH, SMALLEST_INTEGER, storable_text
from runtime.tools.reading import Misread, Parse, read_texts
from runtime.tools.redact import Redactor


class Unacceptable(Exception):
    """The answer cannot be kept; `error` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.error = CallError(code, message)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server sent, as plain JSON values.

    Attributes:
        content: the content blocks.
        structured: the structured result; only meaningful if `has_structured`.
        has_structured: whether there was one (it may be null).
        is_error: whether the tool says that it failed.
    """

    content: Sequence[Mapping[str, Any]] = ()
    structured: Any = None
    has_structured: bool = False
    is_error: bool = False

    def text(self) -> str:
        """All texts, joined by line breaks."""
        return "\n".join(self._texts())

    def value(self, parse: Parse = "auto") -> Any:
        """The part that counts, as it was sent.

        Raises:
            Unacceptable: ORD412, its texts are not what `parse` takes them for.
        """
        if parse != "auto":
            try:
                return read_texts(self._texts(), parse)
            except Misread as error:
                raise Unacceptable("ORD412", str(error)) from error
        if self.has_structured:
            return self.structured
        texts = self._texts()
        if not texts:
            return {"content": list(self.content)} if self.content else None
        documents = [_document(text) for text in texts]
        if documents[0] is None:
            return self.text()
        return documents if len(documents) > 1 and None not in documents else documents[0]

    def _texts(self) -> list[str]:
        return [
            str(block.get("text", "")) for block in self.content if block.get("type") == "text"
        ]


def normalise(value: object, *, limit: int, redact: Redactor) -> tuple[Any, int]:
    """The value made safe to keep, and its size in bytes as compact JSON.

    Raises:
        Unacceptable: ORD407 or ORD506.
    """
    safe = _safe(value, redact, MAX_DEPTH)
    size = len(orjson.dumps(safe))
    if size > limit:
        raise Unacceptable(
            "ORD506", f"the result has {size:,} bytes, and the server's limit is {limit:,}"
        )
    return safe, size


def _safe(value: object, redact: Redactor, depth: int) -> Any:
    if depth == 0:
        raise Unacceptable("ORD407", f"the result is nested more than {MAX_DEPTH} levels deep")
    match value:
        case str():
            return redact(storable_text(value))
        case Mapping():
            return {
                redact(storable_text(str(key))): _safe(item, redact, depth - 1)
                for key, item in value.items()
            }
        case list() | tuple():
            return [_safe(item, redact, depth - 1) for item in value]
        case int() if not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
            raise Unacceptable("ORD407", "the result holds an integer of more than 64 bits")
        case float() if not math.isfinite(value):
            raise Unacceptable("ORD407", f"the result holds {value}, which is not a JSON number")
    return value


def _document(text: str) -> Any:
    """The JSON object or array that the text is, or None; numbers and words stay text."""
    if text.lstrip()[:1] not in {"{", "["}:
        return None
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
