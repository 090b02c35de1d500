"""How runs spread over time: herds that begin in one minute, and the heat of days and hours."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Final

from reconciler.core.simulation_runs import Period, TaskRuns, local_minutes, minute_at
from runtime.core.recurrence.zone import Zone
from schemas.simulation import HeatRow, Herd

SHOWN: Final = 10
"""Herds that are told one by one."""

_MINUTE: Final = 60_000
_DAY_MINUTES: Final = 24 * 60
_FIRST_DAY: Final = date(1970, 1, 1)


def begins_by_minute(runs: Iterable[TaskRuns]) -> Counter[int]:
    """How many runs begin in each minute since 1970."""
    counts: Counter[int] = Counter()
    for followed in runs:
        counts.update([begin // _MINUTE for begin in followed.begins])
    return counts


def herds_of(
    counts: Mapping[int, int], runs: Sequence[TaskRuns], size: int, zone: Zone
) -> tuple[tuple[Herd, ...], int]:
    """The fullest minutes, one for each time of the day, and how many minutes hold a herd at all.

    Args:
        counts: `begins_by_minute` of the runs.
        runs: what the tasks do.
        size: how many runs make a herd. One task alone makes none, however often it runs.
        zone: whose times of the day are told.
    """
    full = {minute for minute, count in counts.items() if count >= size}
    members = Counter[int]()
    for followed in runs:
        members.update(full.intersection([begin // _MINUTE for begin in followed.begins]))
    crowded = sorted(minute for minute, tasks in members.items() if tasks > 1)
    by_clock: dict[int, list[int]] = defaultdict(list)
    for minute, local in local_minutes(crowded, zone):
        by_clock[local % _DAY_MINUTES].append(minute)
    fullest = sorted(
        (max(minutes, key=counts.__getitem__), len(minutes)) for minutes in by_clock.values()
    )
    fullest.sort(key=lambda found: -counts[found[0]])
    herds = [_herd(minute, times, counts, runs, zone) for minute, times in fullest[:SHOWN]]
    return tuple(herds), len(crowded)


def _herd(
    minute: int, times: int, counts: Mapping[int, int], runs: Sequence[TaskRuns], zone: Zone
) -> Herd:
    members = [followed for followed in runs if _begins_in(followed.begins, minute)]
    return Herd(
        minute=minute_at(minute, zone),
        runs=counts[minute],
        times=times,
        tasks=tuple(followed.label for followed in members),
        without_jitter=tuple(followed.label for followed in members if not _has_jitter(followed)),
    )


def _begins_in(begins: Sequence[int], minute: int) -> bool:
    place = bisect_left(begins, minute * _MINUTE)
    return place < len(begins) and begins[place] < (minute + 1) * _MINUTE


def _has_jitter(followed: TaskRuns) -> bool:
    return any(trigger.jitter for trigger in followed.schedule.triggers)


def heat_of(counts: Mapping[int, int], period: Period) -> tuple[HeatRow, ...]:
    """Runs by day and hour of the period's zone; jitter may add a day."""
    rows = {day: [0] * 24 for day in period.days}
    for minute, local in local_minutes(sorted(counts), period.zone):
        days, of_day = divmod(local, _DAY_MINUTES)
        hours = rows.setdefault(_FIRST_DAY + timedelta(days=days), [0] * 24)
        hours[of_day // 60] += counts[minute]
    return tuple(HeatRow(day=day, hours=tuple(hours)) for day, hours in sorted(rows.items()))
