"""What a foreign answer tells of its usage."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from runtime.core.usage import Cost, Usage, read_usage, with_names
from schemas import genai


def test_tokens_and_money_are_read_by_their_names() -> None:
    told = {
        genai.ASKED_MODEL: "small",
        genai.MODEL: "small-2026-01-01",
        genai.INPUT: 1200,
        genai.OUTPUT: 80.0,
        genai.CACHE_READ: 1000,
        genai.CACHE_WRITTEN: None,
        genai.REASONING: 30,
        "gen_ai.something.new": "passed over",
        "cost": {"amount": "0.00042", "currency": "EUR", "source": "provider"},
    }

    assert read_usage(told) == (
        Usage(
            model="small-2026-01-01",
            input_tokens=1200,
            output_tokens=80,
            cache_read_tokens=1000,
            reasoning_tokens=30,
            cost=Cost(Decimal("0.00042"), "EUR", "provider"),
        ),
        (),
    )


def test_money_may_be_told_by_names_of_its_own() -> None:
    told = {genai.AMOUNT: 0.1, genai.CURRENCY: "USD"}

    assert read_usage(told) == (Usage(cost=Cost(Decimal("0.1"), "USD", "provider")), ())


def test_a_sum_that_the_tool_worked_out_itself_is_no_provider_s() -> None:
    told = {"cost": {"amount": "1", "currency": "USD", "source": "local"}}

    usage, _ = read_usage(told)

    assert usage is not None
    assert usage.cost == Cost(Decimal(1), "USD", "local")


def test_nothing_is_told_where_nothing_is_known() -> None:
    assert read_usage({genai.INPUT: None, "cost": None, "other": 1}) == (None, ())


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        ({genai.INPUT: -1}, genai.INPUT),
        ({genai.INPUT: 1.5}, genai.INPUT),
        ({genai.OUTPUT: "12"}, genai.OUTPUT),
        ({genai.OUTPUT: True}, genai.OUTPUT),
        ({genai.CACHE_READ: 10**30}, genai.CACHE_READ),
        ({genai.MODEL: 7}, genai.MODEL),
        ({"cost": {"amount": "-1", "currency": "USD"}}, genai.AMOUNT),
        ({"cost": {"amount": "NaN", "currency": "USD"}}, genai.AMOUNT),
        ({"cost": {"amount": "1e400", "currency": "USD"}}, genai.AMOUNT),
        ({"cost": {"amount": "999999999999.9999999999999", "currency": "USD"}}, genai.AMOUNT),
        ({"cost": {"amount": "one", "currency": "USD"}}, genai.AMOUNT),
        ({"cost": {"amount": [1], "currency": "USD"}}, genai.AMOUNT),
        ({"cost": {"amount": "1", "currency": "$"}}, genai.CURRENCY),
        ({genai.AMOUNT: "1"}, genai.CURRENCY),
    ],
)
def test_what_cannot_be_is_named_and_not_counted(told: dict[str, Any], wrong: str) -> None:
    assert read_usage(told) == (None, (wrong,))


def test_what_cannot_be_takes_nothing_else_with_it() -> None:
    usage, wrong = read_usage({genai.INPUT: 5, genai.OUTPUT: "many"})

    assert (usage, wrong) == (Usage(input_tokens=5), (genai.OUTPUT,))


def test_what_is_told_by_name_takes_the_place_of_what_was_told_before() -> None:
    before = Usage("small-1", 10, 5, cost=Cost(Decimal(1), "USD", "provider"))

    assert with_names(
        before, {genai.INPUT: 7, genai.OUTPUT: "many", genai.REASONING: 2}
    ) == replace(before, input_tokens=7, reasoning_tokens=2)
    assert with_names(before, {genai.ASKED_MODEL: "small"}) == before
    assert with_names(Usage(), {genai.ASKED_MODEL: "small"}) == Usage("small")
    assert with_names(before, {genai.MODEL: "great"}).model == "great"
    paid = {genai.AMOUNT: "2", genai.CURRENCY: "EUR"}
    assert with_names(before, paid).cost == Cost(Decimal(2), "EUR", "provider")
    assert with_names(before, {genai.INPUT: None}) == before


def test_requests_of_one_call_add_up() -> None:
    first = Usage("m", 10, 1, 8, 2, 1, Cost(Decimal("0.10"), "USD", "provider"))
    second = Usage("m-2", 20, 2, 0, 0, 0, Cost(Decimal("0.05"), "USD", "provider"))

    assert first + second == Usage("m-2", 30, 3, 8, 2, 1, Cost(Decimal("0.15"), "USD", "provider"))


def test_a_sum_of_which_a_part_is_not_known_is_not_known() -> None:
    known = Usage(cost=Cost(Decimal(1), "USD", "provider"))

    assert (known + Usage()).cost is None
    assert (known + Usage(cost=Cost(Decimal(1), "EUR", "provider"))).cost is None
