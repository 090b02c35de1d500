"""Why a task ran, did not run, or ran late: what is known of a time that people name."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from runtime.core.explain import LIMIT, explain
from runtime.core.recurrence.zone import load_zone
from runtime.errors import OrdinautError, ScheduleError
from runtime.lookup import resolve_task
from runtime.store.explanations import load_evidence, newest_decision
from runtime.store.rows import Connection
from schemas.explanation import Explanation

_CLOCK: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)
_MINUTE: Final = timedelta(minutes=1)
_A_DAY: Final = timedelta(days=1)
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class BadTime(OrdinautError):
    """A time cannot be read."""

    default_code = "ORD007"


def explain_task(connection: Connection, label: str, when: str | None) -> Explanation:
    """What became of the occurrences of a task in a day, minute or second.

    Args:
        connection: the database.
        label: the task.
        when: `2026-11-20`, `2026-11-20T08:30`, `08:30` of today; in the task's zone unless it has an offset. What was decided
            last when None.

    Raises:
        NotFound: ORD310, there is no such task.
        BadTime: ORD007.
    """
    found = resolve_task(connection, label)
    name = next((one["timezone"] for one in found.body["schedule"] if "timezone" in one), None)
    if when is None:
        newest = newest_decision(connection, found.uid) or found.now
        span = (newest, newest + timedelta(microseconds=1))
    else:
        span = _span(when, _zone(name), found.now)
    return explain(load_evidence(connection, found, label, name, span, limit=LIMIT + 1))


def _zone(name: str | None) -> tzinfo:
    try:
        return load_zone(name).tz if name else UTC
    except ScheduleError:
        return UTC


def _span(text: str, zone: tzinfo, now: datetime) -> tuple[datetime, datetime]:
    """The day, minute or second that a text names."""
    try:
        if clock := _CLOCK.fullmatch(text):
            today = now.astimezone(zone)
            start = today.replace(
                hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0, fold=0
            )
            return start, start + _MINUTE
        moment = datetime.fromisoformat(text)
        start = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        # Of a day by wall time: the day that clocks change has another length.
        length = (
            _A_DAY if _DAY.fullmatch(text) else timedelta(seconds=1) if moment.second else _MINUTE
        )
        span = (start, start + length)
        # At the ends of the calendar an offset may lead out of it.
        for instant in span:
            instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadTime(
            f"{text!r} is not a time such as 2026-11-20, 2026-11-20T08:30 or 08:30"
        ) from None
    return span
