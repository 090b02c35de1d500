"""What becomes of the occurrences that calendars exclude: recorded, moved on, moved back, put off, made one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from runtime.core.recurrence import Occurrence
from runtime.core.schedules import TaskSchedule, compile_schedules
from runtime.errors import ScheduleError
from schemas.task import Task
from tests.support.installed import task

ZONE = "Europe/Chisinau"
CALENDARS: dict[str, Any] = {
    "holidays": {"timezone": ZONE, "days": ["2026-12-25/2026-12-26"]},
    "weekend": {"timezone": ZONE, "rules": ["FREQ=WEEKLY;BYDAY=SA,SU"]},
    "quiet": {"timezone": ZONE, "windows": [{"from": "22:00", "to": "07:00", "days": []}]},
    "night": {
        "timezone": ZONE,
        "windows": [{"from": "22:00", "to": "07:00", "days": []}],
        "defer": "8h",
    },
    "office": {"timezone": ZONE, "windows": [{"from": "09:00", "to": "17:00", "days": []}]},
    "always": {"timezone": ZONE, "rules": ["FREQ=DAILY"]},
    "saturdays": {"timezone": ZONE, "rules": ["FREQ=WEEKLY;BYDAY=SA"]},
    "sunday-morning": {
        "timezone": ZONE,
        "windows": [{"from": "08:00", "to": "10:00", "days": ["SU"]}],
    },
    "hasty": {
        "timezone": ZONE,
        "windows": [{"from": "09:00", "to": "10:00", "days": []}],
        "defer": "5m",
    },
    "patient": {
        "timezone": ZONE,
        "windows": [{"from": "09:00", "to": "10:00", "days": []}],
        "defer": "2h",
    },
    "change": {"timezone": ZONE, "days": ["2026-03-28/2026-03-29"]},
    "far": {"timezone": ZONE, "days": ["2027-12-02"]},
    "further": {"timezone": ZONE, "days": ["2027-12-05"]},
    "past": {"timezone": ZONE, "days": ["2020-01-01"]},
    "leap-days": {
        "timezone": ZONE,
        "rules": [{"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "start": "2000-02-29"}],
    },
}


def schedule(*schedules: dict[str, Any]) -> TaskSchedule:
    written = [{"timezone": ZONE, **one} for one in schedules]
    body = Task.model_validate(task("any", schedule=written)).model_dump(
        mode="json", by_alias=True, exclude_none=True
    )
    return compile_schedules({**body, "calendars": CALENDARS})


def daily(hour: int, minute: int = 30, **fields: Any) -> dict[str, Any]:
    return {"cron": f"{minute} {hour} * * *", **fields}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE)).astimezone(UTC)


def wall(instant: datetime) -> str:
    return instant.astimezone(ZoneInfo(ZONE)).strftime("%d %H:%M")


def said(found: Occurrence) -> str:
    """An occurrence in short: `25 08:30 by holidays -> 27 08:30`, or `27 08:30 from 26 08:30`."""
    text = wall(found.at)
    if found.excluded_by is not None:
        text += f" by {found.excluded_by}"
    if found.moved_to is not None:
        text += f" -> {wall(found.moved_to)}"
    if found.moved_from is not None:
        text += f" from {wall(found.moved_from)}"
    return text


def upcoming(after: str, limit: int, *schedules: dict[str, Any]) -> list[str]:
    return [said(found) for found in schedule(*schedules).upcoming(at(after), limit)]


def running(after: str, limit: int, *schedules: dict[str, Any]) -> list[str]:
    return [said(found) for found in islice(schedule(*schedules).running(at(after)), limit)]


def test_an_excluded_occurrence_stays_in_the_row_and_is_marked() -> None:
    excluded = daily(8, exclude=["holidays"])

    assert upcoming("2026-12-24T00:00", 4, excluded) == [
        "24 08:30",
        "25 08:30 by holidays",
        "26 08:30 by holidays",
        "27 08:30",
    ]
    assert running("2026-12-24T00:00", 2, excluded) == ["24 08:30", "27 08:30"]


def test_what_counts_runs_leaves_out_what_is_excluded() -> None:
    excluded = schedule(daily(8, exclude=["holidays"]))
    begin, end = at("2026-12-24T00:00"), at("2026-12-28T00:00")

    assert excluded.count_between(begin, end, 100) == 2
    assert excluded.next_after(at("2026-12-24T12:00")).excluded_by == "holidays"
    assert wall(excluded.next_running(at("2026-12-24T12:00")).at) == "27 08:30"


def test_included_is_what_any_of_the_calendars_holds() -> None:
    assert running("2026-12-24T00:00", 3, daily(8, include=["holidays", "weekend"])) == [
        "25 08:30",
        "26 08:30",
        "27 08:30",
    ]


def test_several_that_move_to_one_instant_are_one_run() -> None:
    monthly = {
        "rrule": "FREQ=MONTHLY;BYMONTHDAY=25,26;BYHOUR=8;BYMINUTE=30",
        "exclude": ["holidays"],
        "on_excluded": "next_included",
    }

    assert upcoming("2026-12-01T00:00", 3, monthly) == [
        "25 08:30 by holidays -> 27 08:30",
        "26 08:30 by holidays -> 27 08:30",
        "27 08:30 from 26 08:30",
    ]


def test_one_that_moves_onto_another_leaves_the_other_as_it_is() -> None:
    assert upcoming(
        "2026-12-24T12:00", 3, daily(8, exclude=["holidays"], on_excluded="next_included")
    ) == [
        "25 08:30 by holidays -> 27 08:30",
        "26 08:30 by holidays -> 27 08:30",
        "27 08:30",
    ]


def test_moving_back_keeps_the_wall_time() -> None:
    salary = {
        "rrule": "FREQ=MONTHLY;BYMONTHDAY=26;BYHOUR=8;BYMINUTE=30",
        "exclude": ["holidays", "weekend"],
        "on_excluded": "previous_included",
    }

    assert upcoming("2026-12-01T00:00", 2, salary) == [
        "24 08:30 from 26 08:30",
        "26 08:30 by holidays -> 24 08:30",
    ]
    assert running("2026-12-24T12:00", 1, salary) == ["26 08:30"]


def test_a_time_that_the_next_day_does_not_have_is_shifted() -> None:
    # Clocks in Chisinau leave out 03:00 to 04:00 on Sunday, 29 March 2026.
    saturday = {
        "rrule": "FREQ=MONTHLY;BYMONTHDAY=28;BYHOUR=3;BYMINUTE=20",
        "exclude": ["saturdays"],
        "on_excluded": "next_included",
    }

    assert upcoming("2026-03-20T00:00", 2, saturday) == [
        "28 03:20 by saturdays -> 29 04:20",
        "29 04:20 from 28 03:20",
    ]


def test_what_hours_exclude_moves_to_their_end() -> None:
    assert upcoming(
        "2026-12-01T12:00", 2, daily(23, exclude=["quiet"], on_excluded="next_included")
    ) == ["01 23:30 by quiet -> 02 07:00", "02 07:00 from 01 23:30"]


def test_what_lies_outside_of_included_hours_moves_to_their_beginning() -> None:
    assert running(
        "2026-12-01T12:00", 1, daily(8, include=["office"], on_excluded="next_included")
    ) == ["02 09:00 from 02 08:30"]


def test_what_moves_to_a_quiet_hour_moves_on() -> None:
    # 04:30 is free on no night; on Christmas it moves by the hour, and the day behind it is excluded too.
    both = daily(4, exclude=["quiet", "holidays"], on_excluded="next_included")
    # By the day alone first, onto an hour that is quiet there.
    onto = daily(8, exclude=["holidays", "sunday-morning"], on_excluded="next_included")

    assert running("2026-12-24T12:00", 1, both) == ["27 07:00 from 27 04:30"]
    assert upcoming("2026-12-25T12:00", 3, onto) == [
        "26 08:30 by holidays -> 27 10:00",
        "27 08:30 by sunday-morning -> 27 10:00",
        "27 10:00 from 27 08:30",
    ]


def test_a_window_that_defers_puts_off_to_its_end() -> None:
    assert upcoming("2026-12-01T12:00", 2, daily(23, exclude=["night"])) == [
        "01 23:30 by night -> 02 07:00",
        "02 07:00 from 01 23:30",
    ]


def test_what_would_be_put_off_for_too_long_is_skipped() -> None:
    assert upcoming("2026-12-01T12:00", 2, daily(22, exclude=["night"])) == [
        "01 22:30 by night",
        "02 22:30 by night",
    ]


def test_a_holiday_is_not_put_off_even_at_night() -> None:
    assert upcoming("2026-12-25T12:00", 1, daily(23, exclude=["night", "holidays"])) == [
        "25 23:30 by night"
    ]


def test_one_calendar_that_does_not_defer_is_enough_to_skip() -> None:
    assert upcoming("2026-12-01T12:00", 1, daily(23, exclude=["night", "quiet"])) == [
        "01 23:30 by night"
    ]


def test_of_included_calendars_the_most_patient_counts() -> None:

    assert running("2026-12-01T12:00", 1, daily(8, include=["hasty", "patient"])) == [
        "02 09:00 from 02 08:30"
    ]
    assert running("2026-12-01T12:00", 1, daily(8, include=["hasty"])) == []


def test_one_schedule_runs_where_anothers_calendar_excludes() -> None:
    found = upcoming(
        "2026-12-24T12:00", 2, daily(8, exclude=["holidays"]), daily(8, 30), daily(9, 0)
    )

    assert found == ["25 08:30", "25 09:00"]


def test_every_without_a_zone_moves_by_days_of_utc() -> None:
    body = {
        "every": "24h",
        "start": "2026-12-20T06:00:00Z",
        "timezone": None,
        "exclude": ["holidays"],
        "on_excluded": "next_included",
    }

    found = schedule({name: value for name, value in body.items() if value})
    moved = found.next_after(datetime(2026, 12, 25, tzinfo=UTC))
    assert moved.moved_to == datetime(2026, 12, 27, 6, tzinfo=UTC)


def test_every_keeps_its_wall_time_in_the_zone_it_names() -> None:
    # Over the last week of March, when the offset changes.
    found = schedule(
        {
            "every": "24h",
            "start": "2026-03-01T06:00:00Z",
            "exclude": ["change"],
            "on_excluded": "next_included",
        }
    ).next_after(datetime(2026, 3, 28, tzinfo=UTC))

    assert said(found) == "28 08:00 by change -> 30 08:00"
    assert found.moved_to == datetime(2026, 3, 30, 5, tzinfo=UTC)


def test_the_moved_one_has_a_jitter_of_its_own() -> None:
    jittered = schedule(
        daily(8, exclude=["holidays"], on_excluded="previous_included", jitter="10m")
    )
    plain = schedule(daily(8, jitter="10m"))
    late = schedule(daily(23, exclude=["quiet"], on_excluded="next_included", jitter="10m"))
    moved = late.next_running(at("2026-12-01T12:00"))

    assert (
        jittered.next_after(at("2026-12-24T00:00")).due_at
        == plain.next_after(at("2026-12-24T00:00")).due_at
    )
    assert timedelta(0) < moved.due_at - moved.at < timedelta(minutes=10)


@pytest.mark.parametrize("policy", ["skip", "next_included", "previous_included"])
@pytest.mark.parametrize("include", ["past", "always"])
def test_what_never_runs_again_is_known_at_once(policy: str, include: str) -> None:
    sides = {"exclude": ["always"]} if include == "always" else {"include": ["past"]}
    never = schedule(daily(8, on_excluded=policy, **sides))

    assert never.next_running(at("2026-12-01T00:00")) is None
    assert never.next_after(at("2026-12-01T00:00")) is not None


@pytest.mark.parametrize("policy", ["skip", "next_included", "previous_included"])
def test_a_run_is_found_behind_years_without_any(policy: str) -> None:
    rare = schedule(daily(8, include=["leap-days"], on_excluded=policy))

    found = rare.next_running(at("2096-03-01T12:00"))
    # 2100 is no leap year.
    assert found.at.astimezone(ZoneInfo(ZONE)).date().isoformat() == "2104-02-29"


def test_nothing_moves_further_than_a_year() -> None:
    once = {
        "rrule": "FREQ=DAILY;BYHOUR=8;BYMINUTE=0;COUNT=3",
        "start": "2026-12-01T08:00",
        "on_excluded": "next_included",
    }

    found = schedule({**once, "include": ["far"]}).upcoming(at("2026-11-01T00:00"), 5)
    assert [one.moved_to is not None for one in found] == [True, True, True, False]
    found = schedule({**once, "include": ["further"]}).upcoming(at("2026-11-01T00:00"), 5)
    assert [one.moved_to for one in found] == [None, None, None]


def test_moving_back_needs_calendars_of_whole_days() -> None:
    with pytest.raises(ScheduleError, match="holds hours") as refused:
        schedule(daily(8, exclude=["holidays", "quiet"], on_excluded="previous_included"))
    assert refused.value.code == "ORD607"


@pytest.mark.parametrize("policy", ["next_included", "previous_included"])
def test_schedules_that_fire_often_do_not_move(policy: str) -> None:
    often = {"every": "30m", "exclude": ["holidays"]}

    with pytest.raises(ScheduleError, match="at most 24 times a day") as refused:
        schedule({**often, "on_excluded": policy})
    assert refused.value.code == "ORD607"
    schedule({**often, "on_excluded": "skip"})
    schedule({**often, "every": "1h", "on_excluded": policy})


def test_the_words_name_the_calendars() -> None:
    both = schedule(
        daily(8, exclude=["holidays", "quiet"], on_excluded="next_included"),
        daily(9, 0, include=["office"]),
    )

    assert both.describe() == (
        f"every day at 08:30, {ZONE}, except in holidays and quiet, else the next day; "
        f"every day at 09:00, {ZONE}, only in office"
    )


def test_jitter_does_not_reach_into_quiet_hours() -> None:
    free, kept = (
        schedule(daily(21, 50, jitter="2h", **more)) for more in ({}, {"exclude": ["quiet"]})
    )
    quiet = at("2026-12-01T22:00").time()

    plain = list(islice(free.running(at("2026-12-01T00:00")), 20))
    found = list(islice(kept.running(at("2026-12-01T00:00")), 20))

    assert any(one.due_at.time() >= quiet for one in plain)
    assert all(one.at <= one.due_at and one.due_at.time() < quiet for one in found)
    # What does not reach there stays, and the others are spread all the same.
    assert len({one.due_at.time() for one in found}) > 10


def test_the_next_moment_at_which_anything_may_run_is_that_of_the_most_willing_schedule() -> None:
    night, noon = at("2026-12-01T23:00"), at("2026-12-01T12:00")

    assert schedule(daily(8, exclude=["quiet"])).open_from(night) == at("2026-12-02T07:00")
    assert schedule(daily(8, exclude=["quiet"])).open_from(noon) == noon
    assert schedule(daily(8, exclude=["quiet"]), daily(9)).open_from(night) == night
    assert schedule(daily(8, exclude=["always"])).open_from(night) == night
