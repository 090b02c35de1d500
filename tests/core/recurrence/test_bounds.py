"""What a question costs, in steps of the search: the same on every machine, and never without end."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from runtime.core.recurrence import (
    CronTrigger,
    RRuleTrigger,
    Trigger,
    compile_trigger,
    never_fires,
)
from runtime.core.recurrence.effort import SEARCH_STEPS, Effort, Exhausted

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ZONE = "Europe/Chisinau"


def steps(trigger: Trigger) -> tuple[int, bool]:
    """Steps of the search for the next occurrence of one rule, and whether there is one."""
    (source,) = compile_trigger(trigger)._sources
    effort = Effort()
    found = None
    with suppress(Exhausted):
        found = next(source.stream(NOW, effort), None)
    return effort.spent, found is not None


TYPICAL = [
    "FREQ=DAILY",
    "FREQ=DAILY;INTERVAL=3",
    "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=8;BYMINUTE=30",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO",
    "FREQ=MONTHLY;BYMONTHDAY=-1",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
    "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH",
    "FREQ=HOURLY",
    "FREQ=HOURLY;INTERVAL=5;BYDAY=MO,TU,WE,TH,FR",
    "FREQ=MINUTELY;INTERVAL=15",
    "FREQ=MINUTELY;INTERVAL=15;BYHOUR=9,10,11,12,13,14,15,16",
    "FREQ=SECONDLY;INTERVAL=10",
]


@pytest.mark.parametrize("rule", TYPICAL)
def test_the_next_occurrence_costs_the_same_at_any_age_of_the_start(rule: str) -> None:
    ages = [
        timedelta(days=1),
        timedelta(days=365),
        timedelta(days=30 * 365),
        timedelta(days=125 * 365),
    ]
    start = NOW.replace(tzinfo=None)

    costs = [steps(RRuleTrigger(rule, ZONE, start - age)) for age in ages]

    assert all(found for _, found in costs)
    assert max(spent for spent, _ in costs) <= 12


NEVER = [
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=MONTHLY;BYDAY=6MO",
    "FREQ=DAILY;INTERVAL=7;BYDAY=MO",
    "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=0,1,2,3,4,5,6,7,8;BYMINUTE=0,30;BYSECOND=1,2,3;BYSETPOS=-1,366"
    ";BYMONTH=2;BYMONTHDAY=30",
    "FREQ=HOURLY;INTERVAL=24;BYHOUR=5;BYMINUTE=59;BYSETPOS=2",
    "FREQ=MINUTELY;INTERVAL=2;BYMINUTE=1,3,5",
    "FREQ=SECONDLY;INTERVAL=2;BYSECOND=1",
    "FREQ=SECONDLY;BYSECOND=0;BYSETPOS=2",
    "FREQ=DAILY;UNTIL=19800101T000000Z",
    "FREQ=SECONDLY;UNTIL=19800101T000000Z",
    "FREQ=SECONDLY;COUNT=5",
    "FREQ=YEARLY;INTERVAL=999999999",
    "FREQ=SECONDLY;INTERVAL=999999999;BYHOUR=3;BYMONTH=1",
]


@pytest.mark.parametrize("rule", NEVER)
def test_a_rule_that_never_fires_is_given_up_after_a_bounded_search(rule: str) -> None:
    spent, found = steps(RRuleTrigger(rule, "UTC", datetime(1970, 1, 1)))

    assert not found
    assert spent <= SEARCH_STEPS + 50


@pytest.mark.parametrize(
    "rule", ["FREQ=DAILY;UNTIL=19800101", "FREQ=DAILY;BYHOUR=1,2;COUNT=9", "FREQ=SECONDLY;COUNT=9"]
)
def test_a_rule_that_is_over_costs_next_to_nothing(rule: str) -> None:
    assert steps(RRuleTrigger(rule, ZONE, datetime(1970, 1, 1))) <= (2, False)


EVERY_SECOND = ";".join(
    f"{part}={','.join(map(str, range(size)))}"
    for part, size in (("BYHOUR", 24), ("BYMINUTE", 60), ("BYSECOND", 60))
)
ABSURD = [
    "FREQ=SECONDLY",
    "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=29;BYHOUR=3;BYMINUTE=59;BYSECOND=59",
    f"FREQ=DAILY;{EVERY_SECOND}",
    f"FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1,366;{EVERY_SECOND}",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO",
    "FREQ=SECONDLY;COUNT=999999999;INTERVAL=4",
    "FREQ=DAILY;COUNT=999999",
]


@pytest.mark.parametrize("rule", ABSURD, ids=[rule[:40] for rule in ABSURD])
def test_an_absurd_rule_is_answered_in_a_bounded_search(rule: str) -> None:
    spent, found = steps(RRuleTrigger(rule, "UTC", datetime(1970, 1, 1)))

    assert found
    assert spent <= SEARCH_STEPS


def test_the_last_of_many_counted_periods_is_found_in_bounded_steps() -> None:
    trigger = RRuleTrigger("FREQ=DAILY;INTERVAL=2;COUNT=15000", "UTC", datetime(1970, 1, 1))
    compiled = compile_trigger(trigger)

    last = datetime(1970, 1, 1, tzinfo=UTC) + 14_999 * timedelta(days=2)

    found = compiled.next_after(last - timedelta(seconds=1))
    assert found is not None
    assert found.at == last
    assert compiled.next_after(last) is None


@pytest.mark.parametrize(
    ("rule", "count"),
    [
        ("FREQ=YEARLY;INTERVAL=2;BYMONTH=1,2;BYMONTHDAY=30,31", 37),
        ("FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=1,-1,30", 41),
        ("FREQ=DAILY;BYHOUR=3,9;BYMINUTE=0,30", 101),
        ("FREQ=WEEKLY;INTERVAL=3;BYDAY=MO,SU;WKST=SU", 33),
        ("FREQ=HOURLY;BYMINUTE=10,50;BYHOUR=8,9;BYDAY=SA", 29),
    ],
)
def test_a_count_reached_by_arithmetic_is_the_count_of_the_list(rule: str, count: int) -> None:
    start = datetime(2020, 1, 15, 4, 45)
    begin = datetime(2019, 1, 1, tzinfo=UTC)
    endless = compile_trigger(RRuleTrigger(rule, ZONE, start))
    counted = compile_trigger(RRuleTrigger(rule, ZONE, start, count=count))

    wanted = list(islice(endless.following(begin), count))

    assert list(counted.following(begin)) == wanted
    assert counted.next_after(wanted[-1].at) is None


def test_a_count_that_a_rule_never_reaches_does_not_hide_what_it_gives() -> None:
    """From 1986 on Kathmandu's minutes are odd quarters, so the third of each hour's block is never there again."""
    trigger = RRuleTrigger(
        "FREQ=HOURLY;BYMINUTE=0,10,15;BYHOUR=0,2,4;BYSETPOS=3;COUNT=99",
        "Asia/Kathmandu",
        datetime(1985, 12, 30),
    )
    compiled = compile_trigger(trigger)

    found = list(compiled.following(datetime(1985, 12, 1, tzinfo=UTC)))

    assert [f"{occurrence.local_at:%d %H:%M}" for occurrence in found] == [
        f"{day} {hour:02}:15" for day in (30, 31) for hour in (0, 2, 4)
    ]


def test_far_ahead_the_calendar_ends_quietly() -> None:
    far = datetime(9998, 12, 30, tzinfo=UTC)
    for trigger in (
        RRuleTrigger("FREQ=DAILY", ZONE, datetime(2026, 1, 1)),
        RRuleTrigger("FREQ=MONTHLY;INTERVAL=7", ZONE, datetime(2026, 1, 1)),
        RRuleTrigger("FREQ=WEEKLY;INTERVAL=3", ZONE, datetime(2026, 1, 1)),
        RRuleTrigger("FREQ=YEARLY;INTERVAL=7", ZONE, datetime(2026, 1, 1)),
        RRuleTrigger("FREQ=HOURLY", ZONE, datetime(2026, 1, 1)),
        CronTrigger("* * * * *", ZONE),
    ):
        assert len(list(islice(compile_trigger(trigger).following(far), 5000))) < 5000


@pytest.mark.parametrize("freq", ["YEARLY", "MONTHLY", "DAILY"])
def test_the_last_year_that_can_be_scheduled_has_its_last_day(freq: str) -> None:
    last = datetime(9998, 12, 31)
    compiled = compile_trigger(RRuleTrigger(f"FREQ={freq}", "UTC", last))

    assert [found.local_at for found in compiled.following(NOW)] == [last]


def test_any_instant_of_the_calendar_may_be_asked_about() -> None:
    compiled = compile_trigger(RRuleTrigger("FREQ=DAILY", ZONE, datetime(2026, 1, 1)))

    first = compiled.next_after(datetime.min.replace(tzinfo=UTC))

    assert first is not None
    assert first.local_at == datetime(2026, 1, 1)
    assert compiled.next_after(datetime.max.replace(tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("until", "fires"), [("99991231T235959Z", True), ("99991231", True), ("00010101", False)]
)
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_until_may_lie_at_either_end_of_the_calendar(
    until: str, zone: str, *, fires: bool
) -> None:
    for rule in ("FREQ=DAILY", "FREQ=HOURLY"):
        compiled = compile_trigger(
            RRuleTrigger(f"{rule};UNTIL={until}", zone, datetime(2026, 1, 1))
        )
        assert (compiled.next_after(NOW) is not None) == fires


def test_a_rule_that_finds_nothing_does_not_silence_the_others() -> None:
    trigger = RRuleTrigger(
        ("FREQ=DAILY;INTERVAL=7;BYDAY=MO", "FREQ=DAILY"), "UTC", datetime(2026, 1, 1)
    )
    compiled = compile_trigger(trigger)

    assert [found.local_at.day for found in islice(compiled.following(NOW), 3)] == [2, 3, 4]
    assert never_fires(compiled, NOW) is None
