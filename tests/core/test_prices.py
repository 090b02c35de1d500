"""What tokens cost by a project's table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from runtime.core.prices import price_list, price_of, priced
from runtime.core.usage import Cost, Usage

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def price(model: str, day: str = "2026-01-01", **fields: Any) -> dict[str, Any]:
    """As a normalised body has it."""
    return {
        "model": model,
        "from": day,
        "currency": "USD",
        "input": "2.5",
        "output": "10",
        **fields,
    }


def cost(usage: Usage, *listed: dict[str, Any], at: datetime = NOON) -> Cost | None:
    return priced(usage, price_list(listed), at).cost


def test_tokens_cost_what_a_million_of_them_do() -> None:
    usage = Usage("m", input_tokens=1_000_000, output_tokens=3)

    assert cost(usage, price("m")) == Cost(Decimal("2.50003"), "USD", "local")


def test_what_goes_by_way_of_a_cache_has_a_price_of_its_own() -> None:
    usage = Usage("m", input_tokens=1000, cache_read_tokens=600, cache_written_tokens=300)
    table = price("m", input="1", cache_read="0.1", cache_write="1.25", currency="EUR")

    expected = (100 * Decimal(1) + 600 * Decimal("0.1") + 300 * Decimal("1.25")) / 1_000_000
    assert cost(usage, table) == Cost(expected, "EUR", "local")
    assert cost(usage, price("m", input="1")) == Cost(Decimal("0.001"), "USD", "local")


def test_more_from_a_cache_than_went_in_never_gives_money_back() -> None:
    usage = Usage("m", input_tokens=10, cache_read_tokens=1000)

    found = cost(usage, price("m", input="1000", cache_read="0"))

    assert found == Cost(Decimal(0), "USD", "local")


@pytest.mark.parametrize(
    ("at", "input_price"),
    [
        (NOON, "1"),
        (datetime(2026, 6, 30, 23, 59, 59, tzinfo=UTC), "1"),
        (datetime(2026, 7, 1, tzinfo=UTC), "2"),
        (datetime(2026, 7, 1, 1, tzinfo=timezone(timedelta(hours=3))), "1"),
    ],
)
def test_a_price_holds_from_its_day_on_in_utc(at: datetime, input_price: str) -> None:
    listed = price_list([price("m", "2026-07-01", input="2"), price("m", "2026-01-01", input="1")])

    found = price_of("m", listed, at)

    assert found is not None
    assert found.input == Decimal(input_price)


def test_the_first_pattern_that_names_a_model_counts() -> None:
    listed = price_list(
        [
            price("gpt-mini*", input="1"),
            price("gpt*", "2026-05-01", input="2"),
            price("gpt-mini*", "2027-01-01", input="3"),
        ]
    )

    found = [price_of(name, listed, NOON) for name in ("gpt-mini-2", "gpt-large", "other")]

    assert [one and one.input for one in found] == [Decimal(1), Decimal(2), None]


def test_before_its_first_price_a_pattern_leaves_a_model_to_the_next() -> None:
    listed = price_list([price("new-*", "2026-07-01", input="1"), price("*", input="2")])

    found = price_of("new-one", listed, NOON)

    assert found is not None
    assert found.input == Decimal(2)


def test_what_has_no_price_costs_nobody_knows_what() -> None:
    assert cost(Usage("m", 5), price("n")) is None
    assert cost(Usage("m", 5), price("m", "2026-06-02")) is None
    assert cost(Usage("", 5), price("*")) is None


def test_what_a_provider_told_stands() -> None:
    told = Cost(Decimal("0.5"), "EUR", "provider")

    assert cost(Usage("m", 5, cost=told), price("m")) == told


def test_a_sum_that_no_column_could_hold_is_not_known() -> None:
    usage = Usage("m", input_tokens=1 << 52)

    assert cost(usage, price("m", input="999999999999")) is None
