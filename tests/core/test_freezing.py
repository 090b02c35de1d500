"""Freeze windows: when one is open, since when, and when something can be applied again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.core.freezing import freeze_at, freeze_guard, freeze_words
from schemas.rules import FreezeWindow

FRIDAY = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)  # 18:00 in Chisinau
MONDAY = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)  # 08:00 there


def window(rule: str, duration: str, reason: str | None = None) -> FreezeWindow:
    return FreezeWindow.model_validate(
        {"rrule": rule, "timezone": "Europe/Chisinau", "duration": duration, "reason": reason}
    )


WEEKEND = window("FREQ=WEEKLY;BYDAY=FR;BYHOUR=18", "62h", "nobody is there")


def test_a_window_holds_its_first_instant_and_not_its_end() -> None:
    moments = (FRIDAY - timedelta(seconds=1), FRIDAY, MONDAY - timedelta(seconds=1), MONDAY)

    assert [freeze_at([WEEKEND], at) is not None for at in moments] == [False, True, True, False]


def test_a_freeze_says_since_when_why_and_until_when() -> None:
    freeze = freeze_at([WEEKEND], FRIDAY + timedelta(hours=1))

    assert freeze is not None
    assert (freeze.since, freeze.opens_at, freeze.reason) == (FRIDAY, MONDAY, "nobody is there")
    assert freeze_words(freeze) == (
        "the freeze of Fri 20 Nov 18:00 EET (nobody is there), until Mon 23 Nov 08:00 EET "
        "(Fridays at 18:00, Europe/Chisinau)"
    )


def test_windows_that_follow_without_a_gap_are_one_freeze() -> None:
    holiday = window("FREQ=YEARLY;BYMONTH=11;BYMONTHDAY=23;BYHOUR=8", "1d")

    freeze = freeze_at([WEEKEND, holiday], FRIDAY)

    assert freeze is not None
    assert freeze.opens_at == MONDAY + timedelta(days=1)


def test_of_windows_that_overlap_the_last_end_counts_and_the_first_beginning() -> None:
    short = window("FREQ=WEEKLY;BYDAY=SA;BYHOUR=0", "1h")

    freeze = freeze_at([short, WEEKEND], FRIDAY + timedelta(hours=6, minutes=30))

    assert freeze is not None
    assert (freeze.since, freeze.opens_at) == (FRIDAY, MONDAY)


@pytest.mark.parametrize("rule", ["FREQ=DAILY;BYHOUR=0", "FREQ=MINUTELY"])
def test_a_window_that_never_ends_is_said_to(rule: str) -> None:
    freeze = freeze_at([window(rule, "30h")], FRIDAY)

    assert freeze is not None
    assert freeze.opens_at is None
    assert "which never ends" in freeze_words(freeze)


def test_a_span_ends_by_elapsed_time_across_a_change_of_clocks() -> None:
    night = window("FREQ=WEEKLY;BYDAY=SA;BYHOUR=22", "8h")

    freeze = freeze_at([night], datetime(2026, 10, 24, 20, 0, tzinfo=UTC))

    assert freeze is not None
    assert freeze.opens_at == datetime(2026, 10, 25, 3, 0, tzinfo=UTC)


def test_without_windows_nothing_is_frozen() -> None:
    assert freeze_at([], FRIDAY) is None


def test_a_reason_lets_a_plan_pass_and_is_repeated() -> None:
    refusing, passing = (freeze_at([WEEKEND], FRIDAY, why) for why in (None, "the site is down"))

    assert refusing is not None
    assert passing is not None
    assert not freeze_guard(refusing).ok
    assert freeze_guard(passing).ok
    assert freeze_guard(passing).message.endswith("and goes on: the site is down")
