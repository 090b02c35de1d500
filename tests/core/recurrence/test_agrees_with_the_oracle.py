"""The engine against a slow reading of the RFC, over random rules, zones, starts and policies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.core.recurrence import compile_trigger, occurrences
from tests.core.recurrence import oracle
from tests.core.recurrence.strategies import Case, day_cases, elapsed_cases

pytestmark = [pytest.mark.slow, pytest.mark.unmeasured]
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def expected(case: Case, length: timedelta) -> tuple[datetime, list[datetime]]:
    """The end of the compared window, and the instants up to it."""
    stop = case.start.replace(tzinfo=UTC) + length
    zone = oracle.zone_of(case.zone)
    return stop, oracle.instants(case.parts, case.start, zone, stop, gap=case.gap, fold=case.fold)


def check(case: Case, length: timedelta, data: st.DataObject) -> None:
    stop, wanted = expected(case, length)
    compiled = compile_trigger(case.trigger())

    begin = case.start.replace(tzinfo=UTC) - timedelta(days=3)
    found = [occurrence.at for occurrence in occurrences([compiled], begin, stop, limit=100_000)]
    assert found == wanted

    if len(wanted) > 1:
        index = data.draw(st.integers(0, len(wanted) - 2))
        following = compiled.next_after(wanted[index])
        assert following is not None
        assert following.at == wanted[index + 1]
        between = wanted[index] + (wanted[index + 1] - wanted[index]) * data.draw(
            st.floats(0, 0.99)
        )
        following = compile_trigger(case.trigger()).next_after(between)
        assert following is not None
        assert following.at == wanted[index + 1]


@SLOW
@given(day_cases(), st.data())
def test_rules_of_a_day_and_longer_give_the_instants_of_the_oracle(
    case: Case, data: st.DataObject
) -> None:
    check(case, timedelta(days=800), data)


@SLOW
@given(elapsed_cases("HOURLY", 6, (1, 1, 2, 3, 7, 24)), st.data())
def test_hourly_rules_give_the_instants_of_the_oracle(case: Case, data: st.DataObject) -> None:
    check(case, timedelta(days=12), data)


@SLOW
@given(elapsed_cases("MINUTELY", 1, (1, 1, 7, 15, 45, 90, 1441)), st.data())
def test_minutely_rules_give_the_instants_of_the_oracle(case: Case, data: st.DataObject) -> None:
    check(case, timedelta(days=3), data)


@SLOW
@given(elapsed_cases("SECONDLY", 0, (1, 7, 30, 61, 97)), st.data())
def test_secondly_rules_give_the_instants_of_the_oracle(case: Case, data: st.DataObject) -> None:
    check(case, timedelta(hours=5), data)
