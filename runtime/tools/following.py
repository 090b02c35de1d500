"""Following a task: a call that its server goes on with by itself is asked for its result until there is one.

A server that cannot be reached has not lost the task: it is asked again. When the time is over, it is asked to stop.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

from runtime.clock import Clock
from runtime.core.leftopen import GoingOn
from runtime.core.outcomes import CallError, CallOutcome
from runtime.core.pauses import doubled_pause
from runtime.tools.answers import TASK_WITHOUT_RESULT

Ask = Callable[[GoingOn, timedelta], Awaitable[CallOutcome]]
"""Asks the server once, within that time."""

_UNREACHED: Final = frozenset({"not_sent", "lost", "timeout"})
_FIRST_PAUSE_SECONDS: Final = 2.0
_LONGEST_PAUSE_SECONDS: Final = 30.0
_FAREWELL: Final = timedelta(seconds=5)


async def follow(
    ask: Ask,
    going_on: GoingOn,
    clock: Clock,
    *,
    until: float,
    pause: float,
    longest_pause: float = math.inf,
) -> CallOutcome:
    """What becomes of a task; still open where it asks something, or is to be left alone for longer than `longest_pause`.

    Args:
        ask: asks the server.
        going_on: the task, and the answers to what it asked.
        clock: for all waiting.
        until: when the time is over, by the monotonic clock.
        pause: seconds that the task is to be left alone first.
        longest_pause: the longest that is waited here.
    """
    failures = 0
    while (left := until - clock.monotonic() - pause) > 0:
        await clock.sleep(pause)
        outcome = await ask(going_on, timedelta(seconds=left))
        task = outcome.left_open
        if _is_unreached(outcome):
            failures += 1
            pause = doubled_pause(
                failures, first=_FIRST_PAUSE_SECONDS, longest=_LONGEST_PAUSE_SECONDS
            )
        elif task is None or task.requests or task.wait_seconds > longest_pause:
            return outcome
        else:
            going_on, failures, pause = replace(going_on, is_told=True), 0, task.wait_seconds
    await ask(replace(going_on, withdraws=True), _FAREWELL)
    late = f"task {going_on.task} was not done in time, and was asked to stop"
    return CallOutcome("timeout", error=CallError("ORD405", late), sent=True)


def _is_unreached(outcome: CallOutcome) -> bool:
    """Whether the server did not answer; one that knows nothing of the task has."""
    error = outcome.error
    return outcome.kind in _UNREACHED and (error is None or error.code != TASK_WITHOUT_RESULT)
