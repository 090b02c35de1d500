"""Whether a task's schedules can be read and ever fire, judged without a clock.

A schedule whose last occurrence is over is no problem here: what is valid must not become invalid by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import orjson

from reconciler.core.digest import NORMAL_FORM, canonical
from reconciler.core.entry import Entry
from reconciler.core.locate import Path
from runtime.core.recurrence.zone import load_zone
from runtime.core.schedules import compile_schedules
from runtime.errors import ScheduleError
from schemas.calendar import Calendar
from schemas.problem import Problem
from schemas.project import Project
from schemas.schedule import RRuleSchedule
from schemas.task import Task

_BEGINNING: Final = datetime(1900, 1, 1, tzinfo=UTC)
_ZONE_UNKNOWN: Final = "ORD604"


def time_problems(entry: Entry) -> Iterator[Problem]:
    """What is wrong with the schedules, rules and zones of a document."""
    match entry.document:
        case Task():
            yield from _schedule_problems(entry)
        case Calendar() as calendar:
            yield from _zone_problems(entry, ("timezone",), calendar.timezone)
            for number, rule in enumerate(calendar.rules):
                yield from _rule_problems(entry, ("rules", number), rule)
        case Project() as project:
            yield from _zone_problems(entry, ("defaults", "timezone"), project.defaults.timezone)
            for number, window in enumerate(project.guards.freeze):
                path: Path = ("guards", "freeze", number)
                yield from _zone_problems(entry, (*path, "timezone"), window.timezone)
                yield from _rule_problems(entry, (*path, "rrule"), window.rrule)
        case _:
            pass


def _zone_problems(entry: Entry, path: Path, zone: str | None) -> Iterator[Problem]:
    try:
        load_zone(zone or "UTC")
    except ScheduleError as error:
        yield from entry.problem(path, error.code, error.message, error.hint)


def _rule_problems(entry: Entry, path: Path, rule: str) -> Iterator[Problem]:
    schedule = RRuleSchedule(rrule=(rule,), timezone="UTC").model_dump(**NORMAL_FORM)
    if (error := _judged(canonical(schedule))) is not None:
        yield from entry.problem(path, error.code, error.message, error.hint)


def _schedule_problems(entry: Entry) -> Iterator[Problem]:
    for number, schedule in enumerate(
        entry.document.model_dump(**NORMAL_FORM, include={"schedule"})["schedule"]
    ):
        path: Path = ("schedule", number)
        error = _judged(canonical(schedule))
        # A zone that the Project gave has been reported there.
        if error is not None and (
            error.code != _ZONE_UNKNOWN or entry.is_written((*path, "timezone"))
        ):
            kind = next(name for name in schedule if name in ("rrule", "cron", "every", "at"))
            field = "timezone" if error.code == _ZONE_UNKNOWN else kind
            yield from entry.problem((*path, field), error.code, error.message, error.hint)


@lru_cache(maxsize=16_384)
def _judged(schedule: bytes) -> ScheduleError | None:
    """What is wrong with one normalised schedule; many tasks share the same few."""
    body: dict[str, Any] = {
        "namespace": "default",
        "name": "any",
        "schedule": [orjson.loads(schedule)],
    }
    try:
        compiled = compile_schedules(body)
    except ScheduleError as error:
        return error
    if compiled.triggers and compiled.next_after(_BEGINNING) is None:
        return ScheduleError(
            "the schedule never fires: its parts exclude each other, or everything is removed again",
            code="ORD605",
        )
    return None
