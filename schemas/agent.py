"""The Agent document: on whose behalf tools are called, and what it may do."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas import patterns
from schemas.base import Condition, Document, Integer, Model, PositiveDuration, ShortText
from schemas.money import Currency, Money

ToolPattern = Annotated[
    str,
    StringConstraints(pattern=patterns.TOOL_GLOB, max_length=256),
    Field(examples=["calendar.*", "telegram.send_message"]),
]
"""A tool's address in which `*` and `?` stand for anything."""


class RateLimit(Model):
    """So many calls may follow at once on one another, and on average no more are made in that time."""

    tools: ToolPattern = "*"
    """The tools that share the limit."""
    calls: Integer = Field(ge=1)
    """How many calls."""
    per: PositiveDuration
    """In how much time; each call's place comes back after an even part of it."""
    key: Condition | None = Field(default=None, examples=["customer", "message.to"])
    """JMESPath over a call's arguments; calls for which it gives different values do not share the limit."""


class Budget(Model):
    """What may be spent; a call that would exceed it is refused."""

    per: Literal["run", "day"]
    """The span that is counted."""
    runs: Integer | None = Field(default=None, ge=1)
    """Runs started."""
    tokens: Integer | None = Field(default=None, ge=1)
    """Tokens in and out."""
    cost: Money | None = None
    """Money, in `currency`."""
    currency: Currency = "USD"
    """ISO 4217 code."""


class Agent(Document):
    """An agent and its powers: nothing is allowed that no scope names."""

    kind: Literal["Agent"]
    """Always `Agent`."""
    scopes: tuple[ToolPattern, ...] = ()
    """The tools it may call."""
    deny: tuple[ToolPattern, ...] = ()
    """Tools it may not call, even if a scope names them."""
    destructive: Literal["approval", "granted"] = "approval"
    """Whether tools that destroy something need an approval, of the step or one that it needs, or are granted outright."""
    rate_limits: tuple[RateLimit, ...] = ()
    """How often it may call."""
    budgets: tuple[Budget, ...] = ()
    """What it may spend."""
    contact: ShortText | None = None
    """Whom to ask about it."""
