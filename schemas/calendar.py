"""The Calendar document: days and windows that schedules include or exclude."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from schemas.base import Document, Model, PositiveDuration, Text
from schemas.schedule import TimeZone

LocalClock = Annotated[
    str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$"), Field(examples=["22:00"])
]
Weekday = Literal["MO", "TU", "WE", "TH", "FR", "SA", "SU"]


class DateRange(Model):
    """Days from the first to the last, both included."""

    from_: dt.date = Field(alias="from")
    """The first day."""
    to: dt.date
    """The last day."""


class Window(Model):
    """Hours of the day; a window that ends before it begins goes over midnight."""

    from_: LocalClock = Field(alias="from")
    """Where it begins."""
    to: LocalClock
    """Where it ends, exclusive."""
    days: tuple[Weekday, ...] = ()
    """The weekdays on which it begins; every day when left out."""


class Calendar(Document):
    """Days and windows, in one zone."""

    kind: Literal["Calendar"]
    timezone: TimeZone
    """The zone in which days and hours are read."""
    dates: tuple[dt.date, ...] = ()
    """Single days."""
    ranges: tuple[DateRange, ...] = ()
    """Runs of days."""
    rules: tuple[Text, ...] = ()
    """Recurrence rules that name days."""
    ics: Text | None = None
    """An .ics file in the repository, relative to this file, whose events are the days."""
    windows: tuple[Window, ...] = ()
    """Hours of the day, such as quiet hours."""
    defer: PositiveDuration | None = None
    """With windows: put an excluded occurrence off to the window's end, by at most this much, instead of skipping it."""

    @model_validator(mode="after")
    def _names_something(self) -> Calendar:
        if not (self.dates or self.ranges or self.rules or self.ics or self.windows):
            raise ValueError(
                "a calendar names at least one of dates, ranges, rules, ics and windows"
            )
        return self
