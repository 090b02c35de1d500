"""Local times that do not exist and local times that come twice: tables for the zones where it hurts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest

from runtime.core.recurrence import (
    CronTrigger,
    DstFold,
    DstGap,
    Occurrence,
    RRuleTrigger,
    Trigger,
    compile_trigger,
    occurrences,
)

# zone, wall time in the gap, wall time that stands for it, the same in UTC
GAPS = [
    ("America/New_York", "2026-03-08T02:30", "2026-03-08T03:30", "2026-03-08T07:30Z"),
    ("Europe/Chisinau", "2026-03-29T03:30", "2026-03-29T04:30", "2026-03-29T01:30Z"),
    ("Europe/Berlin", "2026-03-29T02:00", "2026-03-29T03:00", "2026-03-29T01:00Z"),
    ("Australia/Lord_Howe", "2025-10-05T02:10", "2025-10-05T02:40", "2025-10-04T15:40Z"),
    ("America/Sao_Paulo", "2018-11-04T00:00", "2018-11-04T01:00", "2018-11-04T03:00Z"),
    ("America/Sao_Paulo", "2017-10-15T00:30", "2017-10-15T01:30", "2017-10-15T03:30Z"),
    ("Asia/Beirut", "2024-03-31T00:15", "2024-03-31T01:15", "2024-03-30T22:15Z"),
    ("America/Havana", "2025-03-09T00:30", "2025-03-09T01:30", "2025-03-09T05:30Z"),
    ("Africa/Cairo", "2025-04-25T00:30", "2025-04-25T01:30", "2025-04-24T22:30Z"),
    ("Africa/Casablanca", "2025-04-06T02:30", "2025-04-06T03:30", "2025-04-06T02:30Z"),
    ("Antarctica/Troll", "2025-03-30T01:15", "2025-03-30T03:15", "2025-03-30T01:15Z"),
    ("Pacific/Apia", "2011-12-30T09:00", "2011-12-31T09:00", "2011-12-30T19:00Z"),
    ("Asia/Kathmandu", "1986-01-01T00:05", "1986-01-01T00:20", "1985-12-31T18:35Z"),
    ("Asia/Pyongyang", "2018-05-04T23:45", "2018-05-05T00:15", "2018-05-04T15:15Z"),
]

# zone, wall time that comes twice, first and second instant
FOLDS = [
    ("America/New_York", "2026-11-01T01:30", "2026-11-01T05:30Z", "2026-11-01T06:30Z"),
    ("Europe/Chisinau", "2026-10-25T03:30", "2026-10-25T00:30Z", "2026-10-25T01:30Z"),
    ("Australia/Lord_Howe", "2025-04-06T01:45", "2025-04-05T14:45Z", "2025-04-05T15:15Z"),
    ("America/Sao_Paulo", "2018-02-17T23:30", "2018-02-18T01:30Z", "2018-02-18T02:30Z"),
    ("Asia/Beirut", "2024-10-26T23:30", "2024-10-26T20:30Z", "2024-10-26T21:30Z"),
    ("America/Havana", "2025-11-02T00:30", "2025-11-02T04:30Z", "2025-11-02T05:30Z"),
    ("America/St_Johns", "2007-11-03T23:30", "2007-11-04T02:00Z", "2007-11-04T03:00Z"),
    ("Africa/Casablanca", "2025-02-23T02:30", "2025-02-23T01:30Z", "2025-02-23T02:30Z"),
    ("Antarctica/Troll", "2025-10-26T02:15", "2025-10-26T00:15Z", "2025-10-26T02:15Z"),
]


def once(zone: str, wall: str, gap: DstGap = "shift", fold: DstFold = "first") -> list[Occurrence]:
    trigger = RRuleTrigger(
        "FREQ=DAILY;COUNT=1", zone, datetime.fromisoformat(wall), dst_gap=gap, dst_fold=fold
    )
    return listed(trigger, 9)


def listed(trigger: Trigger, limit: int, after: str = "1980-01-01T00:00Z") -> list[Occurrence]:
    return list(
        occurrences([compile_trigger(trigger)], datetime.fromisoformat(after), limit=limit)
    )


def daily(zone: str, wall: str, days_before: int = 1, **policies: str) -> RRuleTrigger:
    start = datetime.fromisoformat(wall) - timedelta(days=days_before)
    return RRuleTrigger("FREQ=DAILY", zone, start, **policies)  # type: ignore[arg-type] # literals


@pytest.mark.parametrize(("zone", "wall", "stands_for", "instant"), GAPS)
def test_a_gap_time_takes_the_offset_before_the_gap(
    zone: str, wall: str, stands_for: str, instant: str
) -> None:
    (found,) = once(zone, wall)

    assert found.at == datetime.fromisoformat(instant)
    assert (found.at + found.utc_offset).replace(tzinfo=None) == datetime.fromisoformat(stands_for)
    assert (found.local_at, found.shifted, found.repeated) == (
        datetime.fromisoformat(wall),
        True,
        False,
    )


@pytest.mark.parametrize(("zone", "wall", "instant"), [(row[0], row[1], row[3]) for row in GAPS])
def test_a_daily_gap_time_fires_once_that_day_and_goes_on(
    zone: str, wall: str, instant: str
) -> None:
    found = listed(daily(zone, wall), 3)

    days = {occurrence.local_at.date() for occurrence in found}
    assert datetime.fromisoformat(instant) in [occurrence.at for occurrence in found]
    assert len(found) == 3
    assert len(days) == 3


@pytest.mark.parametrize(("zone", "wall"), [row[:2] for row in GAPS])
def test_skip_leaves_a_gap_time_out_and_does_not_count_it(zone: str, wall: str) -> None:
    (found,) = once(zone, wall, gap="skip")

    assert found.local_at == datetime.fromisoformat(wall) + timedelta(days=1)
    assert not found.shifted


@pytest.mark.parametrize(("zone", "wall", "first", "second"), FOLDS)
def test_a_repeated_time_is_the_first_unless_told_otherwise(
    zone: str, wall: str, first: str, second: str
) -> None:
    early, late = datetime.fromisoformat(first), datetime.fromisoformat(second)

    assert [(found.at, found.fold) for found in once(zone, wall)] == [(early, 0)]
    assert [(found.at, found.fold) for found in once(zone, wall, fold="second")] == [(late, 1)]
    assert all(
        found.repeated for fold in ("first", "second") for found in once(zone, wall, fold=fold)
    )


@pytest.mark.parametrize(("zone", "wall", "first", "second"), FOLDS)
def test_both_counts_a_repeated_time_twice(zone: str, wall: str, first: str, second: str) -> None:
    found = listed(daily(zone, wall, dst_fold="both"), 4)

    assert [occurrence.at for occurrence in found][1:3] == [
        datetime.fromisoformat(first),
        datetime.fromisoformat(second),
    ]
    assert [occurrence.fold for occurrence in found] == [0, 0, 1, 0]


def test_two_local_times_of_one_instant_are_one_occurrence() -> None:
    """02:15 does not exist and stands for 03:15, which the rule also gives."""
    trigger = RRuleTrigger(
        "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=15", "America/New_York", datetime(2026, 3, 8)
    )

    found = list(islice(compile_trigger(trigger).following(datetime(2026, 3, 1, tzinfo=UTC)), 2))

    assert [(f"{occurrence.local_at:%d %H:%M}", occurrence.shifted) for occurrence in found] == [
        ("08 03:15", False),
        ("09 02:15", False),
    ]


def test_occurrences_are_sorted_by_instant_though_a_gap_turns_local_times_round() -> None:
    """02:50 stands for 03:50 and so comes after 03:10."""
    trigger = RRuleTrigger(
        "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=10,50", "America/New_York", datetime(2026, 3, 8)
    )
    compiled = compile_trigger(trigger)

    found = listed(trigger, 3)

    assert [f"{occurrence.at:%H:%M}" for occurrence in found] == ["07:10", "07:50", "06:10"]
    for earlier, later in pairwise(found):
        assert compiled.next_after(earlier.at) == later


def test_the_last_counted_local_time_need_not_be_the_last_instant() -> None:
    """The third is 03:10; the second, 02:50, stands for 03:50."""
    trigger = RRuleTrigger(
        "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=10,50;COUNT=3", "America/New_York", datetime(2026, 3, 8)
    )

    assert [f"{found.at:%d %H:%M}" for found in listed(trigger, 9)] == ["08 07:10", "08 07:50"]
    assert compile_trigger(trigger).next_after(datetime(2026, 3, 8, 7, 30, tzinfo=UTC)) is not None


def test_both_copies_of_a_repeated_hour_come_in_order() -> None:
    trigger = RRuleTrigger(
        "FREQ=DAILY;BYHOUR=1;BYMINUTE=0,30",
        "America/New_York",
        datetime(2026, 11, 1),
        dst_fold="both",
    )

    found = listed(trigger, 5)

    assert [(f"{occurrence.local_at:%d %H:%M}", occurrence.fold) for occurrence in found] == [
        ("01 01:00", 0),
        ("01 01:30", 0),
        ("01 01:00", 1),
        ("01 01:30", 1),
        ("02 01:00", 0),
    ]


def test_count_with_both_counts_occurrences() -> None:
    trigger = RRuleTrigger(
        "FREQ=DAILY;BYHOUR=1;BYMINUTE=0,30;COUNT=3",
        "America/New_York",
        datetime(2026, 11, 1),
        dst_fold="both",
    )

    assert [(found.local_at.minute, found.fold) for found in listed(trigger, 9)] == [
        (0, 0),
        (30, 0),
        (0, 1),
    ]


@pytest.mark.parametrize(
    ("fold", "days"), [("first", [31, 1]), ("second", [31, 1]), ("both", [31, 1, 1])]
)
def test_a_local_until_that_repeats_includes_its_later_reading(
    fold: DstFold, days: list[int]
) -> None:
    trigger = RRuleTrigger(
        "FREQ=DAILY;UNTIL=20261101T013000",
        "America/New_York",
        datetime(2026, 10, 31, 1, 30),
        dst_fold=fold,
    )

    assert [found.local_at.day for found in listed(trigger, 9)] == days


@pytest.mark.parametrize(
    ("rule", "zone", "start", "gap_day", "fold_day"),
    [
        ("FREQ=HOURLY", "America/New_York", "2026-03-01T00:30", "2026-03-08", "2026-11-01"),
        (
            "FREQ=HOURLY;BYMINUTE=0,30",
            "Australia/Lord_Howe",
            "2025-04-01T00:00",
            "2025-10-05",
            "2025-04-06",
        ),
        (
            "FREQ=MINUTELY;INTERVAL=15",
            "Antarctica/Troll",
            "2025-03-01T00:00",
            "2025-03-30",
            "2025-10-26",
        ),
        (
            "FREQ=SECONDLY;INTERVAL=900",
            "Europe/Chisinau",
            "2026-01-01T00:00",
            "2026-03-29",
            "2026-10-25",
        ),
    ],
)
def test_a_frequency_runs_on_by_elapsed_time(
    rule: str, zone: str, start: str, gap_day: str, fold_day: str
) -> None:
    trigger = RRuleTrigger(rule, zone, datetime.fromisoformat(start))

    for day in (gap_day, fold_day):
        before = (datetime.fromisoformat(day) - timedelta(days=1)).replace(tzinfo=UTC)
        found = compile_trigger(trigger).between(before, before + timedelta(days=3), 1000)
        steps = {later.at - earlier.at for earlier, later in pairwise(found)}
        assert len(steps) == 1
        assert not any(occurrence.shifted for occurrence in found)


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=HOURLY;BYHOUR=1",
        "FREQ=HOURLY;BYHOUR=1;BYMINUTE=0",
        "FREQ=MINUTELY;BYHOUR=1;BYMINUTE=0",
    ],
)
def test_an_hourly_rule_names_both_copies_of_a_repeated_hour(rule: str) -> None:
    trigger = RRuleTrigger(rule, "America/New_York", datetime(2026, 11, 1))

    found = listed(trigger, 3)

    assert [
        (f"{occurrence.local_at:%d %H:%M}", occurrence.repeated, occurrence.fold)
        for occurrence in found
    ] == [
        ("01 01:00", True, 0),
        ("01 01:00", True, 1),
        ("02 01:00", False, 0),
    ]


NEW_YORK_GAP, NEW_YORK_FOLD = "2026-03-07T18:00Z", "2026-10-31T18:00Z"


def cron(expression: str, after: str, limit: int, **policies: str) -> list[str]:
    trigger = CronTrigger(expression, "America/New_York", **policies)  # type: ignore[arg-type] # literals
    return [
        f"{occurrence.at + occurrence.utc_offset:%d %H:%M}{'*' if occurrence.fold else ''}"
        for occurrence in listed(trigger, limit, after)
    ]


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("30 2 * * *", ["08 03:00", "09 02:30"]),  # a fixed time runs at the gap's end
        ("0,30 2 * * *", ["08 03:00", "09 02:00"]),  # two of them there are one instant
        ("0 2,3 * * *", ["08 03:00", "09 02:00"]),
        ("30 2 * * 0", ["08 03:00", "15 02:30"]),
        ("0 30 2 * * *", ["08 03:00", "09 02:30"]),
        ("*/30 2 * * *", ["09 02:00", "09 02:30"]),  # a frequency has nothing to make up for
        (
            "0 */2 * * *",
            ["07 14:00", "07 16:00", "07 18:00", "07 20:00", "07 22:00", "08 00:00", "08 04:00"],
        ),
        (
            "*/30 * * * *",
            ["07 13:30"] + [f"07 {14 + half // 2}:{half % 2 * 3}0" for half in range(20)],
        ),
    ],
)
def test_cron_in_a_gap_does_as_debian_does(expression: str, wanted: list[str]) -> None:
    assert cron(expression, NEW_YORK_GAP, len(wanted)) == wanted


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("30 1 * * *", ["01 01:30", "02 01:30"]),  # a fixed time runs once, the first time
        ("0,30 1 * * *", ["01 01:00", "01 01:30", "02 01:00"]),
        ("15 30 1 * * *", ["01 01:30", "02 01:30"]),
        (
            "*/30 1 * * *",
            ["01 01:00", "01 01:30", "01 01:00*", "01 01:30*", "02 01:00"],
        ),  # a frequency runs on
        ("0 */23 * * *", ["31 23:00", "01 00:00", "01 23:00"]),
    ],
)
def test_cron_in_a_repeated_hour_does_as_debian_does(expression: str, wanted: list[str]) -> None:
    assert cron(expression, NEW_YORK_FOLD, len(wanted)) == wanted


def test_an_hourly_cron_runs_each_hour_of_real_time() -> None:
    for after in (NEW_YORK_GAP, NEW_YORK_FOLD):
        found = listed(CronTrigger("0 * * * *", "America/New_York"), 48, after)
        steps = {later.at - earlier.at for earlier, later in pairwise(found)}
        assert steps == {timedelta(hours=1)}


@pytest.mark.parametrize(
    ("expression", "policies", "after", "wanted"),
    [
        ("30 2 * * *", {"dst_gap": "shift"}, NEW_YORK_GAP, ["08 03:30", "09 02:30"]),
        ("30 2 * * *", {"dst_gap": "skip"}, NEW_YORK_GAP, ["09 02:30", "10 02:30"]),
        (
            "0 */2 * * *",
            {"dst_gap": "shift"},
            "2026-03-08T04:30Z",
            ["08 00:00", "08 03:00", "08 04:00"],
        ),
        ("30 1 * * *", {"dst_fold": "second"}, NEW_YORK_FOLD, ["01 01:30*", "02 01:30"]),
        ("30 1 * * *", {"dst_fold": "both"}, NEW_YORK_FOLD, ["01 01:30", "01 01:30*", "02 01:30"]),
        (
            "*/30 1 * * *",
            {"dst_fold": "first"},
            NEW_YORK_FOLD,
            ["01 01:00", "01 01:30", "02 01:00"],
        ),
    ],
)
def test_explicit_policies_overrule_cron(
    expression: str, policies: dict[str, str], after: str, wanted: list[str]
) -> None:
    assert cron(expression, after, len(wanted), **policies) == wanted


def test_cron_takes_a_jump_of_a_day_for_a_correction_of_the_clock() -> None:
    found = listed(CronTrigger("0 9 * * *", "Pacific/Apia"), 2, "2011-12-29T12:00Z")

    assert [occurrence.local_at.day for occurrence in found] == [29, 31]


@pytest.mark.parametrize(
    "zone", ["America/Sao_Paulo", "Asia/Beirut", "America/Havana", "Pacific/Apia", "UTC"]
)
@pytest.mark.parametrize("expression", ["0 0 * * *", "30 0 * * *", "0 3 * * *"])
def test_a_fixed_cron_time_runs_once_on_every_day_there_is(zone: str, expression: str) -> None:
    found = listed(CronTrigger(expression, zone), 5000, "2009-01-01T00:00Z")

    days = [(occurrence.at + occurrence.utc_offset).date() for occurrence in found]
    missing = {
        days[0] + timedelta(days=number) for number in range((days[-1] - days[0]).days + 1)
    } - set(days)
    assert len(set(days)) == len(days)
    assert missing <= ({datetime(2011, 12, 30).date()} if zone == "Pacific/Apia" else set())


def test_a_repeated_hour_that_leads_back_to_the_day_before_is_not_jumped_over() -> None:
    """In 2007 St. John's went from 00:01 on the 4th back to 23:01 on the 3rd."""
    trigger = RRuleTrigger("FREQ=MINUTELY;BYMONTHDAY=3", "America/St_Johns", datetime(2007, 11, 1))

    found = listed(trigger, 61, "2007-11-04T02:28:30Z")

    assert [f"{occurrence.local_at:%m-%d %H:%M}" for occurrence in found] == [
        "11-03 23:59",
        *[f"11-03 23:{minute:02}" for minute in range(1, 60)],
        "12-03 00:00",
    ]
    assert all(occurrence.fold == 1 for occurrence in found[1:60])
