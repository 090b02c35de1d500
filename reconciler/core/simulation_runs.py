"""The runs that tasks would have over a period, followed one by one as far as that stays cheap.

All tasks are followed side by side, a stretch of time after another, so that what bounds the work bounds them all at the
same instant and what is said of them together stays true up to there. A task that alone fires very often is left behind
earlier. Leaves what the runs mean to others; begins are kept as numbers, since there may be a million of them.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import islice, takewhile
from typing import Final

from reconciler.core.desired import Desired
from runtime.core.recurrence import Occurrence
from runtime.core.recurrence.zone import Zone, from_epoch
from runtime.core.schedules import TaskSchedule, compile_schedules

MOST_OF_A_TASK: Final = 100_000
"""Occurrences of one task that are followed."""
MOST_OF_ALL: Final = 1_000_000
"""Occurrences of all tasks together after which following ends, at the end of a stretch."""

_MINUTE: Final = timedelta(minutes=1)
# No stretch is longer than a part of the period, so that much that begins late is not walked past its bound.
_PARTS: Final = 1000
# A stretch with more than this part of all that may be followed is followed by a shorter one.
_FULL: Final = 50
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Period:
    """A span of days in one zone: `begin` is in it, `end` is not."""

    begin: datetime
    end: datetime
    zone: Zone

    @property
    def days(self) -> tuple[date, ...]:
        """Every day that the period touches, as the zone counts them."""
        first = self.begin.astimezone(self.zone.tz).date()
        last = (self.end - _INSTANT).astimezone(self.zone.tz).date()
        return tuple(first + timedelta(days=day) for day in range((last - first).days + 1))

    @property
    def length(self) -> float:
        """In days, as the wall counts them: a day on which the clocks change is one day."""
        begin, end = (
            at.astimezone(self.zone.tz).replace(tzinfo=None) for at in (self.begin, self.end)
        )
        return (end - begin) / timedelta(days=1)


def period_of(begin: datetime, days: int, zone: Zone) -> Period:
    """So many days from an aware instant on, to the same wall time whatever the clocks do."""
    wall = begin.astimezone(zone.tz).replace(tzinfo=None) + timedelta(days=days)
    return Period(begin, zone.resolve(wall, "shift", "first")[0].at, zone)


@dataclass(slots=True)
class TaskRuns:
    """What was followed of one task.

    Attributes:
        label: the task.
        task: its document.
        schedule: its schedules.
        begins: when its runs begin, in milliseconds since 1970, in order.
        first_at: the nominal instant of the first run.
        last_at: that of the last.
        skipped: occurrences that a calendar kept from running, by calendar.
        moved: occurrences that a calendar put elsewhere, by calendar.
        until: where following ended.
    """

    label: str
    task: Desired
    schedule: TaskSchedule
    until: datetime
    begins: array[int] = field(default_factory=lambda: array("q"))
    first_at: datetime | None = None
    last_at: datetime | None = None
    skipped: Counter[str] = field(default_factory=Counter)
    moved: Counter[str] = field(default_factory=Counter)

    def take(self, found: Occurrence) -> None:
        """Note one occurrence."""
        if found.excluded_by is None:
            self.begins.append(milliseconds(found.due_at))
            self.first_at = self.first_at or found.at
            self.last_at = found.at
        elif found.moved_to is None:
            self.skipped[found.excluded_by] += 1
        else:
            self.moved[found.excluded_by] += 1


def milliseconds(instant: datetime) -> int:
    """Since 1970, rounded down."""
    return (instant - _EPOCH) // _MILLISECOND


def instant_of(milliseconds: int, zone: Zone) -> datetime:
    """The aware time of a zone of `milliseconds`."""
    return (_EPOCH + milliseconds * _MILLISECOND).astimezone(zone.tz)


def marked(schedule: TaskSchedule, period: Period, limit: int) -> Iterator[Occurrence]:
    """The occurrences of a task in a period, those that do not run included, at most `limit`."""
    following = schedule.following(period.begin - _INSTANT)
    return islice(takewhile(lambda found: found.at < period.end, following), limit)


def follow(
    tasks: Iterable[Desired], period: Period, *, of_task: int, of_all: int
) -> tuple[tuple[TaskRuns, ...], datetime]:
    """Follow tasks through a period.

    Args:
        tasks: Task documents without problems.
        of_task: occurrences of one task at which it is left behind.
        of_all: occurrences of all after which following ends, at the end of a stretch.

    Returns:
        The runs of each task by its label, and the instant up to which tasks were followed.
    """
    walks = [_Walk(task, period, of_task) for task in sorted(tasks, key=lambda task: task.key)]
    longest = max(1, (period.end - period.begin) // _MINUTE // _PARTS)
    until, minutes, taken = period.begin, 1, 0
    while until < period.end and taken < of_all:
        until = min(until + minutes * _MINUTE, period.end)
        before, taken = taken, sum(walk.advance(until) for walk in walks)
        is_full = (taken - before) * _FULL > of_all
        minutes = max(1, minutes // 2) if is_full else min(longest, minutes * 2)
    return tuple(walk.result(until) for walk in walks), until


class _Walk:
    """One task on its way through the period."""

    __slots__ = ("_ahead", "_limit", "_rest", "_runs", "_taken")

    def __init__(self, task: Desired, period: Period, limit: int) -> None:
        schedule = compile_schedules(task.body)
        self._runs = TaskRuns(task.key.label, task, schedule, period.end)
        self._limit = limit
        self._rest = marked(schedule, period, limit + 1)
        self._ahead = next(self._rest, None)
        self._taken = 0

    def advance(self, until: datetime) -> int:
        """Take what comes before an instant; returns how many were taken since the beginning."""
        while (found := self._ahead) is not None and found.at < until:
            if self._taken == self._limit:
                self._runs.until = found.at
                self._ahead = None
                break
            self._runs.take(found)
            self._taken += 1
            self._ahead = next(self._rest, None)
        return self._taken

    def result(self, until: datetime) -> TaskRuns:
        """What was taken, sorted by when it begins: jitter may change the order."""
        self._runs.until = min(self._runs.until, until)
        self._runs.begins = array("q", sorted(self._runs.begins))
        return self._runs


def local_minutes(minutes: Sequence[int], zone: Zone) -> Iterator[tuple[int, int]]:
    """Minutes since 1970, sorted, each with the minute that the wall shows, counted from 1970 too."""
    offset = 0
    until: int | None = None
    for minute in minutes:
        seconds = minute * 60
        if until is None or seconds >= until:
            offset, until = zone.span(seconds)
        yield minute, (seconds + offset) // 60


def minute_at(minute: int, zone: Zone) -> datetime:
    """A minute since 1970 as an aware time of a zone."""
    return from_epoch(minute * 60).astimezone(zone.tz)
