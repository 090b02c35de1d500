"""Rules of a day and longer, and cron: wall times, period by period.

Theory: a rule's day parts are a `DaySet`, its time parts a `TimeGrid`; neither depends on DTSTART's age. A period (day,
week, month or year, by FREQ) is a slice of the day set; its instances are the slice's days times the grid, numbered
without being listed, so BYSETPOS picks from millions as fast as from three. Periods that INTERVAL leaves out are
skipped by arithmetic, empty ones by jumping to the next day of the set. A set is always that of the whole period, also
of the one that DTSTART cuts (RFC 5545 section 3.3.10, BYSETPOS).

Everything here is naive local time. `compiled` turns wall times into instants.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final, Literal

from runtime.core.recurrence.days import LAST_YEAR, DaySet, bits, kind_of
from runtime.core.recurrence.effort import COUNT_STEPS, Effort, Exhausted

Unit = Literal["YEARLY", "MONTHLY", "WEEKLY", "DAILY"]
CALENDAR_START: Final = datetime.min  # noqa: DTZ901 - wall time
_LAST_ORDINAL: Final = date(LAST_YEAR, 12, 31).toordinal()


@dataclass(frozen=True, slots=True)
class TimeGrid:
    """Times of day: every hour with every minute with every second, numbered in order.

    Attributes:
        hours, minutes, seconds: sorted, not empty.
    """

    hours: tuple[int, ...]
    minutes: tuple[int, ...]
    seconds: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.hours) * len(self.minutes) * len(self.seconds)

    def __getitem__(self, index: int) -> time:
        rest, second = divmod(index, len(self.seconds))
        hour, minute = divmod(rest, len(self.minutes))
        return time(self.hours[hour], self.minutes[minute], self.seconds[second])

    def index(self, hour: int, minute: int, second: int) -> int:
        """The number of the first time that is not before the given one; `len` if there is none."""
        position = bisect_left(self.hours, hour)
        carry = position == len(self.hours) or self.hours[position] != hour
        number = position * len(self.minutes)
        if not carry:
            position = bisect_left(self.minutes, minute)
            number += position
            carry = position == len(self.minutes) or self.minutes[position] != minute
        number *= len(self.seconds)
        return number if carry else number + bisect_left(self.seconds, second)


class Periods:
    """The wall times of one rule.

    Args:
        unit: the period.
        interval: one period in so many counts, from the one that holds `anchor`.
        anchor: DTSTART; wall times before it are not instances. Cron's is the calendar's start.
        days: days that fit.
        grid: times of day.
        positions: BYSETPOS, empty for all.
        week_start: WKST, Monday = 0.
    """

    __slots__ = (
        "_anchor",
        "_days",
        "_grid",
        "_interval",
        "_least",
        "_phase",
        "_positions",
        "_unit",
        "_week_start",
    )

    def __init__(
        self,
        *,
        unit: Unit,
        days: DaySet,
        grid: TimeGrid,
        anchor: datetime,
        interval: int = 1,
        positions: tuple[int, ...] = (),
        week_start: int = 0,
    ) -> None:
        # Where every period counts and whole, how days are grouped makes no difference: the longest group is the fastest.
        self._unit: Unit = "YEARLY" if interval == 1 and not positions else unit
        self._days = days
        self._grid = grid
        self._anchor = anchor
        self._interval = interval
        self._positions = positions
        self._least = min(map(abs, positions), default=1)
        self._week_start = week_start
        self._phase = self._period_of(anchor.toordinal()) % interval

    @property
    def chosen(self) -> bool:
        """Whether BYSETPOS chooses among the instances of a period."""
        return bool(self._positions)

    def walls(self, low: datetime, effort: Effort) -> Iterator[datetime]:
        """Wall times from `low` on, in order; each one spends effort, finding is the caller's to say.

        Raises:
            Exhausted: by the effort.
        """
        low = max(low, self._anchor)
        period = self._aligned(self._period_of(low.toordinal()))
        while (found := self._next_filled(period, effort)) is not None:
            period, first, mask = found
            for wall in self._instances(first, mask, low):
                effort.spend()
                yield wall
            period += self._interval

    def count(self, low: datetime, high: datetime, effort: Effort) -> int:
        """How many wall times lie from `low` on and before `high`, of a rule without BYSETPOS, a period at a time.

        Raises:
            Exhausted: by the effort.
        """
        low, number = max(low, self._anchor), 0
        if low >= high:
            return number
        period = self._aligned(self._period_of(low.toordinal()))
        while (found := self._next_filled(period, effort)) is not None:
            effort.found()
            period, first, mask = found
            if first > high.toordinal():
                break
            number += self._index(first, mask, high) - self._index(first, mask, low)
            period += self._interval
        return number

    def _next_filled(self, period: int, effort: Effort) -> tuple[int, int, int] | None:
        """The first period from this one on that counts and has instances: its number, first day and days."""
        while True:
            effort.spend()
            first, length = self._bounds(period)
            if first + length - 1 > _LAST_ORDINAL:
                return None
            mask = self._days.window(first, length)
            if mask and mask.bit_count() * len(self._grid) >= self._least:
                return period, first, mask
            day = self._days.next(first + length, effort)
            if day is None:
                return None
            period = self._aligned(self._period_of(day))

    def nth(self, number: int) -> datetime | None:
        """The wall time of this number, counted from 1 at the anchor; None if the rule gives fewer.

        Raises:
            TooCostly: it lies too many periods away.
        """
        period = self._aligned(self._period_of(self._anchor.toordinal()))
        effort = Effort(most=COUNT_STEPS)
        with suppress(Exhausted):
            while (found := self._next_filled(period, effort)) is not None:
                effort.found()
                period, first, mask = found
                wanted = self._wanted(first, mask, self._anchor)
                if number <= len(wanted):
                    return self._wall(first, list(bits(mask)), wanted[number - 1])
                number -= len(wanted)
                period += self._interval
        return None

    def _instances(self, first: int, mask: int, low: datetime) -> Iterator[datetime]:
        if self._positions:
            wanted, days = self._wanted(first, mask, low), list(bits(mask))
            yield from (self._wall(first, days, index) for index in wanted)
            return
        grid = self._grid
        skip = low.toordinal() - first
        if skip >= 0:
            if mask >> skip & 1:
                for index in range(grid.index(low.hour, low.minute, low.second), len(grid)):
                    yield datetime.combine(low, grid[index])
            mask = mask >> skip + 1 << skip + 1
        for bit in bits(mask):
            day = date.fromordinal(first + bit)
            for index in range(len(grid)):
                yield datetime.combine(day, grid[index])

    def _wanted(self, first: int, mask: int, low: datetime) -> Sequence[int]:
        """Which of a period's instances (numbered from 0) count: chosen by BYSETPOS, and from `low` on."""
        size = mask.bit_count() * len(self._grid)
        begin = self._index(first, mask, low)
        if not self._positions:
            return range(begin, size)
        chosen = {n - 1 if n > 0 else size + n for n in self._positions if abs(n) <= size}
        return sorted(index for index in chosen if index >= begin)

    def _index(self, first: int, mask: int, low: datetime) -> int:
        """The number of a period's first instance from `low` on, counted from 0."""
        skip = low.toordinal() - first
        if skip < 0:
            return 0
        index = (mask & (1 << skip) - 1).bit_count() * len(self._grid)
        if mask >> skip & 1:
            index += self._grid.index(low.hour, low.minute, low.second)
        return index

    def _wall(self, first: int, days: list[int], index: int) -> datetime:
        day, number = divmod(index, len(self._grid))
        return datetime.combine(date.fromordinal(first + days[day]), self._grid[number])

    def _aligned(self, period: int) -> int:
        return period + (self._phase - period) % self._interval

    def _period_of(self, ordinal: int) -> int:
        match self._unit:
            case "DAILY":
                return ordinal
            case "WEEKLY":
                # Ordinal 1 is a Monday.
                return (ordinal - 1 - self._week_start) // 7
            case "MONTHLY":
                day = date.fromordinal(ordinal)
                return day.year * 12 + day.month - 1
            case "YEARLY":
                return date.fromordinal(ordinal).year

    def _bounds(self, period: int) -> tuple[int, int]:
        """First day (ordinal) and number of days; a period beyond the calendar begins beyond its last day."""
        match self._unit:
            case "DAILY":
                return period, 1
            case "WEEKLY":
                return period * 7 + 1 + self._week_start, 7
            case "MONTHLY":
                year, month = divmod(period, 12)
                if year > LAST_YEAR:
                    return _LAST_ORDINAL + 1, 1
                first, length = kind_of(year).months[month]
                return date(year, 1, 1).toordinal() + first, length
            case "YEARLY":
                if period > LAST_YEAR:
                    return _LAST_ORDINAL + 1, 1
                return date(period, 1, 1).toordinal(), kind_of(period).length
