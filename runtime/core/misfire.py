"""What becomes of the occurrences that time has reached: which run, which are skipped and why, and which comes next.

A schedule's cursor says up to where everything is decided. Normally exactly one occurrence lies between it and now; after
downtime there may be many. Every one of them is decided here, by the task's catch-up policy, and none silently. Whether
what runs may begin at once is for `overlap` to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Literal, Protocol, assert_never

from runtime.core.recurrence import Occurrence

CatchUpPolicy = Literal["latest", "all", "skip"]
Spell = tuple[datetime, datetime]
"""Since when and until when something lasts; the end is not part of it."""

# With `skip`, an occurrence that is a little late is on time all the same: a busy second is not downtime.
ON_TIME = timedelta(seconds=60)
# One firing decides at most so many occurrences; the rest is decided by the next, so that no backlog holds others up.
BATCH = 1000


class Expansion(Protocol):
    """A schedule that can be asked for its occurrences."""

    def following(self, after: datetime) -> Iterator[Occurrence]:
        """All occurrences strictly after an instant, in order, lazily, those that are excluded too."""
        ...


@dataclass(frozen=True, slots=True)
class CatchUpRule:
    """A task's catch-up policy, and what else bounds how late it runs.

    Attributes:
        policy: what becomes of missed occurrences.
        window: older ones never run.
        max: with `all`, at most so many run.
        start_deadline: what nobody has started so long after its due time does not run; None for no limit.
        replacing: each run ends the one before it, so that of several only the latest runs.
        snoozed: since when and until when the task was snoozed, each time: what is due then does not run.
    """

    policy: CatchUpPolicy
    window: timedelta
    max: int
    start_deadline: timedelta | None = None
    replacing: bool = False
    snoozed: tuple[Spell, ...] = ()

    def snoozes(self, occurrence: Occurrence) -> bool:
        """Whether an occurrence is due while the task is snoozed."""
        return any(since <= occurrence.due_at < until for since, until in self.snoozed)


@dataclass(frozen=True, slots=True)
class Decision:
    """One occurrence, decided.

    Attributes:
        occurrence: what is decided.
        reason: None if it runs, else why it is skipped.
        missed: it runs because everything that was missed does.
    """

    occurrence: Occurrence
    reason: str | None = None
    missed: bool = False


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
    batch: int = BATCH,
) -> Firing:
    """Decide every occurrence after the cursor whose due time has come, at most `batch` of them and one.

    With `ahead`, those too whose nominal instant has come and whose due time jitter has put off.
    """

    def has_come(occurrence: Occurrence) -> bool:
        return (occurrence.at if ahead else occurrence.due_at) <= now

    stream = schedule.following(cursor_for)
    reached: list[Occurrence] = []
    upcoming = next(stream, None)
    while upcoming is not None and has_come(upcoming) and len(reached) < batch:
        reached.append(upcoming)
        upcoming = next(stream, None)
    behind: Iterable[Occurrence] = ()
    if upcoming is not None and has_come(upcoming):
        after = next(stream, None)
        if after is not None and has_come(after):
            behind = chain((upcoming, after), stream)
        else:
            # Left alone for the next look, the last of many that were missed would pass for one that is on time.
            reached.append(upcoming)
            upcoming = after
    return Firing(
        decisions=tuple(_judge(reached, behind, now, rule, has_come)),
        cursor_for=reached[-1].at if reached else cursor_for,
        upcoming=upcoming,
    )


def _allowance(rule: CatchUpRule) -> int:
    """How many missed occurrences the policy lets run."""
    match rule.policy:
        case "latest":
            return 1
        case "all":
            return 1 if rule.replacing else rule.max
        case "skip":
            return 0
        case _:
            assert_never(rule.policy)


def _count_come(
    occurrences: Iterable[Occurrence],
    has_come: Callable[[Occurrence], bool],
    rule: CatchUpRule,
    *,
    cap: int,
) -> int:
    """How many occurrences that may run have come, counted no further than `cap`."""
    count = 0
    for occurrence in occurrences:
        if count == cap or not has_come(occurrence):
            break
        count += occurrence.excluded_by is None and not rule.snoozes(occurrence)
    return count


def _judge(
    reached: list[Occurrence],
    behind: Iterable[Occurrence],
    now: datetime,
    rule: CatchUpRule,
    has_come: Callable[[Occurrence], bool],
) -> Iterator[Decision]:
    """Judge a look's occurrences; those `behind` wait for the next look, are later, and so go first."""
    lapsed = {occurrence.at: _lapse(occurrence, now, rule) for occurrence in reached}
    fresh = [occurrence for occurrence in reached if lapsed[occurrence.at] is None]
    chosen: list[Occurrence] = []
    if fresh:
        more = _count_come(behind, has_come, rule, cap=_allowance(rule))
        chosen = _chosen(fresh, now, rule, more)
    runs = {occurrence.at for occurrence in chosen}
    for occurrence in reached:
        if occurrence.at in runs:
            late = now - occurrence.due_at > ON_TIME
            yield Decision(occurrence, missed=rule.policy == "all" and (late or len(chosen) > 1))
        else:
            yield Decision(occurrence, lapsed[occurrence.at] or _passed_over(rule))


def _lapse(occurrence: Occurrence, now: datetime, rule: CatchUpRule) -> str | None:
    """Why an occurrence cannot run, whatever becomes of the others."""
    late = now - occurrence.due_at
    if occurrence.excluded_by is not None:
        return "calendar"
    if rule.snoozes(occurrence):
        return "snoozed"
    if late > rule.window:
        return "catch_up_window"
    if rule.start_deadline is not None and late > rule.start_deadline:
        return "start_deadline"
    return None


def _chosen(
    fresh: list[Occurrence], now: datetime, rule: CatchUpRule, more: int
) -> list[Occurrence]:
    """Those of them that run, when `more` later ones wait for the next look."""
    if rule.policy == "skip":
        chosen = [occurrence for occurrence in fresh if now - occurrence.due_at <= ON_TIME]
        return chosen[-1:] if rule.replacing else chosen
    left = max(0, _allowance(rule) - more)
    return list(islice(fresh, max(0, len(fresh) - left), None))


def _passed_over(rule: CatchUpRule) -> str:
    """Why an occurrence that could run does not."""
    match rule.policy:
        case "latest":
            return "catch_up_latest"
        case "all":
            return "overlap_replaced" if rule.replacing else "catch_up_max"
        case "skip":
            return "catch_up_skip"
        case _:
            assert_never(rule.policy)
