"""Steps that wait without a slot: `ordinaut.sleep` for a time, `ordinaut.approve` for a person, `ordinaut.wait_for` for an
event or a callback, `ordinaut.run` for another run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from runtime.core.expressions import compile_query
from runtime.errors import ExpressionError
from schemas.durations import parse_duration

SLEEP: Final = "ordinaut.sleep"
APPROVE: Final = "ordinaut.approve"
EMIT: Final = "ordinaut.emit"
COUNT: Final = "ordinaut.progress"
WAIT_FOR: Final = "ordinaut.wait_for"
RUN: Final = "ordinaut.run"
LOOKED_UP: Final = frozenset({WAIT_FOR, RUN})
"""Tools whose waits only the database knows to be over."""
WAITING_TOOLS: Final = frozenset({SLEEP, APPROVE, *LOOKED_UP})
"""Tools that are no calls: the run waits, and its runtime does something else."""

WaitKind = Literal["sleep", "approval", "event", "callback", "run"]


@dataclass(frozen=True, slots=True)
class Wait:
    """What a step waits for.

    Attributes:
        kind: a time, a person, an event, a callback, or another run.
        seconds: how long until the wait is over by itself; None if it never is.
        asked: what a person is shown, and who may answer; the topic of an event, and its filter; the run and its task.
    """

    kind: WaitKind
    seconds: float | None
    asked: Mapping[str, Any]


def wait_for(
    uses: str, arguments: Mapping[str, Any], now: datetime, *, callback: str, child: str
) -> Wait:
    """The wait that checked arguments of a waiting tool ask for.

    Args:
        uses: one of `WAITING_TOOLS`.
        arguments: as the tool's schema has them.
        now: the present, aware.
        callback: the topic that a callback for the step comes under.
        child: the id of the run that it starts.

    Raises:
        ExpressionError: ORD501 a filter cannot be parsed, ORD503 a span or an instant cannot be read.
    """
    if uses == SLEEP:
        span = _span(arguments["for"]) if "for" in arguments else _until(arguments["until"], now)
        return Wait("sleep", span, {})
    if uses == RUN:
        return Wait("run", None, {"task": arguments["task"], "run_id": child})
    seconds = _span(arguments["timeout"]) if "timeout" in arguments else None
    if uses == APPROVE:
        asked = {name: arguments[name] for name in ("message", "by", "event") if name in arguments}
        return Wait("approval", seconds, asked)
    if "callback" in arguments:
        return Wait("callback", seconds, {"topic": callback})
    asked = {"topic": arguments["event"]}
    if "filter" in arguments:
        asked["filter"] = compile_query(arguments["filter"]).text
    return Wait("event", seconds, asked)


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
