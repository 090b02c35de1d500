"""An .ics file (RFC 5545) to the events of a calendar: whole days, and spans of time.

Kept are the time of each event and how it repeats; nothing is expanded. An event that is cancelled does not count. One that
is transparent does: public holidays are, in the files that states and providers publish. What a later version of one
occurrence says (RECURRENCE-ID) replaces that occurrence.

A time zone is found by its name, or by the name that Windows gives it; what a VTIMEZONE defines is not read, so that all
instants follow from one database.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from reconciler.core.digest import canonical
from reconciler.core.files import MAX_ICS_BYTES
from runtime.core.calendar.compilation import compile_calendar
from runtime.core.recurrence.zone import load_zone, zone_names
from runtime.errors import ScheduleError
from schemas.durations import format_duration

if TYPE_CHECKING:
    from icalendar import Component

MAX_EVENTS: Final = 20_000

_CODE: Final = "ORD608"
_DAY: Final = timedelta(days=1)
_REPEATING: Final = frozenset({"rrule", "rdate", "exdate"})
_READ: Final = frozenset(
    {"DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID", "STATUS"}
)
_YEARS: Final = range(1601, 9000)
_LONGEST_SPAN: Final = timedelta(days=3660)
# What the parser lets through of its own accord when it meets what is no calendar.
_BROKEN: Final = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)


@lru_cache(maxsize=8)
def read_events(data: bytes) -> tuple[Mapping[str, Any], ...]:
    """The events of a file, in an order that does not depend on theirs.

    Each is `{start, days}` for whole days or `{start, lasts}` for a span, with `timezone` for wall time in a zone of its own,
    and `rrule`, `rdate` and `exdate` where it repeats.

    Raises:
        ScheduleError: `ORD010`, the file is too large; `ORD604`, a zone is not known; `ORD608`, it cannot be read, or an event
            in it; else what is wrong with an event's rule.
    """
    components = _components(data)
    replaced: defaultdict[str, list[Component]] = defaultdict(list)
    for component in components:
        if "RECURRENCE-ID" in component:
            replaced[str(_field(component, "UID"))].append(component)
    found: dict[bytes, Mapping[str, Any]] = {}
    for component in components:
        with_others = (
            () if "RECURRENCE-ID" in component else replaced[str(_field(component, "UID"))]
        )
        for event in _checked(component, with_others):
            found[canonical(event)] = event
    return tuple(found[key] for key in sorted(found))


def _components(data: bytes) -> list[Component]:
    if len(data) > MAX_ICS_BYTES:
        raise ScheduleError(
            f"the file has more than {MAX_ICS_BYTES:,} bytes",
            hint="leave out what is long over, or divide it among calendars",
            code="ORD010",
        )
    # Counted before they are parsed, which takes much longer.
    count = data.upper().count(b"BEGIN:VEVENT")
    if count > MAX_EVENTS:
        raise ScheduleError(
            f"it holds {count:,} events; {MAX_EVENTS:,} are the most",
            hint="leave out what is long over, or divide it among calendars",
            code="ORD010",
        )
    # Only specs with .ics files need the parser, and it takes its time to load.
    from icalendar import Calendar  # noqa: PLC0415 - as above

    try:
        # It warns where it guesses at a zone; zones are found by `_known_zone`.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            calendars = Calendar.from_ical(data, multiple=True)
        found = [event for calendar in calendars for event in calendar.walk("VEVENT")]
    except _BROKEN as error:
        raise ScheduleError(f"it is not iCalendar: {_said(error)}", code=_CODE) from None
    if not calendars or any(calendar.name != "VCALENDAR" for calendar in calendars):
        raise ScheduleError(
            "it is not iCalendar: there is no `BEGIN:VCALENDAR`",
            hint="export the calendar as an .ics file",
            code=_CODE,
        )
    return found


def _checked(component: Component, replaced: Sequence[Component]) -> list[dict[str, Any]]:
    """What an event comes to, after making sure that it can be compiled."""
    try:
        events = list(_events(component, replaced))
        for event in events:
            if event.keys() & _REPEATING:
                compile_calendar({"timezone": "UTC", "events": [event]})
    except ScheduleError as error:
        message = f"{_called(component)}: {error.message}"
        raise ScheduleError(message, hint=error.hint, code=error.code) from None
    except _BROKEN as error:
        message = f"{_called(component)} cannot be read: {_said(error)}"
        raise ScheduleError(message, code=_CODE) from None
    return events


def _field(component: Component, name: str) -> Any:
    """A property of an event, of whatever kind; None if it is not there."""
    return component.get(name)


def _called(component: Component) -> str:
    """An event as people find it in the file."""
    name = _field(component, "SUMMARY") or _field(component, "UID") or "without a name"
    return f"the event {str(name)[:80]!r}"


def _said(error: Exception) -> str:
    text = str(error).splitlines() or [type(error).__name__]
    return text[0][:200]


def _events(component: Component, replaced: Sequence[Component]) -> Iterator[dict[str, Any]]:
    """The event, unless it is cancelled or lasts no time at all."""
    for field, why in component.errors:
        if field in _READ:
            raise ScheduleError(f"{field} cannot be read: {why}", code=_CODE)
    if str(_field(component, "STATUS")).upper() == "CANCELLED":
        return
    start = _field(component, "DTSTART")
    if start is None:
        raise ScheduleError("it has no DTSTART", code=_CODE)
    if start.dt.year not in _YEARS:
        raise ScheduleError(f"it begins in the year {start.dt.year}", code=_CODE)
    if length := _length(component, start.dt):
        repeating = _repeating(component, [_field(other, "RECURRENCE-ID") for other in replaced])
        yield _begun(start.dt, _zone(start)) | _lasting(start.dt, length) | repeating


def _repeating(component: Component, replaced: Sequence[Any]) -> dict[str, list[str]]:
    """How an event repeats, where it does."""
    rules = [rule.to_ical().decode() for rule in _listed(_field(component, "RRULE"))]
    added = [_moment(one, of) for of in _listed(_field(component, "RDATE")) for one in of.dts]
    removed = [_moment(one, of) for of in _listed(_field(component, "EXDATE")) for one in of.dts]
    removed += [_moment(one, one) for one in replaced]
    found = {"rrule": rules, "rdate": sorted(set(added)), "exdate": sorted(set(removed))}
    return {name: texts for name, texts in found.items() if texts}


def _listed(value: Any) -> list[Any]:
    """A property that may be absent, alone, or there several times."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _length(component: Component, start: date) -> timedelta:
    """How long an event lasts; without an end a day lasts a day, and a moment no time at all."""
    is_day = not isinstance(start, datetime)
    if "DURATION" in component:
        length: timedelta = _field(component, "DURATION").dt
    elif "DTEND" in component:
        length = _difference(_field(component, "DTEND"), _field(component, "DTSTART"))
    else:
        length = _DAY if is_day else timedelta(0)
    if length < timedelta(0) or length > _LONGEST_SPAN:
        raise ScheduleError("it ends before it begins, or lasts longer than ten years", code=_CODE)
    if is_day and length % _DAY:
        raise ScheduleError("it begins with a whole day and ends with a time of day", code=_CODE)
    return max(length, _DAY) if is_day else length


