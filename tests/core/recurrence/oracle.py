"""A slow reading of RFC 5545, written apart from the engine: walk every day (or every second) and ask whether it fits.

Nothing here jumps, computes an index or uses the engine's code (lists of days are kept, no more): a date is looked at by itself, a numbered
weekday is found by listing its month, a week number by listing its days, a wall time's instants by trying every offset
the zone has around it. Wherever this and the engine differ, one of the two misreads the RFC.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib import resources
from itertools import product
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
LISTS = (
    "bysecond",
    "byminute",
    "byhour",
    "bymonthday",
    "byyearday",
    "byweekno",
    "bymonth",
    "bysetpos",
)
SUB_DAILY = {"HOURLY": 3600, "MINUTELY": 60, "SECONDLY": 1}


@dataclass(frozen=True)
class Parts:
    """The parts of one rule as a test wrote them; BYDAY as (number or 0, weekday with Monday = 0)."""

    freq: str
    interval: int = 1
    count: int | None = None
    until: datetime | None = None
    wkst: int = 0
    bysecond: tuple[int, ...] = ()
    byminute: tuple[int, ...] = ()
    byhour: tuple[int, ...] = ()
    byday: tuple[tuple[int, int], ...] = ()
    bymonthday: tuple[int, ...] = ()
    byyearday: tuple[int, ...] = ()
    byweekno: tuple[int, ...] = ()
    bymonth: tuple[int, ...] = ()
    bysetpos: tuple[int, ...] = ()

    def text(self) -> str:
        """The rule as RECUR text."""
        codes = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
        pieces = [f"FREQ={self.freq}"]
        if self.interval != 1:
            pieces.append(f"INTERVAL={self.interval}")
        if self.count is not None:
            pieces.append(f"COUNT={self.count}")
        if self.until is not None:
            pieces.append(f"UNTIL={self.until:%Y%m%dT%H%M%S}" + ("Z" if self.until.tzinfo else ""))
        if self.wkst:
            pieces.append(f"WKST={codes[self.wkst]}")
        if self.byday:
            days = ",".join(f"{number or ''}{codes[day]}" for number, day in self.byday)
            pieces.append(f"BYDAY={days}")
        lists = {name: getattr(self, name) for name in LISTS}
        pieces += [f"{name.upper()}={','.join(map(str, of))}" for name, of in lists.items() if of]
        return ";".join(pieces)


@cache
def zone_of(name: str) -> ZoneInfo:
    """A zone of the tz database that the engine declares."""
    path = resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
    with path.open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def instants(
    parts: Parts,
    start: datetime,
    zone: ZoneInfo,
    stop: datetime,
    *,
    gap: str = "shift",
    fold: str = "first",
) -> list[datetime]:
    """Every instant of the rule up to `stop` (aware UTC, inclusive), sorted, each once."""
    if parts.freq in SUB_DAILY:
        found = list(elapsed_instants(parts, start, zone, stop))
    else:
        found = wall_instants(parts, start, zone, stop, gap=gap, fold=fold)
    until = stop
    if parts.until is not None:
        bound = (
            parts.until
            if parts.until.tzinfo
            else max(readings(parts.until, zone, "shift", "both"))
        )
        until = min(stop, bound)
    return sorted({at for at in found if at <= until})


def wall_instants(
    parts: Parts, start: datetime, zone: ZoneInfo, stop: datetime, *, gap: str, fold: str
) -> list[datetime]:
    """A rule of a day or longer: wall times in order, COUNT, then the zone."""
    counted: list[datetime] = []
    by_occurrence = gap == "skip" or fold == "both"
    found: list[datetime] = []
    last = stop.replace(tzinfo=None) + 3 * DAY
    for wall in walls(parts, start, last):
        if parts.count is not None and len(counted) == parts.count and not by_occurrence:
            break
        counted.append(wall)
        found += readings(wall, zone, gap, fold)
    found.sort()
    return found[: parts.count] if by_occurrence else found


def walls(parts: Parts, start: datetime, last: datetime) -> Iterator[datetime]:
    """Wall times from DTSTART on, a whole period at a time."""
    day = start.date()
    while period(parts, day - DAY) == period(parts, start.date()):
        day -= DAY
    number, members = 0, []
    while day <= last.date():
        members.append(day)
        if period(parts, day + DAY) != period(parts, day):
            if number % parts.interval == 0:
                yield from (wall for wall in chosen(parts, members, start) if wall >= start)
            number, members = number + 1, []
        day += DAY
    if number % parts.interval == 0:
        # The last period is cut short, so positions from its end would be wrong: walk on to its end.
        while members and period(parts, day) == period(parts, members[0]):
            members.append(day)
            day += DAY
        yield from (wall for wall in chosen(parts, members, start) if wall >= start)


def period(parts: Parts, day: date) -> object:
    """What is the same for all days of one period."""
    match parts.freq:
        case "YEARLY":
            return day.year
        case "MONTHLY":
            return day.year, day.month
        case "WEEKLY":
            while day.weekday() != parts.wkst:
                day -= DAY
            return day
        case _:
            return day


def chosen(parts: Parts, members: list[date], start: datetime) -> list[datetime]:
    """The instances of one period, in order, after BYSETPOS."""
    times = sorted(
        time(hour, minute, second)
        for hour, minute, second in product(
            parts.byhour or (start.hour,),
            parts.byminute or (start.minute,),
            parts.bysecond or (start.second,),
        )
    )
    every = [
        datetime.combine(day, at) for day in members if day_fits(parts, day, start) for at in times
    ]
    return choose(parts, every)


def choose(parts: Parts, every: list[datetime]) -> list[datetime]:
    """BYSETPOS over one period's instances."""
    if not parts.bysetpos:
        return every
    return [
        item
        for index, item in enumerate(every)
        if index + 1 in parts.bysetpos or index - len(every) in parts.bysetpos
    ]


