"""Limits on how often tools are called: which calls share one, and what a token costs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from runtime.core.rates import RateLimit, hold_on, limits_on, rate_limits, server_limits

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


def keyed(key: str) -> RateLimit:
    (limit,) = rate_limits("bot", [{"tools": "*", "calls": 1, "per": "1m", "key": key}])
    return limit


def test_a_server_s_limit_is_for_its_tools_and_nobody_s_of_its_own() -> None:
    (limit,) = server_limits("ops/crm", [{"tools": "find_*", "calls": 4, "per": "1m"}])

    assert limits_on([limit], "ops/crm.find_customer") == (limit,)
    assert limits_on([limit], "ops/crm.list") == ()
    assert limits_on([limit], "crm.find_customer") == ()
    assert limit.bucket != rate_limits("ops/crm", LISTED)[0].bucket


def test_calls_with_different_keys_have_buckets_of_their_own() -> None:
    limit = keyed("customer.id")

    ada, bob = (limit.of({"customer": {"id": name}}) for name in ("ada", "bob"))

    assert ada.bucket != bob.bucket
    assert ada == limit.of({"customer": {"id": "ada"}, "sum": 7})
    assert (ada.cost, ada.per) == (limit.cost, limit.per)
    assert keyed("customer.name").of({"customer": {"name": "ada"}}).bucket != ada.bucket


def test_calls_without_a_key_share_a_bucket() -> None:
    limit = keyed("abs(sum)")

    assert limit.of({"sum": "not a number"}) == limit.of({}) != limit.of({"sum": 1})


@pytest.mark.parametrize(
    "value", ["x" * 100_000, "a\0b", "\ud800", 10**400, {"b": 1, "a": [None]}]
)
def test_whatever_a_key_is_an_index_can_hold_it(value: Any) -> None:
    bucket = keyed("value").of({"value": value}).bucket

    assert len(bucket) < 300
    assert "\0" not in bucket
    assert bucket.encode()


def test_a_pause_that_a_tool_asks_for_costs_no_token() -> None:
    hold = hold_on("bot", "crm.find")

    assert (hold.cost, hold.per) == (timedelta(0), timedelta(0))
    assert hold.bucket != hold_on("bot", "crm.list").bucket
