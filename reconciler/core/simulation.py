"""A whole spec set played through by a clock that only pretends: what `ordinaut simulate` tells.

Values in, values out: no database, no secret, and nothing of the repository is executed. Only what time drives is
played; what events, conditions and people start cannot be known. Two runs over the same specs and the same period give the
same value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.core.desired import Desired, Specs
from reconciler.core.simulation_agents import agents_of
from reconciler.core.simulation_load import begins_by_minute, heat_of, herds_of
from reconciler.core.simulation_overlaps import assumed_duration, overlaps_of
from reconciler.core.simulation_runs import (
    MOST_OF_A_TASK,
    MOST_OF_ALL,
    Period,
    TaskRuns,
    follow,
)
from runtime.core.recurrence.zone import Zone
from schemas.agent import Agent
from schemas.project import Project
from schemas.simulation import SimulatedTask, Simulation


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What a simulation takes for granted.

    Attributes:
        duration: how long a run lasts; a task's timeout bounds it.
        herd: how many runs in one minute are a herd.
        of_task: occurrences of one task that are followed one by one.
        of_all: occurrences of all tasks after which nothing is followed any further.
    """

    duration: timedelta = timedelta(minutes=1)
    herd: int = 5
    of_task: int = MOST_OF_A_TASK
    of_all: int = MOST_OF_ALL


def default_zone(specs: Specs) -> str | None:
    """The zone that the Project gives to documents that name none."""
    for desired in specs.documents.values():
        if isinstance(desired.document, Project):
            return desired.document.defaults.timezone
    return None


def simulate(
    specs: Specs, tasks: Sequence[Desired], period: Period, assumed: Assumptions
) -> Simulation:
    """Play tasks through a period.

    Args:
        specs: where the tasks come from, with their agents.
        tasks: Task documents without problems.
        period: from when to when, and the zone of its days.
        assumed: what is taken for granted.
    """
    runs, until = follow(tasks, period, of_task=assumed.of_task, of_all=assumed.of_all)
    counts = begins_by_minute(runs)
    herds, herd_minutes = herds_of(counts, runs, assumed.herd, period.zone)
    shown = tuple(
        _task(followed, period, assumed.duration) for followed in runs if _moves(followed)
    )
    return Simulation(
        project=specs.project,
        begins_at=period.begin.astimezone(period.zone.tz),
        ends_at=period.end.astimezone(period.zone.tz),
        timezone=period.zone.name,
        counted_until=until.astimezone(period.zone.tz),
        assumed_duration=assumed.duration,
        herd_size=assumed.herd,
        runs=sum(task.runs for task in shown),
        tasks=shown,
        silent=tuple(followed.label for followed in runs if not _moves(followed)),
        overlaps=overlaps_of(runs, assumed.duration, period),
        herd_minutes=herd_minutes,
        herds=herds,
        agents=agents_of(_agents(specs), runs, period),
        heat=heat_of(counts, period),
    )


def _moves(followed: TaskRuns) -> bool:
    return bool(followed.begins or followed.skipped or followed.moved)


def _agents(specs: Specs) -> Mapping[str, Agent]:
    return {
        key.label: desired.document
        for key, desired in specs.documents.items()
        if isinstance(desired.document, Agent)
    }


def _task(followed: TaskRuns, period: Period, assumed: timedelta) -> SimulatedTask:
    body = followed.task.body
    runs = _estimated(len(followed.begins), followed.until, period)
    is_whole = followed.until == period.end
    return SimulatedTask(
        task=followed.label,
        schedule=followed.schedule.describe(),
        overlap=body["overlap"],
        assumed_duration=assumed_duration(body, assumed),
        runs=runs,
        runs_per_day=round(runs / period.length, 2),
        first_at=_local(followed.first_at, period.zone),
        last_at=_local(followed.last_at, period.zone) if is_whole else None,
        counted_until=followed.until.astimezone(period.zone.tz),
        skipped=dict(sorted(followed.skipped.items())),
        moved=dict(sorted(followed.moved.items())),
    )


def _estimated(counted: int, until: datetime, period: Period) -> int:
    """All runs of the period, at the pace of those that were counted."""
    followed = until - period.begin
    return round(counted * ((period.end - period.begin) / followed)) if followed else counted


def _local(instant: datetime | None, zone: Zone) -> datetime | None:
    return None if instant is None else instant.astimezone(zone.tz)
