"""The Test document: one run of a task or a Pipeline, played without a database, and what is expected of it.

Tests stand in the folder `tests` of a specs folder. They are no specs: no plan reads them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    PlainSerializer,
    StringConstraints,
    Tag,
    WithJsonSchema,
)

from schemas import patterns
from schemas.base import (
    Duration,
    Flag,
    Identifier,
    Integer,
    JsonObject,
    Model,
    Name,
    PositiveDuration,
    QualifiedName,
    ShortText,
    Text,
)
from schemas.event import Trigger

Failing = Literal[
    "tool_error", "contract_error", "rejected", "not_sent", "lost", "timeout", "input_required"
]


def _as_instant(value: object) -> datetime:
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise ValueError("write an instant with its offset, such as 2026-01-05T08:30:00+02:00")
    return instant


Instant = Annotated[
    datetime,
    BeforeValidator(_as_instant),
    PlainSerializer(datetime.isoformat, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Code = Annotated[str, StringConstraints(pattern=r"^ORD\d{3}$"), Field(examples=["ORD404"])]


class Answer(Model):
    """What one try of a call comes to: a `result`, or an `outcome` that is none."""

    result: Any = None
    """What the tool gives, as templates find it."""
    outcome: Failing | None = None
    """How the call fails instead."""
    code: Code | None = None
    """The code of the failure; that of its outcome when left out."""
    message: Text | None = None
    """What the failure says."""
    retry_after: PositiveDuration | None = None
    """How long the tool asks to be left alone."""
    takes: Duration = timedelta(0)
    """How long it takes until this is known; the limits of step and run hold."""
    settled: Literal["happened", "failed", "try_again"] | None = None
    """What a person says who is asked whether the call happened; with `happened`, `result` is what it gave."""
    verified: JsonObject | None = None
    """What the tool of `on_unknown: {verify: ...}` answers."""


class Decision(Model):
    """What a person decides."""

    approved: Flag
    """Whether the person agrees."""
    by: ShortText = "somebody"
    """Who decides."""
    reason: str = ""
    """Why."""
    takes: Duration = timedelta(0)
    """How long the person is waited for."""


class GivenEvent(Model):
    """The event, or the callback, that a step waits for."""

    data: Any = None
    """What it carries."""
    id: ShortText = "1"
    """Its id."""
    source: ShortText = "test"
    """Where it comes from."""
    topic: Annotated[str, StringConstraints(pattern=patterns.TOPIC)] | None = None
    """What it is about; what the step waits for when left out."""
    takes: Duration = timedelta(0)
    """How long it is waited for."""


GivenDecision = Annotated[
    Annotated[Literal["nobody"], Tag("<nobody>")] | Annotated[Decision, Tag("<decision>")],
    Discriminator(lambda value: "<nobody>" if isinstance(value, str) else "<decision>"),
]


def _form(value: Any) -> str:
    return "<tries>" if isinstance(value, list | tuple) else "<answer>"


Tries = Annotated[tuple[Answer, ...], Field(min_length=1)]


class Given(Answer):
    """What a step meets: the answer to every try of every call that it makes, unless more is said."""

    items: tuple[ItemForm, ...] | None = None
    """For a step with `foreach`: what each item meets, in order."""
    tries: Tries | None = None
    """For a call that is tried more than once, beside an `approval`: the answer to each try, in order."""
    approval: GivenDecision | None = None
    """For a step that asks a person: the decision, or `nobody`."""
    event: GivenEvent | None = None
    """For a step that waits for an event or a callback: what comes."""


ItemForm = Annotated[
    Annotated[Answer, Tag("<answer>")] | Annotated[Tries, Tag("<tries>")], Discriminator(_form)
]
GivenForm = Annotated[
    Annotated[Given, Tag("<answer>")] | Annotated[Tries, Tag("<tries>")], Discriminator(_form)
]
"""One answer to every try, or a list with the answer to each."""

StepEnd = Literal["succeeded", "failed", "skipped", "waiting", "not_reached"]


class ExpectedStep(Model):
    """How a step ends."""

    state: StepEnd | None = None
    """Where it stands at the end."""
    because: Literal["if", "on_error", "nobody_decided"] | None = None
    """Why it was skipped: its `if` did not hold, a failure led past it, or nobody decided in time."""
    error: Code | None = None
    """The code of its failure."""
    tries: Integer | None = Field(default=None, ge=0)
    """How often it was tried, the first time included."""


StepForm = Annotated[
    Annotated[StepEnd, Tag("<word>")] | Annotated[ExpectedStep, Tag("<mapping>")],
    Discriminator(lambda value: "<word>" if isinstance(value, str) else "<mapping>"),
]


class ExpectedCall(Model):
    """A call of a tool."""

    step: Identifier | None = None
    """The step that makes it."""
    uses: ShortText | None = None
    """The tool, as `server.tool`."""
    with_: JsonObject | None = Field(default=None, alias="with")
    """All of its arguments, with templates filled in and secrets masked."""
    including: JsonObject | None = None
    """Some of its arguments; the others may be anything."""


class ExpectedError(Model):
    """Why the run fails."""

    code: Code | None = None
    """Its code."""
    step: Identifier | None = None
    """The step that is to blame."""
    message: Text | None = None
    """A part of what it says."""


ErrorForm = Annotated[
    Annotated[Code, Tag("<word>")] | Annotated[ExpectedError, Tag("<mapping>")],
    Discriminator(lambda value: "<word>" if isinstance(value, str) else "<mapping>"),
]


class Expected(Model):
    """What is expected of the run; what is not named may be anything."""

    state: Literal["succeeded", "failed", "waiting"] | None = None
    """How the run ends; `waiting` where it waits for what the test does not give."""
    error: ErrorForm | None = None
    """Why it fails: a code, or more."""
    calls: tuple[ExpectedCall, ...] | None = None
    """Every call of a tool, tries that failed included; tools that only compute or wait do not count."""
    any_order: Flag = False
    """Whether the calls may come in any order."""
    steps: dict[Identifier, StepForm] | None = None
    """How steps end."""
    results: dict[str, Any] | None = None
    """Values by what templates write behind `steps.`: a result's name, a path into it, or any JMESPath over results."""


