"""Money in documents: exact amounts, currencies, and what the tokens of a model cost from a day on."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field, PlainSerializer, StringConstraints

from schemas import patterns
from schemas.base import Model
from schemas.calendar import Date


def _plain(value: Decimal) -> str:
    return format(value.normalize(), "f")


_Exact = PlainSerializer(_plain, return_type=str)

Money = Annotated[Decimal, Field(gt=0, max_digits=18), _Exact]
"""An amount; `1.50` and `1.5` are the same."""

Amount = Annotated[Decimal, Field(ge=0, max_digits=18), _Exact]
"""As `Money`, or nothing."""

Currency = Annotated[str, StringConstraints(pattern=patterns.CURRENCY)]
"""An ISO 4217 code."""

ModelPattern = Annotated[
    str,
    StringConstraints(min_length=1, max_length=256),
    Field(examples=["gpt-4o-mini*", "claude-*"]),
]
"""A model as its provider calls it, in which `*` and `?` stand for anything."""


class Price(Model):
    """What a million tokens of a model cost, from a day on."""

    model: ModelPattern
    """The models that it is for."""
    from_: Date = Field(alias="from")
    """The day, in UTC, from which on it holds."""
    currency: Currency = "USD"
    """The money it is in, as in ISO 4217."""
    input: Amount
    """A million tokens in."""
    output: Amount
    """A million tokens out."""
    cache_read: Amount | None = None
    """A million tokens in that are read from a cache; as `input` when left out."""
    cache_write: Amount | None = None
    """A million tokens in that are written to a cache; as `input` when left out."""
