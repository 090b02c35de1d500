"""Spans of time as people read them."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

_UNITS: Final = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def rough_span(span: timedelta, *, units: int = 2) -> str:
    """A span in its largest unit and at most the next one: `3 d 4 h`, `12 min 5 s`."""
    left = int(span.total_seconds())
    parts: list[str] = []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:units]) or "0 s"


def exact_span(seconds: float) -> str:
    """How long something took: `12 ms`, `3.40 s`, then as `rough_span`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    span = timedelta(seconds=seconds)
    return f"{seconds:.2f} s" if span < timedelta(minutes=1) else rough_span(span)
