"""Who is told when something happens to a task: each entry becomes a task of its own, which a plan shows."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from schemas.base import JsonObject, Model, PositiveDuration, QualifiedName, Tool, as_list

Occasion = Literal["failure", "recovery", "lateness", "approval", "pause", "drift"]


def _each_once(occasions: tuple[Occasion, ...]) -> tuple[Occasion, ...]:
    """What is named twice would be counted twice in what is told."""
    if len(set(occasions)) < len(occasions):
        raise ValueError("names an occasion twice, which would count it twice")
    return occasions


class Notify(Model):
    """One way of telling somebody; it becomes a task named after this one, with `-notify` and its number."""

    on: Annotated[
        tuple[Occasion, ...],
        BeforeValidator(as_list, json_schema_input_type=Occasion | tuple[Occasion, ...]),
        AfterValidator(_each_once),
    ] = Field(min_length=1)  # fmt: skip
    """What is told: a run failed, the first one after that succeeded, a run was due and did not begin, a step waits for a decision, the task was paused after failures, or somebody wrote the task past git."""
    late: PositiveDuration | None = None
    """After how long a run that is due and has not begun is late; when left out, `slo.lateness.within` of the task, or 5 minutes."""
    uses: Tool
    """The tool that tells, such as `ordinaut.email` or `ordinaut.post`."""
    with_: JsonObject = Field(default_factory=dict, alias="with")
    """Its arguments; templates know the last event, and with `event.items` all of them."""
    agent: QualifiedName | None = None
    """The agent on whose behalf it is told; that of the task when left out."""
    at_most_every: PositiveDuration = timedelta(minutes=1)
    """What happens within so long of the first is told together."""
