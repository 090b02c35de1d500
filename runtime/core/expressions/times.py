"""`format_time`: an instant as text in a zone, the same on every platform and in every locale."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

LONGEST_FORMAT: Final = 256

_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
)  # fmt: skip


def _offset(local: datetime) -> str:
    """`+0200`; the C library has no offsets below a minute either."""
    return local.strftime("%z")[:5]


_DIRECTIVES: Final[dict[str, Callable[[datetime], str]]] = {
    "%Y": lambda t: f"{t.year:04}",
    "%y": lambda t: f"{t.year % 100:02}",
    "%m": lambda t: f"{t.month:02}",
    "%-m": lambda t: str(t.month),
    "%B": lambda t: _MONTHS[t.month - 1],
    "%b": lambda t: _MONTHS[t.month - 1][:3],
    "%d": lambda t: f"{t.day:02}",
    "%-d": lambda t: str(t.day),
    "%j": lambda t: f"{t.timetuple().tm_yday:03}",
    "%A": lambda t: _DAYS[t.weekday()],
    "%a": lambda t: _DAYS[t.weekday()][:3],
    "%u": lambda t: str(t.isoweekday()),
    "%G": lambda t: f"{t.isocalendar().year:04}",
    "%V": lambda t: f"{t.isocalendar().week:02}",
    "%H": lambda t: f"{t.hour:02}",
    "%-H": lambda t: str(t.hour),
    "%I": lambda t: f"{t.hour % 12 or 12:02}",
    "%-I": lambda t: str(t.hour % 12 or 12),
    "%p": lambda t: "AM" if t.hour < 12 else "PM",  # noqa: PLR2004 - noon
    "%M": lambda t: f"{t.minute:02}",
    "%S": lambda t: f"{t.second:02}",
    "%f": lambda t: f"{t.microsecond:06}",
    "%z": _offset,
    "%:z": lambda t: f"{_offset(t)[:3]}:{_offset(t)[3:]}",
    "%Z": lambda t: t.tzname() or "",
    "%s": lambda t: str(int(t.timestamp())),
    "%F": lambda t: t.date().isoformat(),
    "%T": lambda t: f"{t.hour:02}:{t.minute:02}:{t.second:02}",
    "%%": lambda _: "%",
}
_CHOICES: Final = {
    "%A": _DAYS,
    "%a": tuple(day[:3] for day in _DAYS),
    "%B": _MONTHS,
    "%b": tuple(month[:3] for month in _MONTHS),
    "%p": ("AM", "PM"),
    "%u": tuple("1234567"),
}
_DIRECTIVE = re.compile(r"%[-:]?.?", re.DOTALL)


def format_time(time: str, fmt: str, tz: str) -> str:
    """An ISO 8601 instant with an offset, as `fmt` says, in the zone `tz`.

    Raises:
        ValueError: the time is not ISO 8601 or has no offset, a directive or the zone is unknown, or the instant
            falls outside the calendar in that zone.
    """
    check_format(fmt)
    zone = zone_named(tz)
    try:
        instant = datetime.fromisoformat(time)
    except ValueError:
        raise ValueError("format_time() takes an ISO 8601 time, and got another text") from None
    if instant.tzinfo is None:
        raise ValueError("format_time() needs a time with an offset, such as Z or +02:00")
    try:
        local = instant.astimezone(zone)
    except OverflowError:
        raise ValueError("the time falls outside the years 1 to 9999") from None
    return _DIRECTIVE.sub(lambda found: _DIRECTIVES[found.group()](local), fmt)


def choices_of(fmt: str) -> tuple[str, ...]:
    """All that `format_time` can give for a format, where that is a handful of words; else nothing."""
    return _CHOICES.get(fmt, ())


def check_format(fmt: str) -> None:
    """Refuse a format that is too long or has an unknown directive.

    Raises:
        ValueError: as said.
    """
    if len(fmt) > LONGEST_FORMAT:
        raise ValueError(f"a time format has at most {LONGEST_FORMAT} characters")
    for found in _DIRECTIVE.finditer(fmt):
        if found.group() not in _DIRECTIVES:
            raise ValueError(
                f"{found.group()} is not a time directive; there are {' '.join(_DIRECTIVES)}"
            )


def zone_named(name: str) -> ZoneInfo:
    """The IANA time zone of this name.

    Raises:
        ValueError: there is none.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # Whatever the name looks like to a file system, it means only that no such zone exists.
        raise ValueError(
            f"{name[:64]!r} is not a time zone; write one such as Europe/Chisinau"
        ) from None
