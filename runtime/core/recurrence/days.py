"""Which days of a year a rule names, as one integer with a bit for each day.

A rule's day parts (months, days of the month, weekdays, weeks) depend on a year only through its kind: the weekday of
1 January and which of the years before, itself and after are leap years (weeks reach over the new year). There are 28
kinds, so a rule's days over ten thousand years are 28 integers, found by a few shifts each when first needed. That makes the next day a question of finding the lowest set bit, at any distance from DTSTART.

Bit 0 is 1 January. Weekdays count from Monday = 0, as in `datetime`.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import accumulate
from typing import Final

from runtime.core.recurrence.effort import Effort

# The last year searched: one before the end of `datetime`, so that no offset or shift can overflow.
LAST_YEAR: Final = 9998
_EVERY_SEVENTH: Final = sum(1 << day for day in range(0, 371, 7))
_WEEK: Final = (1 << 7) - 1
SHARED: Final = 512
"""So many sets are kept for rules to share: thousands of schedules name a few dozen sets of days."""
# RFC 5545, BYWEEKNO: week 1 is the first with at least four days in its year.
_FOUR_DAYS: Final = 4
Spans = tuple[tuple[int, int], ...]


def _month_spans(february: int) -> Spans:
    lengths = (31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return tuple(zip(accumulate(lengths, initial=0), lengths, strict=False))


_PLAIN_MONTHS: Final = _month_spans(28)
_LEAP_MONTHS: Final = _month_spans(29)


@dataclass(frozen=True, slots=True)
class YearKind:
    """What day parts may depend on.

    Attributes:
        first_weekday: weekday of 1 January.
        leap: whether the year has 366 days.
        leap_before: whether the year before has.
        leap_after: whether the year after has.
    """

    first_weekday: int
    leap: bool
    leap_before: bool = False
    leap_after: bool = False

    @property
    def length(self) -> int:
        """Days in the year."""
        return 366 if self.leap else 365

    @property
    def everything(self) -> int:
        """All days."""
        return (1 << self.length) - 1

    @property
    def months(self) -> Spans:
        """Bit of the first day, and length, of January to December."""
        return _LEAP_MONTHS if self.leap else _PLAIN_MONTHS


DayRule = Callable[[YearKind], int]


@cache
def kind_of(year: int) -> YearKind:
    """The kind of a Gregorian year."""
    return YearKind(
        date(year, 1, 1).weekday(), *(calendar.isleap(year + step) for step in (0, -1, 1))
    )


def months(kind: YearKind, wanted: Iterable[int]) -> int:
    """Every day of the wanted months (1 to 12)."""
    spans = (kind.months[month - 1] for month in wanted)
    return _union(((1 << length) - 1) << first for first, length in spans)


def month_days(kind: YearKind, wanted: Iterable[int]) -> int:
    """The wanted days (1 to 31, or -1 to -31 from the end) of every month that has them."""
    days = tuple(wanted)
    return _union(
        1 << first + (day - 1 if day > 0 else length + day)
        for first, length in kind.months
        for day in days
        if abs(day) <= length
    )


def year_days(kind: YearKind, wanted: Iterable[int]) -> int:
    """The wanted days (1 to 366, or -1 to -366 from the end) of the year, if it has them."""
    return _union(
        1 << (day - 1 if day > 0 else kind.length + day)
        for day in wanted
        if abs(day) <= kind.length
    )


def weekdays(kind: YearKind, wanted: Iterable[int]) -> int:
    """Every one of the wanted weekdays (Monday = 0)."""
    shifts = ((day - kind.first_weekday) % 7 for day in wanted)
    return _union(_EVERY_SEVENTH << shift for shift in shifts) & kind.everything


def nth_weekday(
    kind: YearKind, number: int, weekday: int, spans: Iterable[tuple[int, int]]
) -> int:
    """The numbered weekday (from the end if negative) of each span of days that has it."""
    found = 0
    for first, length in spans:
        start = (weekday - kind.first_weekday - first) % 7
        count = (length - start + 6) // 7
        index = number - 1 if number > 0 else count + number
        if 0 <= index < count:
            found |= 1 << first + start + 7 * index
    return found


def weeks(kind: YearKind, wanted: Iterable[int], week_start: int) -> int:
    """The days of this year that belong to the wanted weeks (RFC 5545 section 3.3.10, BYWEEKNO).

    Week 1 is the first with four days or more in its year; weeks start on `week_start`. Days of this year that belong
    to a week of the year before or after count by that week's number.
    """
    numbers = frozenset(wanted)
    before = YearKind((kind.first_weekday - 365 - kind.leap_before) % 7, kind.leap_before)
    after = YearKind((kind.first_weekday + kind.length) % 7, kind.leap_after)
    found = 0
    for year, first_bit in ((before, -before.length), (kind, 0), (after, kind.length)):
        start, count = _week_one(year, week_start)
        for week in range(1, count + 1):
            if week in numbers or week - count - 1 in numbers:
                bit = first_bit + start + 7 * (week - 1)
                found |= _WEEK << bit if bit >= 0 else _WEEK >> -bit
    return found & kind.everything


def _week_one(kind: YearKind, week_start: int) -> tuple[int, int]:
    """Bit of the first day of week 1 (may be negative), and how many weeks the year has."""
    ahead = (week_start - kind.first_weekday) % 7
    start = ahead - 7 if ahead >= _FOUR_DAYS else ahead
    return start, (kind.length - start + 3) // 7


def _union(masks: Iterable[int]) -> int:
    union = 0
    for mask in masks:
        union |= mask
    return union


class DaySet:
    """The days of one rule, over all years."""

    __slots__ = ("_masks", "_rule")

    def __init__(self, rule: DayRule) -> None:
        self._rule = rule
        self._masks: dict[YearKind, int] = {}

    def mask(self, year: int) -> int:
        """The days of a year."""
        kind = kind_of(year)
        mask = self._masks.get(kind)
        if mask is None:
            mask = self._masks[kind] = self._rule(kind)
        return mask

    def window(self, first: int, length: int) -> int:
        """The days among `length` days from the proleptic ordinal `first`; bit 0 is `first`."""
        day = date.fromordinal(first)
        skip = first - date(day.year, 1, 1).toordinal()
        found = self.mask(day.year) >> skip
        left = kind_of(day.year).length - skip
        if left < length:
            found |= self.mask(day.year + 1) << left
        return found & ((1 << length) - 1)

    def next(self, ordinal: int, effort: Effort) -> int | None:
        """The first day at or after an ordinal; None if there is none up to `LAST_YEAR`."""
        year = date.fromordinal(ordinal).year
        first = date(year, 1, 1).toordinal()
        while year <= LAST_YEAR:
            effort.spend()
            rest = self.mask(year) >> max(0, ordinal - first)
            if rest:
                return max(ordinal, first) + lowest_bit(rest)
            first += kind_of(year).length
            year += 1
        return None


def lowest_bit(mask: int) -> int:
    """The position of the lowest set bit of a number that is not zero."""
    return (mask & -mask).bit_length() - 1


def bits(mask: int) -> Iterator[int]:
    """The positions of all set bits, lowest first."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
