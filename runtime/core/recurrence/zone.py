"""Time zones: checked names, wall time to instants under both policies, and where offsets change.

The data is that of the `tzdata` distribution alone, never the machine's: the same specs must give the same instants on
every machine, and system databases are often years behind. Its version is `zonedata.tzdata_version()`.

A wall time is naive. It names one instant, none (a gap) or two (a fold). PEP 495 gives both candidate offsets
(`fold=0`, `fold=1`); in a gap the one of fold 0 is the offset before the gap, which is what RFC 5545 section 3.3.5 asks for.
"""

from __future__ import annotations

import difflib
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib import resources
from typing import Literal
from zoneinfo import ZoneInfo

import tzdata  # type: ignore[import-untyped] # it publishes no types

from runtime.core.recurrence.triggers import DstFold, Occurrence
from runtime.errors import ScheduleError

# `end` is Debian cron's reading: a time in a gap stands for the gap's end.
GapPolicy = Literal["shift", "skip", "end"]

ZERO = timedelta(0)
# No gap or fold is longer than a day (Pacific/Apia left out a whole one), so offsets this far apart see both sides.
_AROUND = timedelta(hours=26)
# Debian cron takes a jump of three hours or more for a correction of the clock, not for daylight saving.
_DEBIAN_LIMIT = timedelta(hours=3)
# Offsets are sampled this far apart to find transitions; the closest pair in the tz database lies 6.9 days apart.
_SAMPLE_SECONDS = 6 * 86400


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Every name of the tz database in use."""
    return frozenset(resources.files(tzdata).joinpath("zones").read_text("utf-8").split())


def _meant(name: str) -> str:
    folded = {known.lower(): known for known in zone_names()}
    wanted = name.strip().lower().replace(" ", "_")
    if wanted in folded:
        return f"did you mean {folded[wanted]}? Names are case-sensitive"
    by_city = {known.rsplit("/", 1)[-1]: full for known, full in folded.items()}
    close = difflib.get_close_matches(wanted, folded, 1, 0.75)
    city = difflib.get_close_matches(wanted.rsplit("/", 1)[-1], by_city, 1, 0.8)
    if close or city:
        return f"did you mean {folded[close[0]] if close else by_city[city[0]]}?"
    return "use a name of the tz database such as Europe/Chisinau, or UTC"


@lru_cache(maxsize=1024)
def load_zone(name: str) -> Zone:
    """The zone of this name.

    Raises:
        ScheduleError: `ORD604`, the tz database has no such name.
    """
    if name not in zone_names():
        raise ScheduleError(f"unknown time zone {name!r}", hint=_meant(name), code="ORD604")
    data = resources.files(tzdata).joinpath("zoneinfo", *name.split("/"))
    with data.open("rb") as file:
        return Zone(name, ZoneInfo.from_file(file, key=name))


def epoch_seconds(instant: datetime) -> int:
    """Whole seconds since 1970 UTC, rounded down."""
    return (instant - _EPOCH) // _SECOND


def from_epoch(seconds: int) -> datetime:
    """The aware UTC instant of `epoch_seconds`."""
    return _EPOCH + timedelta(seconds=seconds)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


class Zone:
    """One time zone, answering what recurrence asks; made by `load_zone`."""

    __slots__ = ("_changes", "name", "tz")

    def __init__(self, name: str, tz: ZoneInfo) -> None:
        self.name = name
        self.tz = tz
        self._changes: dict[int, tuple[int, ...]] = {}

    def offset(self, instant: datetime) -> timedelta:
        """The offset from UTC in force at an aware instant."""
        return _known(instant.astimezone(self.tz).utcoffset())

    def offsets_of(self, wall: datetime) -> tuple[timedelta, timedelta]:
        """Both candidate offsets of a wall time: equal, larger first (a fold), or smaller first (a gap)."""
        aware = wall.replace(tzinfo=self.tz, fold=0)
        return _known(aware.utcoffset()), _known(aware.replace(fold=1).utcoffset())

    def resolve(self, wall: datetime, gap: GapPolicy, fold: DstFold) -> tuple[Occurrence, ...]:
        """The instants a wall time stands for, earliest first: none, one, or (with `both`) two."""
        first, second = self.offsets_of(wall)
        if first == second:
            at = (wall - first).replace(tzinfo=UTC)
            return (Occurrence(at, wall, first, at),)
        if first > second:
            return self._resolve_fold(wall, (first, second), fold)
        return self._resolve_gap(wall, (first, second), gap)

    @staticmethod
    def _resolve_fold(
        wall: datetime, offsets: tuple[timedelta, timedelta], fold: DstFold
    ) -> tuple[Occurrence, ...]:
        early, late = ((wall - offset).replace(tzinfo=UTC) for offset in offsets)
        one = Occurrence(early, wall, offsets[0], early, repeated=True)
        two = Occurrence(late, wall, offsets[1], late, repeated=True, fold=1)
        match fold:
            case "first":
                return (one,)
            case "second":
                return (two,)
            case "both":
                return (one, two)

    def _resolve_gap(
        self, wall: datetime, offsets: tuple[timedelta, timedelta], gap: GapPolicy
    ) -> tuple[Occurrence, ...]:
        before, after = offsets
        if gap == "skip" or (gap == "end" and after - before >= _DEBIAN_LIMIT):
            return ()
        at = (wall - before).replace(tzinfo=UTC)
        if gap == "end":
            at = self._gap_end((wall - after).replace(tzinfo=UTC), at)
        return (Occurrence(at, wall, after, at, shifted=True),)

    def _gap_end(self, before: datetime, after: datetime) -> datetime:
        return from_epoch(self._bisect_change(epoch_seconds(before), epoch_seconds(after)))

    def read(self, instant: datetime) -> Occurrence:
        """What the wall shows at an aware UTC instant, as an occurrence that was never a wall time."""
        aware = instant.astimezone(self.tz)
        offset = _known(aware.utcoffset())
        fold: Literal[0, 1] = 1 if aware.fold else 0
        # An instant's wall time always exists, so that a second candidate offset means a second reading.
        repeated = aware.replace(fold=1 - fold).utcoffset() != offset
        wall = aware.replace(tzinfo=None, fold=0)
        return Occurrence(instant, wall, offset, instant, repeated=repeated, fold=fold)

    def earliest_wall(self, instant: datetime) -> datetime:
        """A wall time such that every earlier one stands only for instants before `instant`."""
        return (instant + min(self._offsets_around(instant))).replace(tzinfo=None)

    def latest_wall(self, instant: datetime) -> datetime:
        """A wall time such that every later one stands only for instants after `instant`."""
        return (instant + max(self._offsets_around(instant))).replace(tzinfo=None)

    def last_instant(self, wall: datetime) -> datetime:
        """The latest instant a wall time can stand for: what an inclusive bound given as wall time means."""
        return (wall - min(self.offsets_of(wall))).replace(tzinfo=UTC)

    def latest_instant(self, wall: datetime) -> datetime:
        """An instant such that neither this wall time nor an earlier one stands for a later one."""
        return (wall - min(self._offsets_around(self.last_instant(wall)))).replace(tzinfo=UTC)

    def _offsets_around(self, instant: datetime) -> tuple[timedelta, timedelta, timedelta]:
        return (
            self.offset(instant - _AROUND),
            self.offset(instant),
            self.offset(instant + _AROUND),
        )

    def span(self, seconds: int) -> tuple[int, int]:
        """The offset in seconds at an instant, and an instant up to which it stays (both since 1970).

        The end is the next transition, or the end of the year (UTC) if that comes first.
        """
        year = from_epoch(seconds).year
        changes = self._changes.get(year)
        if changes is None:
            changes = self._changes[year] = self._find_changes(year)
        end = changes[bisect_right(changes, seconds)]
        return self.offset_seconds(seconds), end

    def stretches(
        self, after: datetime, until: datetime
    ) -> Iterator[tuple[datetime, datetime, timedelta | None]]:
        """What lies after one instant and up to another, in parts: where they begin (exclusive) and end (inclusive).

        With each comes the offset, if every wall time there stands for one instant; near a change of the offset, None.
        """
        while after < until:
            offset, change = self._steady(after - _AROUND, until + _AROUND)
            end, is_near = until, False
            if change is not None:
                is_near = change - _AROUND <= after
                end = min(until, change + _AROUND if is_near else change - _AROUND)
            yield after, end, None if is_near else offset
            after = end

    def _steady(self, since: datetime, until: datetime) -> tuple[timedelta, datetime | None]:
        """The offset at an instant, and when it changes, if it does so up to another."""
        end = epoch_seconds(until)
        offset, seconds = self.span(epoch_seconds(since))
        while seconds <= end:
            after, later = self.span(seconds)
            if after != offset:
                return timedelta(seconds=offset), from_epoch(seconds)
            seconds = later
        return timedelta(seconds=offset), None

    def _find_changes(self, year: int) -> tuple[int, ...]:
        start = epoch_seconds(datetime(year, 1, 1, tzinfo=UTC))
        stop = start + 86400 * (366 if year % 4 == 0 and (year % 100 or year % 400 == 0) else 365)
        found: list[int] = []
        low, before = start, self.offset_seconds(start)
        while low < stop:
            high = min(low + _SAMPLE_SECONDS, stop)
            after = self.offset_seconds(high)
            if after != before:
                found.append(self._bisect_change(low, high))
            low, before = high, after
        return (*found, stop) if not found or found[-1] != stop else tuple(found)

    def _bisect_change(self, low: int, high: int) -> int:
        """The first second after `low`, up to `high`, whose offset is not that of `low`."""
        before = self.offset_seconds(low)
        while high - low > 1:
            middle = (low + high) // 2
            if self.offset_seconds(middle) == before:
                low = middle
            else:
                high = middle
        return high

    def offset_seconds(self, seconds: int) -> int:
        """`offset`, both in seconds since 1970."""
        return round(self.offset(from_epoch(seconds)).total_seconds())


def _known(offset: timedelta | None) -> timedelta:
    # A ZoneInfo always knows its offset; only the abstract tzinfo may answer None.
    return offset if offset is not None else ZERO
