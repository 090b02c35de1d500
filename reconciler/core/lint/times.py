"""Rules about when a single task fires."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise
from typing import Any, Final

import orjson

from reconciler.core.digest import canonical
from reconciler.core.entry import Entry
from reconciler.core.lint.world import World
from reconciler.core.locate import Path
from reconciler.core.preview import odd_hours
from runtime.core.schedules import TIME_KINDS, compile_schedules
from schemas.durations import format_duration
from schemas.plan import TimeFlag
from schemas.problem import Problem
from schemas.task import Task

_SHORTEST_OF: Final = 50
_ALLOWS_OVERLAP: Final = ("allow", "cancel_running")
# Zones of the IANA database that stand for an offset or for old rules, and so for nobody's clock. UTC is meant as it is.
_PLACELESS: Final = re.compile(
    r"Etc/GMT[-+]?\d+|[CEMW]ET|EST|MST|HST|[ECMP]ST\d[ECMP]DT|GMT[-+]?0?|Greenwich|Etc/Greenwich"
)
_LATE_DAYS: Final = frozenset(("29", "30", "31", "-29", "-30", "-31"))
_SHORT_MONTHS: Final = frozenset(("2", "4", "6", "9", "11"))
_CHOOSES_DAYS: Final = frozenset(("BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO"))
_LATE: Final = 29


@dataclass(frozen=True, slots=True)
class _Facts:
    """What one schedule does from now on."""

    odd: tuple[TimeFlag, ...]
    ended: bool
    shortest: timedelta | None


def clock_changes(world: World) -> Iterator[Problem]:
    """ORD801: a time that does not exist, or happens twice, within a year, and nobody said what then."""
    for entry, path, schedule, facts in _schedules(world):
        odd = [flag for flag in facts.odd if f"dst_{flag.kind}" not in _written(entry, path)]
        if odd:
            yield from entry.problem(
                (*path, _kind(schedule)),
                "ORD801",
                "; ".join(str(flag.note) for flag in odd),
                "say what you want with `dst_gap` and `dst_fold`, or choose an hour at which clocks do not change",
            )


def ended(world: World) -> Iterator[Problem]:
    """ORD803: a schedule that never fires again."""
    for entry, path, schedule, facts in _schedules(world):
        if facts.ended:
            yield from entry.problem(
                (*path, _kind(schedule)),
                "ORD803",
                "the schedule has ended: it never fires again",
                "remove it, or give it a later end",
            )


def outlasts_interval(world: World) -> Iterator[Problem]:
    """ORD804: a run may last longer than the time to the next one."""
    for entry, path, schedule, facts in _schedules(world):
        task = entry.document
        assert isinstance(task, Task)  # noqa: S101 - only tasks have schedules
        if (
            task.overlap not in _ALLOWS_OVERLAP
            and facts.shortest is not None
            and facts.shortest < task.timeout
        ):
            own = "its timeout" if entry.is_written(("timeout",)) else "the timeout that it takes"
            yield from entry.problem(
                (*path, _kind(schedule)),
                "ORD804",
                f"fires {format_duration(facts.shortest)} apart, and a run may last"
                f" {format_duration(task.timeout)}, {own}; a run that hangs holds up the next ones",
                "give the task a `timeout` below its interval",
            )


def zone_without_place(world: World) -> Iterator[Problem]:
    """ORD808: a zone in which no people live."""
    for entry, path, schedule, _ in _schedules(world):
        zone = schedule.get("timezone")
        if zone and _PLACELESS.fullmatch(zone) and entry.is_written((*path, "timezone")):
            yield from entry.problem(
                (*path, "timezone"),
                "ORD808",
                f"`{zone}` names no place, so the time does not follow the clocks of one",
                "name a place such as Europe/Chisinau, or UTC if no place is meant",
            )


def skipped_months(world: World) -> Iterator[Problem]:
    """ORD809: a day that not every month has."""
    for entry, path, schedule, _ in _schedules(world):
        late = (
            any(_skips_months(rule, schedule.get("start", "")) for rule in schedule["rrule"])
            if "rrule" in schedule
            else "cron" in schedule and _cron_skips_months(schedule["cron"])
        )
        if late:
            yield from entry.problem(
                (*path, _kind(schedule)),
                "ORD809",
                "months that lack this day are left out",
                "BYMONTHDAY=-1 is the last day of every month",
            )


def _skips_months(rule: str, start: str) -> bool:
    parts = dict(
        part.partition("=")[::2] for part in rule.upper().removeprefix("RRULE:").split(";")
    )
    if not _SHORT_MONTHS & set(parts.get("BYMONTH", "2").split(",")):
        return False
    if parts.get("FREQ") == "MONTHLY" and not _CHOOSES_DAYS & set(parts):
        # The day is that of the start.
        return start[8:10].isdigit() and int(start[8:10]) >= _LATE
    days = set(parts.get("BYMONTHDAY", "1").split(","))
    return days <= _LATE_DAYS and parts.get("FREQ") in {"MONTHLY", "YEARLY", "DAILY"}


def _cron_skips_months(cron: str) -> bool:
    fields = cron.split()[-5:]
    if len(fields) < 5:  # noqa: PLR2004 - minute, hour, day, month, weekday
        return False
    _, _, days, months, weekdays = fields
    return set(days.split(",")) <= _LATE_DAYS and months == "*" and weekdays == "*"


def _schedules(world: World) -> Iterator[tuple[Entry, Path, Mapping[str, Any], _Facts]]:
    """Every schedule that time drives."""
    for entry, desired in world.tasks():
        calendars = canonical(desired.body.get("calendars", {}))
        for number, schedule in enumerate(desired.body["schedule"]):
            if any(kind in schedule for kind in TIME_KINDS):
                facts = _facts(canonical(schedule), calendars, world.now)
                yield entry, ("schedule", number), schedule, facts


@lru_cache(maxsize=16_384)
def _facts(schedule: bytes, calendars: bytes, now: datetime) -> _Facts:
    """What a normalised schedule does; many tasks share the same few."""
    compiled = compile_schedules(
        {
            "namespace": "default",
            "name": "any",
            "schedule": [orjson.loads(schedule)],
            "calendars": orjson.loads(calendars),
        }
    )
    coming = [found.at for found in islice(compiled.running(now), _SHORTEST_OF)]
    return _Facts(
        odd=tuple(odd_hours(compiled, now)),
        ended=not coming,
        shortest=min((after - before for before, after in pairwise(coming)), default=None),
    )


def _kind(schedule: Mapping[str, Any]) -> str:
    return next(kind for kind in TIME_KINDS if kind in schedule)


def _written(entry: Entry, path: Path) -> frozenset[str]:
    """The policies for changes of clocks that a schedule states itself."""
    return frozenset(name for name in ("dst_gap", "dst_fold") if entry.is_written((*path, name)))
