"""Parts of time that a calendar covers: local days, hours of the day, and spans.

Time is counted in whole seconds since 1970 UTC. A region answers two questions: does it cover a second, and up to where
does that answer hold. The second one makes every search a walk from change to change, however far apart those lie.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Protocol

from runtime.core.recurrence import Compiled
from runtime.core.recurrence.sources import END
from runtime.core.recurrence.zone import Zone, epoch_seconds, from_epoch

LAST: Final = epoch_seconds(END)
"""The second at which all calendars end."""
DAY: Final = 86_400
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_LAST_DAY: Final = LAST // DAY
# Thursday, as 1 January 1970 was.
_EPOCH_WEEKDAY: Final = 3
_WEEK: Final = 7
# Days looked up lately are remembered; a schedule asks for the same few over and over.
_REMEMBERED: Final = 4096


class Region(Protocol):
    """A part of time."""

    def covers(self, second: int) -> bool:
        """Whether it holds a second."""
        ...

    def steady_until(self, second: int) -> int:
        """A later second, up to which (exclusive) `covers` answers the same."""
        ...


def day_number(day: date) -> int:
    """Days since 1 January 1970."""
    return day.toordinal() - _EPOCH_ORDINAL


class DaySet(Protocol):
    """A set of days, by number."""

    def has(self, day: int) -> bool:
        """Whether it holds a day."""
        ...

    def steady_until(self, day: int) -> int:
        """A later day, up to which (exclusive) `has` answers the same."""
        ...


class Runs:
    """Runs of numbers, each from its first to before its end: as days or as seconds."""

    __slots__ = ("_begins", "_ends", "_last")

    def __init__(self, runs: Iterable[tuple[int, int]], last: int) -> None:
        merged: list[list[int]] = []
        for begin, end in sorted(runs):
            if merged and begin <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], end)
            elif begin < end:
                merged.append([begin, end])
        self._begins = [begin for begin, _ in merged]
        self._ends = [end for _, end in merged]
        self._last = last

    def has(self, number: int) -> bool:
        """Whether a run holds it."""
        index = bisect_right(self._begins, number) - 1
        return index >= 0 and number < self._ends[index]

    def steady_until(self, number: int) -> int:
        """Where the next run begins, or the one around it ends."""
        index = bisect_right(self._begins, number)
        if index and number < self._ends[index - 1]:
            return self._ends[index - 1]
        return self._begins[index] if index < len(self._begins) else max(self._last, number + 1)


class RuleDays:
    """Days that a rule names, each the first of so many.

    Args:
        compiled: the rule, compiled in UTC, so that its instants stand for days.
        length: how many days each occurrence lasts.
    """

    __slots__ = ("_compiled", "_known", "_length")

    def __init__(self, compiled: Compiled, length: int = 1) -> None:
        self._compiled = compiled
        self._length = length
        self._known: dict[int, int] = {}

    def has(self, day: int) -> bool:
        return self._first_from(day - self._length + 1) <= day

    def steady_until(self, day: int) -> int:
        return day + 1 if self.has(day) else self._first_from(day + 1)

    def _first_from(self, day: int) -> int:
        """The first day on which the rule occurs, from a day on."""
        known = self._known.get(day)
        if known is None:
            found = self._compiled.next_after(from_epoch(day * DAY - 1))
            known = _LAST_DAY if found is None else epoch_seconds(found.at) // DAY
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[day] = known
        return known


class Days:
    """Whole local days."""

    __slots__ = ("_sets", "_zone")

    def __init__(self, zone: Zone, sets: Sequence[DaySet]) -> None:
        self._zone = zone
        self._sets = sets

    def covers(self, second: int) -> bool:
        day = (second + self._zone.offset_seconds(second)) // DAY
        return any(days.has(day) for days in self._sets)

    def steady_until(self, second: int) -> int:
        offset, until = self._zone.span(second)
        day = (second + offset) // DAY
        change = min(days.steady_until(day) for days in self._sets)
        # Two days are more than any offset or fold: before `far` no wall shows the day of the change, and once the offset
        # stays that long none shows the day before this one again. Nearer, stop where the offset changes and look again.
        far = (change - 2) * DAY
        if far > until and until + offset - 2 * DAY >= day * DAY:
            return min(far, LAST)
        return min(change * DAY - offset, until, LAST)


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of the day, in seconds from midnight; one that ends before it begins goes over midnight.

    Attributes:
        days: the weekdays on which it begins, Monday being 0.
    """

    begin: int
    end: int
    days: frozenset[int]

    def has(self, day: int, clock: int) -> bool:
        """Whether it holds a time of day of a day."""
        weekday = (day + _EPOCH_WEEKDAY) % _WEEK
        if self.begin < self.end:
            return self.begin <= clock < self.end and weekday in self.days
        began_yesterday = clock < self.end and (weekday - 1) % _WEEK in self.days
        return began_yesterday or (clock >= self.begin and weekday in self.days)


class Hours:
    """Windows, read on the wall of a zone."""

    __slots__ = ("_bounds", "_windows", "_zone")

    def __init__(self, zone: Zone, windows: Sequence[Window]) -> None:
        self._zone = zone
        self._windows = windows
        bounds = {bound for window in windows for bound in (window.begin, window.end)}
        self._bounds = sorted(bounds - {0} | {DAY})

    def covers(self, second: int) -> bool:
        day, clock = divmod(second + self._zone.offset_seconds(second), DAY)
        return any(window.has(day, clock) for window in self._windows)

    def steady_until(self, second: int) -> int:
        offset, until = self._zone.span(second)
        clock = (second + offset) % DAY
        bound = self._bounds[bisect_right(self._bounds, clock)]
        return min(second + bound - clock, until, LAST)


class Spans:
    """Stretches from one instant to before another."""

    __slots__ = ("_runs",)

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        self._runs = Runs(spans, LAST)

    def covers(self, second: int) -> bool:
        return self._runs.has(second)

    def steady_until(self, second: int) -> int:
        return self._runs.steady_until(second)


class RuleSpans:
    """Stretches of one length that a rule begins."""

    __slots__ = ("_compiled", "_length")

    def __init__(self, compiled: Compiled, length: timedelta) -> None:
        self._compiled = compiled
        self._length = length

    def covers(self, second: int) -> bool:
        begin = self._last_begin(second)
        return begin is not None and begin <= from_epoch(second)

    def steady_until(self, second: int) -> int:
        begin = self._last_begin(second)
        if begin is None:
            return max(LAST, second + 1)
        at = from_epoch(second)
        return epoch_seconds(begin if begin > at else begin + self._length)

    def _last_begin(self, second: int) -> datetime | None:
        """The first beginning whose stretch is not over at a second; it may lie ahead."""
        found = self._compiled.next_after(from_epoch(second) - self._length)
        return None if found is None else found.at.astimezone(UTC)