def _difference(end: Any, start: Any) -> timedelta:
    if isinstance(end.dt, datetime) != isinstance(start.dt, datetime):
        raise ScheduleError("only one of its start and its end has a time of day", code=_CODE)
    if not isinstance(end.dt, datetime):
        return timedelta(days=(end.dt - start.dt).days)
    return _instant(end) - _instant(start)


def _instant(value: Any) -> datetime:
    """A moment as an instant; two without a zone are as far apart as in UTC."""
    moment: datetime = value.dt
    name = _zone(value)
    if name is None:
        return moment.replace(tzinfo=UTC)
    return load_zone(name).resolve(moment.replace(tzinfo=None), "shift", "first")[0].at


def _begun(start: date, zone: str | None) -> dict[str, Any]:
    text = _written(start, zone)
    own = zone is not None and zone != "UTC" and isinstance(start, datetime)
    return {"start": text, "timezone": zone} if own else {"start": text}


def _lasting(start: date, length: timedelta) -> dict[str, Any]:
    if isinstance(start, datetime):
        return {"lasts": format_duration(length)}
    return {"days": length // _DAY}


def _moment(value: Any, lists: Any) -> str:
    """A moment at which an event repeats or does not, as an instant if it has a zone."""
    if isinstance(value.dt, tuple):
        raise ScheduleError("its RDATE holds periods, which are not supported", code=_CODE)
    name = _zone(lists)
    if not isinstance(value.dt, datetime) or name is None:
        return _written(value.dt, name)
    wall = value.dt.replace(tzinfo=None)
    return _written(load_zone(name).resolve(wall, "shift", "first")[0].at, "UTC")


def _written(moment: date, zone: str | None) -> str:
    if not isinstance(moment, datetime):
        return moment.isoformat()
    return moment.replace(tzinfo=None).isoformat() + ("Z" if zone == "UTC" else "")


def _zone(value: Any) -> str | None:
    """The zone of a moment; None if it has none, so that the calendar's counts."""
    name = value.params.get("TZID")
    if name is None:
        moment = value.dts[0].dt if hasattr(value, "dts") else value.dt
        return "UTC" if getattr(moment, "tzinfo", None) is not None else None
    return _known_zone(str(name))


@lru_cache(maxsize=256)
def _known_zone(name: str) -> str:
    from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON  # noqa: PLC0415 - as in `_components`

    # Some programs put a path of their own before the name.
    parts = name.strip("/").split("/")
    names = ["/".join(parts[at:]) for at in range(len(parts))]
    known = next((one for one in names if one in zone_names()), None)
    if known is None:
        known = WINDOWS_TO_OLSON.get(name, name)
    load_zone(known)
    return known
