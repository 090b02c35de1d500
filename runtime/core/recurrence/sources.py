"""Where occurrences come from: wall times, real time, a fixed span, or a list.

A source yields the occurrences after an instant in order of their instants, the same instant perhaps twice in a row.

Order: wall times resolve out of order around an offset change (02:50 in a gap comes after 03:10; of a repeated hour
both copies may count), so an occurrence that is shifted or repeated is held back until no later wall time can come
before it.

COUNT counts the wall times that a rule gives from DTSTART on (RFC 5545 section 3.3.10), before EXDATE takes any away.
Where a policy makes one wall time into none or two occurrences, it counts occurrences. The last one is found once, by
arithmetic over periods where that is possible, and then is a bound like UNTIL.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, TypeVar

from runtime.core.recurrence.days import LAST_YEAR
from runtime.core.recurrence.effort import COUNT_STEPS, Effort, Exhausted
from runtime.core.recurrence.elapsed import LAST_SECOND, ElapsedRule
from runtime.core.recurrence.period import Periods
from runtime.core.recurrence.triggers import DstFold, Occurrence
from runtime.core.recurrence.zone import ZERO, GapPolicy, Zone, epoch_seconds, from_epoch

_T = TypeVar("_T")
# No schedule begins before, or goes on after.
END: Final = datetime(LAST_YEAR, 12, 31, tzinfo=UTC)
BEGINNING: Final = datetime(2, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)


def order(occurrence: Occurrence) -> tuple[datetime, bool, datetime]:
    """Sort key: of two occurrences at one instant, the one whose wall time exists comes first."""
    return occurrence.at, occurrence.shifted, occurrence.local_at


class Source(Protocol):
    """Part of a compiled trigger."""

    def stream(self, after: datetime, effort: Effort) -> Iterator[Occurrence]:
        """Occurrences strictly after an aware UTC instant, in order.

        Raises:
            Exhausted: by the effort.
        """
        ...

    @property
    def last_at(self) -> datetime | None:
        """An instant after which UNTIL or COUNT allows none; None if there is none or COUNT is never reached."""
        ...


def _counted(found: Iterator[_T], count: int, effort: Effort) -> _T | None:
    """The last of so many finds; None if there are fewer.

    Raises:
        TooCostly: by the effort.
    """
    with suppress(Exhausted):
        for number, item in enumerate(found, start=1):
            effort.found()
            if number == count:
                return item
    return None


class WallSource:
    """Wall times of a rule or a cron expression, resolved in a zone.

    Args:
        until: last instant that counts.
        count: how many from the first on; not together with `until`.

    Raises:
        TooCostly: the last of `count` lies too far away.
    """

    __slots__ = ("_fold", "_gap", "_last_wall", "_periods", "_zone", "last_at")

    def __init__(
        self,
        periods: Periods,
        zone: Zone,
        *,
        gap: GapPolicy,
        fold: DstFold,
        until: datetime | None,
        count: int | None,
    ) -> None:
        self._periods = periods
        self._zone = zone
        self._gap: GapPolicy = gap
        self._fold: DstFold = fold
        self.last_at: datetime | None = until
        self._last_wall: datetime | None = None
        if count is not None:
            self.last_at = self._last_counted(count)
        if self.last_at is not None and self._last_wall is None:
            self._last_wall = zone.latest_wall(self.last_at)

    def stream(self, after: datetime, effort: Effort) -> Iterator[Occurrence]:
        last = self.last_at
        if last is not None and after >= last:
            return
        for occurrence in self._unbounded(after, effort):
            if last is not None and occurrence.at > last:
                return
            yield occurrence

    def count_between(self, after: datetime, until: datetime, cap: int) -> int:
        """How many instants there are strictly after one and up to another, counted to `cap` at least: by arithmetic, but
        for the days around a change of the offset.
        """
        number = 0
        for begin, end, offset in self._zone.stretches(after, until):
            if offset is None or self._periods.chosen:
                number += self._counted_singly(begin, end, cap)
            else:
                number += self._counted_at(begin, end, offset)
            if number >= cap:
                break
        return number

    def _counted_singly(self, after: datetime, until: datetime, cap: int) -> int:
        counted: set[datetime] = set()
        effort = Effort()
        with suppress(Exhausted):
            for occurrence in self.stream(after, effort):
                if occurrence.at > until or len(counted) == cap:
                    break
                effort.found()
                counted.add(occurrence.at)
        return len(counted)

    def _counted_at(self, after: datetime, until: datetime, offset: timedelta) -> int:
        last = until if self.last_at is None else min(until, self.last_at)
        # Wall times are whole seconds, and a count is of those before its end.
        low, high = (
            (at + offset).replace(tzinfo=None, microsecond=0) + _SECOND for at in (after, last)
        )
        if self._last_wall is not None:
            high = min(high, self._last_wall + _SECOND)
        number = 0
        with suppress(Exhausted):
            number = self._periods.count(low, high, Effort())
        return number

    def _last_counted(self, count: int) -> datetime | None:
        if self._gap == "shift" and self._fold != "both":
            self._last_wall = self._periods.nth(count)
            wall = self._last_wall
            return None if wall is None else self._zone.latest_instant(wall)
        effort = Effort(most=COUNT_STEPS)
        last = _counted(self._unbounded(BEGINNING, effort), count, effort)
        return None if last is None else last.at

    def _unbounded(self, after: datetime, effort: Effort) -> Iterator[Occurrence]:
        """Occurrences up to the last wall time."""
        waiting: list[tuple[tuple[datetime, bool, datetime], Occurrence]] = []
        for wall in self._periods.walls(self._zone.earliest_wall(after), effort):
            if self._last_wall is not None and wall > self._last_wall:
                break
            for occurrence in self._zone.resolve(wall, self._gap, self._fold):
                if occurrence.at > after:
                    heapq.heappush(waiting, (order(occurrence), occurrence))
            while waiting and self._settled(waiting[0][1], wall):
                yield heapq.heappop(waiting)[1]
        yield from (heapq.heappop(waiting)[1] for _ in range(len(waiting)))

    def _settled(self, occurrence: Occurrence, wall: datetime) -> bool:
        """Whether no wall time after `wall` can stand for an instant before this occurrence's."""
        unsettled = occurrence.shifted or occurrence.repeated
        return not unsettled or wall > self._zone.latest_wall(occurrence.at)


