"""Values of any kind as words for people: what the offline provider writes, and how a text is cut to a number of words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final

DEFAULT_WORDS: Final = 60
"""How many words a summary may have where its step says nothing."""
# Where a list element has one of these, it leads the line.
_LEADING: Final = ("time", "start", "date", "summary", "title", "name", "text")
_MAX_ITEMS: Final = 20
_MAX_LINE: Final = 200


def sentences(text: str) -> list[str]:
    """The sentences of a text, as far as they can be told by their marks."""
    return re.split(r"(?<=[.!?])\s+", text.strip())


def cut(text: str, limit: int) -> str:
    """Whole sentences from the beginning as far as so many words go, but at least the beginning of the first."""
    kept: list[str] = []
    for sentence in sentences(text):
        words = sentence.split()
        if len(kept) + len(words) > limit:
            kept = kept or [*words[:limit], "…"]
            break
        kept += words
    return " ".join(kept)


def lines(value: Any) -> Iterable[str]:
    """A value as lines of a list."""
    if value in (None, "", [], {}):
        return ["- nothing"]
    match value:
        case list():
            more = [f"- and {len(value) - _MAX_ITEMS} more"] if len(value) > _MAX_ITEMS else []
            return [f"- {line(item)}" for item in value[:_MAX_ITEMS]] + more
        case dict() if len(value) == 1 and isinstance(only := next(iter(value.values())), list):
            return lines(only)  # {"events": [...]}: the wrapper adds nothing to read
        case dict():
            return [f"- {title(str(key))}: {line(item)}" for key, item in value.items()]
        case _:
            return [f"- {line(value)}"]


def line(value: Any) -> str:
    """A value in one line, what leads first."""
    match value:
        case str():
            text = " ".join(value.split())
        case dict():
            first = [
                value[key] for key in _LEADING if isinstance(value.get(key), str | int | float)
            ]
            rest = [
                f"{key} {line(item)}"
                for key, item in value.items()
                if key not in _LEADING and item
            ]
            text = " · ".join([*(str(item) for item in first), *rest])
        case list():
            text = ", ".join(line(item) for item in value)
        case _:
            text = json.dumps(value)
    return text if len(text) <= _MAX_LINE else text[: _MAX_LINE - 1] + "…"


def title(name: str) -> str:
    """The name of an argument as a heading."""
    return name.replace("_", " ").strip().capitalize()
