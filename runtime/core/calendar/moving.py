"""A schedule's occurrences with what its calendars make of them: running, excluded, or moved.

Theory of operation
    Moving upsets the order: an occurrence that lies ahead may stand for an instant long before it, and one that is long
    over may have been put off until now. Two facts bound the search on either side.

    A local day on which nothing is excluded by the day lets none pass: whatever moves by the day from before it to a later
    day stops on it at the latest, and whatever moves from behind it to an earlier day does too.

    Whatever waits for the next included moment waits no longer than until that moment: where there is one between an
    occurrence and the instant that is asked about, the occurrence does not matter any more.

    So the occurrences to look at begin at the last such day that ended before the last such moment, and what was found is in
    order once no occurrence to come can reach back before it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Final, Literal, TypeAlias, assert_never

from runtime.core.calendar.admission import Admission
from runtime.core.recurrence import Compiled, EveryTrigger, Occurrence
from runtime.core.recurrence.sources import END
from runtime.core.recurrence.zone import Zone, epoch_seconds

OnExcluded = Literal["skip", "next_included", "previous_included"]

_MOVED: Final[dict[OnExcluded, str]] = {
    "skip": "",
    "next_included": ", else the next day",
    "previous_included": ", else the day before",
}
_REACH_DAYS: Final = 366
_REACH: Final = timedelta(days=_REACH_DAYS)
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_INSTANT: Final = timedelta(microseconds=1)
# So many in a row that do not run and do not move, across changes of the calendars, and nothing that runs will come.
_IN_VAIN: Final = 1_000
# Passing over an occurrence is cheaper than leaping over it, up to so many.
_PASSED_OVER: Final = 20

_Order: TypeAlias = tuple[datetime, int, timedelta]
_Waiting: TypeAlias = list[tuple[_Order, int, Occurrence]]


@dataclass(frozen=True, slots=True)
class Sifted:
    """A compiled trigger and the calendars of its schedule.

    Attributes:
        compiled: the trigger, which knows of no calendars.
        admission: what the calendars exclude.
        on_excluded: what becomes of excluded occurrences.
        zone: where their wall time is read.
    """

    compiled: Compiled
    admission: Admission
    on_excluded: OnExcluded
    zone: Zone

    def describe(self) -> str:
        """What the calendars do, in words, to go on a description of the schedule."""
        return self.admission.describe() + _MOVED[self.on_excluded]

    def following(self, after: datetime) -> Iterator[Occurrence]:
        """Everything strictly after an aware instant, excluded occurrences too, in order and each instant once."""
        match self.on_excluded:
            case "skip":
                stream = self._in_order(self._waiting_since(after))
            case "next_included":
                stream = self._in_order(self._unsettled_since(after))
            case "previous_included":
                stream = self._in_order(after)
            case _:
                assert_never(self.on_excluded)
        return (found for found in stream if found.at > after)

    def running(self, after: datetime) -> Iterator[Occurrence]:
        """What runs strictly after an aware instant, in order; it ends where nothing more will come."""
        begin: datetime | None = after
        in_vain = 0
        while begin is not None and in_vain < _IN_VAIN:
            resume, passed = None, 0
            for found in self.following(begin):
                if found.excluded_by is None:
                    in_vain = passed = 0
                    yield found
                    continue
                passed += 1
                in_vain += found.moved_to is None
                if passed % _PASSED_OVER == 0 and found.moved_to is None:
                    resume = self._leap(found.at)
                    break
            begin = resume

    def _leap(self, at: datetime) -> datetime | None:
        """The instant before the next moment at which anything may run; None if there is none."""
        ahead = self.admission.next_included(at, END)
        return None if ahead is None else max(at, ahead - _INSTANT)

    def _in_order(self, begin: datetime) -> Iterator[Occurrence]:
        """All that comes of the occurrences after `begin`, sorted; complete only from some instant on."""
        waiting: _Waiting = []
        moves_back = self.on_excluded == "previous_included"
        # Where occurrences move back, none moves to before this moment.
        first = self.admission.next_included(begin, END) or END if moves_back else begin
        day, floor = None, begin
        for number, found in enumerate(self.compiled.following(begin)):
            if not moves_back:
                floor = found.at
            elif day != (day := self._local_day(found.at)):
                floor = max(first, self._reach_back(day))
            while waiting and waiting[0][0][0] < floor:
                yield _first(waiting)
            for one in self._outcome(found):
                heapq.heappush(waiting, (_order(one), number, one))
        while waiting:
            yield _first(waiting)

    def _reach_back(self, day: date) -> datetime:
        """An instant before which no occurrence of a local day, or of a later one, moves."""
        # A time that does not exist may stand for an instant of the next day.
        clear = self._clear_day(day - _DAY)
        return self._midnight(clear or day - _REACH - 2 * _DAY)

    def _outcome(self, found: Occurrence) -> tuple[Occurrence, ...]:
        """An occurrence as it is, or marked as excluded, and what stands in for it."""
        label = self.admission.excluded_by(found.at)
        if label is None:
            return (self._kept_out(found),)
        target = self._target(found)
        excluded = replace(found, excluded_by=label, moved_to=target)
        if target is None:
            return (excluded,)
        moved = replace(self.zone.read(target), moved_from=found.at)
        return (excluded, self._kept_out(self.compiled.due(moved)))

    def _kept_out(self, found: Occurrence) -> Occurrence:
        """An occurrence that may run, and whose jitter does not reach into what is excluded: it is halved until it does not."""
        delay = found.due_at - found.at
        if not delay or self.admission.excluded_by(found.due_at) is None:
            return found
        while delay and self.admission.excluded_by(found.at + delay) is not None:
            delay //= 2
        return replace(found, due_at=found.at + delay)

    def _target(self, found: Occurrence) -> datetime | None:
        """Where an excluded occurrence moves."""
        admission, at = self.admission, found.at
        match self.on_excluded:
            case "skip":
                patience = admission.patience(at)
                return None if patience is None else admission.next_included(at, at + patience)
            case "next_included":
                if admission.is_excluded_by_hours(epoch_seconds(at)):
                    return admission.next_included(at, at + _REACH)
                day = self._same_time(found, _DAY)
                return None if day is None else admission.next_included(day, at + _REACH)
            case "previous_included":
                return self._same_time(found, -_DAY)
            case _:
                assert_never(self.on_excluded)

    def _same_time(self, found: Occurrence, step: timedelta) -> datetime | None:
        """The same wall time on the nearest day in one direction that is not excluded."""
        by_elapsed = isinstance(self.compiled.trigger, EveryTrigger)
        wall = self.zone.read(found.at).local_at if by_elapsed else found.local_at
        for days in range(self._days_excluded(found.at, step), _REACH_DAYS + 1):
            at = self.zone.resolve(wall + days * step, "shift", "first")[0].at
            # Where a day is left out, its times stand for those of the next.
            is_ahead = (at > found.at) == (step > -step) and at != found.at
            if is_ahead and not self.admission.is_excluded_by_day(epoch_seconds(at)):
                return at
        return None

    def _days_excluded(self, at: datetime, step: timedelta) -> int:
        """How many days on the first is that may hold a moment which is not excluded by the day; more than the reach if none."""
        limit = _REACH + 2 * _DAY
        if step > -step:
            free = self.admission.first_by_day(at, at + limit, excluded=False)
        else:
            free = self.admission.last_by_day(at, limit)
        if free is None:
            return _REACH_DAYS + 1
        # The wall may show another day than it did, in other zones too.
        return max(1, abs(free - at) // _DAY - 2)

    def _waiting_since(self, after: datetime) -> datetime:
        """Where to begin so as not to miss what was put off until after an instant."""
        patience = self.admission.longest_patience
        if patience is None or not self.admission.is_excluded(epoch_seconds(after)):
            return after
        return after - patience

    def _unsettled_since(self, after: datetime) -> datetime:
        """Where to begin so as not to miss what moves to after an instant."""
        limit = _REACH + 2 * _DAY
        if self.admission.next_included(after, after + limit) is None:
            return after
        moment = self._before_included(after)
        day = self._clear_day(self._local_day(moment))
        if day is None:
            return after - limit
        excluded = self.admission.first_by_day(self._midnight(day), after, excluded=True)
        return max(min(moment, excluded or moment) - _INSTANT, after - limit)

    def _before_included(self, after: datetime) -> datetime:
        """An instant between which and `after` there is a moment that nothing excludes."""
        reach = timedelta(0)
        while reach < _REACH:
            if self.admission.next_included(after - reach, after) is not None:
                return after - reach
            reach = max(2 * reach, _HOUR)
        return after - _REACH

    def _clear_day(self, before: date) -> date | None:
        """The last local day that is over when `before` begins and of which nothing is excluded by the day."""
        end_of_all, day = self._midnight(before), before - _DAY
        while day >= before - _REACH - _DAY:
            free = self.admission.last_by_day(self._midnight(day + _DAY), _REACH)
            if free is None:
                return None
            day = min(day, self._local_day(free))
            begin = self._midnight(day)
            # Times that are left out at the day's end stand for as many of the next day.
            end = max(self._midnight(day + _DAY), begin + _DAY)
            if (
                end <= end_of_all
                and self.admission.first_by_day(begin, end, excluded=True) is None
            ):
                return day
            day -= _DAY
        return None

    def _local_day(self, at: datetime) -> date:
        return at.astimezone(self.zone.tz).date()

    def _midnight(self, day: date) -> datetime:
        return self.zone.resolve(datetime.combine(day, time()), "shift", "first")[0].at


def _order(occurrence: Occurrence) -> _Order:
    """Sort key: of several at one instant a regular one comes first, then the one that moved there last."""
    if occurrence.moved_from is not None:
        return occurrence.at, 1, occurrence.at - occurrence.moved_from
    return occurrence.at, 2 if occurrence.excluded_by else 0, timedelta(0)


def _first(waiting: _Waiting) -> Occurrence:
    """Take the first, and with it all others at its instant."""
    found = heapq.heappop(waiting)[2]
    while waiting and waiting[0][0][0] == found.at:
        heapq.heappop(waiting)
    return found
