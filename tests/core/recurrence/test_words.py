"""Schedules in plain words: what they say, and that they leave nothing out."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.core.recurrence import (
    AtTrigger,
    CronTrigger,
    EveryTrigger,
    RRuleTrigger,
    Trigger,
    compile_trigger,
    describe,
)
from runtime.errors import ScheduleError
from tests.core.recurrence.oracle import Parts
from tests.core.recurrence.strategies import Case, day_cases, elapsed_cases
from tests.core.recurrence.test_cron import EXPRESSIONS

ZONE = "Europe/Chisinau"
START = datetime(2026, 1, 5, 8, 30)
FROM = "counted from 2026-01-05 08:30"

RULES = [
    ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=8;BYMINUTE=30", "weekdays at 08:30"),
    ("FREQ=DAILY;BYDAY=SA,SU", "weekends at 08:30"),
    ("FREQ=DAILY", "every day at 08:30"),
    ("FREQ=DAILY;BYMONTH=1,2", "every day in January and February at 08:30"),
    ("FREQ=DAILY;BYSECOND=5", "every day at 08:30:05"),
    ("FREQ=DAILY;BYMONTHDAY=1", "on day 1 of every month at 08:30"),
    (
        "FREQ=DAILY;BYMONTH=12;BYMONTHDAY=24,25",
        "every year on 24 December and 25 December at 08:30",
    ),
    ("FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15;BYMINUTE=0", "every hour from 09:00 to 15:00"),
    (
        "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH;BYHOUR=9,10,11,12;BYMINUTE=0,30",
        "Mondays to Thursdays every 30 minutes from 09:00 to 12:30",
    ),
    ("FREQ=WEEKLY;BYDAY=MO,TU,WE", "Mondays, Tuesdays and Wednesdays at 08:30"),
    (
        "FREQ=DAILY;INTERVAL=3;BYHOUR=8,12,16;BYMINUTE=0",
        f"every 3 days at 08:00, 12:00 and 16:00, {FROM}",
    ),
    ("FREQ=WEEKLY", "Mondays at 08:30"),
    ("FREQ=WEEKLY;BYMONTH=6", "Mondays in June at 08:30"),
    ("FREQ=WEEKLY;INTERVAL=2", f"every 2 weeks on Mondays at 08:30, {FROM}"),
    (
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU",
        f"every 2 weeks (from Monday) on Tuesdays at 08:30, {FROM}",
    ),
    (
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;WKST=SU",
        f"every 2 weeks (from Sunday) on Mondays and Wednesdays at 08:30, {FROM}",
    ),
    ("FREQ=MONTHLY", "on day 5 of every month at 08:30"),
    (
        "FREQ=MONTHLY;BYMONTHDAY=1,15,-1",
        "on days 1 and 15 and the last day of every month at 08:30",
    ),
    (
        "FREQ=MONTHLY;BYMONTHDAY=-3,-2",
        "on the second last day and the third last day of every month at 08:30",
    ),
    (
        "FREQ=MONTHLY;BYMONTHDAY=-11,-21,-31",
        "on the 11th last day, the 21st last day and the 31st last day of every month at 08:30",
    ),
    ("FREQ=MONTHLY;INTERVAL=3", f"on day 5 of every 3 months at 08:30, {FROM}"),
    ("FREQ=MONTHLY;BYDAY=MO", "Mondays at 08:30"),
    ("FREQ=MONTHLY;BYDAY=-1FR", "on the last Friday of every month at 08:30"),
    ("FREQ=MONTHLY;BYDAY=-2FR", "on the second last Friday of every month at 08:30"),
    (
        "FREQ=MONTHLY;BYDAY=-1FR,3MO",
        "on the third Monday and last Friday of every month at 08:30",
    ),
    ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "Fridays that fall on day 13 of every month at 08:30"),
    ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=-2", "on the second last Monday of every month at 08:30"),
    ("FREQ=MONTHLY;BYMONTHDAY=1,2,3", "on days 1 to 3 of every month at 08:30"),
    (
        "FREQ=MONTHLY;BYMONTHDAY=1,6,11,16,21",
        "on every fifth day from day 1 to 21 of every month at 08:30",
    ),
    (
        "FREQ=MONTHLY;BYDAY=1MO,3MO;BYMONTH=5",
        "on the first and third Monday of May at 08:30",
    ),
    (
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        "on the last weekday of every month at 08:30",
    ),
    (
        "FREQ=MONTHLY;BYDAY=SA,SU;BYSETPOS=1,2,-1",
        "on the first, second and last weekend day of every month at 08:30",
    ),
    ("FREQ=YEARLY", "every year on 5 January at 08:30"),
    ("FREQ=YEARLY;BYMONTH=1,7;BYMONTHDAY=1", "every year on 1 January and 1 July at 08:30"),
    ("FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=-1", "on the last day of March at 08:30"),
    ("FREQ=YEARLY;BYMONTH=3,4;BYMONTHDAY=31", "on day 31 of March and April at 08:30"),
    ("FREQ=YEARLY;BYMONTH=2,3,4,5;BYMONTHDAY=1,2", "on days 1 and 2 of February to May at 08:30"),
    (
        "FREQ=YEARLY;INTERVAL=2;BYMONTH=12;BYMONTHDAY=25",
        f"every 2 years on 25 December at 08:30, {FROM}",
    ),
    (
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
        f"every 4 years on Tuesdays that fall on days 2 to 8 of November at 08:30, {FROM}",
    ),
    (
        "FREQ=YEARLY;INTERVAL=2;BYMONTH=6;BYDAY=MO",
        f"every 2 years on Mondays in June at 08:30, {FROM}",
    ),
    ("FREQ=YEARLY;BYDAY=MO", "Mondays at 08:30"),
    ("FREQ=YEARLY;BYDAY=20MO,-1FR", "on the 20th Monday and last Friday of every year at 08:30"),
    (
        "FREQ=YEARLY;BYYEARDAY=1,100,-1",
        "on days 1 and 100 and the last day of every year at 08:30",
    ),
    ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "Mondays in week 20 of every year at 08:30"),
    (
        "FREQ=YEARLY;BYWEEKNO=10,20;BYDAY=SA,SU",
        "weekends in weeks 10 and 20 of every year at 08:30",
    ),
    ("FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", "on the fourth Thursday of November at 08:30"),
    ("FREQ=DAILY;COUNT=3", f"every day at 08:30, {FROM}, 3 times"),
    ("FREQ=DAILY;COUNT=1", f"every day at 08:30, {FROM}, 1 time"),
    ("FREQ=DAILY;UNTIL=20301231", "every day at 08:30, until 2030-12-31"),
    ("FREQ=DAILY;UNTIL=20301231T080000", "every day at 08:30, until 2030-12-31 08:00"),
    ("FREQ=DAILY;UNTIL=20301231T080000Z", "every day at 08:30, until 2030-12-31 08:00 UTC"),
    ("FREQ=HOURLY", f"every hour of elapsed time, {FROM}"),
    ("FREQ=HOURLY;INTERVAL=6;BYMINUTE=0", f"every 6 hours of elapsed time at minute 0, {FROM}"),
    ("FREQ=HOURLY;BYMINUTE=0,30", f"every hour of elapsed time at minutes 0 and 30, {FROM}"),
    (
        "FREQ=HOURLY;BYHOUR=0,1,22,23",
        f"every hour of elapsed time between 22:00 and 01:59, {FROM}",
    ),
    ("FREQ=SECONDLY;INTERVAL=90", f"every 90 seconds of elapsed time, {FROM}"),
    (
        "FREQ=MINUTELY;INTERVAL=15;BYHOUR=9,10,11;BYDAY=SA,SU",
        f"every 15 minutes of elapsed time between 09:00 and 11:59 on weekends, {FROM}",
    ),
]
CUSTOM = [
    "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO;WKST=SU",
    "FREQ=YEARLY;BYWEEKNO=-20;BYDAY=MO",
    "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO;BYMONTH=5",
    "FREQ=YEARLY;BYYEARDAY=100;BYDAY=MO",
    "FREQ=YEARLY;BYDAY=MO;BYSETPOS=1",
    "FREQ=YEARLY;BYDAY=MO,1TU",
    "FREQ=YEARLY;INTERVAL=2;BYDAY=20MO",
    "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=MO,1TU",
    "FREQ=MONTHLY;INTERVAL=2;BYMONTH=1,2,3",
    "FREQ=MONTHLY;BYDAY=1FR;BYMONTHDAY=13",
    "FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=2",
    "FREQ=MONTHLY;BYDAY=1MO;BYSETPOS=1",
    "FREQ=MONTHLY;BYDAY=MO,2TU",
    "FREQ=MONTHLY;BYDAY=SA,SU;BYHOUR=8,9;BYSETPOS=1",
    "FREQ=MONTHLY;INTERVAL=2;BYDAY=MO",
    "FREQ=DAILY;BYHOUR=8;BYSETPOS=1",
    "FREQ=DAILY;INTERVAL=2;BYDAY=MO",
    "FREQ=DAILY;INTERVAL=2;BYMONTHDAY=1",
    "FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=1",
    "FREQ=DAILY;BYHOUR=1,2,3,4,5,6,8",
    "FREQ=DAILY;BYHOUR=1,2,3,4,5,6,7;BYSECOND=1",
    "FREQ=HOURLY;BYHOUR=1,3",
    "FREQ=HOURLY;BYDAY=MO;BYMINUTE=1,2,3,4,5,6,7",
    "FREQ=MINUTELY;BYMINUTE=1",
]


@pytest.mark.parametrize(("rule", "words"), RULES)
def test_a_rule_in_words(rule: str, words: str) -> None:
    assert describe(RRuleTrigger(rule, ZONE, START)) == f"{words}, {ZONE}"


@pytest.mark.parametrize("rule", CUSTOM)
def test_a_rule_without_a_short_form_is_called_custom_and_quoted(rule: str) -> None:
    assert (
        describe(RRuleTrigger(f"RRULE:{rule.lower()};", ZONE, START))
        == f"custom rule {rule}, {FROM}, {ZONE}"
    )


CRONS = [
    ("0 8 * * 1-5", "weekdays at 08:00"),
    ("30 2 * * *", "every day at 02:30"),
    ("@weekly", "Sundays at 00:00"),
    ("0 0 1,15 * *", "on days 1 and 15 of every month at 00:00"),
    ("0 0 L * *", "on the last day of every month at 00:00"),
    ("* * * * *", "every minute"),
    ("*/15 * * * *", "every 15 minutes"),
    ("*/30 9-17 * * 1-5", "weekdays every 30 minutes between 09:00 and 17:59"),
    ("0 * * * *", "every hour at minute 0"),
    ("15,45 * * * 1-5", "weekdays every hour at minutes 15 and 45"),
    ("0,30 * * * *", "every 30 minutes"),
    ("*/7 * * * *", "every hour at every 7th minute from 0 to 56"),
    ("10-20 * * * *", "every hour at minutes 10 to 20"),
    ("3,4 * * * *", "every hour at minutes 3 and 4"),
    ("0 */2 * * *", "every 2 hours at minute 0"),
    ("*/20 0-6,22,23 * * *", "every 20 minutes between 22:00 and 06:59"),
    ("5 *,3 * * *", "every hour at minute 5"),
    ("*/5 * * * * *", "every 5 seconds"),
    ("*/30 * 9-17 * * *", "every 30 seconds between 09:00 and 17:59"),
    ("0 9-17 * * 1-5", "weekdays every hour from 09:00 to 17:00"),
    ("0 0-23 * * *", "every hour from 00:00 to 23:00"),
    ("0 0 LW * *", "on the last weekday of every month at 00:00"),
    ("0 0 LW 6-8 *", "on the last weekday of June, July and August at 00:00"),
    ("0 0 1,L * *", "on day 1 and the last day of every month at 00:00"),
    ("0 8 * * 5L", "on the last Friday of every month at 08:00"),
    ("0 8 * 1-4 1#1,5L", "on the first Monday and last Friday of January to April at 08:00"),
    ("0 0 * 1 *", "every day in January at 00:00"),
    ("0 0 25 12 *", "every year on 25 December at 00:00"),
    ("0 0 L 12 *", "on the last day of December at 00:00"),
    # Either suffices, but not if one begins with a star.
    ("0 0 13 * 5", "on day 13 of every month and on Fridays at 00:00"),
    ("0 0 13 6 5", "every year on 13 June and on Fridays in June at 00:00"),
    ("0 0 13 * 5L", "on day 13 of every month and on the last Friday of every month at 00:00"),
    ("0 0 */13 * 5", "Fridays that fall on days 1, 14 and 27 of every month at 00:00"),
    ("0 0 13 * 0-6", "every day at 00:00"),
    ("0 0 1-31 6 5", "every day in June at 00:00"),
    ("0 0 13 * 5,1#1", "custom cron 0 0 13 * 5,1#1"),
    ("0 0 */13 * 5L", "custom cron 0 0 */13 * 5L"),
    ("0 0 1,LW * *", "custom cron 0 0 1,LW * *"),
    ("0 22-23,0-5 * * *", "custom cron 0 22-23,0-5 * * *"),
    ("* 3,5 * * *", "custom cron * 3,5 * * *"),
    ("0 */9,5 * * *", "custom cron 0 */9,5 * * *"),
    ("*/5 */7 * * *", "custom cron */5 */7 * * *"),
    ("1-7,9 * * * *", "custom cron 1-7,9 * * * *"),
    ("*/7 * * * * *", "custom cron */7 * * * * *"),
]


@pytest.mark.parametrize(("expression", "words"), CRONS)
def test_a_cron_expression_in_words(expression: str, words: str) -> None:
    assert describe(CronTrigger(expression, ZONE)) == f"{words}, {ZONE}"


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        (
            EveryTrigger(
                timedelta(minutes=90),
                datetime(2026, 1, 1, tzinfo=UTC),
                count=3,
                jitter=timedelta(seconds=30),
            ),
            "every 90 minutes of elapsed time from 2026-01-01 00:00 UTC, 3 times, up to 30 seconds late",
        ),
        (
            EveryTrigger(
                timedelta(days=1), datetime(2026, 1, 1, 8, tzinfo=UTC), until=date(2026, 2, 1)
            ),
            "every day of elapsed time from 2026-01-01 08:00 UTC, until 2026-02-01",
        ),
        (
            EveryTrigger(
                timedelta(seconds=1.5), datetime.fromisoformat("2026-01-01T08:00:00.5+02:00")
            ),
            "every 1.5 seconds of elapsed time from 2026-01-01 08:00:00.500000+0200",
        ),
        (
            AtTrigger((datetime(2026, 1, 2), datetime(2026, 1, 1)), ZONE),
            f"at 2026-01-01 00:00 and 2026-01-02 00:00, {ZONE}",
        ),
        (
            EveryTrigger(
                timedelta(minutes=1), datetime(2000, 1, 1, tzinfo=UTC), jitter=timedelta(minutes=1)
            ),
            "every minute of elapsed time, counted from midnight UTC, up to 1 minute late",
        ),
        (
            EveryTrigger(timedelta(minutes=7), datetime(2000, 1, 1, tzinfo=UTC)),
            "every 7 minutes of elapsed time from 2000-01-01 00:00 UTC",
        ),
        (
            EveryTrigger(timedelta(hours=1), datetime(2000, 1, 1, tzinfo=UTC), count=5),
            "every hour of elapsed time from 2000-01-01 00:00 UTC, 5 times",
        ),
        (
            EveryTrigger(timedelta(days=1, hours=2, minutes=30), datetime(2026, 1, 1, tzinfo=UTC)),
            "every 1 day 2 hours 30 minutes of elapsed time from 2026-01-01 00:00 UTC",
        ),
        (AtTrigger((datetime(2026, 1, 2, tzinfo=UTC),)), "at 2026-01-02 00:00 UTC"),
        (
            RRuleTrigger(
                ("FREQ=DAILY", "FREQ=HOURLY"), ZONE, START, dst_gap="skip", dst_fold="both"
            ),
            f"every day at 08:30 and every hour of elapsed time, {FROM}, {ZONE}"
            ", a time that does not exist is skipped, a repeated time counts twice",
        ),
        (
            RRuleTrigger("FREQ=HOURLY", ZONE, START, dst_gap="skip", dst_fold="both"),
            f"every hour of elapsed time, {FROM}, {ZONE}",
        ),
        (
            RRuleTrigger(
                "FREQ=DAILY",
                ZONE,
                START,
                rdate=(datetime(2026, 2, 1, 9),),
                exdate=(date(2026, 1, 6), START),
            ),
            f"every day at 08:30, {ZONE}, also 2026-02-01 09:00, not 2026-01-05 08:30 and 2026-01-06",
        ),
        (
            CronTrigger(
                "30 2 * * *", ZONE, start=START, count=2, dst_gap="shift", dst_fold="first"
            ),
            f"every day at 02:30, {FROM}, 2 times, {ZONE}, a time that does not exist is shifted, a repeated time is the first",
        ),
    ],
)
def test_a_trigger_in_words(trigger: Trigger, words: str) -> None:
    assert describe(trigger) == words


def occurrences_of(trigger: Trigger) -> list[datetime]:
    compiled = compile_trigger(trigger)
    return [
        found.at for found in islice(compiled.following(datetime(2026, 2, 20, tzinfo=UTC)), 40)
    ]


def check_alike(trigger: Trigger, other: Trigger) -> None:
    """Same words, same occurrences; a variant that is refused says nothing."""
    try:
        words = describe(other)
    except ScheduleError:
        return
    # A custom rule is quoted whole.
    if words == describe(trigger) and not words.startswith("custom"):
        assert occurrences_of(other) == occurrences_of(trigger)


@settings(max_examples=100, deadline=None)
@given(st.one_of(day_cases(), elapsed_cases("MINUTELY", 1, (1, 15))))
def test_no_part_of_a_rule_is_left_out_of_its_words(case: Case) -> None:
    trigger = RRuleTrigger(case.parts.text(), "America/New_York", START)

    for part in fields(Parts)[1:]:
        without = replace(case.parts, **{part.name: part.default})  # type: ignore[arg-type] # by name
        check_alike(trigger, RRuleTrigger(without.text(), "America/New_York", START))
    for other in ("YEARLY", "MONTHLY", "WEEKLY", "DAILY"):
        instead = replace(case.parts, freq=other)
        check_alike(trigger, RRuleTrigger(instead.text(), "America/New_York", START))


@settings(max_examples=100, deadline=None)
@given(EXPRESSIONS)
def test_no_field_of_a_cron_expression_is_left_out_of_its_words(expression: str) -> None:
    trigger = CronTrigger(expression, "America/New_York")

    parts = expression.split()
    for index in range(len(parts)):
        for value in ("*", "1", "0-59" if index == 0 else "1-5"):
            other = [*parts[:index], value, *parts[index + 1 :]]
            check_alike(trigger, CronTrigger(" ".join(other), "America/New_York"))


def test_very_many_times_are_counted() -> None:
    many = tuple(START + number * timedelta(minutes=13) for number in range(40_000))
    spanned = "40,000 times from 2026-01-05 08:30 to 2027-01-01 10:57"

    rule = RRuleTrigger(rrule="FREQ=DAILY", timezone=ZONE, start=START, rdate=many, exdate=many)
    words = describe(rule)

    assert words == f"every day at 08:30, {ZONE}, also {spanned}, not {spanned}"
    assert describe(AtTrigger(at=many, timezone=ZONE)) == f"at {spanned}, {ZONE}"
