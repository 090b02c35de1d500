"""Cron expressions: what the fields mean, and agreement with an independent reading of Debian's cron."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from cronsim import CronSim
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runtime.core.recurrence import CronTrigger, compile_trigger, occurrences
from runtime.core.recurrence.cron import parse_cron
from tests.core.recurrence import oracle


def listed(
    expression: str, limit: int, after: str = "2026-01-01T00:00Z", zone: str = "UTC"
) -> list[str]:
    compiled = compile_trigger(CronTrigger(expression, zone))
    found = occurrences([compiled], datetime.fromisoformat(after), limit=limit)
    return [f"{occurrence.local_at:%m-%d %H:%M}" for occurrence in found]


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("0 0 L * *", ["01-31 00:00", "02-28 00:00", "03-31 00:00"]),
        ("0 0 1,L * *", ["01-31 00:00", "02-01 00:00", "02-28 00:00"]),
        ("0 0 LW * *", ["01-30 00:00", "02-27 00:00", "03-31 00:00"]),
        ("0 0 * * 5L", ["01-30 00:00", "02-27 00:00", "03-27 00:00"]),
        ("0 0 * * FRI#2", ["01-09 00:00", "02-13 00:00", "03-13 00:00"]),
        ("0 0 * * 5#5", ["01-30 00:00", "05-29 00:00", "07-31 00:00"]),
        ("0 0 29 2 *", ["02-29 00:00", "02-29 00:00"]),
        ("0 0 * * 7", ["01-04 00:00", "01-11 00:00"]),
        ("0 0 * * 5-7", ["01-02 00:00", "01-03 00:00", "01-04 00:00", "01-09 00:00"]),
        ("0 0 * * FRI-SUN", ["01-02 00:00", "01-03 00:00", "01-04 00:00", "01-09 00:00"]),
        ("0 0 * JAN-MAR/2 *", ["01-02 00:00"]),
        ("5/20 8 * * *", ["01-01 08:05", "01-01 08:25", "01-01 08:45", "01-02 08:05"]),
        ("0 8-18/5 * * *", ["01-01 08:00", "01-01 13:00", "01-01 18:00"]),
        ("0 0 */10 * 5", ["05-01 00:00", "07-31 00:00"]),  # a field that starts with * means both
        (
            "0 0 10,20 * 5",
            ["01-02 00:00", "01-09 00:00", "01-10 00:00", "01-16 00:00", "01-20 00:00"],
        ),
        ("@hourly", ["01-01 01:00", "01-01 02:00"]),
        ("@daily", ["01-02 00:00", "01-03 00:00"]),
        ("@midnight", ["01-02 00:00", "01-03 00:00"]),
        ("@weekly", ["01-04 00:00", "01-11 00:00"]),
        ("@monthly", ["02-01 00:00", "03-01 00:00"]),
        ("@yearly", ["01-01 00:00", "01-01 00:00"]),
        ("@Annually", ["01-01 00:00"]),
    ],
)
def test_a_field_means_what_cron_says(expression: str, wanted: list[str]) -> None:
    assert listed(expression, len(wanted)) == wanted


def test_a_sixth_field_in_front_is_the_second() -> None:
    compiled = compile_trigger(CronTrigger("*/20 0 0 * * *", "UTC"))

    found = list(occurrences([compiled], datetime(2026, 1, 1, tzinfo=UTC), limit=3))

    assert [f"{occurrence.local_at:%d %H:%M:%S}" for occurrence in found] == [
        "01 00:00:20",
        "01 00:00:40",
        "02 00:00:00",
    ]


def test_start_and_until_bound_a_cron_schedule() -> None:
    trigger = CronTrigger(
        "0 9 * * *",
        "Europe/Chisinau",
        start=datetime(2026, 1, 5, 9),
        until=datetime(2026, 1, 7, 9),
    )

    found = list(
        occurrences([compile_trigger(trigger)], datetime(2025, 1, 1, tzinfo=UTC), limit=9)
    )

    assert [occurrence.local_at.day for occurrence in found] == [5, 6, 7]


def field(low: int, high: int, *, star: int = 3) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    # cronsim reads `3-3/2` as `3/2`, so a span has two values at least.
    span = st.tuples(st.integers(low, high - 1), number).map(
        lambda pair: f"{pair[0]}-{max(pair[0] + 1, pair[1])}"
    )
    stepped = st.tuples(st.one_of(st.just("*"), span), st.integers(1, high)).map(step)
    listed_numbers = st.lists(number, min_size=1, max_size=3).map(
        lambda values: ",".join(map(str, values))
    )
    return st.one_of(*[st.just("*")] * star, number.map(str), span, stepped, listed_numbers)


def step(pair: tuple[str, int]) -> str:
    return f"{pair[0]}/{pair[1]}"


EXPRESSIONS = st.tuples(
    field(0, 59, star=1),
    field(0, 23),
    field(1, 28),
    field(1, 12),
    st.one_of(field(0, 7), st.sampled_from(["1-5", "5L", "2#3", "MON,FRI"])),
).map(" ".join)
# Changes of New York and Chisinau, and an ordinary day.
AFTER = st.sampled_from(["2026-03-07", "2026-03-28", "2026-06-10", "2026-10-24", "2026-10-31"])


@settings(max_examples=150, deadline=None)
@given(
    EXPRESSIONS,
    st.sampled_from(["UTC", "America/New_York", "Europe/Chisinau"]),
    AFTER,
    st.integers(0, 1440),
)
def test_random_expressions_fire_when_debian_cron_would(
    expression: str, zone: str, day: str, minute: int
) -> None:
    after = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(minutes=minute)
    theirs = CronSim(expression, after.astimezone(oracle.zone_of(zone)))
    wanted = [found.astimezone(UTC) for found in islice(theirs, 30)]

    compiled = compile_trigger(CronTrigger(expression, zone))
    found = [occurrence.at for occurrence in occurrences([compiled], after, limit=30)]

    # Two fixed times in one gap are one instant to us; cronsim lists it twice.
    assume(len(set(wanted)) == len(wanted))
    assert found == wanted


def test_what_starts_with_a_star_is_a_frequency() -> None:
    assert [
        parse_cron(text).frequency
        for text in ("* 1 * * *", "1 * * * *", "1 1 * * *", "* 1 1 * * *")
    ] == [
        True,
        True,
        False,
        True,
    ]
