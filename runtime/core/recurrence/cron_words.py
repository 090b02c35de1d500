"""A cron expression in plain words, without its bounds.

What runs at fixed times is told with `at` or `from ... to`, what follows real time with `every` or `between`: across DST
they differ.
"""

from __future__ import annotations

from runtime.core.recurrence.cron import Cron
from runtime.core.recurrence.period import TimeGrid
from runtime.core.recurrence.phrases import (
    ALL_DAYS,
    ALL_HOURS,
    MANY_MINUTES,
    MONTHS,
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
    step_of,
    times,
)

_MINUTES = 60
_ALL_MINUTES = tuple(range(_MINUTES))
_ALL_MONTHDAYS = tuple(range(1, 32))


def cron_phrase(cron: Cron) -> str:
    """An expression in words; empty if it has no short form."""
    return on_days(_days(cron), _frequency(cron.grid) if cron.frequency else times(cron.grid))


def _days(cron: Cron) -> str:
    every_weekday = cron.weekdays == ALL_DAYS and not cron.numbered
    every_monthday = cron.monthdays == _ALL_MONTHDAYS
    # Either suffices, so that one which lets everything through settles it.
    open_ended = [every_monthday, every_weekday]
    if all(open_ended) or (any(open_ended) and not cron.both_days):
        return "every day" + _in_months(cron)
    if every_monthday:
        return _week_days(cron)
    if every_weekday:
        return _month_days(cron)
    by_month, by_week = _month_days(cron), _week_days(cron)
    if not by_month or not by_week:
        return ""
    if not cron.both_days:
        return f"{by_month} and {by_week if cron.numbered else f'on {by_week}'}"
    is_plain = not cron.numbered and not cron.last_workday
    days = f"that fall on {days_of_month(_monthdays(cron))} {_of_months(cron)}"
    return f"{days_of_week(cron.weekdays)} {days}" if is_plain else ""


def _week_days(cron: Cron) -> str:
    """`weekdays`, `on the last Friday of every month`."""
    if not cron.numbered:
        return days_of_week(cron.weekdays) + _in_months(cron)
    if cron.weekdays:
        return ""
    named = sorted(cron.numbered, key=lambda pair: (pair[0] < 0, *pair))
    words = joined([f"{ordinal(number)} {WEEKDAYS[day]}" for number, day in named])
    return f"on the {words} {_of_months(cron)}"


def _month_days(cron: Cron) -> str:
    """`on day 1 of every month`, `every year on 25 December`."""
    if cron.last_workday:
        alone = not cron.monthdays and not cron.last_day
        return f"on the last weekday {_of_months(cron)}" if alone else ""
    days = _monthdays(cron)
    named = dates(cron.months, days) if len(cron.months) < len(MONTHS) else ""
    return f"every year on {named}" if named else f"on {days_of_month(days)} {_of_months(cron)}"


def _monthdays(cron: Cron) -> tuple[int, ...]:
    return (*cron.monthdays, -1) if cron.last_day else cron.monthdays


def _of_months(cron: Cron) -> str:
    return f"of {_months(cron)}" if _months(cron) else "of every month"


def _in_months(cron: Cron) -> str:
    return f" in {_months(cron)}" if _months(cron) else ""


def _months(cron: Cron) -> str:
    return names_of_months(cron.months) if len(cron.months) < len(MONTHS) else ""


def _frequency(grid: TimeGrid) -> str:
    hours = "" if grid.hours == ALL_HOURS else hour_span(grid.hours)
    in_row = grid.hours == ALL_HOURS or bool(hours)
    if grid.seconds != (0,):
        step = _MINUTES // len(grid.seconds)
        is_even = grid.seconds == tuple(range(0, _MINUTES, step)) and grid.minutes == _ALL_MINUTES
        return f"every {counted(step, 'second')}{hours}" if is_even and in_row else ""
    step = _MINUTES // len(grid.minutes)
    if len(grid.minutes) > 1 and grid.minutes == tuple(range(0, _MINUTES, step)):
        return f"every {counted(step, 'minute')}{hours}" if in_row else ""
    pace = "hour"
    if not in_row:
        distance = 24 // len(grid.hours)
        if grid.hours != tuple(range(0, 24, distance)):
            return ""
        pace = f"{distance} hours"
    minutes = _minutes(grid.minutes)
    return f"every {pace} at {minutes}{hours}" if minutes else ""


def _minutes(minutes: tuple[int, ...]) -> str:
    """`minute 5`, `minutes 15 and 45`, `every 7th minute from 0 to 56`; empty if they are many and no row."""
    if len(minutes) <= MANY_MINUTES:
        return f"minute{'s' * (len(minutes) > 1)} {numbers(minutes)}"
    step = step_of(minutes)
    if step == 1:
        return f"minutes {numbers(minutes)}"
    return f"every {ordinal(step)} minute from {minutes[0]} to {minutes[-1]}" if step else ""
