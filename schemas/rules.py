"""What a Project holds plans and rows to: its guards, its policies, what agents may merge, and what becomes of changes past git."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas import patterns
from schemas.base import (
    Condition,
    Identifier,
    Integer,
    Model,
    Name,
    Number,
    PositiveDuration,
    QualifiedName,
    ShortText,
    Text,
    TimeZone,
)


class FreezeWindow(Model):
    """A span in which nothing is applied."""

    rrule: Text
    """When it begins."""
    timezone: TimeZone
    """The zone of the rule."""
    duration: PositiveDuration
    """How long it lasts."""
    reason: ShortText | None = None
    """Why."""


class Guards(Model):
    """Changes that are refused unless they are asked for by their exact number."""

    max_retire: Integer = Field(default=5, ge=0)
    """Retiring more documents than this is refused, if it is also more than `max_retire_percent`."""
    max_retire_percent: Number = Field(default=10.0, ge=0, le=100)
    """Retiring a larger share than this is refused, if it is also more than `max_retire`."""
    freeze: tuple[FreezeWindow, ...] = ()
    """When nothing is applied."""


class Policy(Model):
    """A rule of your own: a question to every plan, and what is said where the answer is not empty."""

    when: Annotated[
        Condition,
        Field(examples=["changes[?contains(tools.added, 'mail.send') && !owner]"]),
    ]
    """JMESPath over the plan as JSON. A plan breaks the policy where it gives `true`, a text, a number, or a list or mapping that is not empty; a list of changes names them."""
    message: ShortText
    """What is wrong then, in words that follow the policy's name."""
    severity: Literal["error", "warning"] = "error"
    """Whether a plan that breaks it is refused, or only told so."""
    environments: tuple[Identifier, ...] | None = Field(default=None, min_length=1)
    """Where it holds; everywhere when left out."""


class MergeRule(Model):
    """An agent whose own proposals may be merged without a person, as far as they stay within a namespace and within this.

    Tasks, Pipelines and Calendars of the namespace, all tasks by this agent, and nothing that anybody gains by: whatever goes beyond
    that stays a proposal.
    """

    agent: QualifiedName
    """The Agent; it needs a budget of runs per day, which bounds at run time what its tasks come to."""
    token: ShortText | None = None
    """The token that speaks for it, or what `ordinaut mcp --agent` says; the agent's name when left out."""
    namespace: Name
    """Where its documents are; what is anywhere else it cannot change."""
    max_runs_per_day: Integer = Field(ge=1, le=288)
    """How many runs a day all tasks of the namespace may come to, on the fullest day of the coming year."""
    max_documents: Integer = Field(default=20, ge=1, le=1000)
    """How many documents the namespace may hold."""


class Proposals(Model):
    """What becomes of changes that agents propose; without this, people merge all of them."""

    branch: Annotated[str, StringConstraints(pattern=patterns.BRANCH, max_length=200)] | None = (
        None
    )
    """The branch that proposals are merged into; the one that is checked out when left out."""
    merge: Annotated[tuple[MergeRule, ...], Field(max_length=100)] = ()
    """Agents that merge their own."""


HealPolicy = Literal["off", "alert", "heal"]
"""What becomes of a change that did not come through git: nothing, an event, or an event and its reversal."""
