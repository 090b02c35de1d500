"""Files of calendar applications: what is kept of their events, and what is said about those that cannot be used."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.files import MAX_ICS_BYTES
from reconciler.core.ics import MAX_EVENTS, read_events
from runtime.errors import ScheduleError


def event(*lines: str, uid: str = "one") -> str:
    return "\r\n".join(["BEGIN:VEVENT", f"UID:{uid}", *lines, "END:VEVENT", ""])


def calendar(*events: str, head: str = "") -> bytes:
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//\r\n{head}{''.join(events)}END:VCALENDAR\r\n".encode()


def read(*lines: str) -> list[dict[str, Any]]:
    return [dict(found) for found in read_events(calendar(event(*lines)))]


def refusal(data: bytes) -> ScheduleError:
    with pytest.raises(ScheduleError) as refused:
        read_events(data)
    return refused.value


def test_a_day_without_an_end_is_one_day() -> None:
    assert read("DTSTART;VALUE=DATE:20261225") == [{"start": "2026-12-25", "days": 1}]


def test_the_end_of_days_is_not_one_of_them() -> None:
    days = read("DTSTART;VALUE=DATE:20261225", "DTEND;VALUE=DATE:20261227")

    assert days == [{"start": "2026-12-25", "days": 2}]
    assert read("DTSTART;VALUE=DATE:20261225", "DURATION:P2D") == days


def test_days_that_end_where_they_begin_are_one_day() -> None:
    assert read("DTSTART;VALUE=DATE:20261225", "DTEND;VALUE=DATE:20261225") == [
        {"start": "2026-12-25", "days": 1}
    ]


def test_a_span_keeps_its_wall_time_and_its_zone() -> None:
    assert read(
        "DTSTART;TZID=Europe/Rome:20261225T100000", "DTEND;TZID=Europe/Rome:20261225T113000"
    ) == [{"start": "2026-12-25T10:00:00", "timezone": "Europe/Rome", "lasts": "1h30m"}]


def test_a_span_over_a_change_of_clocks_lasts_as_long_as_it_does() -> None:
    night = read(
        "DTSTART;TZID=Europe/Rome:20260328T230000", "DTEND;TZID=Europe/Rome:20260329T070000"
    )

    assert night[0]["lasts"] == "7h"


def test_a_span_in_utc_or_without_a_zone_says_so() -> None:
    assert read("DTSTART:20261225T100000Z", "DURATION:PT1H") == [
        {"start": "2026-12-25T10:00:00Z", "lasts": "1h"}
    ]
    assert read("DTSTART:20261225T100000", "DURATION:PT1H") == [
        {"start": "2026-12-25T10:00:00", "lasts": "1h"}
    ]


def test_what_lasts_no_time_covers_nothing() -> None:
    assert read("DTSTART:20261225T100000Z") == []


def test_a_repeating_event_keeps_its_rule_and_its_exceptions() -> None:
    assert read(
        "DTSTART;TZID=Europe/Rome:20261204T100000",
        "DURATION:PT1H",
        "RRULE:FREQ=WEEKLY;COUNT=10",
        "RDATE;TZID=Europe/Rome:20261205T100000",
        "EXDATE;TZID=Europe/Rome:20261211T100000,20261218T100000",
        "EXDATE:20261225T090000Z",
    ) == [
        {
            "start": "2026-12-04T10:00:00",
            "timezone": "Europe/Rome",
            "lasts": "1h",
            "rrule": ["FREQ=WEEKLY;COUNT=10"],
            "rdate": ["2026-12-05T09:00:00Z"],
            "exdate": ["2026-12-11T09:00:00Z", "2026-12-18T09:00:00Z", "2026-12-25T09:00:00Z"],
        }
    ]


def test_days_that_repeat_are_not_expanded() -> None:
    assert read(
        "DTSTART;VALUE=DATE:20001225", "RRULE:FREQ=YEARLY", "EXDATE;VALUE=DATE:20201225"
    ) == [{"start": "2000-12-25", "days": 1, "rrule": ["FREQ=YEARLY"], "exdate": ["2020-12-25"]}]


def test_cancelled_events_do_not_count_and_transparent_ones_do() -> None:
    assert read("DTSTART;VALUE=DATE:20261225", "STATUS:CANCELLED") == []
    assert len(read("DTSTART;VALUE=DATE:20261225", "TRANSP:TRANSPARENT")) == 1


def test_what_replaces_one_occurrence_takes_its_place() -> None:
    weekly = event("DTSTART:20261204T100000Z", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=3")
    moved = event("RECURRENCE-ID:20261211T100000Z", "DTSTART:20261212T100000Z", "DURATION:PT2H")
    cancelled = event(
        "RECURRENCE-ID:20261218T100000Z", "DTSTART:20261218T100000Z", "STATUS:CANCELLED"
    )

    assert read_events(calendar(cancelled, weekly, moved)) == (
        {
            "start": "2026-12-04T10:00:00Z",
            "lasts": "1h",
            "rrule": ["FREQ=WEEKLY;COUNT=3"],
            "exdate": ["2026-12-11T10:00:00Z", "2026-12-18T10:00:00Z"],
        },
        {"start": "2026-12-12T10:00:00Z", "lasts": "2h"},
    )


def test_neither_the_order_of_events_nor_their_names_matter() -> None:
    one = event("DTSTART;VALUE=DATE:20261225", "SUMMARY:Christmas", uid="1")
    other = event("DTSTART;VALUE=DATE:20270101", "SUMMARY:New Year", uid="2")
    again = event("DTSTART;VALUE=DATE:20261225", "SUMMARY:Crăciun", uid="3")

    assert read_events(calendar(one, other)) == read_events(calendar(other, again, one))


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("/example.org/20260101/America/New_York", "America/New_York"),
    ],
)
def test_a_zone_is_known_by_the_names_that_other_programs_give_it(name: str, zone: str) -> None:
    assert read(f"DTSTART;TZID={name}:20261225T100000", "DURATION:PT1H")[0]["timezone"] == zone


def test_a_zone_that_nobody_knows_is_refused() -> None:
    refused = refusal(
        calendar(
            event("DTSTART;TZID=Nowhere/Land:20261225T100000", "DURATION:PT1H", "SUMMARY:Lunch")
        )
    )

    assert refused.code == "ORD604"
    assert refused.message == "the event 'Lunch': unknown time zone 'Nowhere/Land'"


@pytest.mark.parametrize(
    ("lines", "code", "message"),
    [
        (["DTSTART:20261225T10"], "ORD608", "DTSTART cannot be read"),
        (["SUMMARY:never"], "ORD608", "it has no DTSTART"),
        (["DTSTART:20261225T100000Z", "DTEND:20261224T100000Z"], "ORD608", "ends before it begins"),
        (["DTSTART:20261225T100000Z", "DURATION:P9999D"], "ORD608", "longer than ten years"),
        (["DTSTART;VALUE=DATE:20261225", "DURATION:PT30H"], "ORD608", "ends with a time of day"),
        (["DTSTART;VALUE=DATE:20261225", "DTEND:20261226T100000Z"], "ORD608", "only one of"),
        (["DTSTART;VALUE=DATE:00011225"], "ORD608", "the year 1"),
        (["DTSTART;VALUE=DATE:20261225", "DTSTART;VALUE=DATE:20261226"], "ORD608", "cannot be read"),
        (["DTSTART;VALUE=DATE:20261225", "RRULE:FREQ=WEEKLY;BYWEEKNO=3"], "ORD602", "BYWEEKNO"),
        (
            ["DTSTART:20261225T100000Z", "DURATION:PT1H", "RDATE;VALUE=PERIOD:20261226T100000Z/PT1H"],
            "ORD608",
            "periods",
        ),
    ],
)  # fmt: skip
def test_an_event_that_cannot_be_used_is_named(lines: list[str], code: str, message: str) -> None:
    refused = refusal(calendar(event(*lines, uid="the-one")))

    assert refused.code == code
    assert message in refused.message
    assert refused.message.startswith("the event '")


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"\xff\xfe\x00", b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n"]
)
def test_what_is_no_calendar_is_refused(data: bytes) -> None:
    refused = refusal(data)

    assert refused.code == "ORD608"
    assert refused.message.startswith("it is not iCalendar")


def test_a_component_that_is_no_calendar_is_none() -> None:
    assert refusal(event("DTSTART;VALUE=DATE:20261225").encode()).code == "ORD608"


def test_a_file_of_several_calendars_is_read_whole() -> None:
    two = calendar(event("DTSTART;VALUE=DATE:20261225")) + calendar(
        event("DTSTART;VALUE=DATE:20270101")
    )

    assert len(read_events(two)) == 2


def test_size_and_number_of_events_are_bounded() -> None:
    assert refusal(calendar() + b" " * MAX_ICS_BYTES).code == "ORD010"
    many = calendar(event("DTSTART;VALUE=DATE:20261225") * (MAX_EVENTS + 1))
    assert refusal(many).code == "ORD010"
