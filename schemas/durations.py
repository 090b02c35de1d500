"""Spans of time as people write them: `30s`, `10m`, `1h30m`, `7d`.

Units are ms, s, m, h, d (24 hours) and w (7 days); a compound goes from large to small and names each unit once.
Months and years have no fixed length, so they are schedules, never spans. Leaves "longer than zero" to the field.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

UNITS: Final[dict[str, timedelta]] = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
"""Every unit, from large to small."""

LONGEST: Final = timedelta(days=36_525)
"""A hundred years: adding it to any instant that a run can see stays inside the calendar."""

_PART = re.compile(r"([0-9]+)(ms|[wdhms])")
_WHOLE = re.compile(r"(?:[0-9]{1,15}(?:ms|[wdhms]))+")
_LONGEST_TEXT: Final = 64
_EXAMPLES: Final = "write it with its unit, such as 30s, 10m, 1h30m or 7d"


def parse_duration(text: str) -> timedelta:
    """Read a span such as `1h30m`.

    Raises:
        ValueError: not a span, negative, its units out of order or repeated, or longer than a hundred years; the
            message says what to write instead.
    """
    if len(text) > _LONGEST_TEXT or not _WHOLE.fullmatch(text):
        raise ValueError(_complaint(text))
    parts = _PART.findall(text)
    ranks = [list(UNITS).index(unit) for _, unit in parts]
    if ranks != sorted(set(ranks)):
        raise ValueError(f"{text!r}: units go from large to small, each once, as in 1d12h30m")
    try:
        span = sum((int(count) * UNITS[unit] for count, unit in parts), timedelta())
    except OverflowError:
        span = timedelta.max
    if span > LONGEST:
        raise ValueError(f"{text!r} is longer than a hundred years ({LONGEST.days}d)")
    return span


def format_duration(span: timedelta) -> str:
    """The canonical form: days downwards, each unit full, zero as `0s`; equal spans give equal text.

    Raises:
        ValueError: negative, or finer than a millisecond, neither of which the spec language can say.
    """
    if span < timedelta(0) or span % UNITS["ms"]:
        raise ValueError(
            f"{span!r} has no written form: spans are whole milliseconds, zero or more"
        )
    text = ""
    # Weeks are understood but not written: `8d` reads better than `1w1d`.
    for unit in ("d", "h", "m", "s", "ms"):
        count, span = divmod(span, UNITS[unit])
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def _complaint(text: str) -> str:
    """Why `text` is not a span, and what was probably meant."""
    shown = text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "..."
    bare = text.strip()
    if re.fullmatch(r"[0-9]{1,15}", bare):
        return f"{shown!r} has no unit; seconds would be {bare}s"
    if bare.startswith("-"):
        return f"{shown!r} is negative; a span is zero or longer"
    if re.match(r"P[0-9T]", bare, re.IGNORECASE):
        return f"{shown!r} is an ISO 8601 duration;{_from_iso(bare)} {_EXAMPLES}"
    if re.match(r"[0-9]+\.[0-9]", bare):
        return f"{shown!r} has a fraction; use a smaller unit, as in 1h30m for one hour and a half"
    return f"{shown!r} is not a span of time; {_EXAMPLES}"


def _from_iso(text: str) -> str:
    """The same span in our units, if it has one: months and years have no fixed length."""
    days, _, time = text.upper()[1:].partition("T")
    if re.search(r"[YM]", days):
        return " months and years have no fixed length;"
    meant = (days + time).lower()
    return (
        f" here that is {meant};"
        if len(meant) <= _LONGEST_TEXT and _WHOLE.fullmatch(meant)
        else ""
    )
