"""The runs of a period as an iCalendar file (RFC 5545), so that people can lay them over their own calendar.

The same specs and period give the same bytes: a UID comes from the task and the instant, DTSTAMP is the period's begin.
Times are UTC, which every calendar application shows in its user's zone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from icalendar import Calendar, Event

from reconciler.core.desired import Desired
from reconciler.core.simulation_overlaps import assumed_duration
from reconciler.core.simulation_runs import Period
from runtime.core.schedules import compile_schedules
from runtime.core.upcoming import upcoming
from schemas.upcoming import UpcomingOccurrence

MOST_EVENTS: Final = 20_000
"""Applications become slow with more."""

_UIDS: Final = UUID("7b1d1f52-6f0e-5c0c-9a43-0d3c8d0f7a61")


@dataclass(frozen=True, slots=True)
class CalendarFile:
    """An iCalendar file.

    Attributes:
        content: its bytes.
        events: how many runs are in it.
        cut_at: the first run that is left out because there are too many; None if all are in it.
    """

    content: bytes
    events: int
    cut_at: datetime | None


def calendar_file(
    project: str,
    tasks: Sequence[Desired],
    period: Period,
    assumed: timedelta,
    *,
    most: int = MOST_EVENTS,
) -> CalendarFile:
    """The runs of tasks in a period, in order of time.

    Args:
        project: what the calendar is called, and part of every UID.
        tasks: Task documents without problems.
        period: from when to when.
        assumed: how long runs are taken to last; a task's timeout bounds it.
        most: how many runs there may be; later ones are left out.
    """
    found = upcoming(
        ((task.key.label, task.body) for task in tasks), period.begin, most + 1, period.zone
    ).occurrences
    runs = [run for run in found if run.at < period.end]
    told = {task.key.label: _told(task, assumed) for task in tasks}
    calendar = Calendar()
    calendar.add("prodid", "-//Ordinaut//simulate//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", project)
    for run in runs[:most]:
        calendar.add_component(_event(project, run, told, period.begin))
    return CalendarFile(
        content=calendar.to_ical(),
        events=len(runs[:most]),
        cut_at=runs[most].at if len(runs) > most else None,
    )


def _told(task: Desired, assumed: timedelta) -> tuple[str, timedelta]:
    return compile_schedules(task.body).describe(), assumed_duration(task.body, assumed)


def _event(
    project: str,
    run: UpcomingOccurrence,
    told: Mapping[str, tuple[str, timedelta]],
    stamped_at: datetime,
) -> Event:
    words, duration = told[run.task]
    at = run.at.astimezone(UTC)
    event = Event()
    event.add("uid", str(uuid5(_UIDS, f"{project}\n{run.task}\n{at.isoformat()}")))
    event.add("dtstamp", stamped_at.astimezone(UTC).replace(microsecond=0))
    event.add("dtstart", at)
    event.add("duration", duration)
    event.add("summary", run.task)
    event.add("description", f"{words}\n{run.note}" if run.note else words)
    # A run takes nobody's time.
    event.add("transp", "TRANSPARENT")
    return event
