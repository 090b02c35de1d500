"""A calendar's content to regions.

The content is what a task's body carries of each calendar that it names:

    timezone   the zone in which days, windows and times without a zone are read
    days       days `2026-12-25` and runs of days `2026-12-24/2026-12-26`, both ends included
    rules      rules that name days, as text or as `{rrule, start}`
    windows    hours of the day, `{from, to, days}`
    defer      how far a window may put an occurrence off
    events     from an .ics file: `{start, days}` or `{start, lasts, timezone}`, each perhaps with `rrule, rdate, exdate`
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import orjson

from runtime.core.anchors import fixed_start
from runtime.core.calendar.regions import (
    LAST,
    Days,
    DaySet,
    Hours,
    Region,
    RuleDays,
    RuleSpans,
    Runs,
    Spans,
    Window,
    day_number,
)
from runtime.core.recurrence import Compiled, RRuleTrigger, compile_trigger
from runtime.core.recurrence.rule import parse_rule
from runtime.core.recurrence.zone import Zone, epoch_seconds, load_zone
from runtime.errors import ScheduleError
from schemas.durations import parse_duration

_WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_DAILY: Final = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
_LAST_DAY: Final = LAST // 86_400
# A rule that gives its start and nothing else: what an event without a rule of its own repeats.
_ONCE: Final = "FREQ=DAILY;COUNT=1"


@dataclass(frozen=True, slots=True)
class CompiledCalendar:
    """What `compile_calendar` makes of a calendar's content.

    Attributes:
        days: what it covers by the day.
        windows: what it covers by hours of the day.
        spans: what it covers from one instant to another.
        defer: how far a window may put an occurrence off; None if it may not.
    """

    days: tuple[Region, ...]
    windows: tuple[Region, ...]
    spans: tuple[Region, ...]
    defer: timedelta | None

    @property
    def hours(self) -> tuple[Region, ...]:
        """What it covers otherwise than by the day."""
        return self.windows + self.spans


def compile_calendar(content: Mapping[str, Any]) -> CompiledCalendar:
    """Compile the content of a calendar; equal contents share what was made of the first.

    Raises:
        ScheduleError: a zone or rule in it is not valid.
    """
    return _compiled(orjson.dumps(content, option=orjson.OPT_SORT_KEYS))


@lru_cache(maxsize=256)
def _compiled(text: bytes) -> CompiledCalendar:
    content = orjson.loads(text)
    zone = load_zone(content["timezone"])
    events = content.get("events", [])
    day_sets = [*_day_sets(content), *(_event_days(e) for e in events if "days" in e)]
    windows = [_window(window) for window in content.get("windows", [])]
    defer = content.get("defer")
    return CompiledCalendar(
        days=(Days(zone, day_sets),) if day_sets else (),
        windows=(Hours(zone, windows),) if windows else (),
        spans=tuple(_spans([event for event in events if "lasts" in event], zone)),
        defer=parse_duration(defer) if defer else None,
    )


def compile_day_rule(rule: str | Mapping[str, Any]) -> Compiled:
    """Compile a rule that names days.

    Raises:
        ScheduleError: it is not valid, or names hours too (`ORD602`).
    """
    text, start = (rule, None) if isinstance(rule, str) else (rule["rrule"], rule["start"])
    parsed = parse_rule(text)
    if parsed.freq not in _DAILY or parsed.byhour or parsed.byminute or parsed.bysecond:
        raise ScheduleError(
            "a rule of a calendar names days, and this one names times of day",
            hint="name the hours as `windows`",
            code="ORD602",
        )
    begin = fixed_start([text]) if start is None else datetime.fromisoformat(start)
    return compile_trigger(RRuleTrigger(text, "UTC", begin))


def _day_sets(content: Mapping[str, Any]) -> Iterator[DaySet]:
    if content.get("days"):
        yield Runs(map(_day_run, content["days"]), _LAST_DAY)
    for rule in content.get("rules", []):
        yield RuleDays(compile_day_rule(rule))


def _day_run(text: str) -> tuple[int, int]:
    first, _, last = text.partition("/")
    return day_number(date.fromisoformat(first)), day_number(date.fromisoformat(last or first)) + 1


def _event_days(event: Mapping[str, Any]) -> DaySet:
    return RuleDays(_event_rule(event, "UTC"), event["days"])


def _event_rule(event: Mapping[str, Any], timezone: str) -> Compiled:
    """When an event begins. Its start counts whether the rule gives it or not, as calendar applications have it."""
    start = _moment(event["start"])
    if start.tzinfo is not None:
        start, timezone = start.astimezone(UTC).replace(tzinfo=None), "UTC"
    return compile_trigger(
        RRuleTrigger(
            tuple(event.get("rrule") or [_ONCE]),
            timezone,
            start,
            rdate=(start, *map(_moment, event.get("rdate", []))),
            exdate=tuple(map(_day_or_moment, event.get("exdate", []))),
        )
    )


def _moment(text: str) -> datetime:
    """A date and time; a date alone is its midnight."""
    return datetime.fromisoformat(text)


def _day_or_moment(text: str) -> date | datetime:
    """A date alone is the whole day."""
    return date.fromisoformat(text) if len(text) == len("2026-12-25") else _moment(text)


def _window(window: Mapping[str, Any]) -> Window:
    weekdays = window.get("days") or _WEEKDAYS
    return Window(
        _clock(window["from"]), _clock(window["to"]), frozenset(map(_WEEKDAYS.index, weekdays))
    )


def _clock(text: str) -> int:
    """Seconds from midnight."""
    hours, _, minutes = text.partition(":")
    return int(hours) * 3600 + int(minutes) * 60


def _spans(events: list[Mapping[str, Any]], zone: Zone) -> Iterator[Region]:
    single = []
    for event in events:
        length = parse_duration(event["lasts"])
        if event.keys() & {"rrule", "rdate", "exdate"}:
            yield RuleSpans(_event_rule(event, event.get("timezone", zone.name)), length)
        else:
            begin = _instant(event, zone)
            single.append((begin, begin + length // timedelta(seconds=1)))
    if single:
        yield Spans(single)


def _instant(event: Mapping[str, Any], zone: Zone) -> int:
    start = _moment(event["start"])
    if start.tzinfo is not None:
        return epoch_seconds(start)
    own = load_zone(event["timezone"]) if "timezone" in event else zone
    return epoch_seconds(own.resolve(start, "shift", "first")[0].at)
