"""What `ordinaut spend --json` prints."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final

from pydantic import AwareDatetime, PlainSerializer, StringConstraints

from schemas.base import Model

SPEND_BYS: Final = ("task", "agent", "tool", "model", "day")
"""What spending may be told by, beside a label of tasks."""
LABEL: Final = "label:"
"""What stands before the name of a label."""

SpendBy = Annotated[
    str, StringConstraints(pattern=f"^({'|'.join(SPEND_BYS)}|{LABEL}[^\\x00-\\x1f]{{1,256}})$")
]
"""One of these; or a label, such as `label:client`."""

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
    """Which task, agent, tool, model, day (in UTC) or value of the label; null for runs without an agent, tasks without the label, and
    models that nobody told."""


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
