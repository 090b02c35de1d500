"""What begins when, counted in slots of time: the dashboard's look at herds before they come."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import takewhile
from typing import Any, Final

import orjson

from runtime.core.schedules import TaskSchedule, compile_schedules
from runtime.errors import OrdinautError
from schemas.board import Herding, PastSlot, Slot, Timeline

DAY_SLOT: Final = timedelta(minutes=5)
WEEK_SLOT: Final = timedelta(minutes=15)

_MINUTE: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)
_WEEK: Final = timedelta(days=7)
_INSTANT: Final = timedelta(microseconds=1)
# From midnight on: what is left of today, and a week.
_COUNTED: Final = timedelta(days=9)
_FREQUENT: Final = 24 * 60 + 1
_MOST: Final = 1_000_000
_MOST_HERDS: Final = 8
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class TimedTask:
    """A task that time drives: what of its body says when, and whether somebody holds it back, for ever if without an end."""

    label: str
    body: Mapping[str, Any]
    is_held: bool = False
    held_until: datetime | None = None


def timeline(tasks: Sequence[TimedTask], now: datetime, past: tuple[PastSlot, ...]) -> Timeline:
    """Count what begins in the next day and week."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    hour = now.replace(minute=0, second=0, microsecond=0)
    counted = [task for task in tasks if not task.is_held or task.held_until is not None]
    minutes: Counter[int] = Counter()
    by_minute: dict[int, list[str]] = {}
    tomorrow = (now + _DAY - midnight) // _MINUTE
    for task in counted:
        begin = (max(now, task.held_until or now) - midnight) // _MINUTE
        indexes, runs = _minutes(_text(task), midnight)
        for index, count in zip(indexes, runs, strict=True):
            if index < begin:
                continue
            minutes[index] += count
            if index < tomorrow:
                by_minute.setdefault(index, []).append(task.label)
    instants = {midnight + _MINUTE * index: count for index, count in minutes.items()}
    return Timeline(
        now=now,
        tasks=len(counted),
        held=len(tasks) - len(counted),
        day=_slots(instants, hour, DAY_SLOT, now + _DAY),
        week=_slots(instants, hour, WEEK_SLOT, now + _WEEK),
        herds=tuple(_herds(minutes, by_minute, midnight)),
        past=past,
    )


def _text(task: TimedTask) -> bytes:
    return orjson.dumps(task.body, option=orjson.OPT_SORT_KEYS)


@lru_cache(maxsize=16_384)
def _minutes(body: bytes, midnight: datetime) -> tuple[array[int], array[int]]:
    """The minutes in which a task begins, from a midnight on, and how many runs in each; kept, since midnight stays for a day."""
    indexes, runs = array("H"), array("L")
    try:
        schedule = compile_schedules(orjson.loads(body))
        for index, count in _counted(schedule, midnight):
            indexes.append(index)
            runs.append(count)
    except (OrdinautError, KeyError, TypeError, ValueError):
        # Somebody broke the row past git: what stands for it is drift, and no minute.
        return array("H"), array("L")
    return indexes, runs


def _counted(schedule: TaskSchedule, midnight: datetime) -> Iterator[tuple[int, int]]:
    """What begins by minutes; of what begins more than once in most minutes, by slots of five."""
    just_before = midnight - _INSTANT
    daily = schedule.count_between(just_before, midnight + _DAY, _FREQUENT)
    if daily == _FREQUENT:
        for number in range(_COUNTED // DAY_SLOT):
            begin = just_before + DAY_SLOT * number
            yield number * 5, schedule.count_between(begin, begin + DAY_SLOT, _MOST)
        return
    found = takewhile(lambda one: one.at < midnight + _COUNTED, schedule.running(just_before))
    counted = Counter((one.due_at - midnight) // _MINUTE for one in found)
    yield from sorted((index, n) for index, n in counted.items() if index < _COUNTED // _MINUTE)


def _slots(
    minutes: Mapping[datetime, int], origin: datetime, width: timedelta, end: datetime
) -> tuple[Slot, ...]:
    counted: Counter[int] = Counter()
    for at, runs in minutes.items():
        if at < end:
            counted[(at - origin) // width] += runs
    return tuple(Slot(at=origin + width * n, runs=runs) for n, runs in sorted(counted.items()))


def _herds(
    minutes: Mapping[int, int], by_minute: Mapping[int, Sequence[str]], midnight: datetime
) -> Iterator[Herding]:
    several = (index for index, tasks in by_minute.items() if len(tasks) > 1)
    for index in sorted(several, key=lambda index: (-minutes[index], index))[:_MOST_HERDS]:
        tasks = tuple(sorted(by_minute[index])[:_NAMED])
        yield Herding(at=midnight + _MINUTE * index, runs=minutes[index], tasks=tasks)
