"""The engine against python-dateutil, where dateutil reads RFC 5545 as we do.

Left out, because dateutil differs from the RFC there: BYSETPOS in WEEKLY rules (it counts from DTSTART, not from the
week's start), BYDAY that mixes plain and numbered days (it intersects them), and weekdays numbered beyond what a month
has (it breaks off with an IndexError). Zones are left out too: dateutil gets
naive local times and UTC, where wall time and real time are one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from dateutil.rrule import rrulestr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runtime.core.recurrence import RRuleTrigger, compile_trigger
from tests.core.recurrence.oracle import Parts
from tests.core.recurrence.strategies import Case, day_cases, elapsed_cases

pytestmark = [pytest.mark.slow, pytest.mark.unmeasured]
MANY = settings(max_examples=80, deadline=None)


def dateutil_differs(parts: Parts) -> bool:
    kinds = {number == 0 for number, _ in parts.byday}
    beyond_month = bool(parts.bymonth) and any(abs(number) > 5 for number, _ in parts.byday)
    return len(kinds) > 1 or beyond_month or (parts.freq == "WEEKLY" and bool(parts.bysetpos))


def compare(case: Case, days: int) -> None:
    assume(not dateutil_differs(case.parts))
    stop = case.start + timedelta(days=days)
    text = case.parts.text().replace("Z", "")
    compiled = compile_trigger(RRuleTrigger(text, "UTC", case.start))
    begin = case.start.replace(tzinfo=UTC) - timedelta(days=1)
    found = compiled.between(begin, stop.replace(tzinfo=UTC), 100_000)
    # dateutil looks for a rule's first occurrence up to the year 9999; the oracle covers what never fires.
    assume(found)

    wanted = rrulestr(text, dtstart=case.start).between(case.start, stop, inc=True)

    assert [occurrence.local_at for occurrence in found] == wanted


@MANY
@given(day_cases())
def test_rules_of_a_day_and_longer_agree_with_dateutil(case: Case) -> None:
    compare(case, 1200)


@MANY
@given(st.one_of(elapsed_cases("HOURLY", 6, (1, 2, 7)), elapsed_cases("MINUTELY", 1, (1, 15, 90))))
def test_sub_daily_rules_agree_with_dateutil_in_utc(case: Case) -> None:
    compare(case, 4)


def test_a_rule_from_thirty_years_ago_agrees_with_dateutil_today() -> None:
    start = datetime(1996, 2, 29, 8, 30)
    now = datetime(2026, 6, 1)
    for text in (
        "FREQ=DAILY;INTERVAL=3",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH;WKST=SU",
        "FREQ=MONTHLY;INTERVAL=5;BYMONTHDAY=-1",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1,2",
        "FREQ=YEARLY",
        "FREQ=YEARLY;INTERVAL=3;BYMONTH=2,6;BYDAY=-1FR",
        "FREQ=HOURLY;INTERVAL=7",
        "FREQ=DAILY;COUNT=11100",
    ):
        found = compile_trigger(RRuleTrigger(text, "UTC", start)).next_after(
            now.replace(tzinfo=UTC)
        )
        wanted = rrulestr(text, dtstart=start).after(now)
        assert (found and found.local_at) == wanted
