"""What tokens cost where nobody told: the price table of a project, with the price that is in force at an instant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any, Final

from runtime.core.usage import Cost, Usage, read_money

_PER: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """A price of a million tokens.

    Attributes:
        model: the pattern of models that it is for.
        from_day: the day, in UTC, from which on it holds.
        currency: of all that follows.
        input: of tokens that go in.
        output: of tokens that come out.
        cache_read: of tokens that go in by way of a cache.
        cache_write: of tokens that go in, and into a cache.
    """

    model: str
    from_day: date
    currency: str
    input: Decimal
    output: Decimal
    cache_read: Decimal
    cache_write: Decimal

    def of(self, usage: Usage) -> Decimal:
        """What so much usage costs."""
        plain = max(0, usage.input_tokens - usage.cache_read_tokens - usage.cache_written_tokens)
        whole = (
            plain * self.input
            + usage.cache_read_tokens * self.cache_read
            + usage.cache_written_tokens * self.cache_write
            + usage.output_tokens * self.output
        )
        return whole / _PER


def price_list(listed: Iterable[Mapping[str, Any]]) -> tuple[Price, ...]:
    """The prices of a project as its normalised body lists them."""
    return tuple(_price(one) for one in listed)


def _price(listed: Mapping[str, Any]) -> Price:
    whole = Decimal(listed["input"])
    return Price(
        model=listed["model"],
        from_day=date.fromisoformat(listed["from"]),
        currency=listed["currency"],
        input=whole,
        output=Decimal(listed["output"]),
        cache_read=Decimal(listed["cache_read"]) if "cache_read" in listed else whole,
        cache_write=Decimal(listed["cache_write"]) if "cache_write" in listed else whole,
    )


def price_of(model: str, prices: Sequence[Price], at: datetime) -> Price | None:
    """The price of a model at an instant: of the first pattern that names it and has one in force, the one that began last."""
    today = at.astimezone(UTC).date()
    begun = [one for one in prices if one.from_day <= today and fnmatchcase(model, one.model)]
    same = [one for one in begun if one.model == begun[0].model]
    return max(same, key=lambda one: one.from_day, default=None)


def priced(usage: Usage, prices: Sequence[Price], at: datetime) -> Usage:
    """The usage with its cost, where a price is in force for its model; what a provider told of its cost stands."""
    if usage.cost is not None or not usage.model:
        return usage
    price = price_of(usage.model, prices, at)
    amount = None if price is None else read_money(str(price.of(usage)))
    if price is None or amount is None:
        return usage
    return replace(usage, cost=Cost(amount, price.currency, "local"))
