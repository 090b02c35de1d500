"""What people schedule, at the moments where schedulers are known to get it wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from runtime.core.recurrence import (
    AtTrigger,
    CronTrigger,
    EveryTrigger,
    RRuleTrigger,
    Trigger,
    compile_trigger,
    never_fires,
    occurrences,
)

CHISINAU = "Europe/Chisinau"
MORNING = datetime(2026, 1, 1, 8, 30)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def next_local(trigger: Trigger, after: str) -> str:
    found = compile_trigger(trigger).next_after(instant(after))
    assert found is not None
    return (found.at + found.utc_offset).replace(tzinfo=None).isoformat(" ", "auto")


def rrule(text: str, start: datetime = MORNING, zone: str = CHISINAU) -> RRuleTrigger:
    return RRuleTrigger(text, zone, start)


@pytest.mark.parametrize(
    ("after", "next_one"),
    [
        ("2026-03-28T12:00:17+02:00", "2026-03-29 08:30:00"),
        ("2026-10-24T12:00:17+03:00", "2026-10-25 08:30:00"),
        ("2026-10-25T12:00:17+02:00", "2026-10-26 08:30:00"),
    ],
)
def test_a_daily_time_stays_on_the_wall_across_the_offset_change(
    after: str, next_one: str
) -> None:
    assert next_local(rrule("FREQ=DAILY;BYHOUR=8;BYMINUTE=30"), after) == next_one


def test_a_monday_morning_asked_for_before_the_change_is_right_after_it() -> None:
    trigger = rrule("FREQ=WEEKLY;BYDAY=MO;BYHOUR=8;BYMINUTE=30")

    assert next_local(trigger, "2026-03-27T12:00:00+02:00") == "2026-03-30 08:30:00"


def test_four_days_over_the_change_all_show_the_same_time() -> None:
    compiled = compile_trigger(rrule("FREQ=DAILY;BYHOUR=8;BYMINUTE=30"))

    found = list(occurrences([compiled], instant("2026-03-27T00:00:00+02:00"), limit=4))

    assert [f"{occurrence.at + occurrence.utc_offset:%d %H:%M}" for occurrence in found] == [
        "27 08:30",
        "28 08:30",
        "29 08:30",
        "30 08:30",
    ]
    assert [occurrence.at.hour for occurrence in found] == [6, 6, 5, 5]


@pytest.mark.parametrize("seconds", [0, 17, 59])
def test_the_moment_of_asking_leaves_no_trace_in_the_answer(seconds: int) -> None:
    after = instant("2026-06-01T12:00:00+00:00") + timedelta(seconds=seconds, microseconds=5)

    found = compile_trigger(rrule("FREQ=DAILY;BYHOUR=8;BYMINUTE=30")).next_after(after)

    assert found is not None
    assert found.at == instant("2026-06-02T05:30:00+00:00")


def test_a_rule_without_a_time_takes_the_one_of_its_start_whenever_it_is_asked() -> None:
    trigger = rrule("FREQ=DAILY")

    assert next_local(trigger, "2026-06-01T12:41:17+00:00") == "2026-06-02 08:30:00"
    assert next_local(trigger, "2026-06-02T03:02:01+00:00") == "2026-06-02 08:30:00"


def test_a_count_of_three_fires_three_times_whenever_it_is_asked() -> None:
    compiled = compile_trigger(rrule("FREQ=DAILY;COUNT=3"))
    after, fired = instant("2025-01-01T00:00:00+00:00"), []

    while (found := compiled.next_after(after)) is not None:
        fired.append(found.local_at)
        after = found.at + timedelta(hours=5)

    assert fired == [MORNING, MORNING + timedelta(days=1), MORNING + timedelta(days=2)]


@pytest.mark.parametrize("day", range(1, 22))
def test_every_other_monday_does_not_depend_on_the_day_of_asking(day: int) -> None:
    trigger = rrule("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO", datetime(2026, 6, 1, 8, 30))
    mondays = [
        datetime(2026, 6, 1, 8, 30),
        datetime(2026, 6, 15, 8, 30),
        datetime(2026, 6, 29, 8, 30),
    ]
    asked = datetime(2026, 6, day, 12, tzinfo=UTC)

    found = compile_trigger(trigger).next_after(asked)

    assert found is not None
    assert found.local_at == next(
        monday for monday in mondays if monday > asked.replace(tzinfo=None)
    )


@pytest.mark.parametrize(
    ("until", "last"),
    [
        ("20260105", "2026-01-05 08:30"),
        ("20260105T083000", "2026-01-05 08:30"),
        ("20260105T082959", "2026-01-04 08:30"),
        ("20260105T063000Z", "2026-01-05 08:30"),
        ("20260105T062959Z", "2026-01-04 08:30"),
    ],
)
def test_until_is_taken_as_date_local_time_or_utc_and_includes_its_end(
    until: str, last: str
) -> None:
    compiled = compile_trigger(rrule(f"FREQ=DAILY;UNTIL={until}"))

    found = list(occurrences([compiled], instant("2026-01-01T00:00:00+00:00"), limit=10))

    assert found[-1].local_at.isoformat(" ", "minutes") == last


def test_until_far_away_is_no_obstacle() -> None:
    trigger = rrule("FREQ=DAILY;UNTIL=20301231")

    assert next_local(trigger, "2026-06-01T12:00:00+00:00") == "2026-06-02 08:30:00"


def test_two_days_of_the_month_are_valid() -> None:
    trigger = rrule("FREQ=MONTHLY;BYMONTHDAY=1,15;BYHOUR=9;BYMINUTE=0")

    assert next_local(trigger, "2026-06-01T12:00:00+00:00") == "2026-06-15 09:00:00"


def test_cron_1_to_5_is_monday_to_friday() -> None:
    compiled = compile_trigger(CronTrigger("0 8 * * 1-5", CHISINAU))

    found = list(occurrences([compiled], instant("2026-06-06T00:00:00+00:00"), limit=6))

    assert [f"{occurrence.local_at:%a}" for occurrence in found] == [
        "Mon",
        "Tue",
        "Wed",
        "Thu",
        "Fri",
        "Mon",
    ]


@pytest.mark.parametrize("sunday", ["0", "7", "SUN", "sun"])
def test_cron_knows_sunday_by_three_names(sunday: str) -> None:
    assert (
        next_local(CronTrigger(f"0 8 * * {sunday}", CHISINAU), "2026-06-01T00:00:00+00:00")
        == "2026-06-07 08:00:00"
    )


def test_cron_takes_either_the_day_of_the_month_or_the_weekday_if_both_are_given() -> None:
    compiled = compile_trigger(CronTrigger("0 0 13 * 5", CHISINAU))

    found = list(occurrences([compiled], instant("2026-06-01T00:00:00+00:00"), limit=5))

    assert [f"{occurrence.local_at:%a %d}" for occurrence in found] == [
        "Fri 05",
        "Fri 12",
        "Sat 13",
        "Fri 19",
        "Fri 26",
    ]


@pytest.mark.parametrize("zone", ["UTC", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "EST5EDT"])
def test_every_name_of_the_tz_database_is_a_zone(zone: str) -> None:
    found = compile_trigger(rrule("FREQ=DAILY", zone=zone)).next_after(
        instant("2026-06-01T00:00:00+00:00")
    )

    assert found is not None
    assert found.local_at.time() == MORNING.time()


def test_what_was_missed_while_nobody_was_there_can_be_listed() -> None:
    compiled = compile_trigger(rrule("FREQ=DAILY;BYHOUR=8;BYMINUTE=30"))

    missed = compiled.between(
        instant("2026-03-27T06:30:00+00:00"), instant("2026-03-30T05:30:00+00:00"), 100
    )

    assert [occurrence.local_at.day for occurrence in missed] == [28, 29, 30]
    assert len(compiled.between(missed[0].at - timedelta(days=5), missed[-1].at, 2)) == 2


def test_an_answer_is_always_later_than_the_question() -> None:
    """A chain of answers never stands still, over a gap and over a fold."""
    compiled = compile_trigger(
        rrule("FREQ=DAILY;BYHOUR=0,1,2,3;BYMINUTE=0,30", datetime(2026, 1, 1))
    )
    after = instant("2026-03-28T00:00:00+00:00")

    for _ in range(2000):
        found = compiled.next_after(after)
        assert found is not None
        assert found.at > after
        after = found.at

    assert after > instant("2026-11-01T00:00:00+00:00")


def test_every_counts_elapsed_time_from_its_start() -> None:
    trigger = EveryTrigger(timedelta(minutes=90), instant("2026-03-29T00:00:00+02:00"), count=3)
    compiled = compile_trigger(trigger)

    found = list(occurrences([compiled], instant("2026-01-01T00:00:00+00:00"), limit=10))

    assert [f"{occurrence.at:%d %H:%M}" for occurrence in found] == [
        "28 22:00",
        "28 23:30",
        "29 01:00",
    ]
    assert compiled.next_after(found[-1].at) is None
    assert compiled.next_after(instant("2026-03-28T22:00:00.000001+00:00")) == found[1]


def test_every_ends_at_its_until() -> None:
    start = instant("2026-01-01T00:00:00+00:00")
    compiled = compile_trigger(
        EveryTrigger(timedelta(hours=6), start, until=instant("2026-01-01T12:00:00+00:00"))
    )

    found = list(occurrences([compiled], start - timedelta(days=1), limit=10))

    assert [occurrence.at.hour for occurrence in found] == [0, 6, 12]


def test_every_of_a_century_from_long_ago_is_found_by_arithmetic() -> None:
    trigger = EveryTrigger(timedelta(seconds=7), instant("1901-01-01T00:00:00+00:00"))

    found = compile_trigger(trigger).next_after(instant("2026-01-01T00:00:00+00:00"))

    assert found is not None
    assert (found.at - trigger.start) % timedelta(seconds=7) == timedelta(0)
    assert timedelta(0) < found.at - instant("2026-01-01T00:00:00+00:00") <= timedelta(seconds=7)


def test_named_instants_come_once_each_in_order() -> None:
    trigger = AtTrigger(
        (
            datetime(2026, 10, 25, 3, 30),
            datetime(2026, 3, 29, 3, 30),
            instant("2026-03-29T00:30:00+00:00"),
        ),
        CHISINAU,
    )
    compiled = compile_trigger(trigger)

    found = list(occurrences([compiled], instant("2026-01-01T00:00:00+00:00"), limit=10))

    assert [occurrence.at.isoformat() for occurrence in found] == [
        "2026-03-29T00:30:00+00:00",
        "2026-03-29T01:30:00+00:00",
        "2026-10-25T00:30:00+00:00",
    ]
    assert [(occurrence.shifted, occurrence.repeated) for occurrence in found] == [
        (False, False),
        (True, False),
        (False, True),
    ]


def test_a_named_instant_without_a_zone_needs_none() -> None:
    found = compile_trigger(AtTrigger((instant("2026-03-29T08:30:00+03:00"),))).next_after(
        instant("2026-01-01T00:00:00+00:00")
    )

    assert found is not None
    assert found.at == instant("2026-03-29T05:30:00+00:00")


def test_jitter_moves_only_the_due_time_and_always_the_same_way() -> None:
    plain = rrule("FREQ=DAILY")
    jittered = RRuleTrigger("FREQ=DAILY", CHISINAU, MORNING, jitter=timedelta(minutes=10))
    begin = instant("2026-01-01T00:00:00+00:00")

    first, again = (
        list(occurrences([compile_trigger(jittered, seed="home/briefing")], begin, limit=50))
        for _ in "ab"
    )
    other = list(occurrences([compile_trigger(jittered, seed="home/report")], begin, limit=50))
    nominal = list(occurrences([compile_trigger(plain)], begin, limit=50))

    assert first == again
    assert [occurrence.at for occurrence in first] == [occurrence.at for occurrence in nominal]
    assert all(occurrence.due_at == occurrence.at for occurrence in nominal)
    delays = [occurrence.due_at - occurrence.at for occurrence in first]
    assert all(timedelta(0) <= delay < timedelta(minutes=10) for delay in delays)
    assert len(set(delays)) > 40
    assert [occurrence.due_at for occurrence in other] != [
        occurrence.due_at for occurrence in first
    ]


def test_several_triggers_make_one_row_without_repetition() -> None:
    daily = compile_trigger(rrule("FREQ=DAILY;BYHOUR=8;BYMINUTE=30"))
    mondays = compile_trigger(CronTrigger("30 8,17 * * 1", CHISINAU))
    begin = instant("2026-06-07T00:00:00+00:00")

    found = list(
        occurrences([daily, mondays], begin, instant("2026-06-09T05:30:00+00:00"), limit=10)
    )

    assert [f"{occurrence.local_at:%d %H:%M}" for occurrence in found] == [
        "07 08:30",
        "08 08:30",
        "08 17:30",
        "09 08:30",
    ]
    assert len(list(occurrences([daily, mondays], begin, limit=2))) == 2


def test_rules_of_one_trigger_are_united_dates_added_and_taken_away() -> None:
    trigger = RRuleTrigger(
        ("RRULE:FREQ=WEEKLY;BYDAY=MO;", "freq=weekly;byday=mo,we"),
        CHISINAU,
        MORNING,
        until=instant("2026-01-31T00:00:00+02:00").date(),
        rdate=(datetime(2026, 2, 3, 10), instant("2026-01-07T06:30:00+00:00")),
        exdate=(
            datetime(2026, 1, 12, 8, 30),
            instant("2026-01-14T06:30:00+00:00"),
            datetime(2026, 1, 19).date(),
        ),
    )

    found = list(
        occurrences([compile_trigger(trigger)], instant("2026-01-01T00:00:00+00:00"), limit=50)
    )

    assert [occurrence.local_at.isoformat(" ", "minutes")[5:] for occurrence in found] == [
        "01-05 08:30",
        "01-07 08:30",
        "01-21 08:30",
        "01-26 08:30",
        "01-28 08:30",
        "02-03 10:00",
    ]


def test_the_start_is_an_occurrence_only_if_the_rule_gives_it() -> None:
    trigger = rrule("FREQ=WEEKLY;BYDAY=FR", datetime(2026, 1, 5, 8, 30))

    assert next_local(trigger, "2026-01-01T00:00:00+00:00") == "2026-01-09 08:30:00"


def test_exdate_takes_away_after_count_has_counted() -> None:
    trigger = RRuleTrigger(
        "FREQ=DAILY;COUNT=3", CHISINAU, MORNING, exdate=(MORNING + timedelta(days=1),)
    )

    found = list(
        occurrences([compile_trigger(trigger)], instant("2025-12-31T00:00:00+00:00"), limit=9)
    )

    assert [occurrence.local_at.day for occurrence in found] == [1, 3]


def test_count_and_until_can_stand_beside_the_rule() -> None:
    counted = RRuleTrigger("FREQ=DAILY", CHISINAU, MORNING, count=2)
    cron = CronTrigger("0 9 * * *", CHISINAU, start=MORNING, count=2)
    begin = instant("2025-01-01T00:00:00+00:00")

    assert [o.local_at.day for o in occurrences([compile_trigger(counted)], begin, limit=9)] == [
        1,
        2,
    ]
    assert [o.local_at.day for o in occurrences([compile_trigger(cron)], begin, limit=9)] == [1, 2]


@pytest.mark.parametrize(
    ("trigger", "reason"),
    [
        (rrule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"), "exclude each other"),
        (rrule("FREQ=SECONDLY;INTERVAL=2;BYSECOND=1"), "search's reach"),
        (rrule("FREQ=DAILY;UNTIL=20250101"), "over: 2025-01-01 21:59 UTC was the last"),
        (rrule("FREQ=DAILY;COUNT=3"), "over: 2026-01-03 06:30 UTC was the last"),
        (rrule("FREQ=DAILY;UNTIL=20260201"), "over: 2026-02-01 21:59 UTC was the last"),
        (
            RRuleTrigger(
                "FREQ=DAILY;COUNT=1",
                CHISINAU,
                datetime(2027, 1, 1),
                exdate=(datetime(2027, 1, 1),),
            ),
            "taken away again",
        ),
        (AtTrigger((instant("2026-01-01T00:00:00+00:00"),)), "2026-01-01 00:00 UTC"),
    ],
)
def test_a_schedule_that_never_fires_again_says_why(trigger: Trigger, reason: str) -> None:
    compiled = compile_trigger(trigger)

    found = never_fires(compiled, instant("2026-06-01T00:00:00+00:00"))

    assert found is not None
    assert reason in found


def test_a_schedule_that_still_fires_has_no_reason_not_to() -> None:
    assert (
        never_fires(compile_trigger(rrule("FREQ=YEARLY")), instant("2026-06-01T00:00:00+00:00"))
        is None
    )


def test_a_question_in_local_time_is_a_mistake_of_the_program() -> None:
    with pytest.raises(ValueError, match="local time"):
        compile_trigger(rrule("FREQ=DAILY")).next_after(datetime(2026, 1, 1))


def test_a_minutely_rule_may_name_several_seconds() -> None:
    found = list(
        occurrences(
            [compile_trigger(rrule("FREQ=MINUTELY;INTERVAL=2;BYSECOND=5,40"))],
            instant("2026-01-01T06:30:00+00:00"),
            limit=4,
        )
    )

    assert [f"{occurrence.local_at:%M:%S}" for occurrence in found] == [
        "30:05",
        "30:40",
        "32:05",
        "32:40",
    ]
