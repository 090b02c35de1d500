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
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, Protocol

from runtime.core.recurrence.effort import Effort, Exhausted
from runtime.core.recurrence.elapsed import LAST_SECOND, ElapsedRule
from runtime.core.recurrence.period import Periods
from runtime.core.recurrence.triggers import DstFold, Occurrence
from runtime.core.recurrence.zone import ZERO, GapPolicy, Zone, epoch_seconds, from_epoch

# Occurrences that are counted one by one to find the last; larger counts must be found by arithmetic.
MAX_COUNTED: Final = 10_000
# No schedule begins before this.
BEGINNING: Final = datetime(2, 1, 1, tzinfo=UTC)


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

    def last_at(self) -> datetime | None:
        """The instant after which UNTIL or COUNT allows none; None if there is none or COUNT is never reached.

        Raises:
            Exhausted: COUNT is too large to find it.
        """
        ...


class WallSource:
    """Wall times of a rule or a cron expression, resolved in a zone.

    Args:
        until: last instant that counts.
        count: how many from the first on; not together with `until`.
    """

    __slots__ = ("_count", "_fold", "_gap", "_last_at", "_last_wall", "_periods", "_zone")

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
        self._count = count
        self._last_at = until
        self._last_wall = None if until is None else zone.latest_wall(until)

    def stream(self, after: datetime, effort: Effort) -> Iterator[Occurrence]:
        last_at = self.last_at()
        if last_at is not None and after >= last_at:
            return
        for occurrence in self._unbounded(after, self._last_wall, effort):
            if last_at is not None and occurrence.at > last_at:
                return
            yield occurrence

    def last_at(self) -> datetime | None:
        if self._count is not None:
            self._find_last(self._count)
            self._count = None
        return self._last_at

    def _find_last(self, count: int) -> None:
        if self._gap == "shift" and self._fold != "both":
            self._last_wall = self._periods.nth(count, Effort())
            if self._last_wall is not None:
                self._last_at = self._zone.latest_instant(self._last_wall)
            return
        if count > MAX_COUNTED:
            raise Exhausted
        counted = list(islice(self._unbounded(BEGINNING, None, Effort(2 * MAX_COUNTED)), count))
        if len(counted) == count:
            self._last_at = counted[-1].at
            self._last_wall = self._zone.latest_wall(counted[-1].at)

    def _unbounded(
        self, after: datetime, last_wall: datetime | None, effort: Effort
    ) -> Iterator[Occurrence]:
        waiting: list[tuple[tuple[datetime, bool, datetime], Occurrence]] = []
        for wall in self._periods.walls(self._zone.earliest_wall(after), effort):
            if last_wall is not None and wall > last_wall:
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
    """A sub-daily rule, by real time."""

    __slots__ = ("_count", "_last", "_rule", "_zone")

    def __init__(
        self, rule: ElapsedRule, zone: Zone, *, until: datetime | None, count: int | None
    ) -> None:
        self._rule = rule
        self._zone = zone
        self._count = count
        self._last = None if until is None else epoch_seconds(until)

    def stream(self, after: datetime, effort: Effort) -> Iterator[Occurrence]:
        last = self._last_second()
        for second in self._rule.instants(epoch_seconds(after) + 1, effort):
            if last is not None and second > last:
                return
            yield self._zone.read(from_epoch(second))

    def last_at(self) -> datetime | None:
        last = self._last_second()
        return None if last is None else from_epoch(last)

    def _last_second(self) -> int | None:
        if self._count is not None:
            self._last = self._find_last(self._count)
            self._count = None
        return self._last

    def _find_last(self, count: int) -> int | None:
        if self._rule.step is not None:
            return min(self._rule.anchor + (count - 1) * self._rule.step, LAST_SECOND)
        if count > MAX_COUNTED:
            raise Exhausted
        counted = list(
            islice(self._rule.instants(self._rule.anchor, Effort(4 * MAX_COUNTED)), count)
        )
        return counted[-1] if len(counted) == count else None


class EverySource:
    """A span of real time from an anchor, over and over."""

    __slots__ = ("_every", "_last", "_start")

    def __init__(
        self, every: timedelta, start: datetime, *, until: datetime | None, count: int | None
    ) -> None:
        self._every = every
        self._start = start
        self._last = None if until is None else (until - start) // every
        if count is not None:
            self._last = count - 1

    def stream(self, after: datetime, effort: Effort) -> Iterator[Occurrence]:
        number = max(0, (after - self._start) // self._every + 1)
        while self._last is None or number <= self._last:
            effort.spend()
            try:
                at = self._start + number * self._every
            except OverflowError:
                return
            yield Occurrence(at, at.replace(tzinfo=None), ZERO, at)
            number += 1

    def last_at(self) -> datetime | None:
        return None if self._last is None else self._start + self._last * self._every


class ListSource:
    """Occurrences known one by one."""

    __slots__ = ("_listed",)

    def __init__(self, listed: Iterable[Occurrence]) -> None:
        self._listed = sorted(listed, key=order)

    def stream(self, after: datetime, effort: Effort) -> Iterator[Occurrence]:  # noqa: ARG002 - a list needs no search
        begin = bisect_right(self._listed, after, key=lambda occurrence: occurrence.at)
        yield from self._listed[begin:]

    def last_at(self) -> datetime | None:
        return self._listed[-1].at if self._listed else None
