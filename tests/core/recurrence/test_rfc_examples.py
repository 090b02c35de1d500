"""The published examples of RFC 5545: all of section 3.8.5.3, and the worked ones of 3.3.5 and 3.3.10.

Days are written as the RFC writes them, `1997 Sep 2-5 9; Oct 7`; times are 09:00 in New York unless told otherwise.
A list that the RFC ends with dots is checked as far as it goes.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from runtime.core.recurrence import Occurrence, RRuleTrigger, compile_trigger, occurrences
from tests.core.recurrence import oracle

ZONE = "America/New_York"
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def days(text: str) -> list[datetime]:
    """`1997 Sep 2-5 9; Oct 7; 1998 Jan 6` as wall times at 09:00."""
    found: list[datetime] = []
    year = 0
    for group in text.split(";"):
        words = group.split()
        if words[0].isdigit():
            year = int(words.pop(0))
        month = MONTHS.index(words.pop(0)) + 1
        for word in words:
            first, _, last = word.partition("-")
            found += [
                datetime(year, month, day, 9) for day in range(int(first), int(last or first) + 1)
            ]
    return found


def listed(
    rule: str, start: str, limit: int, exdate: tuple[datetime, ...] = ()
) -> list[Occurrence]:
    trigger = RRuleTrigger(rule, ZONE, datetime.fromisoformat(start), exdate=exdate)
    return list(
        occurrences([compile_trigger(trigger)], datetime(1990, 1, 1, tzinfo=UTC), limit=limit)
    )


BOUNDED = [
    ("19970902T090000", "FREQ=DAILY;COUNT=10", "1997 Sep 2-11"),
    (
        "19970902T090000",
        "FREQ=DAILY;UNTIL=19971224T000000Z",
        "1997 Sep 2-30; Oct 1-31; Nov 1-30; Dec 1-23",
    ),
    ("19970902T090000", "FREQ=DAILY;INTERVAL=10;COUNT=5", "1997 Sep 2 12 22; Oct 2 12"),
    (
        "19980101T090000",
        "FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA",
        "1998 Jan 1-31; 1999 Jan 1-31; 2000 Jan 1-31",
    ),
    (
        "19980101T090000",
        "FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1",
        "1998 Jan 1-31; 1999 Jan 1-31; 2000 Jan 1-31",
    ),
    ("19970902T090000", "FREQ=WEEKLY;COUNT=10", "1997 Sep 2 9 16 23 30; Oct 7 14 21 28; Nov 4"),
    (
        "19970902T090000",
        "FREQ=WEEKLY;UNTIL=19971224T000000Z",
        "1997 Sep 2 9 16 23 30; Oct 7 14 21 28; Nov 4 11 18 25; Dec 2 9 16 23",
    ),
    (
        "19970902T090000",
        "FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH",
        "1997 Sep 2 4 9 11 16 18 23 25 30; Oct 2",
    ),
    (
        "19970902T090000",
        "FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH",
        "1997 Sep 2 4 9 11 16 18 23 25 30; Oct 2",
    ),
    (
        "19970901T090000",
        "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR",
        "1997 Sep 1 3 5 15 17 19 29; Oct 1 3 13 15 17 27 29 31; Nov 10 12 14 24 26 28; Dec 8 10 12 22",
    ),
    (
        "19970902T090000",
        "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH",
        "1997 Sep 2 4 16 18 30; Oct 2 14 16",
    ),
    (
        "19970905T090000",
        "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
        "1997 Sep 5; Oct 3; Nov 7; Dec 5; 1998 Jan 2; Feb 6; Mar 6; Apr 3; May 1; Jun 5",
    ),
    (
        "19970905T090000",
        "FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR",
        "1997 Sep 5; Oct 3; Nov 7; Dec 5",
    ),
    (
        "19970907T090000",
        "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
        "1997 Sep 7 28; Nov 2 30; 1998 Jan 4 25; Mar 1 29; May 3 31",
    ),
    (
        "19970922T090000",
        "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO",
        "1997 Sep 22; Oct 20; Nov 17; Dec 22; 1998 Jan 19; Feb 16",
    ),
    (
        "19970902T090000",
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15",
        "1997 Sep 2 15; Oct 2 15; Nov 2 15; Dec 2 15; 1998 Jan 2 15",
    ),
    (
        "19970930T090000",
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
        "1997 Sep 30; Oct 1 31; Nov 1 30; Dec 1 31; 1998 Jan 1 31; Feb 1",
    ),
    (
        "19970910T090000",
        "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
        "1997 Sep 10-15; 1999 Mar 10-13",
    ),
    (
        "19970610T090000",
        "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
        "1997 Jun 10; Jul 10; 1998 Jun 10; Jul 10; 1999 Jun 10; Jul 10; 2000 Jun 10; Jul 10; 2001 Jun 10; Jul 10",
    ),
    (
        "19970310T090000",
        "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3",
        "1997 Mar 10; 1999 Jan 10; Feb 10; Mar 10; 2001 Jan 10; Feb 10; Mar 10; 2003 Jan 10; Feb 10; Mar 10",
    ),
    (
        "19970101T090000",
        "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200",
        "1997 Jan 1; Apr 10; Jul 19; 2000 Jan 1; Apr 9; Jul 18; 2003 Jan 1; Apr 10; Jul 19; 2006 Jan 1",
    ),
    (
        "19970904T090000",
        "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3",
        "1997 Sep 4; Oct 7; Nov 6",
    ),
    (
        "19970805T090000",
        "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
        "1997 Aug 5 10 19 24",
    ),
    (
        "19970805T090000",
        "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
        "1997 Aug 5 17 19 31",
    ),
    (
        "20070115T090000",
        "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5",
        "2007 Jan 15 30; Feb 15; Mar 15 30",
    ),
]

ENDLESS = [
    (
        "19970902T090000",
        "FREQ=DAILY;INTERVAL=2",
        "1997 Sep 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30;"
        "Oct 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30;"
        "Nov 1 3 5 7 9 11 13 15 17 19 21 23 25 27 29; Dec 1 3",
    ),
    (
        "19970902T090000",
        "FREQ=WEEKLY;INTERVAL=2;WKST=SU",
        "1997 Sep 2 16 30; Oct 14 28; Nov 11 25; Dec 9 23; 1998 Jan 6 20; Feb 3 17",
    ),
    (
        "19970928T090000",
        "FREQ=MONTHLY;BYMONTHDAY=-3",
        "1997 Sep 28; Oct 29; Nov 28; Dec 29; 1998 Jan 29; Feb 26",
    ),
    (
        "19970902T090000",
        "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU",
        "1997 Sep 2 9 16 23 30; Nov 4 11 18 25; 1998 Jan 6 13 20 27; Mar 3 10 17 24 31",
    ),
    ("19970519T090000", "FREQ=YEARLY;BYDAY=20MO", "1997 May 19; 1998 May 18; 1999 May 17"),
    (
        "19970512T090000",
        "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
        "1997 May 12; 1998 May 11; 1999 May 17",
    ),
    (
        "19970313T090000",
        "FREQ=YEARLY;BYMONTH=3;BYDAY=TH",
        "1997 Mar 13 20 27; 1998 Mar 5 12 19 26; 1999 Mar 4 11 18 25",
    ),
    (
        "19970605T090000",
        "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8",
        "1997 Jun 5 12 19 26; Jul 3 10 17 24 31; Aug 7 14 21 28;"
        "1998 Jun 4 11 18 25; Jul 2 9 16 23 30; Aug 6 13 20 27;"
        "1999 Jun 3 10 17 24; Jul 1 8 15 22 29; Aug 5 12 19 26",
    ),
    (
        "19970913T090000",
        "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
        "1997 Sep 13; Oct 11; Nov 8; Dec 13; 1998 Jan 10; Feb 7; Mar 7; Apr 11; May 9; Jun 13",
    ),
    (
        "19961105T090000",
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
        "1996 Nov 5; 2000 Nov 7; 2004 Nov 2",
    ),
    (
        "19970929T090000",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
        "1997 Sep 29; Oct 30; Nov 27; Dec 30; 1998 Jan 29; Feb 26; Mar 30",
    ),
]


@pytest.mark.parametrize(("start", "rule", "wanted"), BOUNDED, ids=[row[1] for row in BOUNDED])
def test_a_bounded_example_gives_exactly_the_published_days(
    start: str, rule: str, wanted: str
) -> None:
    found = listed(rule, start, 1000)

    assert [occurrence.local_at for occurrence in found] == days(wanted)


@pytest.mark.parametrize(("start", "rule", "wanted"), ENDLESS, ids=[row[1] for row in ENDLESS])
def test_an_endless_example_begins_with_the_published_days(
    start: str, rule: str, wanted: str
) -> None:
    expected = days(wanted)

    found = listed(rule, start, len(expected))

    assert [occurrence.local_at for occurrence in found] == expected


@pytest.mark.parametrize("row", [*BOUNDED, *ENDLESS], ids=lambda row: row[1])
def test_every_example_keeps_its_wall_time_across_the_offset_changes(
    row: tuple[str, str, str],
) -> None:
    start, rule, wanted = row
    zone = oracle.zone_of(ZONE)

    found = listed(rule, start, len(days(wanted)))

    assert [occurrence.at.astimezone(zone).replace(tzinfo=None) for occurrence in found] == days(
        wanted
    )
    assert {occurrence.utc_offset.total_seconds() / 3600 for occurrence in found} <= {-4, -5}


def test_friday_the_13th_leaves_out_the_start_that_exdate_names() -> None:
    start = datetime(1997, 9, 2, 9)

    found = listed("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "19970902T090000", 5, exdate=(start,))

    expected = days("1998 Feb 13; Mar 13; Nov 13; 1999 Aug 13; 2000 Oct 13")
    assert [occurrence.local_at for occurrence in found] == expected


TIMES = [
    # Erratum 3883: as published, UNTIL=19970902T170000Z would end at 13:00 in New York.
    ("FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T210000Z", "09:00 12:00 15:00"),
    ("FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000Z", "09:00 12:00"),
    ("FREQ=MINUTELY;INTERVAL=15;COUNT=6", "09:00 09:15 09:30 09:45 10:00 10:15"),
    ("FREQ=MINUTELY;INTERVAL=90;COUNT=4", "09:00 10:30 12:00 13:30"),
]


@pytest.mark.parametrize(("rule", "times"), TIMES)
def test_an_example_within_a_day_gives_the_published_times(rule: str, times: str) -> None:
    found = listed(rule, "19970902T090000", 100)

    assert " ".join(f"{occurrence.local_at:%H:%M}" for occurrence in found) == times
    assert {occurrence.local_at.date() for occurrence in found} == {datetime(1997, 9, 2).date()}


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40",
        "FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,11,12,13,14,15,16",
    ],
)
def test_every_20_minutes_of_the_working_day_can_be_written_both_ways(rule: str) -> None:
    found = listed(rule, "19970902T090000", 48)

    times = [
        datetime(1997, 9, day, hour, minute)
        for day in (2, 3)
        for hour in range(9, 17)
        for minute in (0, 20, 40)
    ]
    assert [occurrence.local_at for occurrence in found] == times


def test_every_sunday_in_january_every_other_year_has_both_times() -> None:
    """The example that section 3.3.10 takes apart: BYMONTH, BYDAY, BYHOUR, BYMINUTE are applied in this order."""
    rule = "FREQ=YEARLY;INTERVAL=2;BYMONTH=1;BYDAY=SU;BYHOUR=8,9;BYMINUTE=30"

    found = listed(rule, "19970105T083000", 10)

    january = [datetime(1997, 1, day, hour, 30) for day in (5, 12, 19, 26) for hour in (8, 9)]
    later = [datetime(1999, 1, 3, 8, 30), datetime(1999, 1, 3, 9, 30)]
    assert [occurrence.local_at for occurrence in found] == [*january, *later]


@pytest.mark.parametrize(
    ("local", "instant"),
    [("20071104T013000", "2007-11-04T05:30:00Z"), ("20070311T023000", "2007-03-11T07:30:00Z")],
)
def test_the_worked_times_of_section_3_3_5_are_the_instants_it_names(
    local: str, instant: str
) -> None:
    found = listed("FREQ=DAILY;COUNT=1", local, 2)

    assert [occurrence.at for occurrence in found] == [datetime.fromisoformat(instant)]
