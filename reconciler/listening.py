"""What a task's event schedules become in the database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from reconciler.core.digest import digest_of
from runtime.core.narrowing import lateness_meant, task_meant
from runtime.store.hearing import ArmedListener
from schemas.durations import parse_duration

RUN_LATE: Final = "ordinaut.run.late"
LATE_AFTER: Final = timedelta(minutes=5)
"""When a run is late for whoever does not say."""


def armed_listeners(task_uid: int, body: Mapping[str, Any]) -> list[ArmedListener]:
    """The event schedules of a normalised task body; one that is written twice is one."""
    found: dict[str, ArmedListener] = {}
    for position, schedule in enumerate(body["schedule"]):
        if "event" in schedule:
            armed = _armed(task_uid, position, schedule)
            found.setdefault(armed.digest, armed)
    return list(found.values())


def _armed(task_uid: int, position: int, schedule: Mapping[str, Any]) -> ArmedListener:
    topic, condition = schedule["event"], schedule.get("filter")
    batch = schedule.get("batch")
    quiet = schedule.get("debounce")
    return ArmedListener(
        task_uid=task_uid,
        digest=digest_of({"event": topic, "filter": condition}),
        position=position,
        topic=topic,
        filter=condition,
        late_after=_late_after(condition) if topic == RUN_LATE else None,
        of_task=None if condition is None else task_meant(condition),
        quiet=None if quiet is None else parse_duration(quiet),
        most=None if batch is None else batch["max"],
        within=None if batch is None else parse_duration(batch["within"]),
    )


def _late_after(condition: str | None) -> timedelta:
    seconds = None if condition is None else lateness_meant(condition)
    return LATE_AFTER if seconds is None else timedelta(seconds=seconds)
