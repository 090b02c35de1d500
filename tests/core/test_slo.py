"""Budgets and burn rates follow from counts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from runtime.core.slo import SPANS, burn_rate, objective, standing
from schemas.slo import Slo, ratio_of

QUIET = dict.fromkeys(SPANS, (0, 0))


def test_the_budget_is_what_may_still_fail() -> None:
    found = objective("success", 0.99, {**QUIET, "window": (995, 1000)})

    assert found.share == 0.995
    assert found.budget_left == pytest.approx(0.5)
    assert not found.burning


def test_a_broken_promise_has_less_than_nothing_left() -> None:
    found = objective("success", 0.9, {**QUIET, "window": (80, 100)})

    assert found.budget_left == pytest.approx(-1)


def test_where_nothing_ran_nothing_is_said() -> None:
    found = objective("success", 0.99, {**QUIET, "window": (0, 0)})

    assert (found.share, found.budget_left) == (None, None)
    assert {burn.rate for burn in found.burn_rates} == {0}


def test_at_a_rate_of_one_the_budget_lasts_for_the_window() -> None:
    assert burn_rate(99, 100, 0.99) == pytest.approx(1)
    assert burn_rate(0, 10, 0.99) == pytest.approx(100)


@pytest.mark.parametrize(
    ("bad", "is_burning"),
    [
        ({}, False),
        ({"1h"}, False),
        ({"5m"}, False),
        ({"5m", "1h"}, True),
        ({"30m", "6h"}, True),
        ({"3d"}, False),
    ],
)
def test_it_burns_when_a_long_and_a_short_time_say_so(bad: set[str], is_burning: bool) -> None:
    counts = {span: (8, 10) if span in bad else (10, 10) for span in (*SPANS, "window")}

    assert objective("success", 0.99, counts).burning is is_burning


@pytest.mark.parametrize(
    ("kept", "how"),
    [((99, 100), "broken"), ((98, 100), "broken"), ((995, 1000), None), ((0, 0), None)],
)
def test_a_promise_is_broken_when_nothing_is_left_of_its_budget(
    kept: tuple[int, int], how: str | None
) -> None:
    whole = objective("lateness", 0.5, {**QUIET, "window": (1, 1)})

    assert standing((whole, objective("success", 0.99, {**QUIET, "window": kept}))) == how


def test_a_budget_that_burns_and_is_not_used_up_yet_is_told_apart() -> None:
    counts = {**QUIET, "5m": (8, 10), "1h": (8, 10)}

    assert standing([objective("success", 0.99, {**counts, "window": (998, 1000)})]) == "burning"
    assert standing([objective("success", 0.99, {**counts, "window": (8, 10)})]) == "broken"


@pytest.mark.parametrize(
    ("written", "canonical"), [("99.5%", "99.5%"), ("99.50%", "99.5%"), ("90%", "90%")]
)
def test_equal_shares_are_equal_text(written: str, canonical: str) -> None:
    assert Slo.model_validate({"success": written}).success == canonical
    assert ratio_of(canonical) == pytest.approx(float(written[:-1]) / 100)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"success": "100%"},
        {"success": "0%"},
        {"success": 99.5},
        {"success": "99.5"},
        {"success": "99.5%", "window": "5m"},
        {"success": "99.5%", "window": "91d"},
        {"lateness": {"target": "99%"}},
    ],
)
def test_what_promises_nothing_or_too_much_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Slo.model_validate(value)


def test_the_window_is_thirty_days_unless_it_says_otherwise() -> None:
    assert Slo.model_validate({"success": "99%"}).window == timedelta(days=30)
