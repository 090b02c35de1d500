"""A checked trigger that answers when: sources united, dates taken away, jitter added.

Promises: occurrences are sorted by their nominal instant and each instant comes once; the cost does not depend on the
age of the anchor; a search that finds nothing ends after a fixed number of steps. A compiled trigger holds no clock and
may be kept and shared.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice

from runtime.core.recurrence.effort import Effort, Exhausted
from runtime.core.recurrence.sources import BEGINNING, END, EverySource, Source, WallSource, order
from runtime.core.recurrence.triggers import Occurrence, Trigger

_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Compiled:
    """What `compile_trigger` makes of a trigger.

    Attributes:
        trigger: what it was made of.
        seed: what the jitter is derived from, beside the nominal instant.
    """

    trigger: Trigger
    seed: str
    _sources: tuple[Source, ...] = field(repr=False)
    _removed: frozenset[datetime] = field(default=frozenset(), repr=False)
    _removed_days: frozenset[date] = field(default=frozenset(), repr=False)

    def next_after(self, instant: datetime) -> Occurrence | None:
        """The first occurrence strictly after an aware instant; None if none can be found.

        None is final up to the year 9998, or up to what the bounded search reaches on rules that all but never fire;
        `never_fires` says which.
        """
        return next(self.following(instant), None)

    def following(self, instant: datetime) -> Iterator[Occurrence]:
        """All occurrences strictly after an aware instant, in order, lazily."""
        streams = [_finds(source, _utc(instant)) for source in self._sources]
        last: datetime | None = None
        for occurrence in streams[0] if len(streams) == 1 else heapq.merge(*streams, key=order):
            if occurrence.at != last and not self._is_removed(occurrence):
                yield self.due(occurrence)
            last = occurrence.at

    def count_between(self, after: datetime, until: datetime, cap: int) -> int:
        """How many lie strictly after one instant and up to another, counted no further than `cap`."""
        match self._sources:
            case (EverySource() as source,):
                return min(cap, source.count_between(_utc(after), until))
            case (WallSource() as source,) if not self._removed and not self._removed_days:
                return min(cap, source.count_between(_utc(after), _utc(until), cap))
            case _:
                return sum(1 for _ in occurrences((self,), after, until, limit=cap))

    def between(self, after: datetime, until: datetime, limit: int) -> tuple[Occurrence, ...]:
        """At most `limit` occurrences after `after` and not after `until`, in order."""
        return tuple(occurrences((self,), after, until, limit=limit))

    def _is_removed(self, occurrence: Occurrence) -> bool:
        return occurrence.at in self._removed or (
            bool(self._removed_days) and occurrence.local_at.date() in self._removed_days
        )

    def due(self, occurrence: Occurrence) -> Occurrence:
        """The occurrence with the jitter of its nominal instant."""
        reach = self.trigger.jitter // _MILLISECOND
        if not reach:
            return occurrence
        digest = hashlib.sha256(f"{self.seed}\n{occurrence.at.isoformat()}".encode()).digest()
        delay = int.from_bytes(digest[:8], "big") % reach
        return replace(occurrence, due_at=occurrence.at + delay * _MILLISECOND)


def _finds(source: Source, after: datetime) -> Iterator[Occurrence]:
    """What one source gives; a search of its own, so that one that finds nothing does not silence the others."""
    effort = Effort()
    with suppress(Exhausted):
        for occurrence in source.stream(after, effort):
            effort.found()
            yield occurrence


def occurrences(
    compiled: Sequence[Compiled], after: datetime, until: datetime | None = None, *, limit: int
) -> Iterator[Occurrence]:
    """The occurrences of several triggers as one row: sorted, each instant once (the first trigger's).

    Args:
        after: aware instant, exclusive.
        until: aware instant, inclusive; None for no end.
        limit: how many at most.
    """
    merged = heapq.merge(*(one.following(after) for one in compiled), key=lambda found: found.at)
    return islice(_each_once(merged, until), limit)


def _each_once(merged: Iterable[Occurrence], until: datetime | None) -> Iterator[Occurrence]:
    last: datetime | None = None
    for occurrence in merged:
        if until is not None and occurrence.at > until:
            return
        if occurrence.at != last:
            yield occurrence
        last = occurrence.at


def never_fires(compiled: Compiled, now: datetime) -> str | None:
    """Why nothing comes after `now`, as a clause for a message; None if something does."""
    if compiled.next_after(now) is not None:
        return None
    sources = compiled._sources  # noqa: SLF001 - same module
    bounds = [source.last_at for source in sources]
    last = max((bound for bound in bounds if bound is not None), default=None)
    if last is not None and last <= now and None not in bounds:
        return f"it is over: {last:%Y-%m-%d %H:%M} UTC was the last possible instant"
    if any(_is_exhausting(source, now) for source in sources):
        return "nothing was found within the search's reach; its parts seem to exclude each other"
    return "its parts exclude each other, or all it gives is taken away again"


def _is_exhausting(source: Source, now: datetime) -> bool:
    try:
        next(source.stream(_utc(now), Effort()), None)
    except Exhausted:
        return True
    return False


def _utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError(f"{instant} is a local time; occurrences are asked for by instant")
    # Offsets added at the ends of the calendar would leave it.
    return min(max(instant, BEGINNING), END).astimezone(UTC)
