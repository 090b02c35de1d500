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
from runtime.core.schedules import compile_schedules
from runtime.errors import ScheduleError
from schemas.problem import Problem
from schemas.task import Task

_BEGINNING: Final = datetime(1900, 1, 1, tzinfo=UTC)
_ZONE_UNKNOWN: Final = "ORD604"


def schedule_problems(entry: Entry) -> Iterator[Problem]:
    """What is wrong with each schedule of a task."""
    if not isinstance(entry.document, Task):
        return
    for number, schedule in enumerate(
        entry.document.model_dump(**NORMAL_FORM, include={"schedule"})["schedule"]
    ):
        error = _judged(canonical(schedule))
        if error is not None:
            kind = next(name for name in schedule if name in ("rrule", "cron", "every", "at"))
            path: Path = ("schedule", number, "timezone" if error.code == _ZONE_UNKNOWN else kind)
            yield from entry.problem(path, error.code, error.message, error.hint)


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
