"""A task's schedules, compiled from its normalised body into one row of occurrences.

Anchors are written or fixed, never "now": a schedule without `start` counts from `EPOCH`, so the same spec gives the same
occurrences on every machine and after every restart.

There are two readings of the row. To decide what time has reached, every occurrence counts, those that a calendar
excludes too: they are recorded as skipped. To tell when a task runs, only those count that run.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import groupby, islice, takewhile
from operator import attrgetter
from typing import Any, Final, TypeAlias

import orjson

from runtime.core.anchors import EPOCH, fixed_start
from runtime.core.calendar.admission import admission_of
from runtime.core.calendar.compilation import CompiledCalendar, compile_calendar
from runtime.core.calendar.moving import Sifted
from runtime.core.condition import describe_condition
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
from runtime.core.recurrence.sources import BEGINNING, END
from runtime.core.recurrence.zone import load_zone
from runtime.errors import ScheduleError
from schemas.durations import parse_duration

TIME_KINDS: Final = ("rrule", "cron", "every", "at")


MOVED_A_DAY: Final = 24
"""A schedule that moves what is excluded fires no more often than this: what it missed, its next occurrence makes up for."""

Calendars: TypeAlias = Mapping[str, CompiledCalendar]


@dataclass(frozen=True, slots=True)
class TaskSchedule:
    """The time-driven schedules of a task, united: each instant occurs once, however many schedules name it.

    Where one schedule runs at an instant that another's calendar excludes, it runs.
    """

    triggers: tuple[Trigger, ...]
    parts: tuple[Compiled | Sifted, ...]
    others: tuple[str, ...]

    @property
    def timezone(self) -> str | None:
        """The zone in which people read it: that of the first schedule that has one."""
        zones = (getattr(trigger, "timezone", None) for trigger in self.triggers)
        return next((zone for zone in zones if zone), None)

    @property
    def has_calendars(self) -> bool:
        """Whether anything may be excluded."""
        return any(isinstance(part, Sifted) for part in self.parts)

    def open_from(self, instant: datetime) -> datetime:
        """The first moment from an instant on at which some schedule may run; the instant itself if none ever may."""
        moments = (
            part.admission.next_included(instant, END) if isinstance(part, Sifted) else instant
            for part in self.parts
        )
        return min((at for at in moments if at is not None), default=instant)

    def next_after(self, instant: datetime) -> Occurrence | None:
        """The first occurrence strictly after an aware instant, be it excluded or not."""
        return next(self.following(instant), None)

    def upcoming(self, after: datetime, limit: int) -> list[Occurrence]:
        """At most `limit` occurrences strictly after an instant, in order, those that are excluded too."""
        return list(islice(self.following(after), limit))

    def following(self, after: datetime) -> Iterator[Occurrence]:
        """All occurrences strictly after an instant, in order, lazily, those that are excluded too."""
        return _united([part.following(after) for part in self.parts])

    def next_running(self, instant: datetime) -> Occurrence | None:
        """The first occurrence strictly after an aware instant that runs."""
        return next(self.running(instant), None)

    def running(self, after: datetime) -> Iterator[Occurrence]:
        """The occurrences strictly after an instant that run, in order, lazily."""
        return _united(
            [
                part.running(after) if isinstance(part, Sifted) else part.following(after)
                for part in self.parts
            ]
        )

    def count_between(self, after: datetime, until: datetime, cap: int) -> int:
        """How many runs lie after one instant and up to another, counted no further than `cap`."""
        alone = self.parts[0] if len(self.parts) == 1 else None
        if isinstance(alone, Compiled):
            return alone.count_between(after, until, cap)
        between = takewhile(lambda found: found.at <= until, self.running(after))
        return sum(1 for _ in islice(between, cap))

    def describe(self) -> str:
        """All schedules in plain words."""
        timed = (
            describe(trigger) + (part.describe() if isinstance(part, Sifted) else "")
            for trigger, part in zip(self.triggers, self.parts, strict=True)
        )
        return "; ".join([*timed, *self.others])


def _united(streams: Sequence[Iterator[Occurrence]]) -> Iterator[Occurrence]:
    """Several rows as one; of several occurrences at an instant the first schedule's, but rather one that runs."""
    if len(streams) == 1:
        return streams[0]
    merged = heapq.merge(*streams, key=attrgetter("at"))
    return (
        min(found, key=lambda one: one.excluded_by is not None)
        for _, found in groupby(merged, key=attrgetter("at"))
    )


