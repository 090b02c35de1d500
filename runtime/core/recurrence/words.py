"""A schedule in plain words, e.g. `weekdays at 08:30, Europe/Chisinau`.

Promise: the words say what the engine does, parts taken from the start included, and two schedules with the same words
have the same occurrences from the later start on. What has no short form is called a custom rule and quoted; show the
next occurrences beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final, assert_never

from runtime.core.recurrence.cron import Cron, parse_cron
from runtime.core.recurrence.expansion import full_rule, wall_grid
from runtime.core.recurrence.period import TimeGrid
from runtime.core.recurrence.rule import Rule, bare_rule, parse_rule
from runtime.core.recurrence.triggers import (
    NO_JITTER,
    AtTrigger,
    CronTrigger,
    DstFold,
    DstGap,
    EveryTrigger,
    RRuleTrigger,
    Trigger,
    Until,
)

_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_ORDINALS: Final = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", -1: "last"}
_UNITS: Final = {
    "YEARLY": "year",
    "MONTHLY": "month",
    "WEEKLY": "week",
    "DAILY": "day",
    "HOURLY": "hour",
    "MINUTELY": "minute",
    "SECONDLY": "second",
}
_WEEKDAYS: Final = (0, 1, 2, 3, 4)
_WEEKEND: Final = (5, 6)
_ALL_DAYS: Final = tuple(range(7))
_ALL_HOURS: Final = tuple(range(24))
_MANY_TIMES: Final = 6
_MINUTES: Final = 60
_GAP_WORDS: Final[dict[DstGap, str]] = {
    "shift": "a time that does not exist is shifted",
    "skip": "a time that does not exist is skipped",
}
_FOLD_WORDS: Final[dict[DstFold, str]] = {
    "first": "a repeated time is the first",
    "second": "a repeated time is the second",
    "both": "a repeated time counts twice",
}
_TEENS: Final = (11, 12, 13)


def describe(trigger: Trigger) -> str:
    """The trigger in plain words, one line.

    Raises:
        ScheduleError: the rule or expression cannot be parsed.
    """
    match trigger:
        case RRuleTrigger():
            words = _rules(trigger)
        case CronTrigger():
            words = _cron(trigger)
        case EveryTrigger():
            bounds = _bounds(trigger.until, trigger.count)
            words = f"every {_span(trigger.every)} of elapsed time from {_moment(trigger.start)}{bounds}"
        case AtTrigger():
            zone = f", {trigger.timezone}" if trigger.timezone else ""
            words = f"at {_joined(sorted(map(_moment, trigger.at)))}{zone}"
        case _:
            assert_never(trigger)
    return words + (f", up to {_span(trigger.jitter)} late" if trigger.jitter > NO_JITTER else "")


def _rules(trigger: RRuleTrigger) -> str:
    texts = (trigger.rrule,) if isinstance(trigger.rrule, str) else trigger.rrule
    rules = [parse_rule(text, until=trigger.until, count=trigger.count) for text in texts]
    pairs = zip(rules, texts, strict=True)
    words = " and ".join(_rule(rule, trigger.start, text) for rule, text in pairs)
    words += f", {trigger.timezone}"
    if trigger.rdate:
        words += f", also {_joined(sorted(map(_moment, trigger.rdate)))}"
    if trigger.exdate:
        words += f", not {_joined(sorted(map(_moment, trigger.exdate)))}"
    if all(rule.sub_daily for rule in rules):
        return words
    gap = None if trigger.dst_gap == "shift" else trigger.dst_gap
    return words + _dst(gap, None if trigger.dst_fold == "first" else trigger.dst_fold)


def _rule(rule: Rule, start: datetime, text: str) -> str:
    rule = full_rule(rule, start)
    phrase = _elapsed(rule) if rule.sub_daily else _walls(rule, start)
    anchored = not phrase or rule.sub_daily or rule.interval > 1 or rule.count is not None
    words = phrase or f"custom rule {bare_rule(text)}"
    return (
        words
        + (f", counted from {_moment(start)}" if anchored else "")
        + _bounds(rule.until, rule.count)
    )


def _elapsed(rule: Rule) -> str:
    """A rule that runs on all day, or through one row of hours; empty if it is another."""
    others = replace(rule, interval=1, count=None, until=None, week_start=0, byhour=(), byday=())
    if others != Rule(rule.freq) or any(number for number, _ in rule.byday):
        return ""
    hours = rule.byhour
    if hours and hours != tuple(range(hours[0], hours[-1] + 1)):
        return ""
    words = f"every {_counted(rule.interval, _UNITS[rule.freq])} of elapsed time"
    if hours:
        words += f" between {hours[0]:02}:00 and {hours[-1]:02}:59"
    return words + (f" on {_days_of_week(_plain_days(rule))}" if rule.byday else "")


def _walls(rule: Rule, start: datetime) -> str:
    grid = wall_grid(rule, start)
    times = _times(grid)
    on = _days(rule, start, single=len(grid) == 1)
    return f"{on} at {times}" if on and times else ""


def _days(rule: Rule, start: datetime, *, single: bool) -> str:
    if rule.byyearday or rule.byweekno or (rule.bysetpos and not single):
        return ""
    match rule.freq:
        case "DAILY":
            return _daily(rule)
        case "WEEKLY":
            return _weekly(rule, start)
        case _:
            phased = rule.interval > 1 and (rule.bymonth or rule.freq == "YEARLY")
            yearly = rule.freq == "YEARLY" and not rule.bymonth
            return "" if phased or yearly else _monthly(rule)


def _daily(rule: Rule) -> str:
    if rule.bysetpos or rule.bymonthday:
        return ""
    every = "every day" if rule.interval == 1 else f"every {rule.interval} days"
    if rule.byday:
        if rule.interval > 1:
            return ""
        every = _days_of_week(_plain_days(rule))
    return every + _in_months(rule)


def _weekly(rule: Rule, start: datetime) -> str:
    if rule.bysetpos:
        return ""
    on = _days_of_week(_plain_days(rule))
    if rule.interval == 1:
        return on + _in_months(rule)
    # Where weeks begin makes no difference to the start's own weekday.
    alone = rule.byday == ((0, start.weekday()),)
    weeks = "weeks" if alone else f"weeks (from {_DAYS[rule.week_start]})"
    return f"every {rule.interval} {weeks} on {on}{_in_months(rule)}"


def _monthly(rule: Rule) -> str:
    """MONTHLY, and YEARLY within named months."""
    numbers = {number for number, _ in rule.byday}
    if rule.bysetpos:
        return _chosen(rule) if numbers == {0} and not rule.bymonthday else ""
    if not rule.byday:
        return f"on {_days_of_month(rule.bymonthday)} {_of_months(rule)}"
    if rule.bymonthday:
        return ""
    if numbers == {0} and rule.interval == 1:
        return _days_of_week(_plain_days(rule)) + _in_months(rule)
    if not numbers <= _ORDINALS.keys():
        return ""
    return f"on the {_joined([f'{_ORDINALS[n]} {_DAYS[day]}' for n, day in rule.byday])} {_of_months(rule)}"


def _chosen(rule: Rule) -> str:
    """The n-th weekday, weekend day or day of a month."""
    kind = {_WEEKDAYS: "weekday", _WEEKEND: "weekend day", _ALL_DAYS: "day"}.get(_plain_days(rule))
    if kind is None or rule.freq != "MONTHLY" or not set(rule.bysetpos) <= _ORDINALS.keys():
        return ""
    return f"on the {_joined([_ORDINALS[n] for n in rule.bysetpos])} {kind} {_of_months(rule)}"


def _of_months(rule: Rule) -> str:
    if rule.bymonth:
        return f"of {_joined([_MONTHS[m - 1] for m in rule.bymonth])}"
    return "of every month" if rule.interval == 1 else f"of every {rule.interval} months"


def _in_months(rule: Rule) -> str:
    return f" in {_joined([_MONTHS[m - 1] for m in rule.bymonth])}" if rule.bymonth else ""


def _plain_days(rule: Rule) -> tuple[int, ...]:
    return tuple(day for _, day in rule.byday)


def _days_of_week(wanted: tuple[int, ...]) -> str:
    names = {_WEEKDAYS: "weekdays", _WEEKEND: "weekends", _ALL_DAYS: "every day"}
    return names.get(wanted) or _joined([f"{_DAYS[day]}s" for day in wanted])


def _days_of_month(wanted: Sequence[int]) -> str:
    from_start = [str(day) for day in wanted if day > 0]
    words = [f"day{'s' * (len(from_start) > 1)} {_joined(from_start)}"] if from_start else []
    from_end = sorted(-day for day in wanted if day < 0)
    return _joined(
        words + ["the last day" if day == 1 else f"the {_nth(day)} last day" for day in from_end]
    )


def _cron(trigger: CronTrigger) -> str:
    cron = parse_cron(trigger.cron)
    days = _cron_days(cron)
    words = _cron_times(cron.grid, frequency=cron.frequency)
    if words and days:
        words = f"{days} {words}" if days != "every day" or words.startswith("at ") else words
    else:
        words = f"custom cron {' '.join(trigger.cron.split())}"
    count = f", counted from {_moment(trigger.start)}" if trigger.count and trigger.start else ""
    words += count + _bounds(trigger.until, trigger.count) + f", {trigger.timezone}"
    return words + _dst(trigger.dst_gap, trigger.dst_fold)


def _cron_days(cron: Cron) -> str:
    if cron.last_workday or len(cron.months) < len(_MONTHS) or cron.numbered:
        return ""
    all_weekdays = cron.weekdays == _ALL_DAYS
    monthdays = (*cron.monthdays, -1) if cron.last_day else cron.monthdays
    all_monthdays = cron.monthdays == tuple(range(1, 32))
    if all_monthdays and cron.both_days:
        return _days_of_week(cron.weekdays)
    if all_weekdays and cron.both_days:
        return f"on {_days_of_month(monthdays)} of every month"
    return ""


def _cron_times(grid: TimeGrid, *, frequency: bool) -> str:
    if not frequency:
        times = _times(grid)
        return f"at {times}" if times else ""
    if grid.seconds != (0,):
        return ""
    hours = "" if grid.hours == _ALL_HOURS else _hour_span(grid.hours)
    if hours is None:
        return ""
    step = grid.minutes[1] - grid.minutes[0] if len(grid.minutes) > 1 else 0
    if step and _MINUTES % step == 0 and grid.minutes == tuple(range(0, _MINUTES, step)):
        return f"every {_counted(step, 'minute')}{hours}"
    if len(grid.minutes) == 1:
        return f"every hour at minute {grid.minutes[0]}{hours}"
    return ""


def _hour_span(hours: tuple[int, ...]) -> str | None:
    if hours != tuple(range(hours[0], hours[-1] + 1)):
        return None
    return f" between {hours[0]:02}:00 and {hours[-1]:02}:59"


def _times(grid: TimeGrid) -> str:
    if len(grid) > _MANY_TIMES:
        return ""
    return _joined(
        [
            f"{time:%H:%M}" if not time.second else f"{time}"
            for time in map(grid.__getitem__, range(len(grid)))
        ]
    )


def _bounds(until: Until, count: int | None) -> str:
    if count is not None:
        return f", {count} time{'s' * (count > 1)}"
    return f", until {_moment(until)}" if until is not None else ""


def _dst(gap: DstGap | None, fold: DstFold | None) -> str:
    """The policies that are not the kind's own."""
    return (f", {_GAP_WORDS[gap]}" if gap else "") + (f", {_FOLD_WORDS[fold]}" if fold else "")


def _moment(moment: datetime | date) -> str:
    if not isinstance(moment, datetime):
        return moment.isoformat()
    text = moment.replace(tzinfo=None).isoformat(
        " ", "auto" if moment.second or moment.microsecond else "minutes"
    )
    if moment.tzinfo is None:
        return text
    offset = moment.utcoffset()
    return text + (" UTC" if not offset else f"{moment:%z}")


def _span(span: timedelta) -> str:
    seconds = span.total_seconds()
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= size and seconds % size == 0:
            return _counted(int(seconds // size), unit)
    return f"{seconds:g} seconds"


def _counted(number: int, unit: str) -> str:
    return unit if number == 1 else f"{number} {unit}s"


def _nth(number: int) -> str:
    if number in _ORDINALS:
        return _ORDINALS[number]
    suffix = {1: "st", 2: "nd", 3: "rd"}.get(number % 10 if number not in _TEENS else 0, "th")
    return f"{number}{suffix}"


def _joined(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
