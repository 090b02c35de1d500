"""Cron expressions: five fields, six (seconds first), or an @word.

Fields: numbers, names (`MON`, `JAN`), ranges, steps (`*/15`, `8-18/2`, `5/15` = from 5 on), lists; 0 and 7 are Sunday;
`L` is the last day of the month, `LW` its last weekday (Monday to Friday), `5L` the last Friday, `5#2` the second one.

If day-of-month and day-of-week are both restricted, either suffices; if one of them starts with `*`, both must fit
(Vixie cron: also `*/2` starts with `*`).

Across DST, Debian's cron: an expression with a `*` at the start of its second, minute or hour field is a frequency and
follows real time, so it runs on in a repeated hour and has nothing to make up for after a gap. Any other is a fixed
time and runs once: in a gap at the gap's end, in a repeated hour the first time. A jump of three hours or more is a
correction of the clock, and its times are left out. Explicit `dst_gap` and `dst_fold` overrule this.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Final, NoReturn

from runtime.core.recurrence import days
from runtime.core.recurrence.days import SHARED, DaySet, YearKind
from runtime.core.recurrence.period import TimeGrid
from runtime.core.recurrence.values import MONTHS, WEEKDAY_NAMES
from runtime.errors import ScheduleError

_WORDS: Final[Mapping[str, str]] = {
    "@YEARLY": "0 0 1 1 *",
    "@ANNUALLY": "0 0 1 1 *",
    "@MONTHLY": "0 0 1 * *",
    "@WEEKLY": "0 0 * * 0",
    "@DAILY": "0 0 * * *",
    "@MIDNIGHT": "0 0 * * *",
    "@HOURLY": "0 * * * *",
}
# Cron counts from Sunday.
_WEEKDAYS: Final = tuple(name[:3] for name in (WEEKDAY_NAMES[-1], *WEEKDAY_NAMES[:-1]))
_LONGEST_MONTH: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    @property
    def first_name(self) -> int:
        return 1 if self.low else 0


_FIELDS: Final = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day-of-month", 1, 31),
    _Field("month", 1, 12, MONTHS),
    _Field("day-of-week", 0, 7, _WEEKDAYS),
)
_EVERY_FIELD: Final = tuple(field.name for field in _FIELDS)
# What people write that this cron does not have: pattern, the fields it is seen in, and what to write.
_MISTAKES: Final = (
    (r"\?", _EVERY_FIELD, "this cron has no `?`: write *"),
    (
        r"\d*W",
        ("day-of-month",),
        "only LW (the last weekday of the month) is known; for the nearest weekday use `rrule:`",
    ),
    (
        r"\d*L|LW|L-\d+",
        _EVERY_FIELD,
        "L is the last day of the month (day-of-month), 5L its last Friday (day-of-week)",
    ),
    (r".*#.*", _EVERY_FIELD, "5#2 is the second Friday (day-of-week); a month has five at most"),
    (r"60", ("second", "minute"), "did you mean 0?"),
    (r"24", ("hour",), "did you mean 0?"),
)
_MIDNIGHT: Final = TimeGrid((0,), (0,), (0,))


@dataclass(frozen=True, slots=True)
class Cron:
    """A checked expression.

    Attributes:
        grid: times of day.
        months: 1 to 12.
        monthdays: 1 to 31.
        last_day: `L` stands among the days of the month.
        last_workday: `LW` does.
        weekdays: Monday = 0.
        numbered: (n, weekday) for `#`, n = -1 for `5L`.
        both_days: day of month and weekday must both fit; else one suffices.
        frequency: follows real time.
    """

    grid: TimeGrid
    months: tuple[int, ...]
    monthdays: tuple[int, ...]
    last_day: bool
    last_workday: bool
    weekdays: tuple[int, ...]
    numbered: tuple[tuple[int, int], ...]
    both_days: bool
    frequency: bool

    def day_set(self) -> DaySet:
        """The days that fit."""
        return _days_of(replace(self, grid=_MIDNIGHT, frequency=False))


@lru_cache(maxsize=SHARED)
def _days_of(cron: Cron) -> DaySet:
    """One set for all expressions that differ in their times of day only, which the caller leaves out."""
    return DaySet(partial(_fitting, cron))


def _fitting(cron: Cron, kind: YearKind) -> int:
    by_month = days.month_days(kind, (*cron.monthdays, -1) if cron.last_day else cron.monthdays)
    if cron.last_workday:
        by_month |= _last_workdays(kind)
    by_week = days.weekdays(kind, cron.weekdays)
    for number, weekday in cron.numbered:
        by_week |= days.nth_weekday(kind, number, weekday, kind.months)
    fitting = by_month & by_week if cron.both_days else by_month | by_week
    return fitting & days.months(kind, cron.months)


def _last_workdays(kind: YearKind) -> int:
    found = 0
    for first, length in kind.months:
        last = first + length - 1
        weekday = (kind.first_weekday + last) % 7
        found |= 1 << last - max(0, weekday - 4)
    return found


@lru_cache(maxsize=16_384)
def parse_cron(text: str) -> Cron:
    """Parse and check an expression.

    Raises:
        ScheduleError: `ORD601` for text that is not cron, `ORD602` for what cron cannot do, `ORD605` for a date that
            no month has.
    """
    parts = _split(text)
    second, minute, hour, month = (_plain(text, parts[i], _FIELDS[i]) for i in (0, 1, 2, 4))
    monthdays, last_day, last_workday = _month_days(text, parts[3])
    weekdays, numbered = _weekdays(text, parts[5])
    cron = Cron(
        grid=TimeGrid(hour, minute, second),
        months=month,
        monthdays=monthdays,
        last_day=last_day,
        last_workday=last_workday,
        weekdays=weekdays,
        numbered=numbered,
        both_days=parts[3].startswith("*") or parts[5].startswith("*"),
        frequency=any(part.startswith("*") for part in parts[:3]),
    )
    longest = max(_LONGEST_MONTH[m - 1] for m in cron.months)
    if cron.both_days and not last_day and not last_workday and min(monthdays) > longest:
        raise ScheduleError(
            f"cron {text!r} never fires: no such month has a day {min(monthdays)}",
            hint="use L for the last day of the month",
            code="ORD605",
        )
    return cron


def _refuse(message: str, hint: str, code: str = "ORD601") -> NoReturn:
    raise ScheduleError(message, hint=hint, code=code)


def _split(text: str) -> list[str]:
    upper = text.strip().upper()
    if upper.startswith("@"):
        upper = _expand_word(text, upper)
    if not upper.isascii():
        _refuse(f"cron {text!r} holds characters that are not ASCII", "type it anew")
    if zone := re.match(r"(?:CRON_)?TZ=(\S*)", text.strip(), re.IGNORECASE):
        _refuse(f"cron {text!r} names a zone", f"write `timezone: {zone[1]}` beside it")
    parts = upper.split()
    if len(parts) == len(_FIELDS) - 1:
        parts.insert(0, "0")
    if len(parts) != len(_FIELDS):
        hint = "five fields: minute hour day-of-month month day-of-week; a sixth, in front, is the second"
        if "FREQ=" in upper:
            hint = "this is an RRULE: write it as `rrule:`"
        if len(parts) == len(_FIELDS) + 1:
            hint = "six fields at most: a seventh, the year, is written as `start:` and `until:`"
        _refuse(f"cron {text!r} has {len(parts)} field{'s' * (len(parts) != 1)}", hint)
    return parts


def _expand_word(text: str, upper: str) -> str:
    if upper in _WORDS:
        return _WORDS[upper]
    if upper == "@REBOOT":
        _refuse(
            "@reboot names no time",
            "a schedule has times; start work from an event instead",
            "ORD602",
        )
    if upper.startswith("@EVERY"):
        _refuse(
            f"cron {text!r} is a span", f"write it as `every: {text.strip()[6:].strip() or '5m'}`"
        )
    _refuse(
        f"cron has no word {text.strip()}",
        f"the words are {', '.join(word.lower() for word in _WORDS)}",
    )


def _plain(text: str, part: str, field: _Field) -> tuple[int, ...]:
    values: set[int] = set()
    for item in part.split(","):
        values.update(_values(text, item, field))
    return tuple(sorted(values))


def _month_days(text: str, part: str) -> tuple[tuple[int, ...], bool, bool]:
    items = part.split(",")
    plain = [item for item in items if item not in ("L", "LW")]
    values = _plain(text, ",".join(plain), _FIELDS[3]) if plain else ()
    return values, "L" in items, "LW" in items


def _weekdays(text: str, part: str) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
    field = _FIELDS[5]
    plain: set[int] = set()
    numbered: set[tuple[int, int]] = set()
    for item in part.split(","):
        if match := re.fullmatch(r"(\w+)#([1-5])|(\w+)L", item):
            number, name = (int(match[2]), match[1]) if match[1] else (-1, match[3])
            numbered.add((number, _monday_first(_number(text, name, field))))
        else:
            plain.update(_monday_first(value) for value in _values(text, item, field))
    return tuple(sorted(plain)), tuple(sorted(numbered))


def _monday_first(weekday: int) -> int:
    return (weekday - 1) % 7


def _values(text: str, item: str, field: _Field) -> range:
    span, slash, step_text = item.partition("/")
    step = _step(text, item, step_text, field) if slash else 1
    if span == "*":
        return range(field.low, field.high + 1, step)
    first_text, dash, last_text = span.partition("-")
    first = _number(text, first_text, field)
    last = _number(text, last_text, field) if dash else (field.high if slash else first)
    if last < first:
        if field.name == "day-of-week" and last == 0:
            last = 7
        else:
            _refuse(
                f"{field.name} {item} in cron {text!r} runs backwards",
                f"split it: {first_text}-{field.high},{field.low}-{last_text}",
            )
    return range(first, last + 1, step)


def _step(text: str, item: str, step: str, field: _Field) -> int:
    size = field.high - field.low + 1
    if not re.fullmatch(r"\d{1,3}", step) or int(step) == 0:
        _refuse(
            f"{field.name} {item} in cron {text!r} has no step from 1 on", "write for example */15"
        )
    if int(step) > size:
        _refuse(
            f"{field.name} {item} in cron {text!r} steps beyond the field's {size} values",
            "cron starts afresh in each hour or day; for a longer span use `every:`",
            "ORD602",
        )
    return int(step)


def _number(text: str, item: str, field: _Field) -> int:
    if item in field.names:
        return field.names.index(item) + field.first_name
    if re.fullmatch(r"\d{1,2}", item) and field.low <= int(item) <= field.high:
        return int(item)
    _refuse(
        f"{field.name} {item or '(empty)'} in cron {text!r} is not {field.low} to {field.high}",
        _meant(item, field),
    )


def _meant(item: str, field: _Field) -> str:
    for pattern, of, hint in _MISTAKES:
        if re.fullmatch(pattern, item) and field.name in of:
            return hint
    named = next((name for name in field.names if item[:3] == name), "")
    if named:
        return f"did you mean {named}?"
    names = f" or {field.names[0]} to {field.names[-1]}" if field.names else ""
    return f"{field.name} takes {field.low} to {field.high}{names}"
