"""When tasks will fire, together and in order."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

from runtime.core.recurrence import Occurrence
from runtime.core.recurrence.sources import BEGINNING
from runtime.core.recurrence.zone import Zone, load_zone
from runtime.core.schedules import compile_schedules
from schemas.upcoming import UpcomingList, UpcomingOccurrence

_INSTANT: Final = timedelta(microseconds=1)
_MINUTE: Final = timedelta(minutes=1)


def upcoming(
    tasks: Iterable[tuple[str, Mapping[str, Any]]],
    begin: datetime,
    limit: int,
    zone: Zone | None = None,
    *,
    excluded: bool = False,
) -> UpcomingList:
    """The next occurrences of tasks, united in order of time.

    Args:
        tasks: each with its name and its document.
        begin: aware instant, inclusive.
        limit: how many at most.
        zone: the zone of all times; each task's own when None.
        excluded: give those too that a calendar excludes.

    Raises:
        ScheduleError: a schedule cannot be expanded; documents without problems have none such.
    """
    after = max(begin, BEGINNING) - _INSTANT
    streams: list[Iterator[UpcomingOccurrence]] = []
    silent: list[str] = []
    for label, body in tasks:
        schedule = compile_schedules(body)
        if schedule.next_running(after) is None:
            silent.append(label)
        else:
            shown = zone or load_zone(schedule.timezone or "UTC")
            found = schedule.following(after) if excluded else schedule.running(after)
            streams.append(_stream(label, found, shown))
    merged = heapq.merge(*streams, key=lambda found: (found.at, found.task))
    return UpcomingList(
        begin=begin, occurrences=tuple(islice(merged, limit)), silent=tuple(sorted(silent))
    )


def _stream(
    label: str, occurrences: Iterator[Occurrence], zone: Zone
) -> Iterator[UpcomingOccurrence]:
    for found in occurrences:
        yield UpcomingOccurrence(
            task=label,
            at=_shown(found.at, zone),
            due_at=_shown(found.due_at, zone),
            timezone=zone.name,
            excluded_by=found.excluded_by,
            moved_to=found.moved_to and _shown(found.moved_to, zone),
            moved_from=found.moved_from and _shown(found.moved_from, zone),
            note="; ".join(_notes(found, zone)),
        )


def _shown(instant: datetime, zone: Zone) -> datetime:
    """The instant with its zone's offset, or as UTC where that has seconds: a time stamp has no room for them (RFC 3339)."""
    return instant.astimezone(UTC if zone.offset(instant) % _MINUTE else zone.tz)


def _notes(found: Occurrence, zone: Zone) -> Iterator[str]:
    if found.shifted:
        yield f"{found.local_at:%H:%M} does not exist that day"
    if found.repeated:
        yield f"{found.local_at:%H:%M} happens twice: the {'second' if found.fold else 'first'}"
    if found.excluded_by is not None:
        moves = f", moves to {_moment(found.moved_to, zone)}" if found.moved_to else ""
        yield f"excluded by {found.excluded_by}{moves}"
    if found.moved_from is not None:
        yield f"moved from {_moment(found.moved_from, zone)}"
    if found.due_at != found.at and found.excluded_by is None:
        yield f"begins {(found.due_at - found.at).total_seconds():.1f} s later"


def _moment(instant: datetime, zone: Zone) -> str:
    return f"{instant.astimezone(zone.tz):%a %Y-%m-%d %H:%M}"
