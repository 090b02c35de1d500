"""When the tasks of specs will fire, together and in order."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice

from reconciler.core.desired import Desired
from runtime.core.recurrence import Occurrence, occurrences
from runtime.core.recurrence.zone import Zone, load_zone
from runtime.core.schedules import TaskSchedule, compile_schedules
from schemas.upcoming import UpcomingList, UpcomingOccurrence


def upcoming(
    tasks: Iterable[Desired], after: datetime, limit: int, zone: Zone | None = None
) -> UpcomingList:
    """The next occurrences of tasks, united in order of time.

    Args:
        tasks: Task documents.
        after: aware instant, exclusive.
        limit: how many at most.
        zone: the zone of all times; each task's own when None.

    Raises:
        ScheduleError: a schedule cannot be expanded; documents without problems have none such.
    """
    streams: list[Iterator[UpcomingOccurrence]] = []
    silent: list[str] = []
    for task in tasks:
        schedule = compile_schedules(task.body)
        if schedule.next_after(after) is None:
            silent.append(task.key.label)
        else:
            shown = zone or load_zone(schedule.timezone or "UTC")
            streams.append(_stream(task.key.label, schedule, after, limit, shown))
    merged = heapq.merge(*streams, key=lambda found: (found.at, found.task))
    return UpcomingList(
        after=after, occurrences=tuple(islice(merged, limit)), silent=tuple(sorted(silent))
    )


def _stream(
    label: str, schedule: TaskSchedule, after: datetime, limit: int, zone: Zone
) -> Iterator[UpcomingOccurrence]:
    for found in occurrences(schedule.compiled, after, limit=limit):
        yield UpcomingOccurrence(
            task=label,
            at=found.at.astimezone(zone.tz),
            due_at=found.due_at.astimezone(zone.tz),
            timezone=zone.name,
            note="; ".join(_notes(found)),
        )


def _notes(found: Occurrence) -> Iterator[str]:
    if found.shifted:
        yield f"{found.local_at:%H:%M} does not exist that day"
    if found.repeated:
        yield f"{found.local_at:%H:%M} happens twice: the {'second' if found.fold else 'first'}"
    if found.due_at != found.at:
        yield f"begins {(found.due_at - found.at).total_seconds():.1f} s later"