class ElapsedSource:
    """A sub-daily rule, by real time; arguments as for `WallSource`."""

    __slots__ = ("_last", "_rule", "_zone", "last_at")

    def __init__(
        self, rule: ElapsedRule, zone: Zone, *, until: datetime | None, count: int | None
    ) -> None:
        self._rule = rule
        self._zone = zone
        self._last = None if until is None else epoch_seconds(until)
        if count is not None:
            self._last = self._last_counted(count)
        self.last_at = None if self._last is None else from_epoch(self._last)

    def stream(self, after: datetime, effort: Effort) -> Iterator[Occurrence]:
        for second in self._rule.instants(epoch_seconds(after) + 1, effort):
            if self._last is not None and second > self._last:
                return
            yield self._zone.read(from_epoch(second))

    def _last_counted(self, count: int) -> int | None:
        if self._rule.step is not None:
            return min(self._rule.anchor + (count - 1) * self._rule.step, LAST_SECOND)
        effort = Effort(most=COUNT_STEPS)
        return _counted(self._rule.instants(self._rule.anchor, effort), count, effort)


class EverySource:
    """A span of real time from an anchor, over and over."""

    __slots__ = ("_every", "_last", "_start", "last_at")

    def __init__(
        self, every: timedelta, start: datetime, *, until: datetime | None, count: int | None
    ) -> None:
        self._every = every
        self._start = start
        self._last = ((until or END) - start) // every
        if count is not None:
            self._last = min(count - 1, self._last)
        bounded = until is not None or count is not None
        self.last_at = start + self._last * every if bounded else None

    def stream(self, after: datetime, effort: Effort) -> Iterator[Occurrence]:
        first = max(0, (after - self._start) // self._every + 1)
        for number in range(first, self._last + 1):
            effort.spend()
            at = self._start + number * self._every
            yield Occurrence(at, at.replace(tzinfo=None), ZERO, at)

    def count_between(self, after: datetime, until: datetime) -> int:
        """How many there are strictly after an instant and up to another, by arithmetic."""
        first = max(0, (after - self._start) // self._every + 1)
        last = min(self._last, (until - self._start) // self._every)
        return max(0, last - first + 1)


class ListSource:
    """Occurrences known one by one."""

    __slots__ = ("_listed", "last_at")

    def __init__(self, listed: Iterable[Occurrence]) -> None:
        self._listed = sorted(listed, key=order)
        self.last_at = self._listed[-1].at if self._listed else None

    def stream(self, after: datetime, effort: Effort) -> Iterator[Occurrence]:
        begin = bisect_right(self._listed, after, key=lambda occurrence: occurrence.at)
        for occurrence in self._listed[begin:]:
            effort.spend()
            yield occurrence
