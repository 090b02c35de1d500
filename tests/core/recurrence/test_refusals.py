"""What is refused, with which code, and what the message says was meant."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from runtime.core.recurrence import (
    AtTrigger,
    CronTrigger,
    EveryTrigger,
    RRuleTrigger,
    Trigger,
    compile_trigger,
)
from runtime.errors import ScheduleError

START = datetime(2026, 1, 5, 8, 30)
INSTANT = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)


def refusal(trigger: Trigger) -> ScheduleError:
    with pytest.raises(ScheduleError) as caught:
        compile_trigger(trigger)
    return caught.value


RULES = [
    # not a rule at all
    ("", "ORD601", "empty", "FREQ=DAILY"),
    ("RRULE:", "ORD601", "empty", ""),
    ("every day", "ORD601", "not an RFC 5545 rule", "FREQ=DAILY"),
    ("30 8 * * 1-5", "ORD601", "not an RFC 5545 rule", "cron:"),
    ("FREQ=DAILY; INTERVAL=2", "ORD601", "blanks", "FREQ=DAILY;INTERVAL=2"),
    ("FREQ=DAILY\nINTERVAL=2", "ORD601", "blanks", "FREQ=DAILY;INTERVAL=2"),
    ("FREQ=DAILY;;COUNT=2", "ORD601", "''", ""),
    ("FREQ;INTERVAL=2", "ORD601", "no value", "FREQ=VALUE"),
    ("FREQ=", "ORD601", "no value", ""),
    ("INTERVAL=2", "ORD601", "no FREQ", "FREQ=DAILY"),
    ("FREQ=DAYLY", "ORD601", "FREQ=DAYLY", "DAILY"),
    ("FREQ=WEEK", "ORD601", "FREQ=WEEK", "WEEKLY"),
    ("FREQ=BIWEEKLY", "ORD601", "FREQ=BIWEEKLY", "WEEKLY;INTERVAL=2"),
    ("FREQ=XYZ", "ORD601", "FREQ=XYZ", "one of YEARLY"),
    ("FREQ=DAILY;INTERVALL=2", "ORD601", "INTERVALL", "did you mean INTERVAL?"),
    ("FREQ=DAILY;HOUR=2", "ORD601", "HOUR", "BYHOUR"),
    ("FREQ=DAILY;COLOUR=RED", "ORD601", "COLOUR", "the parts are FREQ"),
    ("FREQ=DAILY;X-FOO=1", "ORD601", "X-FOO", ""),
    ("FREQ=DAILY;BYHOUR=٨", "ORD601", "not ASCII", "type it anew"),
    ("DTSTART=20260105T083000;FREQ=DAILY", "ORD601", "DTSTART is not part", "start:"),
    ("FREQ=DAILY\nEXRULE:FREQ=WEEKLY", "ORD601", "EXRULE is not part", "exdate:"),
    ("DTSTART:soon\nRRULE:FREQ=DAILY", "ORD601", "DTSTART is not part", "start:"),
    ("FREQ=DAILY;EXDATE=20260105T083000", "ORD601", "EXDATE", "exdate:"),
    ("FREQ=DAILY;RDATE=20260105T083000", "ORD601", "RDATE", "rdate:"),
    ("FREQ=DAILY;TZID=Europe/Chisinau", "ORD601", "TZID", "timezone:"),
    ("RSCALE=GREGORIAN;FREQ=DAILY", "ORD601", "RSCALE", "RFC 7529"),
    ("FREQ=MONTHLY;BYMONTHDAY=31;SKIP=BACKWARD", "ORD601", "SKIP", "BYMONTHDAY=-1"),
    ("FREQ=YEARLY;BYEASTER=0", "ORD601", "BYEASTER", "rdate:"),
    ("FREQ=DAILY;INTERVAL=0", "ORD601", "INTERVAL=0", "1 or more"),
    ("FREQ=DAILY;INTERVAL=-1", "ORD601", "INTERVAL=-1", ""),
    ("FREQ=DAILY;INTERVAL=1.5", "ORD601", "INTERVAL=1.5", ""),
    ("FREQ=DAILY;INTERVAL=9999999999", "ORD601", "INTERVAL=9999999999", "9 digits"),
    ("FREQ=DAILY;COUNT=0", "ORD601", "COUNT=0", ""),
    ("FREQ=DAILY;COUNT=-1", "ORD601", "COUNT=-1", ""),
    ("FREQ=DAILY;COUNT=ten", "ORD601", "COUNT=TEN", ""),
    ("FREQ=DAILY;UNTIL=tomorrow", "ORD601", "UNTIL=TOMORROW", "UNTIL=20301231"),
    ("FREQ=DAILY;UNTIL=2030-12-31", "ORD601", "UNTIL=2030-12-31", ""),
    ("FREQ=DAILY;UNTIL=20301331", "ORD601", "UNTIL=20301331", ""),
    ("FREQ=DAILY;UNTIL=20301231T250000", "ORD601", "UNTIL=20301231T250000", ""),
    ("FREQ=DAILY;UNTIL=20301231T235999", "ORD601", "UNTIL=", ""),
    ("FREQ=DAILY;BYSECOND=61", "ORD601", "BYSECOND=61", "0 to 60"),
    ("FREQ=DAILY;BYSECOND=-1", "ORD601", "BYSECOND=-1", ""),
    ("FREQ=DAILY;BYMINUTE=60", "ORD601", "BYMINUTE=60", "BYMINUTE=0"),
    ("FREQ=DAILY;BYHOUR=24", "ORD601", "BYHOUR=24", "BYHOUR=0"),
    ("FREQ=DAILY;BYHOUR=8:30", "ORD601", "BYHOUR=8:30", "BYHOUR=8;BYMINUTE=30"),
    ("FREQ=DAILY;BYHOUR=9-17", "ORD601", "BYHOUR=9-17", "list the values from 9 to 17"),
    ("FREQ=DAILY;BYHOUR=8,", "ORD601", "BYHOUR=", "0 to 23"),
    ("FREQ=DAILY;BYHOUR=008", "ORD601", "BYHOUR=008", ""),
    ("FREQ=MONTHLY;BYMONTHDAY=0", "ORD601", "BYMONTHDAY=0", "-31 to -1"),
    ("FREQ=MONTHLY;BYMONTHDAY=32", "ORD601", "BYMONTHDAY=32", ""),
    ("FREQ=DAILY;BYMONTHDAY=-32", "ORD601", "BYMONTHDAY=-32", ""),
    ("FREQ=MONTHLY;BYMONTHDAY=LAST", "ORD601", "BYMONTHDAY=LAST", "BYMONTHDAY=-1"),
    ("FREQ=YEARLY;BYYEARDAY=0", "ORD601", "BYYEARDAY=0", ""),
    ("FREQ=YEARLY;BYYEARDAY=367", "ORD601", "BYYEARDAY=367", ""),
    ("FREQ=YEARLY;BYWEEKNO=54;BYDAY=MO", "ORD601", "BYWEEKNO=54", ""),
    ("FREQ=YEARLY;BYWEEKNO=0;BYDAY=MO", "ORD601", "BYWEEKNO=0", ""),
    ("FREQ=YEARLY;BYMONTH=0", "ORD601", "BYMONTH=0", ""),
    ("FREQ=YEARLY;BYMONTH=13", "ORD601", "BYMONTH=13", "1 to 12"),
    ("FREQ=YEARLY;BYMONTH=-1", "ORD601", "BYMONTH=-1", ""),
    ("FREQ=YEARLY;BYMONTH=5L", "ORD601", "BYMONTH=5L", ""),
    ("FREQ=YEARLY;BYMONTH=JUNE", "ORD601", "BYMONTH=JUNE", "BYMONTH=6"),
    ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=0", "ORD601", "BYSETPOS=0", ""),
    ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=367", "ORD601", "BYSETPOS=367", ""),
    ("FREQ=WEEKLY;BYDAY=XX", "ORD601", "BYDAY=XX", "one of MO"),
    ("FREQ=WEEKLY;BYDAY=MONDAY", "ORD601", "BYDAY=MONDAY", "BYDAY=MO?"),
    ("FREQ=WEEKLY;BYDAY=1", "ORD601", "BYDAY=1", "2TU"),
    ("FREQ=WEEKLY;BYDAY=MO-FR", "ORD601", "BYDAY=MO-FR", "BYDAY=MO,TU,WE,TH,FR"),
    ("FREQ=WEEKLY;BYDAY=SA-MO", "ORD601", "BYDAY=SA-MO", "BYDAY=SA,SU,MO"),
    ("FREQ=MONTHLY;BYDAY=0MO", "ORD601", "number 0", ""),
    ("FREQ=MONTHLY;BYDAY=54MO", "ORD601", "number 54", ""),
    ("FREQ=WEEKLY;WKST=1", "ORD601", "WKST=1", ""),
    # forbidden by RFC 5545
    ("FREQ=DAILY;COUNT=3;UNTIL=20300101", "ORD602", "COUNT and UNTIL", "drop"),
    ("FREQ=DAILY;FREQ=WEEKLY", "ORD602", "FREQ stands twice", ""),
    ("FREQ=WEEKLY;BYDAY=MO;BYDAY=TU", "ORD602", "BYDAY stands twice", "BYDAY=MO,TU"),
    ("FREQ=DAILY;BYDAY=1MO", "ORD602", "BYDAY with a number", "MONTHLY"),
    ("FREQ=WEEKLY;BYDAY=-1FR", "ORD602", "BYDAY with a number", "MONTHLY"),
    ("FREQ=HOURLY;BYDAY=1MO", "ORD602", "BYDAY with a number", ""),
    ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=1MO", "ORD602", "beside BYWEEKNO", "drop the number"),
    ("FREQ=WEEKLY;BYMONTHDAY=1", "ORD602", "BYMONTHDAY stands in a WEEKLY", "MONTHLY"),
    ("FREQ=DAILY;BYYEARDAY=1", "ORD602", "BYYEARDAY stands in a DAILY", "YEARLY"),
    ("FREQ=WEEKLY;BYYEARDAY=1", "ORD602", "BYYEARDAY stands in a WEEKLY", ""),
    ("FREQ=MONTHLY;BYYEARDAY=1", "ORD602", "BYYEARDAY stands in a MONTHLY", ""),
    ("FREQ=MONTHLY;BYWEEKNO=20;BYDAY=MO", "ORD602", "BYWEEKNO stands in a MONTHLY", "YEARLY"),
    ("FREQ=DAILY;BYWEEKNO=20", "ORD602", "BYWEEKNO", ""),
    ("FREQ=MONTHLY;BYSETPOS=1", "ORD602", "BYSETPOS has no set", "BYDAY"),
    # read differently by different engines
    ("FREQ=YEARLY;BYWEEKNO=20", "ORD603", "BYWEEKNO without BYDAY", "BYDAY=MO,TU,WE,TH,FR,SA,SU"),
    ("FREQ=YEARLY;BYMONTHDAY=1", "ORD603", "no BYMONTH", "FREQ=MONTHLY"),
    ("FREQ=YEARLY;BYMONTHDAY=13;BYDAY=FR", "ORD603", "no BYMONTH", "FREQ=MONTHLY"),
    (
        "FREQ=YEARLY;INTERVAL=2;BYWEEKNO=1;BYDAY=MO",
        "ORD603",
        "BYWEEKNO=1 with INTERVAL",
        "BYMONTH=12,1",
    ),
    ("FREQ=YEARLY;BYWEEKNO=53;BYDAY=SA,SU;BYSETPOS=1", "ORD603", "BYWEEKNO=53 with BYSETPOS", ""),
]


@pytest.mark.parametrize(
    ("rule", "code", "says", "hints"), RULES, ids=[row[0] or "(empty)" for row in RULES]
)
def test_a_rule_is_refused_and_told_what_was_meant(
    rule: str, code: str, says: str, hints: str
) -> None:
    error = refusal(RRuleTrigger(rule, "UTC", START))

    assert error.code == code
    assert says in error.message
    assert hints in error.hint
    assert error.hint


LENIENT = [
    "RRULE:FREQ=DAILY",
    "rrule:freq=daily;interval=1",
    "FREQ=DAILY;",
    " FREQ=DAILY ",
    "INTERVAL=01;FREQ=DAILY",
    "WKST=SU;BYDAY=+1MO,MO,MO;FREQ=MONTHLY",
    "FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=+1",
    "FREQ=DAILY;BYSECOND=60",
    "FREQ=YEARLY;BYYEARDAY=32;BYMONTHDAY=1",
    "FREQ=YEARLY;INTERVAL=2;BYWEEKNO=2,51,-2;BYDAY=MO",
    "FREQ=YEARLY;BYWEEKNO=1;BYMONTH=12;BYMONTHDAY=31",
    "FREQ=YEARLY;BYWEEKNO=1;BYYEARDAY=-1",
]


@pytest.mark.parametrize("rule", LENIENT)
def test_a_rule_is_not_refused_for_what_rfc_5545_allows(rule: str) -> None:
    assert compile_trigger(RRuleTrigger(rule, "UTC", START)).next_after(INSTANT) is not None


def test_second_60_is_read_as_59() -> None:
    found = compile_trigger(RRuleTrigger("FREQ=DAILY;BYSECOND=60", "UTC", START)).next_after(
        INSTANT
    )

    assert found is not None
    assert found.local_at == datetime(2026, 1, 5, 8, 30, 59)


CRONS = [
    ("", "ORD601", "0 fields", "five fields"),
    ("* * *", "ORD601", "3 fields", "five fields"),
    ("0 0 8 * * * 2030", "ORD601", "7 fields", "the year"),
    ("CRON_TZ=Europe/Rome 0 8 * * *", "ORD601", "names a zone", "timezone: Europe/Rome"),
    ("TZ=UTC * * * * *", "ORD601", "names a zone", "timezone: UTC"),
    ("FREQ=DAILY", "ORD601", "1 field", "rrule:"),
    ("60 * * * *", "ORD601", "minute 60", "did you mean 0?"),
    ("* 24 * * *", "ORD601", "hour 24", "did you mean 0?"),
    ("61 * * * * *", "ORD601", "second 61", "0 to 59"),
    ("0 0 32 * *", "ORD601", "day-of-month 32", "1 to 31"),
    ("0 0 0 * *", "ORD601", "day-of-month 0", ""),
    ("0 0 1 13 *", "ORD601", "month 13", "JAN to DEC"),
    ("0 0 * * 8", "ORD601", "day-of-week 8", "0 to 7 or SUN to SAT"),
    ("0 0 * * MONDAY", "ORD601", "day-of-week MONDAY", "did you mean MON?"),
    ("0 0 * JULY *", "ORD601", "month JULY", "did you mean JUL?"),
    ("0 0 ? * 1", "ORD601", "day-of-month ?", "write *"),
    ("0 0 15W * *", "ORD601", "day-of-month 15W", "LW"),
    ("0 L * * *", "ORD601", "hour L", "last day of the month"),
    ("0 0 * * L", "ORD601", "day-of-week L", "5L"),
    ("0 0 * * 5#6", "ORD601", "day-of-week 5#6", "five at most"),
    ("*/0 * * * *", "ORD601", "no step from 1 on", "*/15"),
    ("*/x * * * *", "ORD601", "no step", ""),
    ("*/90 * * * *", "ORD602", "beyond the field's 60", "every:"),
    ("30-10 * * * *", "ORD601", "backwards", "30-59,0-10"),
    ("1,,2 * * * *", "ORD601", "(empty)", ""),
    ("-5 * * * *", "ORD601", "minute", ""),
    ("٨ * * * *", "ORD601", "not ASCII", "type it anew"),
    ("@reboot", "ORD602", "@reboot", "event"),
    ("@every 5m", "ORD601", "span", "every: 5m"),
    ("@weekdays", "ORD601", "@weekdays", "@daily"),
    ("0 0 30 2 *", "ORD605", "never fires", "L for the last day"),
    ("0 0 31 4,6 *", "ORD605", "never fires", ""),
]


@pytest.mark.parametrize(
    ("expression", "code", "says", "hints"), CRONS, ids=[row[0] or "(empty)" for row in CRONS]
)
def test_a_cron_expression_is_refused_and_told_what_was_meant(
    expression: str, code: str, says: str, hints: str
) -> None:
    error = refusal(CronTrigger(expression, "UTC"))

    assert error.code == code
    assert says in error.message
    assert hints in error.hint
    assert error.hint


ZONES = [
    ("europe/chisinau", "Europe/Chisinau"),
    ("Chisinau", "Europe/Chisinau"),
    ("America/Buenos Aires", "America/Buenos_Aires"),
    ("Europe/Kishinev", "Europe/"),
    ("Nope/Zone", "such as Europe/Chisinau"),
    ("../../etc/passwd", "tz database"),
    ("", "tz database"),
]


@pytest.mark.parametrize(("name", "meant"), ZONES)
def test_an_unknown_zone_is_refused_and_told_what_was_meant(name: str, meant: str) -> None:
    error = refusal(CronTrigger("@daily", name))

    assert error.code == "ORD604"
    assert meant in error.hint


MINUTE = timedelta(minutes=1)
TRIGGERS = [
    (RRuleTrigger((), "UTC", START), "ORD601", "no rule"),
    (RRuleTrigger("FREQ=DAILY;COUNT=2", "UTC", START, count=3), "ORD602", "COUNT and count"),
    (
        RRuleTrigger("FREQ=DAILY;COUNT=2", "UTC", START, until=date(2030, 1, 1)),
        "ORD602",
        "COUNT and until",
    ),
    (
        RRuleTrigger("FREQ=DAILY", "UTC", START, count=2, until=date(2030, 1, 1)),
        "ORD602",
        "bound the same",
    ),
    (RRuleTrigger("FREQ=DAILY", "UTC", START, count=0), "ORD602", "count 0"),
    (
        RRuleTrigger(("FREQ=DAILY", "FREQ=WEEKLY"), "UTC", START, count=2),
        "ORD603",
        "several rules",
    ),
    (RRuleTrigger("FREQ=DAILY", "UTC", INSTANT), "ORD602", "has an offset"),
    (RRuleTrigger("FREQ=DAILY", "UTC", START.replace(microsecond=1)), "ORD602", "fractions"),
    (RRuleTrigger("FREQ=DAILY", "UTC", START.replace(year=1000)), "ORD602", "out of reach"),
    (
        RRuleTrigger("FREQ=DAILY", "UTC", START, rdate=(datetime(9999, 12, 31),)),
        "ORD602",
        "out of reach",
    ),
    (AtTrigger((datetime(1, 1, 1),), "UTC"), "ORD602", "out of reach"),
    (RRuleTrigger("FREQ=DAILY", "UTC", START, jitter=-MINUTE), "ORD602", "negative"),
    (RRuleTrigger("FREQ=MINUTELY;BYHOUR=9;COUNT=1000000", "UTC", START), "ORD606", "count"),
    (RRuleTrigger("FREQ=DAILY;COUNT=1000000", "UTC", START, dst_gap="skip"), "ORD606", "count"),
    (RRuleTrigger("FREQ=DAILY;INTERVAL=2;COUNT=1000000", "UTC", START), "ORD606", "count"),
    (CronTrigger("@daily", "UTC", count=3), "ORD602", "no start"),
    (CronTrigger("@daily", "UTC", start=INSTANT), "ORD602", "has an offset"),
    (EveryTrigger(timedelta(milliseconds=999), INSTANT), "ORD606", "shorter than one second"),
    (EveryTrigger(timedelta(0), INSTANT), "ORD606", "shorter than one second"),
    (EveryTrigger(MINUTE, START), "ORD602", "local time without a zone"),
    (EveryTrigger(MINUTE, INSTANT, until=INSTANT, count=2), "ORD602", "bound the same"),
    (AtTrigger(()), "ORD601", "no time"),
    (AtTrigger((START,)), "ORD602", "local time without a zone"),
]


@pytest.mark.parametrize(("trigger", "code", "says"), TRIGGERS)
def test_a_trigger_whose_fields_contradict_is_refused(
    trigger: Trigger, code: str, says: str
) -> None:
    error = refusal(trigger)

    assert error.code == code
    assert says in error.message
    assert error.hint


LINES = [
    (
        "DTSTART;TZID=America/New_York:19970902T090000\nRRULE:FREQ=DAILY;COUNT=10",
        ("rrule: FREQ=DAILY;COUNT=10", "timezone: America/New_York", "start: 1997-09-02T09:00"),
    ),
    (
        "dtstart:20260105t083015z rrule:freq=daily",
        ("rrule: FREQ=DAILY", "timezone: UTC", "start: 2026-01-05T08:30:15"),
    ),
    ("DTSTART;VALUE=DATE:20260105 FREQ=DAILY", ("rrule: FREQ=DAILY", "start: 2026-01-05")),
    (
        "FREQ=DAILY\r\nEXDATE;TZID=Europe/Rome:20260106T083000,20260107T083000\r\nEXDATE:20260108",
        (
            "rrule: FREQ=DAILY",
            "timezone: Europe/Rome",
            "exdate: [2026-01-06T08:30, 2026-01-07T08:30, 2026-01-08]",
        ),
    ),
    (
        "RRULE:FREQ=DAILY RDATE:20260106T083000Z",
        ("rrule: FREQ=DAILY", "rdate: [2026-01-06T08:30Z]"),
    ),
    ("DTSTART:20260105T083000", ("start: 2026-01-05T08:30",)),
]


@pytest.mark.parametrize(("text", "fields"), LINES)
def test_lines_beside_a_rule_are_refused_with_the_fields_to_write(
    text: str, fields: tuple[str, ...]
) -> None:
    error = refusal(RRuleTrigger(text, "UTC", START))

    assert error.code == "ORD601"
    assert error.message.endswith("is not part of a rule")
    assert error.hint == "\n  ".join(("write", *fields))


def test_two_rules_in_one_text_are_a_list() -> None:
    error = refusal(RRuleTrigger("RRULE:FREQ=DAILY\nrrule: freq=weekly;byday=mo,tu", "UTC", START))

    assert error.message == "the text holds more than one rule"
    assert error.hint == 'write\n  rrule: ["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,TU"]'


@pytest.mark.parametrize(
    "text",
    [
        "DTSTART;TZID=Europe/Rome:20260105T083000\nRRULE:FREQ=DAILY\nEXDATE;TZID=Asia/Tokyo:20260106",
        "DTSTART:20260105T083000\nDTSTART:20260106T083000\nRRULE:FREQ=DAILY",
        "RRULE:FREQ=DAILY\nRDATE;VALUE=PERIOD:20260105T083000Z/PT1H",
    ],
)
def test_lines_that_leave_doubt_are_refused_without_a_rewriting(text: str) -> None:
    error = refusal(RRuleTrigger(text, "UTC", START))

    assert error.hint.startswith("write it as `")


@pytest.mark.parametrize("text", ["RRULE:FREQ=DAILY", "rrule: freq=daily;", " FREQ=DAILY\n"])
def test_the_name_of_the_property_and_small_letters_are_understood(text: str) -> None:
    compiled = compile_trigger(RRuleTrigger(text, "UTC", START))

    assert compiled.next_after(INSTANT) == compile_trigger(
        RRuleTrigger("FREQ=DAILY", "UTC", START)
    ).next_after(INSTANT)
