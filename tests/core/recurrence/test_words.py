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
    (
        "FREQ=MONTHLY;BYDAY=1MO,3MO;BYMONTH=5",
        "on the first Monday and third Monday of May at 08:30",
    ),
    (
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        "on the last weekday of every month at 08:30",
    ),
    (
        "FREQ=MONTHLY;BYDAY=SA,SU;BYSETPOS=1,2",
        "on the first and second weekend day of every month at 08:30",
    ),
    ("FREQ=YEARLY", "on day 5 of January at 08:30"),
    ("FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", "on the fourth Thursday of November at 08:30"),
    ("FREQ=DAILY;COUNT=3", f"every day at 08:30, {FROM}, 3 times"),
    ("FREQ=DAILY;COUNT=1", f"every day at 08:30, {FROM}, 1 time"),
    ("FREQ=DAILY;UNTIL=20301231", "every day at 08:30, until 2030-12-31"),
    ("FREQ=DAILY;UNTIL=20301231T080000", "every day at 08:30, until 2030-12-31 08:00"),
    ("FREQ=DAILY;UNTIL=20301231T080000Z", "every day at 08:30, until 2030-12-31 08:00 UTC"),
    ("FREQ=HOURLY", f"every hour of elapsed time, {FROM}"),
    ("FREQ=SECONDLY;INTERVAL=90", f"every 90 seconds of elapsed time, {FROM}"),
    (
        "FREQ=MINUTELY;INTERVAL=15;BYHOUR=9,10,11;BYDAY=SA,SU",
        f"every 15 minutes of elapsed time between 09:00 and 11:59 on weekends, {FROM}",
    ),
]
CUSTOM = [
    "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
    "FREQ=YEARLY;BYYEARDAY=100",
    "FREQ=YEARLY;BYDAY=20MO",
    "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYMONTHDAY=3",
    "FREQ=MONTHLY;INTERVAL=2;BYMONTH=1,2,3",
    "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
    "FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=2",
    "FREQ=MONTHLY;BYDAY=MO,2TU",
    "FREQ=MONTHLY;BYDAY=SA,SU;BYHOUR=8,9;BYSETPOS=1",
    "FREQ=MONTHLY;INTERVAL=2;BYDAY=MO",
    "FREQ=DAILY;BYMONTHDAY=1",
    "FREQ=DAILY;BYHOUR=8;BYSETPOS=1",
    "FREQ=DAILY;INTERVAL=2;BYDAY=MO",
    "FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=1",
    "FREQ=DAILY;BYHOUR=1,2,3,4,5,6,7",
    "FREQ=HOURLY;BYHOUR=1,3",
    "FREQ=HOURLY;BYMINUTE=1",
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
    ("0 0 13 * 5", "custom cron 0 0 13 * 5"),
    ("0 */2 * * *", "custom cron 0 */2 * * *"),
    ("*/7 * * * *", "custom cron */7 * * * *"),
    ("0 0 LW * *", "custom cron 0 0 LW * *"),
    ("0 0 * 1 *", "custom cron 0 0 * 1 *"),
    ("0 0-23 * * *", "custom cron 0 0-23 * * *"),
    ("*/5 * * * * *", "custom cron */5 * * * * *"),
    ("3,4 * * * *", "custom cron 3,4 * * * *"),
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
