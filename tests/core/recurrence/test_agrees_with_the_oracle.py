"""The engine against a slow reading of the RFC, over random rules, zones, starts and policies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from runtime.core.recurrence import Compiled, compile_trigger, occurrences
from runtime.errors import ScheduleError
from tests.core.recurrence import oracle
from tests.core.recurrence.strategies import Case, day_cases, elapsed_cases

pytestmark = [pytest.mark.slow, pytest.mark.unmeasured]
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def expected(case: Case, length: timedelta) -> tuple[datetime, list[datetime]]:
    """The end of the compared window, and the instants up to it."""
    stop = case.start.replace(tzinfo=UTC) + length
    zone = oracle.zone_of(case.zone)
    return stop, oracle.instants(case.parts, case.start, zone, stop, gap=case.gap, fold=case.fold)


def is_rare(case: Case) -> bool:
    """Whether a rule that counts finds less than three instants in its first month."""
    zone = oracle.zone_of(case.zone)
    month = case.start.replace(tzinfo=UTC) + timedelta(days=31)
    return (
        case.parts.count is not None
        and len(oracle.instants(case.parts, case.start, zone, month)) < 3
    )


def compiled(case: Case) -> Compiled:
    """The rule; where it would have to be counted through for years it may be refused, and the case is passed over."""
    try:
        return compile_trigger(case.trigger())
    except ScheduleError as refusal:
        if refusal.code != "ORD606" or not is_rare(case):
            raise
        reject()


def check(case: Case, length: timedelta, data: st.DataObject) -> None:
    stop, wanted = expected(case, length)
    rule = compiled(case)

    begin = case.start.replace(tzinfo=UTC) - timedelta(days=3)
    found = [occurrence.at for occurrence in occurrences([rule], begin, stop, limit=100_000)]
    assert found == wanted

    if len(wanted) > 1:
        index = data.draw(st.integers(0, len(wanted) - 2))
        following = rule.next_after(wanted[index])
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
