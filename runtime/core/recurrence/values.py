"""The values of a rule's parts: text to numbers, weekdays and times, or a refusal that says what was meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Final, Literal, NoReturn, get_args

from runtime.errors import ScheduleError

Frequency = Literal["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"]
FREQUENCIES: Final[tuple[Frequency, ...]] = get_args(Frequency)
WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
WEEKDAY_NAMES: Final = (
    "MONDAY",
    "TUESDAY",
    "WEDNESDAY",
    "THURSDAY",
    "FRIDAY",
    "SATURDAY",
    "SUNDAY",
)
MONTHS: Final = (
    "JAN",
    "FEB",
    "MAR",
    "APR",
    "MAY",
    "JUN",
    "JUL",
    "AUG",
    "SEP",
    "OCT",
    "NOV",
    "DEC",
)
# Part -> smallest and largest value, and whether the same range counts from the end when negative.
RANGES: Final[Mapping[str, tuple[int, int, bool]]] = {
    "BYSECOND": (0, 60, False),
    "BYMINUTE": (0, 59, False),
    "BYHOUR": (0, 23, False),
    "BYMONTHDAY": (1, 31, True),
    "BYYEARDAY": (1, 366, True),
    "BYWEEKNO": (1, 53, True),
    "BYMONTH": (1, 12, False),
    "BYSETPOS": (1, 366, True),
}
_LARGEST_ORDINAL: Final = 53
_LEAP_SECOND: Final = 60
_MAX_DIGITS: Final = 9
_NEAR_FREQUENCIES: Final[Mapping[str, str]] = {
    "DAY": "DAILY",
    "WEEK": "WEEKLY",
    "MONTH": "MONTHLY",
    "YEAR": "YEARLY",
    "ANNUALLY": "YEARLY",
    "BIWEEKLY": "WEEKLY;INTERVAL=2",
    "FORTNIGHTLY": "WEEKLY;INTERVAL=2",
    "QUARTERLY": "MONTHLY;INTERVAL=3",
    "WEEKDAYS": "WEEKLY;BYDAY=MO,TU,WE,TH,FR",
}


def refuse(message: str, hint: str) -> NoReturn:
    """The text is not a rule."""
    raise ScheduleError(message, hint=hint, code="ORD601")


def _plain_second(second: int) -> int:
    """Without leap seconds, second 60 is read as 59 (RFC 5545 section 3.3.12)."""
    return _LEAP_SECOND - 1 if second == _LEAP_SECOND else second


def frequency(value: str) -> Frequency:
    """FREQ."""
    for frequency in FREQUENCIES:
        if value == frequency:
            return frequency
    close = difflib.get_close_matches(value, FREQUENCIES, 1, 0.5)
    meant = _NEAR_FREQUENCIES.get(value) or (close[0] if close else "")
    refuse(
        f"FREQ={value} is not a frequency",
        f"did you mean {meant}?" if meant else f"one of {', '.join(FREQUENCIES)}",
    )


def positive(name: str, value: str) -> int:
    """INTERVAL and COUNT."""
    if not re.fullmatch(rf"\d{{1,{_MAX_DIGITS}}}", value) or int(value) == 0:
        refuse(
            f"{name}={value} is not a number from 1 on",
            f"write {name}=1 or more, at most {_MAX_DIGITS} digits",
        )
    return int(value)


def numbers(name: str, value: str) -> tuple[int, ...]:
    """The BYxxx parts that list numbers: sorted, each once."""
    return tuple(sorted({_number(name, item) for item in value.split(",")}))


def _number(name: str, item: str) -> int:
    low, high, signed = RANGES[name]
    sign = "[+-]?" if signed else ""
    digits = re.fullmatch(rf"{sign}\d{{1,{len(str(high))}}}", item)
    if digits and low <= (abs(int(item)) if signed else int(item)) <= high:
        return _plain_second(int(item)) if name == "BYSECOND" else int(item)
    span = f"{low} to {high}" + (f" or -{high} to -{low}" if signed else "")
    refuse(
        f"{name}={item} is out of range or not a number",
        _meant_number(name, item) or f"{name} takes {span}",
    )


def _meant_number(name: str, item: str) -> str:
    if name == "BYMONTH" and item[:3] in MONTHS:
        return f"months are numbers: BYMONTH={MONTHS.index(item[:3]) + 1}"
    if name == "BYHOUR" and (time := re.fullmatch(r"(\d{1,2}):(\d{2})", item)):
        return f"did you mean BYHOUR={int(time[1])};BYMINUTE={int(time[2])}?"
    if name in ("BYHOUR", "BYMINUTE") and item in ("24", "60"):
        return f"did you mean {name}=0?"
    if span := re.fullmatch(r"(\d+)-(\d+)", item):
        return f"rules have no ranges: list the values from {span[1]} to {span[2]} with commas"
    return "did you mean BYMONTHDAY=-1 (the last day)?" if item in ("L", "LAST") else ""


def weekday(name: str, value: str) -> int:
    """WKST, or one day of BYDAY; Monday = 0."""
    if value not in WEEKDAYS:
        meant = next(
            (
                code
                for code, full in zip(WEEKDAYS, WEEKDAY_NAMES, strict=True)
                if value[:3] == full[:3]
            ),
            "",
        )
        refuse(
            f"{name}={value} is not a weekday",
            f"did you mean {name}={meant}?" if meant else f"one of {', '.join(WEEKDAYS)}",
        )
    return WEEKDAYS.index(value)


def weekdays(value: str) -> tuple[tuple[int, int], ...]:
    """BYDAY as (number, weekday), number 0 for every such day."""
    return tuple(sorted({_byday(item) for item in value.split(",")}))


def _byday(item: str) -> tuple[int, int]:
    span = re.fullmatch(r"([A-Z]{2})[A-Z]*-([A-Z]{2})[A-Z]*", item)
    if span and span[1] in WEEKDAYS and span[2] in WEEKDAYS:
        first, last = WEEKDAYS.index(span[1]), WEEKDAYS.index(span[2])
        days = [WEEKDAYS[(first + step) % 7] for step in range((last - first) % 7 + 1)]
        refuse(f"BYDAY={item} is a range", f"rules have no ranges: write BYDAY={','.join(days)}")
    match = re.fullmatch(r"([+-]?\d{1,2})?([A-Z]+)", item)
    if not match:
        refuse(
            f"BYDAY={item} is not a weekday",
            "write MO, 2TU (the second Tuesday) or -1FR (the last Friday)",
        )
    number = int(match[1]) if match[1] else 0
    if match[1] and not 1 <= abs(number) <= _LARGEST_ORDINAL:
        refuse(
            f"BYDAY={item} has the number {number}",
            "number weekdays 1 to 53, or -1 to -53 from the end",
        )
    return number, weekday("BYDAY", match[2])


def bound(value: str) -> datetime | date:
    """UNTIL as a date, local time or UTC."""
    match = re.fullmatch(r"(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2})(Z)?)?", value)
    if match:
        year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
        try:
            if match[4] is None:
                return date(year, month, day)
            zone = UTC if match[7] else None
            return datetime(year, month, day, hour, minute, _plain_second(second), tzinfo=zone)
        except ValueError:
            pass
    refuse(
        f"UNTIL={value} is not a date or time",
        "write UNTIL=20301231, UNTIL=20301231T235959 (local) or UNTIL=20301231T235959Z (UTC)",
    )