def day_fits(parts: Parts, day: date, start: datetime) -> bool:
    """Whether a date fits every day part, DTSTART's where the rule has none."""
    month, month_day, weekday = parts.bymonth, parts.bymonthday, parts.byday
    if not (parts.bymonthday or parts.byday or parts.byyearday or parts.byweekno):
        if parts.freq in ("YEARLY", "MONTHLY"):
            month_day = (start.day,)
        if parts.freq == "YEARLY" and not parts.bymonth:
            month = (start.month,)
        if parts.freq == "WEEKLY":
            weekday = ((0, start.weekday()),)
    return (
        (not month or day.month in month)
        and (
            not month_day or day.day in month_day or day.day - len(month_of(day)) - 1 in month_day
        )
        and (not parts.byyearday or in_year(day) & set(parts.byyearday) != set())
        and (not parts.byweekno or week_numbers(day, parts.wkst) & set(parts.byweekno) != set())
        and (not weekday or any(weekday_fits(parts, item, day) for item in weekday))
    )


@cache
def month_of(day: date) -> list[date]:
    return [other for other in year_of(day) if other.month == day.month]


def year_of(day: date) -> list[date]:
    return days_of_year(day.year)


@cache
def days_of_year(year: int) -> list[date]:
    first = date(year, 1, 1)
    return [other for other in (first + step * DAY for step in range(366)) if other.year == year]


def in_year(day: date) -> set[int]:
    year = year_of(day)
    return {year.index(day) + 1, year.index(day) - len(year)}


def weekday_fits(parts: Parts, item: tuple[int, int], day: date) -> bool:
    number, weekday = item
    if day.weekday() != weekday:
        return False
    if number == 0:
        return True
    span = month_of(day) if parts.freq == "MONTHLY" or parts.bymonth else year_of(day)
    same = [other for other in span if other.weekday() == weekday]
    return number in (same.index(day) + 1, same.index(day) - len(same))


@cache
def week_numbers(day: date, wkst: int) -> set[int]:
    """The number of the week that holds the day, from the start and from the end of that week's year."""
    monday = day
    while monday.weekday() != wkst:
        monday -= DAY
    year = week_year(monday)
    first = monday
    while week_year(first - 7 * DAY) == year:
        first -= 7 * DAY
    count = 1
    while week_year(first + 7 * count * DAY) == year:
        count += 1
    number = (monday - first).days // 7 + 1
    return {number, number - count - 1}


def week_year(first: date) -> int:
    """The year that has at least four of the week's days."""
    years = [(first + step * DAY).year for step in range(7)]
    return max(set(years), key=years.count)


def readings(wall: datetime, zone: ZoneInfo, gap: str, fold: str) -> list[datetime]:
    """The instants at which the wall shows this time; in a gap, the instant by the offset before it."""
    around = [wall.replace(tzinfo=UTC) + step * timedelta(hours=5) for step in range(-10, 11)]
    offsets = [at.astimezone(zone).utcoffset() or timedelta(0) for at in around]
    shown = sorted(
        {
            wall.replace(tzinfo=UTC) - offset
            for offset in offsets
            if (wall.replace(tzinfo=UTC) - offset).astimezone(zone).replace(tzinfo=None) == wall
        }
    )
    if not shown:
        return [] if gap == "skip" else [wall.replace(tzinfo=UTC) - offsets[0]]
    return {"first": shown[:1], "second": shown[-1:], "both": shown}[fold]


def elapsed_instants(
    parts: Parts, start: datetime, zone: ZoneInfo, stop: datetime
) -> Iterator[datetime]:
    """A rule shorter than a day: every second of real time, in blocks of an hour, a minute or a second.

    Seconds that no instance can have are stepped over a minute at a time, to end within the day.
    """
    length = SUB_DAILY[parts.freq]
    anchor = readings(start, zone, "shift", "first")[0]
    shown = anchor.astimezone(zone)
    block = anchor - timedelta(seconds=(shown.minute * 60 + shown.second) % length)
    step = timedelta(seconds=1 if parts.freq == "SECONDLY" or len(parts.bysecond) > 1 else 60)
    at = block
    if step.seconds == 60:
        at += timedelta(seconds=parts.bysecond[0] if parts.bysecond else start.second)
    count, number = 0, 0
    members: list[datetime] = []
    while True:
        if (at - block) // timedelta(seconds=length) != number or at > stop + timedelta(
            seconds=length
        ):
            for item in choose(parts, members):
                if item >= anchor and (parts.count is None or count < parts.count):
                    count += 1
                    yield item
            number, members = (at - block) // timedelta(seconds=length), []
        if at > stop + timedelta(seconds=length):
            return
        if number % parts.interval == 0 and second_fits(
            parts, at, anchor=anchor, block=block, zone=zone, start=start
        ):
            members.append(at)
        at += step


def second_fits(
    parts: Parts,
    at: datetime,
    *,
    anchor: datetime,
    block: datetime,
    zone: ZoneInfo,
    start: datetime,
) -> bool:
    """Whether the wall at this instant fits; parts below FREQ that are missing are DTSTART's, counted within the block."""
    shown = at.astimezone(zone)
    if parts.byhour and shown.hour not in parts.byhour:
        return False
    if parts.byminute and shown.minute not in parts.byminute:
        return False
    if parts.bysecond and shown.second not in parts.bysecond:
        return False
    length = SUB_DAILY[parts.freq]
    into, wanted = ((moment - block).total_seconds() % length for moment in (at, anchor))
    if not parts.byminute and into // 60 != wanted // 60:
        return False
    if not parts.bysecond and into % 60 != wanted % 60:
        return False
    return day_fits(parts, shown.date(), start)
