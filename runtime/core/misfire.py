"""What becomes of the occurrences that time has reached: which run, which are skipped and why, and which comes next.

A schedule's cursor says up to where everything is decided. Normally exactly one occurrence lies between it and now; after
downtime there may be many. Every one of them is decided here, by the task's catch-up policy, and none silently.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol, assert_never

from runtime.core.recurrence import Occurrence

CatchUpPolicy = Literal["latest", "all", "skip"]

# With `skip`, an occurrence that is a little late is on time all the same: a busy second is not downtime.
ON_TIME = timedelta(seconds=60)
# One firing decides at most so many occurrences; the rest is decided by the next, so that no backlog holds others up.
BATCH = 1000


class Expansion(Protocol):
    """A schedule that can be asked for its occurrences."""

    def next_after(self, instant: datetime) -> Occurrence | None:
        """The first occurrence strictly after `instant`."""
        ...


@dataclass(frozen=True, slots=True)
class CatchUpRule:
    """A task's catch-up policy."""

    policy: CatchUpPolicy
    window: timedelta
    max: int


@dataclass(frozen=True, slots=True)
class Decision:
    """One occurrence, decided: `reason` is None if it runs, else why it is skipped."""

    occurrence: Occurrence
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Firing:
    """Everything decided for one schedule at one look.

    Attributes:
        decisions: the occurrences reached, in order.
        cursor_for: every occurrence up to here is decided now.
        upcoming: the next occurrence, whose due time lies ahead unless the look was cut short; None if there is none.
    """

    decisions: tuple[Decision, ...]
    cursor_for: datetime
    upcoming: Occurrence | None


def decide(
    schedule: Expansion,
    cursor_for: datetime,
    now: datetime,
    rule: CatchUpRule,
    *,
    ahead: bool = False,
) -> Firing:
    """Decide every occurrence after the cursor whose due time has come, at most `BATCH` of them.

    With `ahead`, those too whose nominal instant has come and whose due time jitter has put off.
    """

    def has_come(occurrence: Occurrence) -> bool:
        return (occurrence.at if ahead else occurrence.due_at) <= now

    reached: list[Occurrence] = []
    upcoming = schedule.next_after(cursor_for)
    while upcoming is not None and has_come(upcoming) and len(reached) < BATCH:
        reached.append(upcoming)
        upcoming = schedule.next_after(upcoming.at)
    more = _count_come(schedule, upcoming, has_come, cap=_allowance(rule))
    return Firing(
        decisions=tuple(_judge(reached, now, rule, more)),
        cursor_for=reached[-1].at if reached else cursor_for,
        upcoming=upcoming,
    )


def _allowance(rule: CatchUpRule) -> int:
    """How many missed occurrences the policy lets run."""
    match rule.policy:
        case "latest":
            return 1
        case "all":
            return rule.max
        case "skip":
            return 0
        case _:
            assert_never(rule.policy)


def _count_come(
    schedule: Expansion,
    first: Occurrence | None,
    has_come: Callable[[Occurrence], bool],
    *,
    cap: int,
) -> int:
    """How many occurrences from `first` on have come, counted no further than `cap`."""
    count = 0
    while first is not None and count < cap and has_come(first):
        count += 1
        first = schedule.next_after(first.at)
    return count


def _judge(
    reached: list[Occurrence], now: datetime, rule: CatchUpRule, more: int
) -> list[Decision]:
    """Judge a look's occurrences, behind which `more` wait for the next: those are later, and go first."""
    if not reached:
        return []
    fresh = [occurrence for occurrence in reached if now - occurrence.due_at <= rule.window]
    match rule.policy:
        case "latest" | "all":
            left = max(0, _allowance(rule) - more)
            chosen = fresh[len(fresh) - min(left, len(fresh)) :]
            other = "catch_up_latest" if rule.policy == "latest" else "catch_up_max"
        case "skip":
            chosen = [occurrence for occurrence in fresh if now - occurrence.due_at <= ON_TIME]
            other = "catch_up_skip"
        case _:
            assert_never(rule.policy)
    runs = {occurrence.at for occurrence in chosen}
    stale = {occurrence.at for occurrence in reached} - {occurrence.at for occurrence in fresh}
    return [
        Decision(o, None if o.at in runs else "catch_up_window" if o.at in stale else other)
        for o in reached
    ]
