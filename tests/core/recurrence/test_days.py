"""The days of a year as bits, against the calendar itself."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from runtime.core.recurrence import days
from runtime.core.recurrence.days import DaySet, kind_of
from runtime.core.recurrence.effort import Effort
from tests.core.recurrence import oracle

# One year of each kind there is.
YEARS = {kind_of(year): year for year in range(1890, 2110)}.values()
NUMBERS = [*range(1, 54), *range(-53, 0)]


def test_there_are_28_kinds_of_year() -> None:
    assert len(YEARS) == 28


@pytest.mark.parametrize("week_start", range(7))
def test_a_day_belongs_to_the_week_that_holds_it(week_start: int) -> None:
    for year in YEARS:
        masks = {number: days.weeks(kind_of(year), [number], week_start) for number in NUMBERS}
        length = kind_of(year).length
        for bit in [*range(10), 180, *range(length - 10, length)]:
            day = date(year, 1, 1) + timedelta(days=bit)
            found = {number for number, mask in masks.items() if mask >> bit & 1}
            assert found == oracle.week_numbers(day, week_start), day


@pytest.mark.parametrize("year", [1900, 2000, 2023, 2024])
def test_every_day_of_a_year_fits_its_own_numbers_and_no_others(year: int) -> None:
    kind = kind_of(year)
    for bit in range(kind.length):
        day = date(year, 1, 1) + timedelta(days=bit)
        last = oracle.month_of(day)[-1].day
        assert days.months(kind, [day.month]) >> bit & 1
        assert days.month_days(kind, [day.day]) >> bit & 1
        assert days.month_days(kind, [day.day - last - 1]) >> bit & 1
        assert (
            days.year_days(kind, [bit + 1])
            == days.year_days(kind, [bit - kind.length])
            == 1 << bit
        )
        assert days.weekdays(kind, [day.weekday()]) >> bit & 1
        assert not days.weekdays(kind, {*range(7)} - {day.weekday()}) >> bit & 1


def test_a_window_may_reach_over_the_new_year() -> None:
    tuesdays = DaySet(lambda kind: days.weekdays(kind, [1]))
    first = date(2025, 12, 29).toordinal()

    assert tuesdays.window(first, 7) == 0b0000010
    assert list(days.bits(tuesdays.window(first, 15))) == [1, 8]


def test_the_next_day_is_found_at_any_distance_and_never_beyond_the_calendar() -> None:
    leap = DaySet(lambda kind: days.months(kind, [2]) & days.month_days(kind, [29]))
    never = DaySet(lambda kind: days.months(kind, [2]) & days.month_days(kind, [30]))

    assert leap.next(date(2096, 3, 1).toordinal(), Effort()) == date(2104, 2, 29).toordinal()
    assert never.next(date(2096, 3, 1).toordinal(), Effort()) is None
