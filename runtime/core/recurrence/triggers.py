"""What a schedule says, as values: the four triggers that follow the clock, and the occurrence they give.

A trigger is exactly what its author wrote; nothing is checked here. `compile_trigger` checks it and makes it
answer questions. Local times are naive and belong to the trigger's `timezone`; instants are aware.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

DstGap = Literal["shift", "skip"]
DstFold = Literal["first", "second", "both"]
Until = datetime | date | None
NO_JITTER = timedelta(0)


@dataclass(frozen=True, slots=True)
class RRuleTrigger:
    """One or more RFC 5545 rules over one anchor, with dates added and taken away.

    Attributes:
        rrule: RECUR text (RFC 5545 section 3.3.10); several texts are united. A `RRULE:` prefix and a last `;` are allowed.
        timezone: name from the tz database in which the rule's times are read.
        start: DTSTART, naive local time, whole seconds. Parts the rule leaves out are taken from it. It is an
            occurrence only if the rule gives it.
        until: UNTIL for every rule: a date (the whole local day counts), naive local time or aware instant; inclusive.
        count: COUNT for the one rule.
        rdate: added times, naive local or aware; neither `until` nor `count` bounds them.
        exdate: removed times, naive local or aware; a date removes that whole local day. Beats `rdate`.
        dst_gap: a local time that does not exist is shifted by the offset before the gap (RFC 5545 section 3.3.5) or skipped.
        dst_fold: which of two equal local times counts.
        jitter: upper bound (exclusive) of the delay added to the due time; the nominal instant stays.
    """

    rrule: str | tuple[str, ...]
    timezone: str
    start: datetime
    until: Until = None
    count: int | None = None
    rdate: tuple[datetime, ...] = ()
    exdate: tuple[datetime | date, ...] = ()
    dst_gap: DstGap = "shift"
    dst_fold: DstFold = "first"
    jitter: timedelta = NO_JITTER


@dataclass(frozen=True, slots=True)
class CronTrigger:
    """A cron expression of five fields, of six (seconds first), or an @word.

    Attributes:
        cron: the expression.
        timezone: name from the tz database.
        start: naive local time before which nothing happens; cron itself needs no anchor.
        until: last time that counts, as for `RRuleTrigger`.
        count: how many occurrences from `start` on; needs `start`.
        dst_gap: None is cron's own way (see `cron`); else as for `RRuleTrigger`.
        dst_fold: None is cron's own way (see `cron`); else as for `RRuleTrigger`.
        jitter: as for `RRuleTrigger`.
    """

    cron: str
    timezone: str
    start: datetime | None = None
    until: Until = None
    count: int | None = None
    dst_gap: DstGap | None = None
    dst_fold: DstFold | None = None
    jitter: timedelta = NO_JITTER


@dataclass(frozen=True, slots=True)
class EveryTrigger:
    """A span of elapsed time, over and over: no time zone has a say in it.

    Attributes:
        every: the span, one second or more.
        start: aware instant of the first occurrence.
        until: last instant that counts; naive times and dates are read as UTC.
        count: how many occurrences.
        jitter: as for `RRuleTrigger`.
    """

    every: timedelta
    start: datetime
    until: Until = None
    count: int | None = None
    jitter: timedelta = NO_JITTER


@dataclass(frozen=True, slots=True)
class AtTrigger:
    """Named instants, each once.

    Attributes:
        at: aware instants, or naive local times if `timezone` is given (a gap time is shifted, a repeated one is the first).
        timezone: name from the tz database, needed by naive times.
        jitter: as for `RRuleTrigger`.
    """

    at: tuple[datetime, ...]
    timezone: str | None = None
    jitter: timedelta = NO_JITTER


Trigger = RRuleTrigger | CronTrigger | EveryTrigger | AtTrigger


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One nominal instant of a trigger.

    Attributes:
        at: the nominal instant, aware UTC: the occurrence's identity.
        local_at: the wall time as the schedule names it, naive; for a shifted one the time that does not exist.
        utc_offset: the zone's offset at `at`, so that `at + utc_offset` is what a clock on the wall shows.
        due_at: `at` plus the jitter, aware UTC.
        shifted: `local_at` lies in a gap, and `at` is the instant that stands for it.
        repeated: the wall shows this time twice that day.
        fold: 0 for the first of the two, 1 for the second; 0 if not repeated.
        excluded_by: label of the calendar that keeps it from running; None if it runs.
        moved_to: the instant at which it runs instead; only of an excluded one.
        moved_from: the instant that it was excluded at, if it stands in for one; the latest, if for several.
    """

    at: datetime
    local_at: datetime
    utc_offset: timedelta
    due_at: datetime
    shifted: bool = False
    repeated: bool = False
    fold: Literal[0, 1] = 0
    excluded_by: str | None = None
    moved_to: datetime | None = None
    moved_from: datetime | None = None
