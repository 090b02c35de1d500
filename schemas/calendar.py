"""The Calendar document: days and windows that schedules include or exclude."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, StringConstraints, Tag, model_validator

from schemas import patterns
from schemas.base import Document, Model, PositiveDuration, Text, TimeZone, word_or_mapping

LocalClock = Annotated[
    str, StringConstraints(pattern=patterns.LOCAL_CLOCK), Field(examples=["22:00"])
]


def _as_date(value: object) -> dt.date:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    try:
        return dt.date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("write a date as ISO 8601, such as 2026-12-25") from None


Date = Annotated[dt.date, BeforeValidator(_as_date), Field(examples=["2026-12-25"])]
"""A day."""

Weekday = Literal["MO", "TU", "WE", "TH", "FR", "SA", "SU"]


class DateRange(Model):
    """Days from the first to the last, both included."""

    from_: Date = Field(alias="from")
    """The first day."""
    to: Date
    """The last day."""

    @model_validator(mode="after")
    def _runs_forward(self) -> DateRange:
        if self.to < self.from_:
            raise ValueError("a range ends on the day it begins, or later")
        return self


class Window(Model):
    """Hours of the day; a window that ends before it begins goes over midnight."""

    from_: LocalClock = Field(alias="from")
    """Where it begins."""
    to: LocalClock
    """Where it ends, exclusive."""
    days: tuple[Weekday, ...] = ()
    """The weekdays on which it begins; every day when left out."""

    @model_validator(mode="after")
    def _holds_something(self) -> Window:
        if self.from_ in (self.to, "24:00"):
            raise ValueError(
                "a window begins before 24:00, and ends at another time than it begins"
            )
        return self


class DayRule(Model):
    """A recurrence rule of RFC 5545 with the day that it counts from."""

    rrule: Text = Field(examples=["FREQ=WEEKLY;INTERVAL=2;BYDAY=FR"])
    """The rule; it names days, not times of day."""
    start: Date
    """DTSTART: the first day that it may name."""


Rule = Annotated[
    Annotated[Text, Tag("<word>")] | Annotated[DayRule, Tag("<mapping>")],
    Discriminator(word_or_mapping),
]


class Calendar(Document):
    """Days and hours, in one zone."""

    kind: Literal["Calendar"]
    """Always `Calendar`."""
    timezone: TimeZone
    """The zone in which days and hours are read."""
    dates: tuple[Date, ...] = ()
    """Single days."""
    ranges: tuple[DateRange, ...] = ()
    """Runs of days."""
    rules: tuple[Rule, ...] = ()
    """Recurrence rules that name days, as text, or with their start where INTERVAL or COUNT counts from it."""
    ics: Text | None = None
    """An .ics file in the specs folder, relative to this file, whose events are days and spans of time."""
    windows: tuple[Window, ...] = ()
    """Hours of the day, such as quiet hours."""
    defer: PositiveDuration | None = None
    """With windows: put an excluded occurrence off to the next moment that is not, by at most this much, instead of skipping it."""

    @model_validator(mode="after")
    def _names_something(self) -> Calendar:
        if not (self.dates or self.ranges or self.rules or self.ics or self.windows):
            raise ValueError(
                "a calendar names at least one of dates, ranges, rules, ics and windows"
            )
        if self.defer is not None and not self.windows:
            raise ValueError("`defer` puts off what a window excludes, and there are no `windows`")
        return self
