"""Steps that wait without a slot: `ordinaut.sleep` for a time, `ordinaut.approve` for a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from runtime.errors import ExpressionError
from schemas.durations import parse_duration

SLEEP: Final = "ordinaut.sleep"
APPROVE: Final = "ordinaut.approve"
WAITING_TOOLS: Final = frozenset({SLEEP, APPROVE})
"""Tools that are no calls: the run waits, and its runtime does something else."""

WaitKind = Literal["sleep", "approval"]


@dataclass(frozen=True, slots=True)
class Wait:
    """What a step waits for.

    Attributes:
        kind: a time, or a person.
        seconds: how long until the wait is over by itself; None if it never is.
        asked: what a person is shown, and who may answer.
    """

    kind: WaitKind
    seconds: float | None
    asked: Mapping[str, Any]


def wait_for(uses: str, arguments: Mapping[str, Any], now: datetime) -> Wait:
    """The wait that checked arguments of a waiting tool ask for.

    Args:
        uses: one of `WAITING_TOOLS`.
        arguments: as the tool's schema has them.
        now: the present, aware.

    Raises:
        ExpressionError: ORD503 a span or an instant cannot be read.
    """
    if uses == SLEEP:
        seconds = (
            _span(arguments["for"]) if "for" in arguments else _until(arguments["until"], now)
        )
        return Wait("sleep", seconds, {})
    timeout = arguments.get("timeout")
    asked = {name: arguments[name] for name in ("message", "by") if name in arguments}
    return Wait("approval", None if timeout is None else _span(timeout), asked)


def _span(text: str) -> float:
    try:
        return parse_duration(text).total_seconds()
    except ValueError as error:
        raise ExpressionError(f"{text!r} is no span of time: {error}", code="ORD503") from error


def _until(text: str, now: datetime) -> float:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise ExpressionError(f"{text!r} is no instant: {error}", code="ORD503") from error
    if instant.tzinfo is None:
        raise ExpressionError(f"{text!r} has no offset from UTC", code="ORD503")
    return max(timedelta(0), instant - now).total_seconds()
