"""A step that waits for a callback is two: the call that hands the callback out, and the wait that gives the step its result.

They are made here wherever steps are listed, so that all else knows calls and waits alone: a call that is retried, a runtime
that dies in between, an answer that comes before the call has returned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from runtime.core.waits import WAIT_FOR

_CALL: Final = ":call"
# What the call alone has; the wait has the id, the name of its result, and when it is left out.
_OF_WAIT: Final = ("callback", "save_as")
_WAITING: Final[Mapping[str, Any]] = {
    "uses": WAIT_FOR,
    "max_parallel": 1,
    "effect": "pure",
    "parse": "auto",
    "on_error": "fail",
    "on_unknown": "fail",
}


def spread(steps: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The steps of a normalised body, those with a `callback` as two."""
    found: list[Mapping[str, Any]] = []
    for step in steps:
        found += _parted(step) if "callback" in step else [step]
    return found


def callback_of(step: str) -> str | None:
    """The step whose callback a call hands out, by the name of the call; None if it is no such call."""
    return step.removesuffix(_CALL) if step.endswith(_CALL) else None


def _parted(step: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    name = step["id"]
    call = {field: value for field, value in step.items() if field not in _OF_WAIT}
    asked = {
        field: step["callback"][field]
        for field in ("timeout", "schema")
        if field in step["callback"]
    }
    wait = {**_WAITING, "id": name, "with": {"callback": True, **asked}, "needs": [name + _CALL]}
    wait |= {field: step[field] for field in ("save_as", "if") if field in step}
    return [{**call, "id": name + _CALL}, wait]
