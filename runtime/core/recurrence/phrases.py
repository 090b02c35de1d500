"""Phrases that words for rules and for cron share: days of the week and month, rows of times, spans, moments.

A phrase is empty where there is none short enough. Different values give different phrases.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Final

from runtime.core.recurrence.period import TimeGrid

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = (
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
_LONGEST_MONTH: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
ALL_DAYS: Final = tuple(range(7))
ALL_HOURS: Final = tuple(range(24))
KINDS_OF_DAY: Final = {(0, 1, 2, 3, 4): "weekday", (5, 6): "weekend day", ALL_DAYS: "day"}
_ORDINALS: Final = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth"}
_TEENS: Final = (11, 12, 13)
_MANY_TIMES: Final = 6
MANY_MINUTES: Final = 6
"""So many minutes of an hour are named one by one."""
_MANY_DATES: Final = 4
# From so many in a row on, a row is told by its ends.
_ROW: Final = 3
_LONG_ROW: Final = 4
# So many of a unit are still read with ease: 90 minutes, 36 hours.
_MANY_UNITS: Final = 120
_UNITS: Final = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def joined(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def counted(number: int, unit: str) -> str:
    """`minute` for one, else `5 minutes`: what follows `every`."""
    return unit if number == 1 else f"{number} {unit}s"


def ordinal(number: int) -> str:
    """`first`, `11th`, `last`, `second last`."""
    if number < 0:
        return "last" if number == -1 else f"{ordinal(-number)} last"
    if number in _ORDINALS:
        return _ORDINALS[number]
    suffix = {1: "st", 2: "nd", 3: "rd"}.get(
        number % 10 if number % 100 not in _TEENS else 0, "th"
    )
    return f"{number}{suffix}"


def step_of(values: Sequence[int]) -> int:
    """The distance between any two neighbours; 0 if they differ, or there are fewer than three values."""
    distances = {after - before for before, after in pairwise(values)}
    return distances.pop() if len(distances) == 1 and len(values) >= _ROW else 0


def numbers(values: Sequence[int]) -> str:
    """`1 and 15`, `1 to 7`."""
    if step_of(values) == 1:
        return f"{values[0]} to {values[-1]}"
    return joined([str(value) for value in values])


def days_of_week(wanted: Sequence[int]) -> str:
    """`weekdays`, `Mondays and Fridays`, `Mondays to Saturdays`."""
    kind = KINDS_OF_DAY.get(tuple(wanted))
    if kind is not None:
        return {"weekday": "weekdays", "weekend day": "weekends", "day": "every day"}[kind]
    names = [f"{WEEKDAYS[day]}s" for day in wanted]
    if len(names) >= _LONG_ROW and step_of(wanted) == 1:
        return f"{names[0]} to {names[-1]}"
    return joined(names)


def days_of_month(wanted: Sequence[int]) -> str:
    """`day 1`, `days 1 and 15 and the last day`, `every second day from day 1 to 31`."""
    from_start = sorted(day for day in wanted if day > 0)
    from_end = sorted((day for day in wanted if day < 0), reverse=True)
    words = [f"day{'s' * (len(from_start) > 1)} {numbers(from_start)}"] if from_start else []
    if len(from_start) > _LONG_ROW and (step := step_of(from_start)) > 1:
        words = [f"every {ordinal(step)} day from day {from_start[0]} to {from_start[-1]}"]
    return joined(words + [f"the {ordinal(day)} day" for day in from_end])


def dates(months: Sequence[int], days: Sequence[int]) -> str:
    """`25 December`, `1 January and 1 July`; empty if they are many, or one does not exist or is counted from the end."""
    shortest = min(_LONGEST_MONTH[month - 1] for month in months)
    if len(months) * len(days) > _MANY_DATES or min(days) < 0 or max(days) > shortest:
        return ""
    return joined([f"{day} {MONTHS[month - 1]}" for month in months for day in days])


def names_of_months(months: Sequence[int]) -> str:
    """`June`, `June to August`."""
    names = [MONTHS[month - 1] for month in months]
    if len(names) >= _LONG_ROW and step_of(months) == 1:
        return f"{names[0]} to {names[-1]}"
    return joined(names)


def hour_span(hours: Sequence[int]) -> str:
    """` between 09:00 and 17:59`, over midnight too; empty if the hours are no row."""
    gaps = [place for place in range(1, len(hours)) if hours[place] - hours[place - 1] != 1]
    if not gaps:
        return _between(hours[0], hours[-1])
    first, last = hours[0], hours[-1]
    if len(gaps) == 1 and (first, last) == (0, ALL_HOURS[-1]):
        return _between(hours[gaps[0]], hours[gaps[0] - 1])
    return ""


def _between(first: int, last: int) -> str:
    return f" between {first:02}:00 and {last:02}:59"


def times(grid: TimeGrid) -> str:
    """`at 08:30`, `every hour from 09:00 to 17:00`; empty if there are many and they are no row."""
    found = [grid[index] for index in range(min(len(grid), 24 * 60))]
    names = [f"{time:%H:%M}" if not time.second else f"{time}" for time in found]
    if len(grid) <= _MANY_TIMES:
        return f"at {joined(names)}"
    minutes = [time.hour * 60 + time.minute for time in found]
    step = step_of(minutes) if len(grid) == len(found) and grid.seconds == (0,) else 0
    return f"{every(timedelta(minutes=step))} from {names[0]} to {names[-1]}" if step else ""


def on_days(days: str, at_times: str) -> str:
    """Days with their times; what happens over and over needs no `every day`. Empty if either is."""
    if not days or not at_times:
        return ""
    return (
        at_times if days == "every day" and at_times.startswith("every") else f"{days} {at_times}"
    )


def moment(value: datetime | date) -> str:
    """A day, a local time, or an instant with its offset."""
    if not isinstance(value, datetime):
        return value.isoformat()
    text = value.replace(tzinfo=None).isoformat(
        " ", "auto" if value.second or value.microsecond else "minutes"
    )
    if value.tzinfo is None:
        return text
    offset = value.utcoffset()
    return text + (" UTC" if not offset else f"{value:%z}")


def every(span: timedelta) -> str:
    """`every hour`, `every 90 minutes`, `every 2 hours 30 minutes`."""
    text = length(span)
    alone = text.startswith("1 ") and text.count(" ") == 1
    return f"every {text.removeprefix('1 ') if alone else text}"


def length(span: timedelta) -> str:
    """`1 hour`, `90 minutes`, `2 hours 30 minutes`."""
    seconds = span.total_seconds()
    for unit, size in _UNITS:
        if seconds >= size and seconds % size == 0 and seconds // size <= _MANY_UNITS:
            return _amount(int(seconds // size), unit)
    if seconds % 1:
        return f"{seconds:g} seconds"
    parts: list[str] = []
    rest = int(seconds)
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(_amount(count, unit))
    return " ".join(parts)


def _amount(number: int, unit: str) -> str:
    return f"{number} {unit}{'s' * (number > 1)}"
