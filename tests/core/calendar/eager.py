"""What calendars make of occurrences, written down as plainly as can be: look at every second that matters, move, sort.

Shares no code with the core but the expansion of the bare schedule. Coverage is judged from the wall time that the
standard library's zoneinfo shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from runtime.core.recurrence import Occurrence

Verdict = tuple[datetime, str | None, datetime | None]
"""An instant, the calendar that excludes it, and where it moves."""

_QUARTER = timedelta(minutes=15)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class PlainWindow:
    begin: time
    end: time
    days: frozenset[int]


@dataclass(frozen=True)
class PlainCalendar:
    """A calendar as three questions."""

    label: str
    zone: str
    days: Callable[[date], bool] = lambda day: False
    windows: tuple[PlainWindow, ...] = ()
    spans: tuple[tuple[datetime, datetime], ...] = ()
    defer: timedelta | None = None

    @property
    def has_hours(self) -> bool:
        return bool(self.windows or self.spans)

    def by_day(self, at: datetime) -> bool:
        return self.days(at.astimezone(ZoneInfo(self.zone)).date())

    def by_window(self, at: datetime) -> bool:
        wall = at.astimezone(ZoneInfo(self.zone))
        return any(_in(window, wall.date(), wall.time()) for window in self.windows)

    def by_hours(self, at: datetime) -> bool:
        return self.by_window(at) or any(begin <= at < end for begin, end in self.spans)

    def covers(self, at: datetime) -> bool:
        return self.by_day(at) or self.by_hours(at)


def _in(window: PlainWindow, day: date, clock: time) -> bool:
    if window.begin < window.end:
        return window.begin <= clock < window.end and day.weekday() in window.days
    yesterday = (day - _DAY).weekday()
    return (clock >= window.begin and day.weekday() in window.days) or (
        clock < window.end and yesterday in window.days
    )


@dataclass(frozen=True)
class Eager:
    """One schedule's calendars; every occurrence and every boundary lies on a quarter of an hour."""

    exclude: tuple[PlainCalendar, ...]
    include: tuple[PlainCalendar, ...]
    on_excluded: str
    zone: str
    reach: int
    seen: dict[datetime, str | None] = field(default_factory=dict)

    def outside(self, at: datetime) -> bool:
        return bool(self.include) and not any(one.covers(at) for one in self.include)

    @property
    def includes_days(self) -> bool:
        return not any(one.has_hours for one in self.include)

    def label(self, at: datetime) -> str | None:
        if at not in self.seen:
            self.seen[at] = self._label(at)
        return self.seen[at]

    def _label(self, at: datetime) -> str | None:
        for one in self.exclude:
            if one.covers(at):
                return one.label
        return ", ".join(one.label for one in self.include) if self.outside(at) else None

    def by_day(self, at: datetime) -> bool:
        return any(one.by_day(at) for one in self.exclude) or (
            self.includes_days and self.outside(at)
        )

    def by_hours(self, at: datetime) -> bool:
        return any(one.by_hours(at) for one in self.exclude) or (
            not self.includes_days and self.outside(at)
        )

    def next_included(self, at: datetime, until: datetime) -> datetime | None:
        while at <= until:
            if self.label(at) is None:
                return at
            at += _QUARTER
        return None

    def patience(self, at: datetime) -> timedelta | None:
        found: list[timedelta | None] = []
        for one in self.exclude:
            if one.by_day(at) or any(begin <= at < end for begin, end in one.spans):
                return None
            if one.by_window(at):
                found.append(one.defer)
        if self.outside(at):
            found.append(max((one.defer for one in self.include if one.defer), default=None))
        return None if None in found else min(filter(None, found), default=None)

    def target(self, at: datetime, wall: datetime) -> datetime | None:
        if self.on_excluded == "skip":
            patience = self.patience(at)
            return None if patience is None else self.next_included(at, at + patience)
        if self.on_excluded == "next_included" and self.by_hours(at):
            return self.next_included(at, at + self.reach * _DAY)
        step = 1 if self.on_excluded == "next_included" else -1
        for days in range(1, self.reach + 1):
            other = resolved(wall + step * days * _DAY, self.zone)
            if (other > at if step > 0 else other < at) and not self.by_day(other):
                until = max(other, at + self.reach * _DAY)
                return self.next_included(other, until) if step > 0 else other
        return None

    def verdicts(self, found: Iterable[Occurrence]) -> list[Verdict]:
        """All that becomes of these occurrences, sorted; at one instant what runs beats what is excluded."""
        by_instant: dict[datetime, Verdict] = {}
        runs: set[datetime] = set()
        for one in found:
            label = self.label(one.at)
            if label is None:
                runs.add(one.at)
                continue
            target = self.target(one.at, one.local_at)
            by_instant[one.at] = (one.at, label, target)
            if target is not None:
                runs.add(target)
        by_instant.update((at, (at, None, None)) for at in runs)
        return sorted(by_instant.values(), key=lambda verdict: verdict[0])


def resolved(wall: datetime, zone: str) -> datetime:
    """A wall time's first instant; one that does not exist is shifted by the offset before the gap."""
    return wall.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)
