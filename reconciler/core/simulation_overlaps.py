"""Runs that would begin while others are active, if every run lasts as long as is assumed.

A task meets itself, and what becomes of the run is its overlap policy's affair; tasks that share a concurrency key meet
each other once more of them are active than the key has slots. A run that its own policy skips meets nobody else. No
queue is played through: a run that waits is taken to begin when it was due.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from reconciler.core.simulation_runs import Period, TaskRuns, instant_of
from runtime.core.expressions import Context, compile_template
from runtime.core.recurrence.zone import Zone
from runtime.errors import ExpressionError
from schemas.durations import parse_duration
from schemas.simulation import SimulatedOverlap
from schemas.task import Overlap

_EFFECTS: Final[Mapping[Overlap, str]] = {
    "skip": "is skipped",
    "queue_one": "waits, unless one waits already",
    "queue_all": "waits",
    "cancel_running": "ends the active one",
    "allow": "runs beside it",
}
_WAITS_FOR_SLOT: Final = "waits for a slot"


@dataclass(slots=True)
class _Meeting:
    """How often one task's runs meet another's, and when first (milliseconds since 1970)."""

    label: str
    other: str
    first: int
    times: int = 0

    def told(
        self, effect: str, zone: Zone, *, key: str | None = None, limit: int | None = None
    ) -> SimulatedOverlap:
        """The same in the form that is printed."""
        return SimulatedOverlap(
            task=self.label,
            other=self.other,
            key=key,
            limit=limit,
            first_at=instant_of(self.first, zone),
            times=self.times,
            effect=effect,
        )


@dataclass(frozen=True, slots=True)
class _Sharer:
    """A task that uses a concurrency key."""

    label: str
    begins: Sequence[int]
    length: int
    limit: int
    is_beside_itself: bool


def assumed_duration(body: Mapping[str, Any], assumed: timedelta) -> timedelta:
    """How long a run of a task is taken to last: no longer than its timeout."""
    return min(assumed, parse_duration(body["timeout"]))


def overlaps_of(
    runs: Iterable[TaskRuns], assumed: timedelta, period: Period
) -> tuple[SimulatedOverlap, ...]:
    """All overlaps, most frequent first.

    Args:
        runs: what the tasks do.
        assumed: how long runs are taken to last.
        period: in whose zone instants are told.
    """
    found: list[SimulatedOverlap] = []
    sharing: dict[str, list[_Sharer]] = {}
    for followed in runs:
        body = followed.task.body
        length = int(assumed_duration(body, assumed) / timedelta(milliseconds=1))
        policy: Overlap = body["overlap"]
        meeting, begun = _with_itself(followed, length, skips=policy == "skip")
        if meeting.times:
            found.append(meeting.told(_EFFECTS[policy], period.zone))
        slots = body.get("concurrency")
        if slots and (key := _key(slots["key"], body["params"], period.begin)) is not None:
            sharer = _Sharer(followed.label, begun, length, slots["limit"], policy == "allow")
            sharing.setdefault(key, []).append(sharer)
    for key, sharers in sharing.items():
        found += _over_limit(key, sharers, period)
    return tuple(sorted(found, key=lambda one: (-one.times, one.task, one.other, one.key or "")))


def _with_itself(
    followed: TaskRuns, length: int, *, skips: bool
) -> tuple[_Meeting, Sequence[int]]:
    """How a task meets itself, and the runs that begin all the same."""
    meeting = _Meeting(followed.label, followed.label, 0)
    begun: list[int] = []
    busy_until: int | None = None
    for begin in followed.begins:
        if busy_until is not None and begin < busy_until:
            meeting.first = meeting.first or begin
            meeting.times += 1
            if skips:
                continue
        busy_until = begin + length
        begun.append(begin)
    return meeting, begun


def _over_limit(
    key: str, sharers: Sequence[_Sharer], period: Period
) -> Iterator[SimulatedOverlap]:
    """Where a run begins and no slot is free: it is told beside the one that would free a slot first."""
    active: list[tuple[int, str]] = []
    met: dict[tuple[str, str], _Meeting] = {}
    limits = {sharer.label: sharer.limit for sharer in sharers}
    for begin, sharer in _in_order(sharers):
        while active and active[0][0] <= begin:
            heapq.heappop(active)
        if len(active) >= sharer.limit:
            other = active[0][1]
            if other != sharer.label or sharer.is_beside_itself:
                pair = (sharer.label, other)
                met.setdefault(pair, _Meeting(*pair, begin)).times += 1
        heapq.heappush(active, (begin + sharer.length, sharer.label))
    for meeting in met.values():
        yield meeting.told(_WAITS_FOR_SLOT, period.zone, key=key, limit=limits[meeting.label])


def _in_order(sharers: Sequence[_Sharer]) -> Iterator[tuple[int, _Sharer]]:
    streams = [
        [(begin, number) for begin in sharer.begins] for number, sharer in enumerate(sharers)
    ]
    for begin, number in heapq.merge(*streams):
        yield begin, sharers[number]


def _key(template: str, params: Mapping[str, Any], now: datetime) -> str | None:
    """The key in words; None if it depends on more than the task's parameters."""
    try:
        return str(compile_template(template).render(Context(now=now, params=params)))
    except ExpressionError:
        return None
