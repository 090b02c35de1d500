"""What an agent may spend: whether a call may go, by what was spent, and by what is under way and will be.

What a call uses up is known when it is over. So a call goes as long as something is left; those under way count with the
most that a call of their tool took before, and where nobody knows that, with all that is left. Then a budget is exceeded by
one call at most, or by calls that took more than any of their tool before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal

Per = Literal["run", "day"]
TOKENS: Final = "tokens"
_ASKS_MODELS: Final = "llm"


@dataclass(frozen=True, slots=True)
class Limit:
    """How much may be spent in a run or on a day.

    Attributes:
        per: the span that is counted.
        unit: `tokens`, or a currency.
        most: how much.
    """

    per: Per
    unit: str
    most: Decimal

    def __str__(self) -> str:
        return f"{self.most.normalize():,f} {self.unit} a {self.per}"


@dataclass(frozen=True, slots=True)
class Budget:
    """What one agent may spend.

    Attributes:
        agent: as it is called.
        limits: of what calls use up; none is not limited.
        runs: how many runs may begin on a day; None for any number.
    """

    agent: str
    limits: tuple[Limit, ...] = ()
    runs: int | None = None


@dataclass(frozen=True, slots=True)
class Spending:
    """What calls of one tool used up in the span that a limit counts, those of one currency, or of none that is known."""

    per: Per
    tool: str
    currency: str | None
    tokens: Decimal
    most_tokens: Decimal
    cost: Decimal
    most_cost: Decimal


@dataclass(frozen=True, slots=True)
class Hold:
    """Another call that is under way; `is_ours` if it is of the same run."""

    tool: str
    is_ours: bool


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A limit of which nothing is left."""

    limit: Limit
    spent: Decimal


Verdict = Literal["free", "go", "wait"] | Exceeded
"""A call goes, and is none that uses up anything as far as anybody knows; goes; waits for others to end; or does not go."""


def budget_of(agent: str, listed: Iterable[Mapping[str, Any]]) -> Budget | None:
    """The budget of an agent as its normalised body lists them; None where there is none."""
    limits: list[Limit] = []
    runs: list[int] = []
    for one in listed:
        if "tokens" in one:
            limits.append(Limit(one["per"], TOKENS, Decimal(one["tokens"])))
        if "cost" in one:
            limits.append(Limit(one["per"], one["currency"], Decimal(one["cost"])))
        if "runs" in one and one["per"] == "day":
            runs.append(one["runs"])
    return Budget(agent, tuple(limits), min(runs, default=None)) if limits or runs else None


def is_known_to_spend(uses: str, *, tells: bool) -> bool:
    """Whether a call uses up something before any has told so: it asks a model, or its step says where its answer tells."""
    return tells or uses.partition(".")[0] == _ASKS_MODELS


def decide(
    limits: Sequence[Limit],
    uses: str,
    spent: Sequence[Spending],
    holds: Sequence[Hold],
    *,
    is_known: bool,
) -> Verdict:
    """Whether a call may go.

    Args:
        limits: all of which it must keep.
        uses: its tool.
        spent: what was spent in the spans of these limits.
        holds: the other calls of the agent that are under way.
        is_known: whether it uses up something, even if none of its tool has told so yet.
    """
    if not is_known and not any(one.tool == uses for one in spent):
        return "free"
    left = [(limit, limit.most - _sum(limit, spent)) for limit in limits]
    for limit, room in left:
        if room <= 0:
            return Exceeded(limit, limit.most - room)
    return "wait" if any(_is_full(*one, uses, spent, holds) for one in left) else "go"


def _is_full(
    limit: Limit, room: Decimal, uses: str, spent: Sequence[Spending], holds: Sequence[Hold]
) -> bool:
    """Whether those under way may take so much that this one would have to wait."""
    beside = [hold.tool for hold in holds if limit.per == "day" or hold.is_ours]
    if not beside:
        return False
    expected = [_most(limit, tool, spent) for tool in (*beside, uses)]
    known = [one for one in expected if one is not None]
    return len(known) < len(expected) or sum(known) > room


def _sum(limit: Limit, spent: Sequence[Spending]) -> Decimal:
    if limit.unit == TOKENS:
        return sum((one.tokens for one in spent if one.per == limit.per), Decimal(0))
    found = (one.cost for one in spent if (one.per, one.currency) == (limit.per, limit.unit))
    return sum(found, Decimal(0))


def _most(limit: Limit, tool: str, spent: Sequence[Spending]) -> Decimal | None:
    """The most that one call of a tool took; None where there was none."""
    calls = [one for one in spent if (one.per, one.tool) == (limit.per, tool)]
    if not calls:
        return None
    if limit.unit == TOKENS:
        return max(one.most_tokens for one in calls)
    return max((one.most_cost for one in calls if one.currency == limit.unit), default=Decimal(0))