class Test(Model):
    """One run, played without a database: what it is given, and what is expected of it."""

    api_version: Literal["ordinaut/v1"] = Field(alias="apiVersion")
    """The version of the spec language."""
    kind: Literal["Test"]
    """Always `Test`."""
    name: Name
    """The name, unique among tests."""
    namespace: Name = "default"
    """Where the names of task and Pipeline are looked up first."""
    description: Text | None = None
    """What it shows, in words."""
    task: QualifiedName | None = None
    """The task that runs; a test names a task or a Pipeline."""
    pipeline: QualifiedName | None = None
    """The Pipeline that runs."""
    environment: ShortText | None = None
    """The environment of the Project that it runs in; that of the command when left out."""
    now: Instant = Field(examples=["2026-01-05T08:30:00+02:00"])
    """The instant at which the run begins."""
    occurrence_for: Instant | None = None
    """The nominal instant that it stands for; `now` when left out."""
    run_id: UUID | None = None
    """The id of the run, from which idempotency keys follow; made up of the name when left out."""
    trigger: Trigger | None = None
    """What calls for the run; `event` where one is given, else `manual`."""
    event: JsonObject | None = None
    """The event that calls for the run."""
    params: JsonObject = Field(default_factory=dict)
    """Parameters: of a task, those that differ from its own."""
    given: dict[Identifier, GivenForm] = Field(default_factory=dict)
    """What steps meet, by their ids; built-in tools that only compute need nothing."""
    expect: Expected
    """What is expected."""
