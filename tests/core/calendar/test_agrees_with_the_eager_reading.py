"""Calendars over random schedules, in zones that differ, around offset changes: the lazy stream against the eager one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise, takewhile
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.core.calendar import moving
from runtime.core.calendar.admission import Admission, Named
from runtime.core.calendar.compilation import compile_calendar
from runtime.core.calendar.moving import OnExcluded, Sifted
from runtime.core.recurrence import Occurrence, RRuleTrigger, compile_trigger
from runtime.core.recurrence.zone import load_zone
from tests.core.calendar.eager import Eager, PlainCalendar, PlainWindow, Verdict, resolved
from tests.core.recurrence.strategies import CHANGES

# A year is shortened to this, so that the bound is met often.
REACH = 12
DAY = timedelta(days=1)
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
# In 2007 its clocks changed at 00:01, which is no quarter of an hour.
ZONES = sorted(CHANGES.keys() - {"America/St_Johns"})


@dataclass(frozen=True)
class Case:
    exclude: tuple[PlainCalendar, ...]
    include: tuple[PlainCalendar, ...]
    contents: dict[str, dict[str, Any]]
    on_excluded: OnExcluded
    trigger: RRuleTrigger
    asked_at: datetime

    def sifted(self) -> Sifted:
        exclude, include = (
            [Named(one.label, compile_calendar(self.contents[one.label])) for one in calendars]
            for calendars in (self.exclude, self.include)
        )
        zone = load_zone(self.trigger.timezone)
        return Sifted(
            compile_trigger(self.trigger), Admission(exclude, include), self.on_excluded, zone
        )

    def eager(self) -> Eager:
        return Eager(self.exclude, self.include, self.on_excluded, self.trigger.timezone, REACH)


@st.composite
def calendars(
    draw: st.DrawFn, label: str, around: datetime, *, hours: bool
) -> tuple[PlainCalendar, dict[str, Any]]:
    """A calendar twice: as plain questions, and as the content that is compiled."""
    zone = draw(st.sampled_from(ZONES))
    today = around.date()
    runs = draw(st.lists(st.tuples(st.integers(-18, 18), st.integers(0, 5)), max_size=4))
    named = frozenset(
        today + (first + n) * DAY for first, length in runs for n in range(length + 1)
    )
    weekdays = frozenset(draw(st.lists(st.integers(0, 6), max_size=3, unique=True)))
    content: dict[str, Any] = {"timezone": zone}
    if named:
        content["days"] = sorted(
            f"{today + first * DAY}/{today + (first + length) * DAY}" for first, length in runs
        )
    if weekdays:
        byday = ",".join(WEEKDAYS[day] for day in sorted(weekdays))
        content["rules"] = [f"FREQ=WEEKLY;BYDAY={byday}"]
    windows: tuple[PlainWindow, ...] = ()
    spans: tuple[tuple[datetime, datetime], ...] = ()
    defer = None
    if hours:
        windows, content["windows"] = draw(window_lists())
        spans, content["events"] = draw(span_lists(today, zone))
        defer = draw(st.sampled_from([None, timedelta(hours=3), timedelta(hours=10)]))
    if defer:
        content["defer"] = f"{defer // timedelta(hours=1)}h"

    def days(day: date) -> bool:
        return day in named or day.weekday() in weekdays

    return PlainCalendar(label, zone, days, windows, spans, defer), content


@st.composite
def window_lists(draw: st.DrawFn) -> tuple[tuple[PlainWindow, ...], list[dict[str, Any]]]:
    clocks = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30]))
    found = draw(
        st.lists(
            st.tuples(
                clocks, clocks, st.lists(st.integers(0, 6), min_size=1, max_size=7, unique=True)
            ).filter(lambda window: window[0] != window[1]),
            max_size=2,
        )
    )
    return (
        tuple(PlainWindow(begin, end, frozenset(days)) for begin, end, days in found),
        [
            {"from": f"{begin:%H:%M}", "to": f"{end:%H:%M}", "days": [WEEKDAYS[d] for d in days]}
            for begin, end, days in found
        ],
    )


@st.composite
def span_lists(
    draw: st.DrawFn, today: date, zone: str
) -> tuple[tuple[tuple[datetime, datetime], ...], list[dict[str, Any]]]:
    """One timed event at most, once or daily for a while."""
    spans: list[tuple[datetime, datetime]] = []
    events: list[dict[str, Any]] = []
    for first, hour, length in draw(
        st.lists(
            st.tuples(st.integers(-10, 10), st.integers(0, 23), st.integers(1, 30)), max_size=1
        )
    ):
        wall = datetime.combine(today + first * DAY, time(hour))
        times = draw(st.sampled_from([1, 1, 3]))
        event: dict[str, Any] = {"start": wall.isoformat(), "lasts": f"{length}h"}
        if times > 1:
            event["rrule"] = [f"FREQ=DAILY;COUNT={times}"]
        events.append(event)
        for number in range(times):
            begin = resolved(wall + number * DAY, zone)
            spans.append((begin, begin + timedelta(hours=length)))
    return tuple(spans), events


@st.composite
def cases(draw: st.DrawFn) -> Case:
    zone = draw(st.sampled_from(ZONES))
    change = datetime.fromisoformat(draw(st.sampled_from(CHANGES[zone])))
    on_excluded = draw(st.sampled_from(get_args(OnExcluded)))
    hours = on_excluded != "previous_included" and draw(st.sampled_from([True, True, False]))
    number = draw(st.sampled_from([(1, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]))
    contents, sides = {}, ([], [])
    for side, count in zip(sides, number, strict=True):
        for _ in range(count):
            label = f"calendar-{len(contents)}"
            plain, contents[label] = draw(calendars(label, change, hours=hours))
            side.append(plain)
    byhour = draw(st.lists(st.integers(0, 23), min_size=1, max_size=3, unique=True))
    rule = draw(
        st.sampled_from(["FREQ=DAILY", "FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,SA", "FREQ=MONTHLY"])
    )
    minute = draw(st.sampled_from([0, 30]))
    trigger = RRuleTrigger(
        f"{rule};BYHOUR={','.join(map(str, sorted(byhour)))};BYMINUTE={minute}",
        zone,
        datetime(2000, 1, 1),
        dst_gap=draw(st.sampled_from(["shift", "skip"])),
        dst_fold=draw(st.sampled_from(["first", "second", "both"])),
    )
    asked_at = change.replace(tzinfo=UTC) + timedelta(minutes=15 * draw(st.integers(-1500, 500)))
    return Case(*map(tuple, sides), contents, on_excluded, trigger, asked_at)


@pytest.fixture(autouse=True, scope="module")
def shortened_reach() -> Any:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(moving, "_REACH_DAYS", REACH)
        patched.setattr(moving, "_REACH", REACH * DAY)
        yield


def verdict(found: Occurrence) -> Verdict:
    return found.at, found.excluded_by, found.moved_to


@pytest.mark.unmeasured
@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_the_lazy_stream_is_the_eager_one_wherever_it_is_entered(case: Case) -> None:
    sifted, until = case.sifted(), case.asked_at + 10 * DAY
    around = sifted.compiled.between(
        case.asked_at - (REACH + 2) * DAY, until + (REACH + 2) * DAY, 10_000
    )
    expected = [v for v in case.eager().verdicts(around) if case.asked_at < v[0] <= until]

    following = takewhile(lambda found: found.at <= until, sifted.following(case.asked_at))
    running = takewhile(lambda found: found.at <= until, sifted.running(case.asked_at))

    assert [verdict(found) for found in following] == expected
    assert [found.at for found in running] == [v[0] for v in expected if v[1] is None]
    for before, after in pairwise(expected):
        assert verdict(next(sifted.following(before[0]))) == after
        assert verdict(next(sifted.following(after[0] - timedelta(minutes=1)))) == after
