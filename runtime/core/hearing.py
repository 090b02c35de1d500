"""Which tasks an event is for, and what becomes of what a task has heard: runs, or skips with their reasons.

An event is heard by a task once, whatever number of its schedules match it: the first of them has it. What was heard in a
pause was missed, and the catch-up policy decides it when the pause is over; what came while no runtime was alive was not,
as it waited in a queue that nobody had closed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from runtime.core.arriving import Arrived, holds
from runtime.core.misfire import CatchUpRule
from runtime.errors import ExpressionError
from schemas.event import TYPE_PREFIX

OWN: Final = TYPE_PREFIX
"""What the topics of Ordinaut's own events begin with; nobody else tells of such."""
LOOPS: Final = 8
"""How many runs of a task may stand above an event that starts another run of it."""
CHAIN: Final = 64
"""How many runs may have started one another by events."""


@dataclass(frozen=True, slots=True)
class Listener:
    """An event schedule in force.

    Attributes:
        topic: what it listens to; `*` stands for anything.
        since: earlier events are none of its business.
        until: nor are later ones; None while it listens.
    """

    task_uid: int
    digest: str
    position: int
    topic: str
    filter: str | None
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Heard:
    """An event that a task is to decide about.

    Attributes:
        reason: why it starts no run, if that is known; else None.
    """

    task_uid: int
    digest: str
    event_no: int
    arrived_at: datetime
    reason: str | None = None
    detail: str | None = None


def matches(glob: str, topic: str) -> bool:
    """Whether a listener's topic means that of an event. Own events are only meant by what begins as they do."""
    if topic.startswith(OWN) and not glob.startswith(OWN):
        return False
    # Callbacks are for one step of one run.
    return ":" not in topic and _pattern(glob).fullmatch(topic) is not None


def heard_by(listeners: Iterable[Listener], events: Sequence[Arrived]) -> list[Heard]:
    """For whom events are: one entry for each task and event, in the order of tasks and of arrival."""
    found: dict[tuple[int, int], Heard] = {}
    for listener in sorted(listeners, key=lambda one: (one.task_uid, one.position)):
        for event in events:
            key = (listener.task_uid, event.event_no)
            before = found.get(key)
            # A filter that fails leaves the event to a later schedule that can have it.
            if before is None or before.reason is not None:
                now = _heard(listener, event)
                if now is not None and (before is None or now.reason is None):
                    found[key] = now
    return list(found.values())


def _heard(listener: Listener, event: Arrived) -> Heard | None:
    after = listener.until is not None and event.arrived_at >= listener.until
    if event.arrived_at < listener.since or after or not matches(listener.topic, event.topic):
        return None
    reason = detail = None
    try:
        if listener.filter is not None and not holds(listener.filter, event):
            return None
    except ExpressionError as error:
        reason, detail = "filter_failed", error.message
    return Heard(
        listener.task_uid, listener.digest, event.event_no, event.arrived_at, reason, detail
    )


@lru_cache(maxsize=4096)
def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in glob.split("*")))


@dataclass(frozen=True, slots=True)
class Taken:
    """An event that was heard, and is decided now.

    Attributes:
        reason: why it starts no run, as it was heard.
        was_paused: the task was paused when it came.
        above: how many runs stand above it, and how many of them are of this task.
    """

    event: Arrived
    reason: str | None = None
    detail: str | None = None
    was_paused: bool = False
    above: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Window:
    """Which events share a run: at most one of `quiet` and `most` is set, and with neither each event has its own."""

    quiet: timedelta | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """A run to be made, or a skip to be recorded.

    Attributes:
        event: by which it is known: the last of its events.
        payload: what its steps are told.
        reason: why it does not run; None if it may.
        missed: it runs because everything that was missed does.
    """

    event: Arrived
    payload: Mapping[str, Any]
    reason: str | None = None
    detail: str | None = None
    missed: bool = False


def judge(
    taken: Sequence[Taken], window: Window, rule: CatchUpRule, now: datetime, *, missed_later: int
) -> list[Start]:
    """What becomes of events that a task has heard, in the order in which they came.

    Args:
        taken: the events.
        window: which of them share a run.
        rule: the task's catch-up policy, and what else bounds how late it runs.
        now: the server's time.
        missed_later: how many events that were missed wait behind these.
    """
    verdicts = [(one, *_lapse(one, now, rule)) for one in taken]
    skipped = [_skip(one, reason, detail) for one, reason, detail in verdicts if reason]
    fresh = [one for one, reason, _ in verdicts if reason is None]
    if window.quiet is None and window.most is None:
        started = list(_each(fresh, rule, missed_later))
    else:
        started = [_together(fresh, window)] if fresh else []
    return sorted([*skipped, *started], key=lambda one: one.event.event_no)


def _each(fresh: Sequence[Taken], rule: CatchUpRule, missed_later: int) -> Iterator[Start]:
    """A run for each, but for what the catch-up policy and replacing runs leave out."""
    missed = [one.event.event_no for one in fresh if one.was_paused]
    allowed = {"latest": 1, "all": rule.max, "skip": 0}[rule.policy]
    kept = set(missed[max(0, len(missed) - max(0, allowed - missed_later)) :])
    running = [one for one in fresh if not one.was_paused or one.event.event_no in kept]
    last = running[-1].event.event_no if running else 0
    for one in fresh:
        number = one.event.event_no
        if one.was_paused and number not in kept:
            yield _skip(one, "catch_up_latest" if rule.policy == "latest" else "catch_up_max")
        elif rule.replacing and number != last:
            yield _skip(one, "overlap_replaced")
        else:
            yield Start(one.event, one.event.value, missed=one.was_paused and rule.policy == "all")


def _together(fresh: Sequence[Taken], window: Window) -> Start:
    last = fresh[-1].event
    payload = {**last.value, "count": len(fresh)}
    if window.most is not None:
        payload["items"] = [one.event.value for one in fresh]
    return Start(last, payload)


def _lapse(one: Taken, now: datetime, rule: CatchUpRule) -> tuple[str | None, str | None]:
    """Why an event starts no run, whatever becomes of the others."""
    deep, own = one.above
    if one.reason is not None:
        return one.reason, one.detail
    if own > LOOPS or deep >= CHAIN:
        return "event_loop", f"{own} of the {deep} runs before it are of this task"
    if any(since <= one.event.arrived_at < until for since, until in rule.snoozed):
        return "snoozed", None
    return _too_late(one, now - one.event.arrived_at, rule), None


def _too_late(one: Taken, late: timedelta, rule: CatchUpRule) -> str | None:
    if one.was_paused and rule.policy == "skip":
        return "catch_up_skip"
    if one.was_paused and late > rule.window:
        return "catch_up_window"
    if rule.start_deadline is not None and late > rule.start_deadline:
        return "start_deadline"
    return None


def _skip(one: Taken, reason: str, detail: str | None = None) -> Start:
    topic = one.event.topic
    return Start(one.event, one.event.value, reason, f"{topic}: {detail}" if detail else topic)
