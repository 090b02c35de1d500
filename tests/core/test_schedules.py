"""From a task's spec to its occurrences."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from runtime.core.schedules import compile_schedules
from runtime.errors import ScheduleError
from schemas.task import Task
from tests.support.installed import task

SUNDAY = datetime(2026, 1, 4, tzinfo=UTC)


def body(*schedules: dict[str, Any], name: str = "briefing") -> dict[str, Any]:
    return Task.model_validate(task(name, schedule=list(schedules))).model_dump(
        mode="json", by_alias=True, exclude_none=True
    )


def upcoming(*schedules: dict[str, Any], after: datetime = SUNDAY, limit: int = 3) -> list[str]:
    found = compile_schedules(body(*schedules)).upcoming(after, limit)
    return [occurrence.at.strftime("%a %d %H:%M") for occurrence in found]


def test_a_rule_is_read_in_its_zone() -> None:
    rule = {
        "rrule": "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=8;BYMINUTE=30",
        "timezone": "Europe/Chisinau",
    }

    assert upcoming(rule) == ["Mon 05 06:30", "Tue 06 06:30", "Wed 07 06:30"]


def test_cron_every_and_at_work_alike() -> None:
    assert upcoming({"cron": "0 9 * * 1-5", "timezone": "UTC"}, limit=1) == ["Mon 05 09:00"]
    assert upcoming({"every": "6h"}, limit=2) == ["Sun 04 06:00", "Sun 04 12:00"]
    assert upcoming({"at": "2026-01-07T12:00:00Z"}) == ["Wed 07 12:00"]
    assert upcoming({"at": ["2026-01-07T14:00"], "timezone": "Europe/Chisinau"}) == [
        "Wed 07 12:00"
    ]


def test_several_schedules_are_united_and_an_instant_occurs_once() -> None:
    nine, also_nine = (
        {"cron": "0 9 * * *", "timezone": "UTC"},
        {"every": "1d", "start": "2026-01-01T09:00:00Z"},
    )

    assert upcoming(nine, also_nine, {"at": "2026-01-04T10:00:00Z"}) == [
        "Sun 04 09:00",
        "Sun 04 10:00",
        "Mon 05 09:00",
    ]


def test_spans_count_from_a_fixed_instant_so_a_restart_moves_nothing() -> None:
    first = upcoming({"every": "7m"}, after=SUNDAY, limit=2)
    later = upcoming({"every": "7m"}, after=datetime(2026, 1, 4, 0, 3, 21, tzinfo=UTC), limit=1)

    assert later[0] in first


@pytest.mark.parametrize("rule", ["FREQ=DAILY;INTERVAL=3", "FREQ=DAILY;COUNT=3"])
def test_a_rule_that_counts_from_its_start_needs_one(rule: str) -> None:
    with pytest.raises(ScheduleError) as refused:
        compile_schedules(body({"rrule": rule, "timezone": "UTC"}))

    assert refused.value.code == "ORD603"
    assert upcoming({"rrule": rule, "timezone": "UTC", "start": "2026-01-05T08:00"}, limit=1) == [
        "Mon 05 08:00"
    ]


def test_jitter_depends_on_the_task_and_moves_only_the_due_time() -> None:
    spread = {"cron": "0 9 * * *", "timezone": "UTC", "jitter": "10m"}

    one, again, other = (
        compile_schedules(body(spread, name=name)).next_after(SUNDAY) for name in ("a", "a", "b")
    )

    assert one is not None
    assert other is not None
    assert one == again
    assert one.at == other.at
    assert one.due_at != other.due_at


def test_a_task_without_time_has_no_occurrences_and_says_what_starts_it() -> None:
    schedule = compile_schedules(body({"manual": True}, {"event": "orders.created"}))

    assert schedule.upcoming(SUNDAY, 1) == []
    assert schedule.next_after(SUNDAY) is None
    assert schedule.describe() == "when somebody asks; on event orders.created"


def test_occurrences_are_counted_no_further_than_asked() -> None:
    schedule = compile_schedules(body({"every": "1m"}))
    month = datetime(2026, 2, 4, tzinfo=UTC)

    assert schedule.count_between(SUNDAY, month, 100) == 100
    assert schedule.count_between(SUNDAY, datetime(2026, 1, 4, 0, 30, tzinfo=UTC), 100) == 30


@pytest.mark.parametrize(
    "schedule",
    [
        {"every": "7m"},
        {"every": "1h", "start": "2026-01-04T00:00Z"},
        {"every": "1h", "start": "2026-01-04T05:30Z"},
        {"every": "1h", "start": "2026-03-01T00:00Z"},
        {"every": "90m", "start": "2026-01-03T00:00Z", "count": 30},
        {"every": "90m", "start": "2025-12-01T00:00Z", "count": 30},
        {"every": "1h", "until": "2026-01-04T12:00Z"},
        {"every": "1h", "until": "2026-01-01T00:00Z"},
        {"every": "36h", "jitter": "1h"},
    ],
)
def test_counting_comes_to_as_many_as_there_are(schedule: dict[str, Any]) -> None:
    compiled = compile_schedules(body(schedule))
    week = SUNDAY + timedelta(days=7)

    listed = [found.at for found in compiled.upcoming(SUNDAY, 2000) if found.at <= week]

    assert compiled.count_between(SUNDAY, week, 2000) == len(listed)
    assert compiled.count_between(SUNDAY, week, 3) == min(3, len(listed))


@pytest.mark.parametrize("zone", ["Europe/Chisinau", "Australia/Lord_Howe", "Pacific/Apia", "UTC"])
@pytest.mark.parametrize(
    "schedule",
    [
        {"cron": "*/30 */3 * * *"},
        {"cron": "30 2 * * *"},
        {"cron": "0 9 * * 1-5", "until": "2011-10-30T09:00"},
        {"cron": "30 1-3 * * *", "dst_gap": "shift", "dst_fold": "both"},
        {"rrule": "FREQ=WEEKLY;BYDAY=MO,SU;BYHOUR=2,3;BYMINUTE=30", "dst_fold": "second"},
        {
            "rrule": "FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=1,-1;BYHOUR=7,8",
            "start": "2010-12-05T00:00",
        },
        {"rrule": "FREQ=MONTHLY;BYDAY=MO,TU,SU;BYSETPOS=1,-1"},
        {
            "rrule": "FREQ=DAILY;COUNT=40;BYHOUR=2,9",
            "start": "2011-10-12T00:00",
            "dst_gap": "skip",
        },
        {"rrule": "FREQ=DAILY;COUNT=40;BYHOUR=2,9", "start": "2011-10-12T00:00"},
        {"rrule": "FREQ=DAILY;BYHOUR=3", "exdate": ["2011-11-02", "2011-03-27T03:00"]},
        {"rrule": "FREQ=DAILY;BYHOUR=3", "rdate": ["2011-11-02T05:00"]},
        {"cron": "0 9 * * *", "start": "2030-01-01T00:00"},
    ],
)
def test_wall_times_are_counted_as_they_come_one_by_one(
    schedule: dict[str, Any], zone: str
) -> None:
    compiled = compile_schedules(body({**schedule, "timezone": zone}))
    begin = datetime(2011, 1, 1, tzinfo=UTC)
    listed = [found.at for found in compiled.upcoming(begin, 9_000) if found.at.year == 2011]

    for after in (begin, *listed[5:400:131], datetime(2011, 9, 24, 11, 0, 7, 5, tzinfo=UTC)):
        for until in (*listed[-1:], *listed[80::997], after + timedelta(days=30, seconds=1)):
            counted = [at for at in listed if after < at <= until]
            if until.year == 2011:
                assert compiled.count_between(after, until, 9_000) == len(counted)
                assert compiled.count_between(after, until, 7) == min(7, len(counted))


def test_the_zone_people_read_it_in_is_the_first_one_named() -> None:
    assert compile_schedules(body({"every": "1h"})).timezone is None
    both = compile_schedules(
        body({"every": "1h"}, {"cron": "0 9 * * *", "timezone": "Asia/Tokyo"})
    )
    assert both.timezone == "Asia/Tokyo"


@pytest.mark.parametrize(
    "rule",
    [
        "RRULE:INTERVAL=2;FREQ=DAILY",
        "rrule:freq=daily;interval=2",
        "RRULE: COUNT=3;FREQ=DAILY",
        "FREQ=WEEKLY;interval=02",
    ],
)
def test_a_rule_that_counts_needs_a_start_however_it_is_written(rule: str) -> None:
    with pytest.raises(ScheduleError, match="counts from its start") as caught:
        compile_schedules(body({"rrule": rule, "timezone": "UTC"}))

    assert caught.value.code == "ORD603"


def test_a_written_interval_of_one_needs_no_start() -> None:
    rule = {"rrule": "RRULE:FREQ=DAILY;INTERVAL=01;", "timezone": "UTC"}

    assert upcoming(rule, limit=1) == ["Mon 05 00:00"]


def test_a_pasted_start_is_told_before_a_missing_one() -> None:
    pasted = "DTSTART:20260105T083000\nRRULE:FREQ=DAILY;COUNT=3"

    with pytest.raises(ScheduleError, match="DTSTART is not part of a rule") as caught:
        compile_schedules(body({"rrule": pasted, "timezone": "UTC"}))

    assert "start: 2026-01-05T08:30" in caught.value.hint


def test_one_date_needs_no_list() -> None:
    daily = {"rrule": "FREQ=DAILY;BYHOUR=8", "timezone": "America/New_York"}
    written = Task.model_validate(
        task(schedule=daily | {"exdate": "2026-12-25", "rdate": "2026-12-24T09:30"})
    )
    body = written.model_dump(mode="json", by_alias=True, exclude_none=True)

    found = compile_schedules(body).upcoming(datetime(2026, 12, 24, 13, tzinfo=UTC), 2)

    assert [one.at.isoformat() for one in found] == [
        "2026-12-24T14:30:00+00:00",
        "2026-12-26T13:00:00+00:00",
    ]


@pytest.mark.parametrize("day", ["2026-01-06", "20260106", "2026-W02-2"])
def test_a_date_is_the_whole_day_however_iso_8601_writes_it(day: str) -> None:
    daily = {"rrule": "FREQ=DAILY;BYHOUR=8", "timezone": "America/New_York"}

    assert upcoming(daily | {"exdate": day}, limit=2) == ["Sun 04 13:00", "Mon 05 13:00"]
    assert upcoming(daily | {"exdate": day}, limit=3)[-1] == "Wed 07 13:00"
    assert upcoming(daily | {"until": day}, limit=9)[-1] == "Tue 06 13:00"


def test_a_period_is_refused_with_the_beginning_to_write() -> None:
    rule = {"rrule": "FREQ=DAILY;BYHOUR=8", "timezone": "UTC", "rdate": "20260107T093000Z/PT1H"}

    with pytest.raises(ValidationError, match="write only when it begins: 20260107T093000Z"):
        body(rule)
