"""A task's schedules, compiled from its normalised body into one row of occurrences.

Anchors are written or fixed, never "now": a schedule without `start` counts from `EPOCH`, so the same spec gives the same
occurrences on every machine and after every restart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from runtime.core.program import task_label
from runtime.core.recurrence import (
    AtTrigger,
    Compiled,
    CronTrigger,
    EveryTrigger,
    Occurrence,
    RRuleTrigger,
    Trigger,
    compile_trigger,
    describe,
    occurrences,
)
from runtime.core.recurrence.zone import load_zone
from runtime.errors import ScheduleError
from schemas.durations import parse_duration

EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Where schedules without a `start` count from: 1 January 2000, 00:00, UTC or local as the kind has it."""

TIME_KINDS: Final = ("rrule", "cron", "every", "at")


@dataclass(frozen=True, slots=True)
class TaskSchedule:
    """The time-driven schedules of a task, united: each instant occurs once, however many schedules name it."""

    triggers: tuple[Trigger, ...]
    compiled: tuple[Compiled, ...]
    others: tuple[str, ...]

    @property
    def timezone(self) -> str | None:
        """The zone in which people read it: that of the first schedule that has one."""
        zones = (getattr(trigger, "timezone", None) for trigger in self.triggers)
        return next((zone for zone in zones if zone), None)

    def next_after(self, instant: datetime) -> Occurrence | None:
        """The first occurrence strictly after an aware instant."""
        return next(iter(self.upcoming(instant, 1)), None)

    def upcoming(self, after: datetime, limit: int) -> list[Occurrence]:
        """At most `limit` occurrences strictly after an instant, in order."""
        return list(occurrences(self.compiled, after, limit=limit))

    def count_between(self, after: datetime, until: datetime, cap: int) -> int:
        """How many occurrences lie after one instant and up to another, counted no further than `cap`."""
        return sum(1 for _ in occurrences(self.compiled, after, until=until, limit=cap))

    def describe(self) -> str:
        """All schedules in plain words."""
        return "; ".join([*(describe(trigger) for trigger in self.triggers), *self.others])


def compile_schedules(body: Mapping[str, Any]) -> TaskSchedule:
    """Compile the schedules of a normalised task body.

    Raises:
        ScheduleError: a schedule is not valid; its message says what is wrong.
    """
    seed = task_label(body["namespace"], body["name"])
    triggers = tuple(
        _trigger(schedule)
        for schedule in body["schedule"]
        if any(kind in schedule for kind in TIME_KINDS)
    )
    return TaskSchedule(
        triggers=triggers,
        compiled=tuple(compile_trigger(trigger, seed=seed) for trigger in triggers),
        others=tuple(
            _words(schedule)
            for schedule in body["schedule"]
            if not any(k in schedule for k in TIME_KINDS)
        ),
    )


def _trigger(schedule: Mapping[str, Any]) -> Trigger:
    jitter = parse_duration(schedule["jitter"])
    until = _day_or_moment(schedule.get("until"))
    count = schedule.get("count")
    if "rrule" in schedule:
        return RRuleTrigger(
            rrule=schedule["rrule"]
            if isinstance(schedule["rrule"], str)
            else tuple(schedule["rrule"]),
            timezone=schedule["timezone"],
            start=_rule_start(schedule),
            until=until,
            count=count,
            rdate=_moments(schedule["rdate"]),
            exdate=tuple(filter(None, map(_day_or_moment, schedule["exdate"]))),
            dst_gap=schedule["dst_gap"],
            dst_fold=schedule["dst_fold"],
            jitter=jitter,
        )
    if "cron" in schedule:
        return CronTrigger(
            cron=schedule["cron"],
            timezone=schedule["timezone"],
            start=_moment(schedule.get("start")),
            until=until,
            count=count,
            dst_gap=schedule.get("dst_gap"),
            dst_fold=schedule.get("dst_fold"),
            jitter=jitter,
        )
    if "every" in schedule:
        return EveryTrigger(
            every=parse_duration(schedule["every"]),
            start=_instant(_moment(schedule.get("start")) or EPOCH, schedule.get("timezone")),
            until=until,
            count=count,
            jitter=jitter,
        )
    at = schedule["at"]
    return AtTrigger(
        at=_moments([at] if isinstance(at, str) else at),
        timezone=schedule.get("timezone"),
        jitter=jitter,
    )


def _rule_start(schedule: Mapping[str, Any]) -> datetime:
    start = _moment(schedule.get("start"))
    if start is not None:
        return start
    rules = schedule["rrule"]
    for rule in [rules] if isinstance(rules, str) else rules:
        parts = {
            part.partition("=")[0].strip().upper(): part.partition("=")[2]
            for part in rule.split(";")
        }
        if "COUNT" in parts or parts.get("INTERVAL", "1").strip() != "1" or schedule.get("count"):
            raise ScheduleError(
                "a rule with COUNT or INTERVAL counts from its start, and there is none",
                hint="add start: with the local date and time of the first occurrence",
                code="ORD603",
            )
    return EPOCH.replace(tzinfo=None)


def _moments(texts: Iterable[str] | Sequence[str]) -> tuple[datetime, ...]:
    return tuple(datetime.fromisoformat(text) for text in texts)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _day_or_moment(text: str | None) -> datetime | date | None:
    """A date alone is the whole day."""
    return date.fromisoformat(text) if text and len(text) == len("2026-12-31") else _moment(text)


def _instant(moment: datetime, timezone: str | None) -> datetime:
    """A moment with its zone, if it is wall time and there is one."""
    if moment.tzinfo is not None or timezone is None:
        return moment
    return load_zone(timezone).resolve(moment, "shift", "first")[0].at


def _words(schedule: Mapping[str, Any]) -> str:
    if "event" in schedule:
        return f"on event {schedule['event']}"
    if "condition" in schedule:
        poll = schedule["condition"]
        return f"when {poll['uses']} answers {poll['when']}, asked every {poll['every']}"
    return "when somebody asks"
