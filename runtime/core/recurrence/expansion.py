"""What a rule names once DTSTART has filled its gaps: days, and times of day (the table of RFC 5545 section 3.3.10).

Each BYxxx part is a set of days; the days of the rule are those in all of them. A numbered BYDAY counts within the
month if FREQ is MONTHLY or BYMONTH stands beside it, else within the year; plain and numbered ones are united.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Final

from runtime.core.recurrence import days
from runtime.core.recurrence.days import SHARED, DaySet, YearKind
from runtime.core.recurrence.period import TimeGrid
from runtime.core.recurrence.rule import Rule

_HOURS: Final = tuple(range(24))
_SIXTY: Final = tuple(range(60))


def full_rule(rule: Rule, start: datetime) -> Rule:
    """The rule with the day parts that it leaves out taken from DTSTART."""
    by_day = any((rule.byweekno, rule.byyearday, rule.bymonthday, rule.byday))
    if by_day or rule.sub_daily or rule.freq == "DAILY":
        return rule
    if rule.freq == "WEEKLY":
        return replace(rule, byday=((0, start.weekday()),))
    if rule.freq == "YEARLY" and not rule.bymonth:
        return replace(rule, bymonth=(start.month,), bymonthday=(start.day,))
    return replace(rule, bymonthday=(start.day,))


def day_set(rule: Rule) -> DaySet:
    """The days of a full rule, whatever its INTERVAL."""
    return _days_of(
        replace(
            rule,
            interval=1,
            count=None,
            until=None,
            bysecond=(),
            byminute=(),
            byhour=(),
            bysetpos=(),
        )
    )


@lru_cache(maxsize=SHARED)
def _days_of(rule: Rule) -> DaySet:
    """One set for all rules that differ in what has no say in it only, which the caller leaves out."""

    def fitting(kind: YearKind) -> int:
        found = kind.everything
        if rule.bymonth:
            found &= days.months(kind, rule.bymonth)
        if rule.bymonthday:
            found &= days.month_days(kind, rule.bymonthday)
        if rule.byyearday:
            found &= days.year_days(kind, rule.byyearday)
        if rule.byweekno:
            found &= days.weeks(kind, rule.byweekno, rule.week_start)
        return found & _weekdays(rule, kind) if rule.byday else found

    return DaySet(fitting)


def _weekdays(rule: Rule, kind: YearKind) -> int:
    found = days.weekdays(kind, (weekday for number, weekday in rule.byday if number == 0))
    by_month = rule.freq == "MONTHLY" or rule.bymonth
    spans = kind.months if by_month else ((0, kind.length),)
    for number, weekday in rule.byday:
        if number:
            found |= days.nth_weekday(kind, number, weekday, spans)
    return found


def wall_grid(rule: Rule, start: datetime) -> TimeGrid:
    """Times of day of a rule of a day or longer: parts that it leaves out are DTSTART's."""
    return TimeGrid(
        rule.byhour or (start.hour,),
        rule.byminute or (start.minute,),
        rule.bysecond or (start.second,),
    )


def elapsed_grid(rule: Rule, start: datetime) -> TimeGrid:
    """Times of day that a sub-daily rule admits; what it leaves out is free, or counted from the block's start.

    Only HOURLY with BYMINUTE needs DTSTART's second: its minutes are named by the wall, not counted.
    """
    implied = (start.second,) if rule.freq == "HOURLY" and rule.byminute else _SIXTY
    return TimeGrid(rule.byhour or _HOURS, rule.byminute or _SIXTY, rule.bysecond or implied)
