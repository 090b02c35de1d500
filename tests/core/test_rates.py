"""Limits on how often an agent calls: which tools share one, and what a token costs."""

from __future__ import annotations

from datetime import timedelta

from runtime.core.rates import hold_on, limits_on, rate_limits

LISTED = [
    {"tools": "crm.*", "calls": 4, "per": "1m"},
    {"tools": "*", "calls": 2, "per": "1h"},
]


def test_a_token_comes_back_in_an_even_part_of_the_time() -> None:
    crm, every = rate_limits("team/bot", LISTED)

    assert (crm.cost, crm.per) == (timedelta(seconds=15), timedelta(minutes=1))
    assert (every.cost, every.per) == (timedelta(minutes=30), timedelta(hours=1))


def test_a_call_keeps_every_limit_whose_pattern_names_its_tool() -> None:
    limits = rate_limits("bot", LISTED)

    assert limits_on(limits, "crm.find") == limits
    assert limits_on(limits, "mail.send") == limits[1:]


def test_a_limit_with_other_numbers_is_another_bucket() -> None:
    before = rate_limits("bot", LISTED)[0]
    after = rate_limits("bot", [{"tools": "crm.*", "calls": 5, "per": "1m"}])[0]

    assert before.bucket != after.bucket
    assert rate_limits("other", LISTED)[0].bucket != before.bucket


def test_a_pause_that_a_tool_asks_for_costs_no_token() -> None:
    hold = hold_on("bot", "crm.find")

    assert (hold.cost, hold.per) == (timedelta(0), timedelta(0))
    assert hold.bucket != hold_on("bot", "crm.list").bucket
