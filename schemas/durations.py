"""Spans of time as people write them: `30s`, `10m`, `1h30m`, `7d`; exact to the millisecond."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

_UNITS: Final[dict[str, timedelta]] = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_PART: Final = re.compile(r"(\d{1,9})(ms|[wdhms])")
_WHOLE: Final = re.compile(r"(?:\d{1,9}(?:ms|[wdhms]))+")


def parse_duration(text: str) -> timedelta:
    """Read a span such as `1h30m`.

    Raises:
        ValueError: the text is not a span; the message says how to write one.
    """
    if not _WHOLE.fullmatch(text):
        raise ValueError("write a span of time with its unit, such as 30s, 10m, 1h30m or 7d")
    try:
        return sum(
            (int(count) * _UNITS[unit] for count, unit in _PART.findall(text)), timedelta(0)
        )
    except OverflowError:
        raise ValueError("the span is too long") from None


def format_duration(span: timedelta) -> str:
    """The canonical text of a span: the largest units first, so equal spans have equal texts."""
    rest = round(span / _UNITS["ms"])
    if rest == 0:
        return "0s"
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, rest = divmod(rest, round(_UNITS[unit] / _UNITS["ms"]))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)
