"""What `ordinaut spend --json` prints."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AwareDatetime, PlainSerializer

from schemas.base import Model

SpendBy = Literal["task", "agent", "tool", "model", "day"]

Money = Annotated[
    Decimal, PlainSerializer(lambda amount: format(amount.normalize(), "f"), return_type=str)
]
"""An amount, exactly; text in JSON, whose numbers are not."""


class Spent(Model):
    """Money, in one currency."""

    currency: str
    """As in ISO 4217."""
    amount: Money
    """How much, exactly."""
    local: Money
    """How much of that was worked out from the price table; whoever asks the money told the rest."""


class Used(Model):
    """What calls used up together."""

    calls: int
    """How many calls told of it; each try of one counts."""
    input_tokens: int
    """Tokens in, those of caches included."""
    output_tokens: int
    """Tokens out, reasoning included."""
    cache_read_tokens: int
    """How many of those in were read from a cache."""
    cache_written_tokens: int
    """How many of those in were written to one."""
    reasoning_tokens: int
    """How many of those out were never shown."""
    costs: tuple[Spent, ...]
    """What it cost, by currency."""
    unknown_costs: int
    """Of how many calls nobody knows what they cost."""


class UsedBy(Used):
    """What one of them used up."""

    name: str | None
    """Which task, agent, tool, model or day (in UTC); null for runs without an agent, and models that nobody told."""


class SpendReport(Model):
    """What was used up."""

    by: SpendBy
    """What it is told by."""
    since: AwareDatetime
    """From when on."""
    until: AwareDatetime
    """The database's clock when it was summed up."""
    rows: tuple[UsedBy, ...]
    """The parts."""
    total: Used
    """The whole."""
