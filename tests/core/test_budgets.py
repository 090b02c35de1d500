"""Whether a call may go, by what was spent and by what is under way."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from runtime.core.budgets import (
    Budget,
    Exceeded,
    Hold,
    Limit,
    Spending,
    budget_of,
    decide,
    is_known_to_spend,
)

TOKENS = Limit("day", "tokens", Decimal(1000))
EUROS = Limit("run", "EUR", Decimal("2.50"))
ASK = "llm.plan"


def spent(tool: str = ASK, tokens: int = 0, most: int = 0, **fields: Any) -> Spending:
    """Of today, unless the fields say something else."""
    money = {name: Decimal(fields.pop(name, 0)) for name in ("cost", "most_cost")}
    named = {"per": "day", "tool": tool, "currency": None, **fields}
    return Spending(tokens=Decimal(tokens), most_tokens=Decimal(most), **money, **named)


def verdict(
    *of: Spending, holds: tuple[Hold, ...] = (), limit: Limit = TOKENS, uses: str = ASK
) -> Any:
    return decide([limit], uses, of, holds, is_known=True)


def test_a_budget_is_made_of_all_that_an_agent_lists() -> None:
    listed = [
        {"per": "day", "runs": 9, "tokens": 1000, "currency": "USD"},
        {"per": "run", "runs": 1, "cost": "2.50", "currency": "EUR"},
        {"per": "day", "runs": 5, "currency": "USD"},
    ]

    assert budget_of("bot", listed) == Budget("bot", (TOKENS, EUROS), 5)
    assert budget_of("bot", []) is None
    assert budget_of("bot", [{"per": "run", "runs": 3, "currency": "USD"}]) is None


def test_a_limit_is_told_in_words() -> None:
    assert str(TOKENS) == "1,000 tokens a day"
    assert str(EUROS) == "2.5 EUR a run"


def test_a_call_goes_as_long_as_something_is_left() -> None:
    assert verdict() == "go"
    assert verdict(spent(tokens=999, most=999)) == "go"
    assert verdict(spent(tokens=1000, most=10)) == Exceeded(TOKENS, Decimal(1000))
    assert verdict(spent(tokens=700), spent("crm.ask", 400)) == Exceeded(TOKENS, Decimal(1100))


def test_money_counts_in_the_currency_of_the_budget_alone() -> None:
    euros = spent(per="run", currency="EUR", cost="2.4")
    dollars = spent(per="run", currency="USD", cost="100")

    assert verdict(euros, dollars, spent(per="run"), limit=EUROS) == "go"
    more = spent("crm.ask", per="run", currency="EUR", cost="0.1")
    assert verdict(euros, more, limit=EUROS) == Exceeded(EUROS, Decimal("2.5"))
    assert verdict(spent(currency="EUR", cost="9"), limit=EUROS) == "go"


@pytest.mark.parametrize(
    ("most", "beside", "expected"),
    [
        (200, 1, "go"),
        (200, 2, "wait"),
        (401, 0, "go"),
        (0, 50, "go"),
    ],
)
def test_those_under_way_count_with_the_most_that_one_of_their_tool_took(
    most: int, beside: int, expected: str
) -> None:
    holds = tuple(Hold(ASK, is_ours=False) for _ in range(beside))

    assert verdict(spent(tokens=600, most=most), holds=holds) == expected


@pytest.mark.parametrize(("most", "expected"), [("0.5", "go"), ("0.6", "wait")])
def test_money_under_way_counts_likewise(most: str, expected: str) -> None:
    before = spent(per="run", currency="EUR", cost="1.5", most_cost=most)

    found = verdict(before, spent(per="run"), holds=(Hold(ASK, is_ours=True),), limit=EUROS)

    assert found == expected


def test_while_nobody_knows_what_a_tool_takes_its_calls_go_one_by_one() -> None:
    unknown, known = Hold("crm.ask", is_ours=False), spent(tokens=10, most=10)

    assert verdict(known, holds=(unknown,)) == "wait"
    assert verdict(known, holds=(Hold(ASK, is_ours=False),)) == "go"
    assert verdict(known, holds=(Hold(ASK, is_ours=False),), uses="crm.ask") == "wait"


def test_the_budget_of_a_run_does_not_wait_for_other_runs() -> None:
    assert verdict(holds=(Hold(ASK, is_ours=False),), limit=EUROS) == "go"
    assert verdict(holds=(Hold(ASK, is_ours=True),), limit=EUROS) == "wait"


def test_a_tool_that_never_told_of_anything_is_not_held_up() -> None:
    full = [spent(tokens=5000, most=10)]

    assert decide([TOKENS], "crm.list", full, [], is_known=False) == "free"
    told = [*full, spent("crm.list", 1, 1)]
    assert decide([TOKENS], "crm.list", told, [], is_known=False) == Exceeded(
        TOKENS, Decimal(5001)
    )


def test_what_asks_a_model_or_lifts_its_usage_is_known_to_spend() -> None:
    assert is_known_to_spend("llm.extract", tells=False)
    assert is_known_to_spend("crm.ask", tells=True)
    assert not is_known_to_spend("crm.llm.plan", tells=False)
