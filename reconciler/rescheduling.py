"""What a new schedule does to the old one's occurrences, and what fires next.

A new schedule counts strictly from the apply's own moment. What the old one still owed before it, because no runtime
came round to it, is decided first, by the old schedule and the old policy; a retired or paused task's is recorded as
skipped. So no occurrence is lost between two revisions, and none is invented.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from threading import Event
from typing import Any, Final

from reconciler.core.digest import canonical
from runtime.core.identity import derive_run_id
from runtime.core.misfire import Firing
from runtime.core.recurrence import Occurrence
from runtime.core.schedules import TaskSchedule, compile_schedules
from runtime.deciding import decide_schedule, decided, exclusion
from runtime.errors import ScheduleError
from runtime.store.revisions import Armed, Skip, StandingSchedule
from runtime.store.schedules import Advance, Decided
from schemas.durations import format_duration

_NO_JITTER: Final = format_duration(timedelta(0))
# What comes of a body that somebody broke by hand: it fires nothing, so it owes nothing, and apply mends it.
_BROKEN: Final = (ScheduleError, KeyError, TypeError, ValueError, AttributeError)


@dataclass(slots=True)
class Overdue:
    """What the old schedules still owed: occurrences to decide as a scheduler does, and occurrences that do not run."""

    advances: list[Advance] = field(default_factory=list)
    decided: list[Decided] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)


def settle_overdue(
    standing: Iterable[StandingSchedule], retiring: set[int], now: datetime
) -> Overdue:
    """Decide every occurrence whose nominal instant has come by `now`, what jitter still holds back included.

    Args:
        standing: the schedules that are about to be replaced or retired.
        retiring: the tasks among them that are retired.
    """
    overdue = Overdue()
    for schedule in standing:
        if not schedule.moved and (schedule.next_for is None or schedule.next_for > now):
            continue
        try:
            expanded = compile_schedules(schedule.body)
            firings = list(_firings(schedule, expanded, now))
        except _BROKEN:
            continue
        if schedule.task_uid in retiring or schedule.paused:
            reason = "retired" if schedule.task_uid in retiring else "paused"
            overdue.skips += [
                _skip(schedule, expanded.timezone, one.occurrence, reason)
                for firing in firings
                for one in firing.decisions
            ]
        elif firings:
            for firing in firings:
                overdue.decided += decided(
                    schedule.task_uid,
                    schedule.revision_id,
                    schedule.body,
                    expanded,
                    firing,
                    now=now,
                )
            overdue.advances.append(_advance(schedule, firings[-1].cursor_for))
    return overdue


class Arming:
    """Arms tasks from one moment on; those of a fleet often share a schedule, and then what it fires next."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._known: dict[str, tuple[datetime | None, datetime | None] | None] = {}

    @contextmanager
    def expanding(self, bodies: Iterable[Mapping[str, Any]]) -> Iterator[None]:
        """Find what these tasks fire next beside a block that waits for others.

        Nothing depends on it: what is not found by the end of the block, or cannot be, is found when it is asked for.
        """
        is_over = Event()

        def expand() -> None:
            for body in bodies:
                if is_over.is_set():
                    return
                self._found(body)

        with ThreadPoolExecutor(1) as beside:
            with suppress(RuntimeError):  # there may be no thread to be had
                beside.submit(expand)
            try:
                yield
            finally:
                is_over.set()

    def armed(self, task_uid: int, body: Mapping[str, Any]) -> Armed | None:
        """What a task fires next, strictly after that moment; None if no clock drives it.

        Raises:
            ScheduleError: the schedule cannot be expanded; a plan refuses such specs.
        """
        found = self._found(body)
        return None if found is None else Armed(task_uid, *found)

    def _found(self, body: Mapping[str, Any]) -> tuple[datetime | None, datetime | None] | None:
        schedules = body["schedule"]
        # Jitter is another for each task.
        alike = all(one.get("jitter") == _NO_JITTER for one in schedules)
        whose = None if alike else [body["namespace"], body["name"]]
        name = canonical([schedules, body.get("calendars"), whose]).decode()
        if name not in self._known:
            self._known[name] = self._next(body)
        return self._known[name]

    def _next(self, body: Mapping[str, Any]) -> tuple[datetime | None, datetime | None] | None:
        schedule = compile_schedules(body)
        if not schedule.triggers:
            return None
        upcoming = schedule.next_after(self._now)
        return (None, None) if upcoming is None else (upcoming.at, upcoming.due_at)


def _firings(
    standing: StandingSchedule, schedule: TaskSchedule, now: datetime
) -> Iterator[Firing]:
    """What the schedule owes, batch by batch: one look decides a bounded number, and here nothing may be left over."""
    cursor = standing.cursor_for
    decide = partial(
        decide_schedule, standing.body, schedule, snoozed=standing.snoozed, ahead=True
    )
    while (firing := decide(cursor, now)).decisions:
        yield firing
        cursor = firing.cursor_for


def _skip(
    standing: StandingSchedule, zone: str | None, occurrence: Occurrence, reason: str
) -> Skip:
    detail = exclusion(occurrence, zone)
    return Skip(
        run_id=derive_run_id(standing.task_uid, "schedule", "", occurrence.at),
        task_uid=standing.task_uid,
        revision_id=standing.revision_id,
        occurrence_for=occurrence.at,
        due_at=occurrence.due_at,
        reason="calendar" if detail else reason,
        detail=detail,
    )


def _advance(standing: StandingSchedule, cursor_for: datetime) -> Advance:
    # What comes after is set by the new schedule, in the same transaction.
    return Advance(
        task_uid=standing.task_uid,
        generation=standing.generation,
        expected_cursor=standing.cursor_for,
        cursor_for=cursor_for,
        next_for=None,
        next_due_at=None,
    )
