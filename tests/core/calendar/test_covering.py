"""What calendars cover: days, windows and spans on the walls of zones that change their clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from runtime.core.calendar.admission import Admission, Named
from runtime.core.calendar.compilation import compile_calendar
from runtime.errors import ScheduleError

CHISINAU = "Europe/Chisinau"
YEAR = timedelta(days=366)


def excluding(zone: str = CHISINAU, **content: Any) -> Admission:
    """One calendar of this content, as `exclude`."""
    return Admission([Named("it", compile_calendar({"timezone": zone, **content}))], [])


def at(text: str, zone: str = CHISINAU, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def ends(admission: Admission, begin: datetime) -> datetime | None:
    """Where the excluded stretch that holds an instant is over."""
    return admission.next_included(begin, begin + YEAR)


def test_a_day_is_covered_from_midnight_to_midnight_of_its_own_zone() -> None:
    day = excluding(days=["2026-12-25"])

    assert day.excluded_by(at("2026-12-24T23:59")) is None
    assert day.excluded_by(at("2026-12-25T00:00")) == "it"
    assert day.excluded_by(at("2026-12-25T23:59")) == "it"
    assert day.excluded_by(at("2026-12-26T00:00")) is None
    assert day.excluded_by(at("2026-12-25T23:00", "America/New_York")) is None


def test_runs_of_days_count_both_ends_and_may_overlap() -> None:
    days = excluding(days=["2026-12-24/2026-12-26", "2026-12-25/2026-12-28", "2027-01-01"])

    assert ends(days, at("2026-12-24T12:00")) == at("2026-12-29T00:00")
    assert ends(days, at("2027-01-01T12:00")) == at("2027-01-02T00:00")


def test_a_day_that_loses_its_midnight_begins_when_it_begins() -> None:
    # In Sao Paulo 4 November 2018 began at 01:00.
    day = excluding("America/Sao_Paulo", days=["2018-11-03"])

    assert ends(day, at("2018-11-03T12:00", "America/Sao_Paulo")) == datetime(
        2018, 11, 4, 3, tzinfo=UTC
    )


def test_a_day_that_begins_again_is_covered_to_its_last_end() -> None:
    # In Havana clocks go from 01:00 back to 00:00, so that midnight comes twice.
    day = excluding("America/Havana", days=["2025-11-02"])

    assert day.excluded_by(at("2025-11-02T00:30", "America/Havana", fold=0)) == "it"
    assert day.excluded_by(at("2025-11-02T00:30", "America/Havana", fold=1)) == "it"
    assert ends(day, at("2025-11-02T00:00", "America/Havana")) == at(
        "2025-11-03T00:00", "America/Havana"
    )


def test_a_day_that_the_zone_leaves_out_covers_nothing() -> None:
    # Samoa had no 30 December 2011.
    day = excluding("Pacific/Apia", days=["2011-12-30"])

    assert day.excluded_by(at("2011-12-29T23:59", "Pacific/Apia")) is None
    assert day.excluded_by(at("2011-12-31T00:00", "Pacific/Apia")) is None
    around = excluding("Pacific/Apia", days=["2011-12-29/2011-12-31"])
    assert ends(around, at("2011-12-29T00:00", "Pacific/Apia")) == at(
        "2012-01-01T00:00", "Pacific/Apia"
    )


def test_a_rule_names_days() -> None:
    weekend = excluding(rules=["FREQ=WEEKLY;BYDAY=SA,SU"])

    assert weekend.excluded_by(at("2026-11-20T23:59")) is None
    assert ends(weekend, at("2026-11-21T00:00")) == at("2026-11-23T00:00")


def test_a_rule_with_an_interval_counts_from_its_start() -> None:
    fridays = excluding(
        rules=[{"rrule": "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR", "start": "2026-11-06"}]
    )

    assert [fridays.excluded_by(at(f"2026-11-{day:02}T12:00")) for day in (6, 13, 20, 27)] == [
        "it", None, "it", None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("FREQ=WEEKLY;INTERVAL=2", "ORD603"),
        ("FREQ=DAILY;COUNT=3", "ORD603"),
        ("FREQ=HOURLY", "ORD602"),
        ("FREQ=DAILY;BYHOUR=9", "ORD602"),
        ("FREQ=DAILY;BYMINUTE=30", "ORD602"),
        ("every day", "ORD601"),
    ],
)
def test_a_rule_that_does_not_name_days_is_refused(rule: str, code: str) -> None:
    with pytest.raises(ScheduleError) as refused:
        excluding(rules=[rule])
    assert refused.value.code == code


def quiet(
    zone: str = CHISINAU, begin: str = "22:00", end: str = "07:00", **more: Any
) -> Admission:
    return excluding(zone, windows=[{"from": begin, "to": end, "days": [], **more}])


def test_a_window_goes_over_midnight_and_its_end_is_free() -> None:
    hours = quiet()

    assert hours.excluded_by(at("2026-11-20T21:59")) is None
    assert hours.excluded_by(at("2026-11-20T22:00")) == "it"
    assert ends(hours, at("2026-11-20T22:30")) == at("2026-11-21T07:00")
    assert ends(hours, at("2026-11-21T03:00")) == at("2026-11-21T07:00")


def test_a_window_belongs_to_the_weekday_on_which_it_begins() -> None:
    friday_night = quiet(days=["FR"])

    assert friday_night.excluded_by(at("2026-11-20T03:00")) is None
    assert friday_night.excluded_by(at("2026-11-20T22:00")) == "it"
    assert friday_night.excluded_by(at("2026-11-21T03:00")) == "it"
    assert friday_night.excluded_by(at("2026-11-21T22:00")) is None


def test_a_window_to_midnight_ends_with_the_day() -> None:
    assert ends(quiet(begin="20:00", end="24:00"), at("2026-11-20T21:00")) == at(
        "2026-11-21T00:00"
    )
    assert ends(quiet(begin="20:00", end="00:00"), at("2026-11-20T21:00")) == at(
        "2026-11-21T00:00"
    )


def test_a_window_whose_end_is_in_a_gap_ends_where_the_clock_jumps() -> None:
    # 03:00 to 04:00 do not exist in Chisinau on 29 March 2026.
    hours = quiet(end="03:30")

    assert ends(hours, at("2026-03-28T23:00")) == datetime(2026, 3, 29, 1, tzinfo=UTC)


def test_a_window_in_a_gap_covers_nothing() -> None:
    hours = quiet(begin="03:10", end="03:50")

    assert hours.excluded_by(datetime(2026, 3, 29, 0, 59, tzinfo=UTC)) is None
    assert hours.excluded_by(datetime(2026, 3, 29, 1, 0, tzinfo=UTC)) is None
    assert hours.excluded_by(at("2026-03-30T03:10")) == "it"


def test_a_window_over_an_hour_that_comes_twice_covers_both() -> None:
    # 03:00 to 04:00 come twice in Chisinau on 25 October 2026.
    hours = quiet(begin="03:15", end="03:45")

    for fold in (0, 1):
        assert hours.excluded_by(at("2026-10-25T03:10", fold=fold)) is None
        assert hours.excluded_by(at("2026-10-25T03:15", fold=fold)) == "it"
        assert ends(hours, at("2026-10-25T03:15", fold=fold)) == at("2026-10-25T03:45", fold=fold)


def test_half_an_hour_of_summer_time_is_half_an_hour() -> None:
    # In Lord Howe clocks go from 02:00 back to 01:30 on 6 April 2025.
    zone = "Australia/Lord_Howe"
    hours = quiet(zone, begin="22:00", end="01:45")

    assert ends(hours, at("2025-04-05T23:00", zone)) == at("2025-04-06T01:45", zone, fold=0)
    assert hours.excluded_by(at("2025-04-06T01:30", zone, fold=1)) == "it"
    assert ends(hours, at("2025-04-06T01:30", zone, fold=1)) == at(
        "2025-04-06T01:45", zone, fold=1
    )


def test_a_timed_event_covers_its_span_in_its_own_zone() -> None:
    event = {"start": "2026-11-20T10:00:00", "timezone": "America/New_York", "lasts": "90m"}
    meeting = excluding(events=[event])

    assert meeting.excluded_by(at("2026-11-20T09:59", "America/New_York")) is None
    assert ends(meeting, at("2026-11-20T10:00", "America/New_York")) == at(
        "2026-11-20T11:30", "America/New_York"
    )


def test_a_timed_event_without_a_zone_is_read_in_the_calendars() -> None:
    meeting = excluding(events=[{"start": "2026-11-20T10:00:00", "lasts": "1h"}])
    instant = excluding(events=[{"start": "2026-11-20T10:00:00Z", "lasts": "1h"}])

    assert ends(meeting, at("2026-11-20T10:30")) == at("2026-11-20T11:00")
    assert ends(instant, datetime(2026, 11, 20, 10, 30, tzinfo=UTC)) == datetime(
        2026, 11, 20, 11, tzinfo=UTC
    )


def test_a_timed_event_that_repeats_keeps_its_wall_time() -> None:
    event = {
        "start": "2026-03-02T09:00:00",
        "lasts": "1h",
        "rrule": ["FREQ=WEEKLY"],
        "exdate": ["2026-04-06T09:00:00"],
        "rdate": ["2026-04-07T06:00:00Z"],
    }
    weekly = excluding(events=[event])

    assert ends(weekly, at("2026-03-23T09:59")) == at("2026-03-23T10:00")
    assert ends(weekly, at("2026-03-30T09:00")) == at("2026-03-30T10:00")
    assert weekly.excluded_by(at("2026-03-30T10:00")) is None
    assert weekly.excluded_by(at("2026-04-06T09:00")) is None
    assert weekly.excluded_by(at("2026-04-07T09:00")) == "it"


def test_events_that_overlap_themselves_end_with_the_last() -> None:
    long = excluding(
        events=[{"start": "2026-11-20T10:00:00", "lasts": "30h", "rrule": ["FREQ=DAILY;COUNT=3"]}]
    )

    assert ends(long, at("2026-11-20T10:00")) == at("2026-11-23T16:00")
    assert long.excluded_by(at("2026-11-23T16:00")) is None


def test_an_all_day_event_of_several_days_repeats_as_such() -> None:
    event = {
        "start": "2026-12-25",
        "days": 2,
        "rrule": ["FREQ=YEARLY"],
        "exdate": ["2027-12-25"],
    }
    christmas = excluding(events=[event])

    assert ends(christmas, at("2026-12-25T00:00")) == at("2026-12-27T00:00")
    assert christmas.excluded_by(at("2027-12-26T12:00")) is None
    assert christmas.excluded_by(at("2028-12-26T12:00")) == "it"


def test_a_start_that_the_rule_does_not_give_counts_for_events() -> None:
    # 20 November 2026 is a Friday; calendar applications show it all the same.
    event = {"start": "2026-11-20", "days": 1, "rrule": ["FREQ=WEEKLY;BYDAY=MO"]}
    mondays = excluding(events=[event])

    assert mondays.excluded_by(at("2026-11-20T12:00")) == "it"
    assert mondays.excluded_by(at("2026-11-23T12:00")) == "it"
    assert mondays.excluded_by(at("2026-11-27T12:00")) is None


def test_without_an_end_in_reach_there_is_no_next_included_moment() -> None:
    always = excluding(rules=["FREQ=DAILY"])

    assert ends(always, at("2026-11-20T12:00")) is None


def test_outside_of_all_included_calendars_everything_is_excluded() -> None:
    work = compile_calendar({"timezone": CHISINAU, "rules": ["FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"]})
    special = compile_calendar({"timezone": CHISINAU, "days": ["2026-11-21"]})
    holiday = compile_calendar({"timezone": CHISINAU, "days": ["2026-11-23"]})
    admission = Admission(
        [Named("holidays", holiday)], [Named("work", work), Named("special", special)]
    )

    assert admission.excluded_by(at("2026-11-20T12:00")) is None
    assert admission.excluded_by(at("2026-11-21T12:00")) is None
    assert admission.excluded_by(at("2026-11-22T12:00")) == "work, special"
    assert admission.excluded_by(at("2026-11-23T12:00")) == "holidays"
    assert admission.describe() == ", except in holidays, only in work or special"


def test_a_calendar_that_covers_nothing_includes_nothing() -> None:
    empty = compile_calendar({"timezone": CHISINAU})
    admission = Admission([], [Named("empty", empty)])

    assert admission.excluded_by(at("2026-11-20T12:00")) == "empty"
    assert ends(admission, at("2026-11-20T12:00")) is None
