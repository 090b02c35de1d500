"""Where rules count from: a written start, or one fixed instant; never "now"."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from runtime.core.recurrence.rule import parse_rule
from runtime.errors import ScheduleError

EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Where schedules without a `start` count from: 1 January 2000, 00:00, UTC or local as the kind has it."""


def fixed_start(rules: Sequence[str], count: int | None = None) -> datetime:
    """The local time that rules without a start of their own count from.

    Raises:
        ScheduleError: `ORD603`, a rule means something else for every start; or what `parse_rule` raises.
    """
    for text in rules:
        rule = parse_rule(text, count=count)
        if rule.count is not None or rule.interval > 1:
            raise ScheduleError(
                "a rule with COUNT or INTERVAL counts from its start, and there is none",
                hint="add start: with the local date and time of the first occurrence",
                code="ORD603",
            )
    return EPOCH.replace(tzinfo=None)
