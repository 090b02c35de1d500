"""What `jsonb` can keep: text without NUL and lone surrogates, integers of at most 64 bits, values of bounded depth."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

MAX_DEPTH: Final = 200
SMALLEST_INTEGER: Final = -(2**63)
LARGEST_INTEGER: Final = 2**64 - 1
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


def storable_text(text: str) -> str:
    """The text without what `jsonb` and terminals cannot take: NUL and lone surrogates become U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def storable(value: Any, depth: int = MAX_DEPTH) -> Any:
    """A JSON value as it can be kept, to be shown to people: large integers become text, what lies too deep an ellipsis."""
    match value:
        case str():
            return storable_text(value)
        case Mapping() | list() | tuple() if depth == 0:
            return "…"
        case Mapping():
            return {
                storable_text(str(key)): storable(item, depth - 1) for key, item in value.items()
            }
        case list() | tuple():
            return [storable(item, depth - 1) for item in value]
        case int() if not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
            return str(value)
        case _:
            return value
