"""An event as a line for people: when, of which run, what, about what, and the facts in their short form."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from runtime.cli.output import bold, dim, one_line, short_id, wrapped
from runtime.core.spans import exact_span

_SHOWN_ELSEWHERE: Final = frozenset({"task", "run_id", "trigger", "occurrence_for"})
# Facts that do not fit beside it stand below the type.
_INDENT: Final = 36
_USUAL: Final = {"attempt": 1, "outcome": "ok"}


def event_line(
    time: datetime, run_id: UUID | None, short_type: str, subject: str, data: Mapping[str, Any]
) -> str:
    """The line, on as many as a terminal needs; the type is without its prefix."""
    at = time.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"
    run = short_id(run_id) if run_id else " " * 8
    line = f"{dim(at)}  {run}  {bold(short_type.ljust(16))}  {one_line(subject)}  {_facts(data)}"
    return wrapped(line.rstrip(), _INDENT)


def _facts(data: Mapping[str, Any]) -> str:
    """What is left to say: values in their short form, with their names unless they speak for themselves."""
    return "  ".join(
        _fact(name, value)
        for name, value in data.items()
        if name not in _SHOWN_ELSEWHERE and value != _USUAL.get(name)
    )


def _fact(name: str, value: Any) -> str:
    match name, value:
        case "error", {"code": code, "message": message}:
            return f"{code} {one_line(message)}"
        case "due_at", str():
            return f"due {value[:16].replace('T', ' ')}Z"
        case _, float() | int() if name.endswith("seconds"):
            return f"{name.removesuffix('seconds').replace('_', ' ')}{exact_span(value)}"
        case "step" | "reason", str():
            return one_line(value)
        case _:
            return f"{name}={one_line(value) if isinstance(value, str) else orjson.dumps(value).decode()}"
