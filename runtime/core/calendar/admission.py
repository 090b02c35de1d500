"""The calendars of one schedule together: which instants they exclude, by the day or by the hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from runtime.core.calendar.compilation import CompiledCalendar
from runtime.core.calendar.regions import DAY, LAST, Region
from runtime.core.recurrence.zone import epoch_seconds, from_epoch

# Changes that a search for an included moment looks at: those of nearly three years of nights.
_LOOKED_AT: Final = 2_000
# Days looked back at are remembered: neighbouring occurrences ask for the same ones.
_REMEMBERED: Final = 4_096


@dataclass(frozen=True, slots=True)
class Named:
    """A calendar with the name that people know it by."""

    label: str
    calendar: CompiledCalendar


def admission_of(
    schedule: Mapping[str, Any], calendars: Mapping[str, CompiledCalendar]
) -> Admission | None:
    """What the calendars of a normalised schedule say; None if it names none.

    Raises:
        KeyError: the calendars lack one that it names.
    """
    exclude, include = (
        [Named(label, calendars[label]) for label in schedule.get(name, ())]
        for name in ("exclude", "include")
    )
    return Admission(exclude, include) if exclude or include else None


class Admission:
    """What a schedule's `exclude` and `include` say of instants.

    Args:
        exclude: an instant that any of them covers is excluded.
        include: with any of these, an instant that none of them covers is excluded.
    """

    __slots__ = (
        "_day_regions",
        "_ends",
        "_exclude",
        "_exclude_regions",
        "_include",
        "_include_regions",
        "has_hours",
    )

    def __init__(self, exclude: Sequence[Named], include: Sequence[Named]) -> None:
        self._exclude = tuple(exclude)
        self._include = tuple(include)
        self.has_hours = any(named.calendar.hours for named in (*exclude, *include))
        """Whether anything is excluded otherwise than by the day."""
        self._exclude_regions = _regions(exclude)
        self._include_regions = _regions(include)
        self._ends: dict[int, int | None] = {}
        by_the_day = [*exclude, *(include if self._includes_days else ())]
        self._day_regions = tuple(region for named in by_the_day for region in named.calendar.days)

    @property
    def _includes_days(self) -> bool:
        """Whether what `include` leaves out is whole days."""
        return bool(self._include) and not any(named.calendar.hours for named in self._include)

    def describe(self) -> str:
        """In words, to go on a description of the schedule."""
        words = ""
        if self._exclude:
            words += f", except in {' and '.join(named.label for named in self._exclude)}"
        if self._include:
            words += f", only in {' or '.join(named.label for named in self._include)}"
        return words

    def excluded_by(self, at: datetime) -> str | None:
        """The calendar that excludes an instant, of several the first; None if it may run."""
        second = epoch_seconds(at)
        for named in self._exclude:
            if _covers((*named.calendar.days, *named.calendar.hours), second):
                return named.label
        if self._is_outside(second):
            return ", ".join(named.label for named in self._include)
        return None

    def is_excluded(self, second: int) -> bool:
        """Whether anything excludes a second."""
        return self.is_excluded_by_day(second) or self.is_excluded_by_hours(second)

    def is_excluded_by_day(self, second: int) -> bool:
        """Whether a whole day that holds a second is excluded."""
        return any(_covers(named.calendar.days, second) for named in self._exclude) or (
            self._includes_days and self._is_outside(second)
        )

    def is_excluded_by_hours(self, second: int) -> bool:
        """Whether a second is excluded otherwise than by the day."""
        return any(_covers(named.calendar.hours, second) for named in self._exclude) or (
            not self._includes_days and self._is_outside(second)
        )

    def patience(self, at: datetime) -> timedelta | None:
        """How far an excluded instant may be put off; None if anything but windows that defer excludes it."""
        second = epoch_seconds(at)
        spans: list[timedelta] = []
        for named in self._exclude:
            calendar = named.calendar
            if _covers((*calendar.days, *calendar.spans), second):
                return None
            if _covers(calendar.windows, second):
                if calendar.defer is None:
                    return None
                spans.append(calendar.defer)
        if self._is_outside(second):
            deferring = [named.calendar.defer for named in self._include if named.calendar.defer]
            if not deferring:
                return None
            spans.append(max(deferring))
        return min(spans, default=None)

    @property
    def longest_patience(self) -> timedelta | None:
        """What `patience` may be at most; None if nothing is ever put off."""
        spans = (named.calendar.defer for named in (*self._exclude, *self._include))
        return max(filter(None, spans), default=None)

    def next_included(self, at: datetime, until: datetime) -> datetime | None:
        """The first moment from an instant on, and not after `until`, that nothing excludes; the instant itself if it may run.

        None also if it lies behind more changes than are looked at.
        """
        begin, last = epoch_seconds(at), min(epoch_seconds(until), LAST - 1)
        second = begin
        for _ in range(_LOOKED_AT):
            excluded_until = self._excluded_until(second)
            if excluded_until is None:
                return at if second == begin else from_epoch(second)
            second = excluded_until
            if second > last:
                return None
        return None

    def _excluded_until(self, second: int) -> int | None:
        """A later second before which an excluded one stays so: whatever covers it has to end first; None if it is not."""
        ends = [
            region.steady_until(second)
            for region in self._exclude_regions
            if region.covers(second)
        ]
        if self._is_outside(second):
            changes = (region.steady_until(second) for region in self._include_regions)
            ends.append(min(changes, default=LAST))
        return max(ends, default=None)

    def first_by_day(self, begin: datetime, end: datetime, *, excluded: bool) -> datetime | None:
        """The first moment from `begin` to before `end` at which a whole day is excluded, or at which none is."""
        second, stop = epoch_seconds(begin), epoch_seconds(end)
        while second < stop:
            if self.is_excluded_by_day(second) == excluded:
                return from_epoch(second)
            second = self._same_by_day_until(second)
        return None

    def last_by_day(self, at: datetime, reach: timedelta) -> datetime | None:
        """An instant after which, and up to `at`, whole days are excluded; None if they are over the whole of `reach`."""
        last = epoch_seconds(at) // DAY
        for day in range(last, last - reach // timedelta(days=1) - 2, -1):
            if day not in self._ends:
                if len(self._ends) >= _REMEMBERED:
                    self._ends.clear()
                self._ends[day] = self._included_until(day * DAY, (day + 1) * DAY)
            if (end := self._ends[day]) is not None:
                return from_epoch(end)
        return None

    def _included_until(self, begin: int, end: int) -> int | None:
        """Where, from `begin` to `end`, the last stretch ends in which no whole day is excluded."""
        found = None
        while begin < end:
            until = min(self._same_by_day_until(begin), end)
            if not self.is_excluded_by_day(begin):
                found = until
            begin = until
        return found

    def _same_by_day_until(self, second: int) -> int:
        return min((region.steady_until(second) for region in self._day_regions), default=LAST)

    def _is_outside(self, second: int) -> bool:
        return bool(self._include) and not _covers(self._include_regions, second)


def _regions(calendars: Sequence[Named]) -> tuple[Region, ...]:
    return tuple(
        region for named in calendars for region in (*named.calendar.days, *named.calendar.hours)
    )


def _covers(regions: Sequence[Region], second: int) -> bool:
    return any(region.covers(second) for region in regions)
