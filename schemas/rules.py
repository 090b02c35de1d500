"""What a Project holds plans and rows to: its guards, its policies, and what becomes of changes past git."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import (
    Condition,
    Identifier,
    Integer,
    Model,
    Number,
    PositiveDuration,
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


HealPolicy = Literal["off", "alert", "heal"]
"""What becomes of a change that did not come through git: nothing, an event, or an event and its reversal."""
