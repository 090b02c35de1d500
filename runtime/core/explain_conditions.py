"""Why a condition has not started a run: what is remembered of its answers now, in sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from runtime.core.evidence import ConditionStand, Evidence
from runtime.core.poll import calendars_of, free_from

Clock = Callable[[datetime], str]
"""How an instant is told."""


def condition_facts(evidence: Evidence, clock: Clock) -> Iterator[str]:
    """What stands between the task's conditions and a run, a sentence each; nothing where there are none."""
    for one in evidence.conditions:
        yield f"condition {one.position + 1} of it asks {one.uses}: {_standing(one, clock)}"
        calendars = calendars_of(one.body, one.position)
        excluded_by = calendars.excluded_by(evidence.now) if calendars else None
        if excluded_by is not None:
            until = clock(free_from(evidence.now, calendars))
            yield f"calendar {excluded_by} keeps it from being asked until {until}"
    if not evidence.conditions:
        return
    now = evidence.now
    held = next(
        (p for p in evidence.pauses if p.since <= now and (p.until is None or p.until > now)), None
    )
    if held is not None:
        yield f"nobody asks while the task is paused, by {held.actor} since {clock(held.since)}"
    elif not any(one.since <= now <= one.until for one in evidence.runtimes):
        yield "no runtime is alive to ask"


def _standing(one: ConditionStand, clock: Clock) -> str:
    if one.failing_since is not None:
        why = (one.error or {}).get("message", "")
        return f"since {clock(one.failing_since)} it gives no answer that could be judged: {why}"
    if one.polled_at is None:
        return f"nobody has asked yet, and it is time at {clock(one.next_poll_at)}"
    if one.met_since is None:
        since = f", and none has since {clock(one.changed_at)}" if one.changed_at else ""
        return f"the answer at {clock(one.polled_at)} did not meet the condition{since}"
    met = f"its answers have met the condition since {clock(one.met_since)}"
    match one.phase:
        case "armed":
            return f"{met}, and must do so for longer before it fires"
        case "spent":
            return f"{met}; it has fired for that, and fires again after an answer that rearms it"
        case _:
            return f"{met}; it has fired for that, and fires again after one that does not"
