"""What a call used up: tokens, and money where it is known.

Money is `Decimal` throughout, and text in JSON: no float ever holds an amount.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal, TypeGuard

from runtime.core.storable import storable_text
from schemas import genai, patterns

CostSource = Literal["provider", "local"]
_MODEL_CHARACTERS: Final = 256
_MOST_TOKENS: Final = (1 << 53) - 1
# As many digits as a column keeps, before and after the point.
_MOST_MONEY: Final = Decimal(10) ** 12
_SMALLEST: Final = Decimal("1e-12")


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount of money.

    Attributes:
        amount: exact; nothing is less.
        currency: as in ISO 4217.
        source: `provider` for the figure of whoever asks the money, `local` for one from our own table of prices.
    """

    amount: Decimal
    currency: str
    source: CostSource


@dataclass(frozen=True, slots=True)
class Usage:
    """What one call used up, all requests that were made for it together.

    A tool that asks a model hands it in with its outcome, also where it failed in the end: what was used up was. It leaves
    `cost` alone unless its provider named a sum, which then comes from `provider`; elsewhere it is worked out from the
    price table, with the price that is in force.

    Attributes:
        model: the model that answered, as its provider calls it, else the one that was asked; empty if neither is known.
        input_tokens: all that went in, what was read from or written to a cache included.
        output_tokens: all that came out, reasoning included.
        cache_read_tokens: how many of those that went in were read from a cache.
        cache_written_tokens: how many of those that went in were written to one.
        reasoning_tokens: how many of those that came out were never shown.
        cost: None where it is not known.
    """

    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_written_tokens: int = 0
    reasoning_tokens: int = 0
    cost: Cost | None = None

    def columns(self) -> dict[str, Any]:
        """As the database keeps it."""
        cost = self.cost
        return {
            "model": self.model,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cache_read_tokens": self.cache_read_tokens,
            "cache_written_tokens": self.cache_written_tokens,
            "reasoning_tokens": self.reasoning_tokens,
            "cost": None if cost is None else format(cost.amount, "f"),
            "currency": cost and cost.currency,
            "cost_source": cost and cost.source,
        }

    def __add__(self, other: Usage) -> Usage:
        """Both together, as requests of one call: the model is the later one's. The cost is known where both are, in one currency."""
        cost = None
        if self.cost and other.cost and self.cost.currency == other.cost.currency:
            amount = self.cost.amount + other.cost.amount
            cost = Cost(amount, self.cost.currency, self.cost.source)
        return Usage(
            model=other.model or self.model,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
            cache_written_tokens=self.cache_written_tokens + other.cache_written_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            cost=cost,
        )


_COUNTS: Final = {
    genai.INPUT: "input_tokens",
    genai.OUTPUT: "output_tokens",
    genai.CACHE_READ: "cache_read_tokens",
    genai.CACHE_WRITTEN: "cache_written_tokens",
    genai.REASONING: "reasoning_tokens",
}


def read_usage(told: Mapping[str, Any]) -> tuple[Usage | None, tuple[str, ...]]:
    """What a foreign answer tells of its usage, and the names under which it told what cannot be.

    Args:
        told: values by the names of `schemas.genai`; also `cost` as a mapping of `amount`, `currency` and `source`. Names
            that nobody knows are passed over, and null is as good as nothing.

    Returns:
        None for the usage where nothing of it is told.
    """
    wrong: list[str] = []
    counts: dict[str, int] = {}
    for name, field in _COUNTS.items():
        value = told.get(name)
        if _is_count(value):
            counts[field] = int(value)
        elif value is not None:
            wrong.append(name)
    model = told.get(genai.MODEL) or told.get(genai.ASKED_MODEL) or ""
    if not isinstance(model, str):
        wrong.append(genai.MODEL)
        model = ""
    cost, complaint = _cost(told)
    wrong += complaint
    if not (counts or cost or model):
        return None, tuple(wrong)
    return Usage(model=storable_text(model)[:_MODEL_CHARACTERS], **counts, cost=cost), tuple(wrong)


def with_names(usage: Usage, told: Mapping[str, Any]) -> Usage:
    """The usage with what is told by some names in the place of what it was; what cannot be leaves it as it is."""
    found, _ = read_usage(told)
    if found is None:
        return usage
    counts = {
        field: getattr(found, field)
        for name, field in _COUNTS.items()
        if _is_count(told.get(name))
    }
    # The model that was asked says less than one that answered.
    model = found.model if told.get(genai.MODEL) or not usage.model else usage.model
    return replace(usage, model=model, **counts, cost=found.cost or usage.cost)


def _is_count(value: Any) -> TypeGuard[int | float]:
    """A whole number of tokens, also where JSON wrote it with a point."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value <= _MOST_TOKENS and int(value) == value


def _cost(told: Mapping[str, Any]) -> tuple[Cost | None, list[str]]:
    listed = told.get("cost")
    if isinstance(listed, Mapping):
        amount, currency = listed.get("amount"), listed.get("currency")
    else:
        amount, currency = told.get(genai.AMOUNT), told.get(genai.CURRENCY)
    if amount is None:
        return None, []
    money = read_money(amount)
    if money is None:
        return None, [genai.AMOUNT]
    if not isinstance(currency, str) or not re.fullmatch(patterns.CURRENCY, currency):
        return None, [genai.CURRENCY]
    is_local = isinstance(listed, Mapping) and listed.get("source") == "local"
    return Cost(money, currency, "local" if is_local else "provider"), []


def read_money(value: Any) -> Decimal | None:
    """An amount as it was told, exactly; a number of JSON is taken by its shortest digits. None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    if not (amount.is_finite() and 0 <= amount < _MOST_MONEY):
        return None
    kept = amount.quantize(_SMALLEST).normalize()
    # Rounded, it may be one that no column keeps.
    return kept if kept < _MOST_MONEY else None
