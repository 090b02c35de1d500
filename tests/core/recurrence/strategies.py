"""Random rules that RFC 5545 allows, and starts just before the offset changes that hurt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar, get_args

from hypothesis import strategies as st

from runtime.core.recurrence import DstFold, DstGap, RRuleTrigger
from tests.core.recurrence.oracle import Parts

T = TypeVar("T")

# Zone -> days on which its offset changes; what is special about it.
CHANGES: dict[str, tuple[str, ...]] = {
    "Europe/Chisinau": (
        "2025-03-30",
        "2025-10-26",
        "2026-03-29",
    ),  # changes at 01:00 UTC since 2022
    "America/New_York": ("2025-03-09", "2025-11-02"),
    "Australia/Lord_Howe": ("2025-04-06", "2025-10-05"),  # half an hour
    "America/Sao_Paulo": ("2017-10-15", "2018-02-18", "2018-11-04"),  # at midnight
    "Asia/Beirut": ("2024-03-31", "2024-10-27"),  # at midnight
    "America/Havana": ("2025-03-09", "2025-11-02"),  # gap at midnight, fold from 01:00 to 00:00
    "America/St_Johns": ("2007-03-11", "2007-11-04"),  # fold from 00:01 to 23:01 of the day before
    "Africa/Casablanca": ("2025-02-23", "2025-04-06"),  # a negative summer time
    "Antarctica/Troll": ("2025-03-30", "2025-10-26"),  # two hours
    "Pacific/Apia": ("2011-09-24", "2011-12-30"),  # a whole day
    "Asia/Kathmandu": ("1986-01-01",),  # a quarter of an hour, for good
    "UTC": ("2025-01-01",),
}


def subset(values: range | list[int], most: int = 3) -> st.SearchStrategy[tuple[int, ...]]:
    """Up to `most` of the values, sorted."""
    return st.lists(st.sampled_from(list(values)), min_size=1, max_size=most, unique=True).map(
        lambda found: tuple(sorted(found))
    )


def around(value: int, values: range | list[int]) -> st.SearchStrategy[tuple[int, ...]]:
    """Some of the values and nearly always this one, so that the rule has something to say near the start."""
    return st.tuples(subset(values, 6), st.sampled_from([(value,)] * 7 + [()])).map(
        lambda found: tuple(sorted({*found[0], *found[1]}))
    )


def maybe(
    strategy: st.SearchStrategy[tuple[T, ...]], weight: int = 2
) -> st.SearchStrategy[tuple[T, ...]]:
    """Mostly nothing."""
    return st.one_of(*[st.just(())] * weight, strategy)


def signed(high: int) -> list[int]:
    """1 to high, and the same from the end."""
    return [*range(1, high + 1), *range(-high, 0)]


@st.composite
def starts(draw: st.DrawFn, days_before: int) -> tuple[str, datetime]:
    """A zone and a local time up to so many days before one of its changes."""
    zone = draw(st.sampled_from(sorted(CHANGES)))
    change = datetime.fromisoformat(draw(st.sampled_from(CHANGES[zone])))
    early = timedelta(days=draw(st.integers(0, days_before)))
    hour = draw(st.one_of(st.integers(0, 3), st.integers(0, 3), st.integers(0, 23)))
    minute = draw(st.sampled_from([0, 0, 10, 15, 30, 45, 59]))
    return zone, change - early + timedelta(hours=hour, minutes=minute)


@dataclass(frozen=True)
class Case:
    """A rule, where its wall hangs, DTSTART, and the policies."""

    parts: Parts
    zone: str
    start: datetime
    gap: DstGap = "shift"
    fold: DstFold = "first"

    def trigger(self) -> RRuleTrigger:
        return RRuleTrigger(
            self.parts.text(), self.zone, self.start, dst_gap=self.gap, dst_fold=self.fold
        )


@st.composite
def day_cases(draw: st.DrawFn) -> Case:
    """YEARLY, MONTHLY, WEEKLY and DAILY rules, without the three that are contested."""
    zone, start = draw(starts(60))
    parts = Parts(
        draw(st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY"])),
        interval=draw(st.sampled_from([1, 1, 2, 3, 5])),
        wkst=draw(st.integers(0, 6)),
        byhour=draw(maybe(subset(range(24), 4))),
        byminute=draw(maybe(subset([0, 10, 15, 30, 50]))),
        bymonth=draw(maybe(subset(range(1, 13)))),
    )
    parts = draw(with_positions(draw(with_days(parts))))
    gap = draw(st.sampled_from(get_args(DstGap)))
    fold = draw(st.sampled_from(get_args(DstFold)))
    return Case(draw(with_bound(parts, start, 8000)), zone, start, gap, fold)


@st.composite
def with_days(draw: st.DrawFn, parts: Parts) -> Parts:
    """The rule, perhaps with the day parts that its FREQ allows."""
    byday = draw(st.one_of(st.just(()), weekdays(parts.freq)))
    parts = replace(parts, byday=byday)
    if parts.freq == "YEARLY":
        parts = replace(
            parts, byyearday=draw(maybe(subset([1, 59, 60, 61, 200, 365, 366, -1, -60, -366], 4)))
        )
    contested = parts.freq == "YEARLY" and not parts.bymonth and not parts.byyearday
    if parts.freq != "WEEKLY" and not contested:
        parts = replace(parts, bymonthday=draw(maybe(subset(signed(31), 4))))
    numbered = any(number for number, _ in byday)
    by_day = byday or parts.bymonthday or parts.byyearday
    if parts.freq == "YEARLY" and by_day and not numbered:
        # The weeks next to the new year are contested together with INTERVAL and BYSETPOS.
        weeks = [2, 10, 20, 51, -2, -10] if parts.interval > 1 else [1, 20, 52, 53, -1, -52, -53]
        parts = replace(parts, byweekno=draw(maybe(subset(weeks), 1)))
    return parts


@st.composite
def with_positions(draw: st.DrawFn, parts: Parts) -> Parts:
    """The rule, perhaps with BYSETPOS where RFC 5545 allows it."""
    lists = (
        parts.byhour,
        parts.byminute,
        parts.bysecond,
        parts.byday,
        parts.bymonthday,
        parts.byyearday,
        parts.bymonth,
    )
    if not any(lists) or parts.byweekno or not draw(st.booleans()):
        return parts
    numbers = [1, -1] if parts.freq == "SECONDLY" else [1, 2, 3, 7, -1, -2, -5]
    return replace(parts, bysetpos=draw(subset(numbers)))


@st.composite
def with_bound(draw: st.DrawFn, parts: Parts, start: datetime, reach: int) -> Parts:
    """The rule, perhaps with COUNT, or a local or UTC UNTIL that many hours away."""
    match draw(st.sampled_from(["none", "none", "count", "local", "utc"])):
        case "count":
            return replace(parts, count=draw(st.integers(1, 30)))
        case "none":
            return parts
        case kind:
            until = start + timedelta(hours=draw(st.integers(-3, reach)))
            return replace(parts, until=until if kind == "local" else until.replace(tzinfo=UTC))


def weekdays(freq: str) -> st.SearchStrategy[tuple[tuple[int, int], ...]]:
    """BYDAY, with numbers where they are allowed."""
    numbers = {"MONTHLY": [0, 0, 1, 2, 5, -1, -2], "YEARLY": [0, 0, 1, 3, 20, 53, -1, -5]}
    item = st.tuples(st.sampled_from(numbers.get(freq, [0])), st.integers(0, 6))
    return st.lists(item, min_size=1, max_size=4, unique=True).map(
        lambda found: tuple(sorted(found))
    )


@st.composite
def elapsed_cases(
    draw: st.DrawFn, freq: str, days_before: int, intervals: tuple[int, ...]
) -> Case:
    """HOURLY, MINUTELY or SECONDLY rules that begin shortly before an offset change."""
    zone, start = draw(starts(days_before))
    near = st.sampled_from([(0, 1, 2, 3), (1, 2), tuple(range(0, 24, 2)), tuple(range(24))])
    parts = Parts(
        freq,
        interval=draw(st.sampled_from(intervals)),
        byhour=draw(maybe(near, 1)),
        byminute=draw(maybe(subset([0, 0, 10, 15, 30, 50, 59], 4), 1)),
        bysecond=draw(maybe(subset([0, 15, 30, 59], 4 if freq == "SECONDLY" else 1))),
        byday=tuple((0, day) for day in draw(maybe(around(start.weekday(), range(7))))),
        bymonth=draw(maybe(around(start.month, range(1, 13)), 4)),
        bymonthday=draw(maybe(around(start.day, signed(31)), 4)),
    )
    return Case(draw(with_bound(draw(with_positions(parts)), start, 30)), zone, start)
