"""A rule in plain words, without its anchor and bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from runtime.core.recurrence.expansion import wall_grid
from runtime.core.recurrence.phrases import (
    KINDS_OF_DAY,
    MANY_MINUTES,
    WEEKDAYS,
    counted,
    dates,
    days_of_month,
    days_of_week,
    hour_span,
    joined,
    names_of_months,
    numbers,
    on_days,
    ordinal,
    times,
)
from runtime.core.recurrence.rule import Rule

_UNITS: Final = {"HOURLY": "hour", "MINUTELY": "minute", "SECONDLY": "second"}
# No month has a weekday six times.
_MOST_IN_MONTH: Final = 5


def rule_phrase(rule: Rule, start: datetime) -> str:
    """A full rule in words; empty if it has no short form."""
    if rule.sub_daily:
        return _elapsed(rule)
    grid = wall_grid(rule, start)
    # BYSETPOS numbers times, not days, where a day has several.
    days = "" if rule.bysetpos and len(grid) > 1 else _days(rule, start)
    return on_days(days, times(grid))


def _elapsed(rule: Rule) -> str:
    """A rule that runs on all day, or through one row of hours; empty if it is another."""
    plain = replace(rule, interval=1, count=None, until=None, week_start=0, byhour=(), byday=())
    if rule.freq == "HOURLY":
        plain = replace(plain, byminute=())
    span = hour_span(rule.byhour) if rule.byhour else ""
    is_long = len(rule.byminute) > MANY_MINUTES or any(number for number, _ in rule.byday)
    if plain != Rule(rule.freq) or is_long or (rule.byhour and not span):
        return ""
    words = f"every {counted(rule.interval, _UNITS[rule.freq])} of elapsed time"
    if rule.byminute:
        words += f" at minute{'s' * (len(rule.byminute) > 1)} {numbers(rule.byminute)}"
    return words + span + (f" on {days_of_week(_plain_days(rule))}" if rule.byday else "")


def _days(rule: Rule, start: datetime) -> str:
    match rule.freq:
        case "DAILY":
            return _daily(rule)
        case "WEEKLY":
            return _weekly(rule, start)
        case "MONTHLY":
            # Which of the named months it meets depends on the start's.
            return "" if rule.interval > 1 and rule.bymonth else _monthly(rule)
        case _:
            return _yearly(rule)


def _daily(rule: Rule) -> str:
    if rule.bysetpos or (rule.interval > 1 and (rule.byday or rule.bymonthday)):
        return ""
    if rule.bymonthday:
        return _monthly(rule)
    days = days_of_week(_plain_days(rule)) if rule.byday else "every day"
    return (days if rule.interval == 1 else f"every {rule.interval} days") + _in_months(rule)


def _weekly(rule: Rule, start: datetime) -> str:
    if rule.bysetpos:
        return ""
    on = days_of_week(_plain_days(rule))
    if rule.interval == 1:
        return on + _in_months(rule)
    # Where weeks begin makes no difference to the start's own weekday.
    alone = rule.byday == ((0, start.weekday()),)
    weeks = "weeks" if alone else f"weeks (from {WEEKDAYS[rule.week_start]})"
    return f"every {rule.interval} {weeks} on {on}{_in_months(rule)}"


def _monthly(rule: Rule) -> str:
    """Days of months; in what period they are counted is the caller's to check."""
    if rule.bysetpos:
        return _chosen(rule)
    if not rule.byday:
        return _dates(rule) or f"on {days_of_month(rule.bymonthday)} {_of_months(rule)}"
    is_plain = all(number == 0 for number, _ in rule.byday)
    if rule.bymonthday:
        days = f"that fall on {days_of_month(rule.bymonthday)} {_of_months(rule)}"
        return f"{days_of_week(_plain_days(rule))} {days}" if is_plain else ""
    if is_plain:
        return days_of_week(_plain_days(rule)) + _in_months(rule) if rule.interval == 1 else ""
    numbered = _numbered(rule.byday, _MOST_IN_MONTH)
    return f"on the {numbered} {_of_months(rule)}" if numbered else ""


def _chosen(rule: Rule) -> str:
    """The n-th weekday, weekend day, day or Monday of a month."""
    weekdays = _plain_days(rule)
    kind = WEEKDAYS[weekdays[0]] if len(weekdays) == 1 else KINDS_OF_DAY.get(weekdays)
    numbered = any(number for number, _ in rule.byday)
    if kind is None or numbered or rule.bymonthday or rule.freq != "MONTHLY":
        return ""
    return f"on the {_ordinals(rule.bysetpos)} {kind} {_of_months(rule)}"


def _yearly(rule: Rule) -> str:
    if rule.byweekno or rule.byyearday or rule.bysetpos:
        return _of_the_year(rule)
    if rule.bymonth:
        words = _monthly(replace(rule, interval=1))
        if rule.interval == 1 or not words:
            return words
        every = f"every {rule.interval} years"
        bare = words.removeprefix("every year ").removeprefix("on ")
        return f"{every} on {bare}"
    if rule.interval > 1:
        return ""
    if all(number == 0 for number, _ in rule.byday):
        return days_of_week(_plain_days(rule))
    numbered = _numbered(rule.byday, 53)
    return f"on the {numbered} of every year" if numbered else ""


def _of_the_year(rule: Rule) -> str:
    """Days of weeks by their number, or of the year by theirs; empty if more than that narrows them."""
    plain = replace(rule, byhour=(), byminute=(), bysecond=(), count=None, until=None)
    if plain == Rule("YEARLY", byweekno=rule.byweekno, byday=rule.byday) and rule.byweekno[0] > 0:
        weeks = f"week{'s' * (len(rule.byweekno) > 1)} {numbers(rule.byweekno)}"
        return f"{days_of_week(_plain_days(rule))} in {weeks} of every year"
    if replace(plain, week_start=0) == Rule("YEARLY", byyearday=rule.byyearday):
        return f"on {days_of_month(rule.byyearday)} of every year"
    return ""


def _numbered(byday: Sequence[tuple[int, int]], most: int) -> str:
    """`second and fourth Tuesday`, `first Monday and last Friday`; empty if some have no number, or too high a one."""
    if not all(0 < abs(number) <= most for number, _ in byday):
        return ""
    weekdays = {weekday for _, weekday in byday}
    if len(weekdays) == 1:
        return f"{_ordinals([number for number, _ in byday])} {WEEKDAYS[weekdays.pop()]}"
    return joined(
        [f"{ordinal(number)} {WEEKDAYS[day]}" for number, day in sorted(byday, key=_late)]
    )


def _ordinals(found: Sequence[int]) -> str:
    return joined([ordinal(number) for number in sorted(found, key=lambda one: (one < 0, one))])


def _late(pair: tuple[int, int]) -> tuple[bool, int, int]:
    """Sort key: counted from the beginning first, then from the end."""
    number, weekday = pair
    return number < 0, number, weekday


def _dates(rule: Rule) -> str:
    found = dates(rule.bymonth, rule.bymonthday) if rule.bymonth else ""
    return f"every year on {found}" if found else ""


def _of_months(rule: Rule) -> str:
    if rule.bymonth:
        return f"of {names_of_months(rule.bymonth)}"
    return "of every month" if rule.interval == 1 else f"of every {rule.interval} months"


def _in_months(rule: Rule) -> str:
    return f" in {names_of_months(rule.bymonth)}" if rule.bymonth else ""


def _plain_days(rule: Rule) -> tuple[int, ...]:
    return tuple(day for _, day in rule.byday)