def compile_schedules(body: Mapping[str, Any]) -> TaskSchedule:
    """Compile the schedules of a normalised task body.

    Raises:
        ScheduleError: a schedule is not valid; its message says what is wrong.
        KeyError, TypeError, ValueError: the body is none: somebody broke its row past git.
    """
    try:
        schedules, calendars = body["schedule"], body.get("calendars", {})
        # Only jitter is another for each task.
        seed = task_label(body["namespace"], body["name"]) if any(map(_jitter, schedules)) else ""
        text = orjson.dumps([schedules, calendars], option=orjson.OPT_SORT_KEYS)
        # The bytes hold on to more memory than they need.
        return _compiled(text.decode(), seed)
    except AttributeError as error:
        raise TypeError(f"the schedule is none: {error}") from error


@lru_cache(maxsize=16_384)
def _compiled(text: str, seed: str) -> TaskSchedule:
    """Compile once what is asked for again: by checks, by the plan, by whoever arms it, and by every task that shares it."""
    schedules, contents = orjson.loads(text)
    timed = [schedule for schedule in schedules if any(kind in schedule for kind in TIME_KINDS)]
    triggers = tuple(map(_trigger, timed))
    calendars = {label: compile_calendar(content) for label, content in contents.items()}
    return TaskSchedule(
        triggers=triggers,
        parts=tuple(
            _part(compile_trigger(trigger, seed=seed), schedule, calendars)
            for trigger, schedule in zip(triggers, timed, strict=True)
        ),
        others=tuple(
            _words(schedule, calendars)
            for schedule in schedules
            if not any(kind in schedule for kind in TIME_KINDS)
        ),
    )


def _jitter(schedule: Mapping[str, Any]) -> timedelta:
    return parse_duration(schedule.get("jitter", "0s"))


def _part(
    compiled: Compiled, schedule: Mapping[str, Any], calendars: Calendars
) -> Compiled | Sifted:
    """A schedule with its calendars, if it has any."""
    admission = admission_of(schedule, calendars)
    if admission is None:
        return compiled
    on_excluded = schedule["on_excluded"]
    if on_excluded == "previous_included" and admission.has_hours:
        raise ScheduleError(
            "on_excluded: previous_included needs calendars of whole days, and one of these holds hours",
            hint="use next_included, or a calendar without windows and timed events",
            code="ORD607",
        )
    if on_excluded != "skip" and _is_frequent(compiled):
        raise ScheduleError(
            f"on_excluded: {on_excluded} is for schedules that fire at most {MOVED_A_DAY} times a day",
            hint="leave it out: the next occurrence that is not excluded makes up for those before it",
            code="ORD607",
        )
    return Sifted(compiled, admission, on_excluded, load_zone(schedule.get("timezone") or "UTC"))


def _is_frequent(compiled: Compiled) -> bool:
    first = list(occurrences((compiled,), BEGINNING, limit=MOVED_A_DAY + 1))
    return len(first) > MOVED_A_DAY and first[-1].at - first[0].at < timedelta(days=1)


def _trigger(schedule: Mapping[str, Any]) -> Trigger:
    jitter = _jitter(schedule)
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
    return fixed_start([rules] if isinstance(rules, str) else rules, schedule.get("count"))


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


def _words(schedule: Mapping[str, Any], calendars: Calendars) -> str:
    if "event" in schedule:
        return _event_words(schedule)
    if "condition" in schedule:
        admission = admission_of(schedule, calendars)
        return describe_condition(schedule["condition"]) + (
            admission.describe() if admission else ""
        )
    return "when somebody asks"


def _event_words(schedule: Mapping[str, Any]) -> str:
    where = f" where {schedule['filter']}" if "filter" in schedule else ""
    window = ""
    if "debounce" in schedule:
        window = f", once none has come for {schedule['debounce']}"
    elif "batch" in schedule:
        batch = schedule["batch"]
        window = f", {batch['max']} at a time or those of {batch['within']}"
    return f"on event {schedule['event']}{where}{window}"
