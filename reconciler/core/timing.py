"""Whether a task's schedules can be read and ever fire, judged without a clock.

A schedule whose last occurrence is over is no problem here: what is valid must not become invalid by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import orjson

from reconciler.core.desired import Key
from reconciler.core.digest import NORMAL_FORM, canonical
from reconciler.core.entry import Entry
from reconciler.core.locate import Path
from reconciler.core.references import Names
from runtime.core.anchors import EPOCH
from runtime.core.calendar.compilation import compile_day_rule
from runtime.core.poll import calendars_of
from runtime.core.recurrence.sources import BEGINNING, END
from runtime.core.recurrence.zone import load_zone
from runtime.core.schedules import TIME_KINDS, compile_schedules
from runtime.errors import ScheduleError
from schemas.calendar import Calendar, DayRule
from schemas.problem import Problem
from schemas.project import Project
from schemas.schedule import RRuleSchedule
from schemas.task import Task

_ZONE_UNKNOWN: Final = "ORD604"
_SIDES: Final = ("exclude", "include")


def time_problems(entry: Entry, names: Names, calendars: Mapping[Key, bytes]) -> Iterator[Problem]:
    """What is wrong with the schedules, rules and zones of a document.

    Args:
        calendars: the canonical content of those that are known whole.
    """
    match entry.document:
        case Task():
            yield from _schedule_problems(entry, names, calendars)
        case Calendar() as calendar:
            yield from _zone_problems(entry, ("timezone",), calendar.timezone)
            for number, rule in enumerate(calendar.rules):
                yield from _day_rule_problems(entry, ("rules", number), rule)
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
    if (error := _judged(canonical(schedule).decode(), ())) is not None:
        yield from entry.problem(path, error.code, error.message, error.hint)


def _day_rule_problems(entry: Entry, path: Path, rule: str | DayRule) -> Iterator[Problem]:
    written = rule if isinstance(rule, str) else rule.model_dump(**NORMAL_FORM)
    try:
        first = compile_day_rule(written).next_after(BEGINNING)
        error = None if first else ScheduleError("the rule names no day", code="ORD605")
    except ScheduleError as found:
        error = found
    if error is not None:
        place = path if isinstance(rule, str) else (*path, "rrule")
        yield from entry.problem(place, error.code, error.message, error.hint)


def _schedule_problems(
    entry: Entry, names: Names, calendars: Mapping[Key, bytes]
) -> Iterator[Problem]:
    for number, schedule in enumerate(
        entry.document.model_dump(**NORMAL_FORM, include={"schedule"})["schedule"]
    ):
        path: Path = ("schedule", number)
        text = canonical(schedule).decode()
        error = _judged(text, _named(schedule, entry, names, calendars))
        # A zone that the Project gave has been reported there.
        if error is not None and (
            error.code != _ZONE_UNKNOWN or entry.is_written((*path, "timezone"))
        ):
            yield from entry.problem(
                (*path, _field(schedule, error)), error.code, error.message, error.hint
            )


def _field(schedule: Mapping[str, Any], error: ScheduleError) -> str:
    """The field of a schedule that an error is about."""
    match error.code:
        case "ORD604":
            return "timezone"
        case "ORD607":
            return "on_excluded"
        case _:
            return next(name for name in schedule if name in (*TIME_KINDS, "condition"))


def _named(
    schedule: Mapping[str, Any], entry: Entry, names: Names, calendars: Mapping[Key, bytes]
) -> tuple[tuple[str, bytes], ...]:
    """The calendars that a schedule names; none unless all of them are known, for then nothing can be said of them."""
    texts = {text: None for side in _SIDES for text in schedule.get(side, ())}
    keys = {text: names.find("Calendar", text, entry.document.namespace) for text in texts}
    if not all(key in calendars for key in keys.values()):
        return ()
    return tuple((text, calendars[key]) for text, key in keys.items() if key is not None)


@lru_cache(maxsize=16_384)
def _judged(schedule: str, calendars: tuple[tuple[str, bytes], ...]) -> ScheduleError | None:
    """What is wrong with one normalised schedule; many tasks share the same few."""
    read: dict[str, Any] = orjson.loads(schedule)
    if not calendars:
        read = {name: [] if name in _SIDES else value for name, value in read.items()}
    body: dict[str, Any] = {
        "namespace": "default",
        "name": "any",
        "schedule": [read],
        "calendars": {text: orjson.loads(content) for text, content in calendars},
    }
    try:
        compiled = compile_schedules(body)
        admission = calendars_of(body, 0) if "condition" in read else None
    except ScheduleError as error:
        return error
    if admission is not None and admission.next_included(EPOCH, END) is None:
        return ScheduleError("its calendars leave no time at which to ask", code="ORD605")
    # The rules of calendars begin in the year 2000, so that what they exclude was not excluded before.
    first = compiled.next_after(EPOCH)
    if first is not None and first.excluded_by is None:
        return None
    begin = EPOCH if first else BEGINNING
    if not compiled.triggers or compiled.next_running(begin) is not None:
        return None
    excluded = compiled.next_after(begin) is not None
    return ScheduleError(
        "the schedule never fires: "
        + (
            "its calendars exclude all of its occurrences"
            if excluded
            else "its parts exclude each other, or everything is removed again"
        ),
        code="ORD605",
    )
