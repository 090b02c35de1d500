"""Steps, and the Pipeline document: a reusable list of steps with typed parameters."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, StringConstraints, Tag

from schemas import patterns
from schemas.base import (
    Condition,
    Document,
    Flag,
    Identifier,
    Integer,
    JsonObject,
    Model,
    PositiveDuration,
    QualifiedName,
    ShortText,
    Text,
    Tool,
    as_list,
    word_or_mapping,
)
from schemas.genai import UsageName

Effect = Literal["pure", "idempotent", "once", "transactional"]
RetryOn = Literal["not_sent", "tool_error", "contract_error", "rejected", "lost", "timeout"]


class Retry(Model):
    """When and how often a failed step is tried again."""

    attempts: Integer = Field(default=1, ge=1, le=100)
    """Tries in all, the first included."""
    backoff: Literal["exponential", "linear", "fixed"] = "exponential"
    """How the wait grows."""
    initial: PositiveDuration = timedelta(seconds=1)
    """The wait before the second try."""
    max: PositiveDuration = timedelta(seconds=300)
    """The longest wait."""
    jitter: Literal["full", "none"] = "full"
    """`full` draws each wait evenly between zero and its bound."""
    retry_on: tuple[RetryOn, ...] = ("not_sent", "tool_error")
    """The outcome classes that are tried again. `lost` and `timeout` need a step that is pure or idempotent."""


class Idempotency(Model):
    """How the idempotency key, stable over retries, reaches the tool."""

    argument: ShortText | None = None
    """The argument that takes the key."""
    header: Annotated[str, StringConstraints(pattern=patterns.HEADER)] | None = None
    """The HTTP header that takes the key."""
    key: Text | None = None
    """A template that overrides the derived key."""


class Cache(Model):
    """Reuse an earlier result of the same call."""

    ttl: PositiveDuration
    """How long a result may be reused."""
    key: Text | None = None
    """A template that takes the place of the arguments in telling calls apart; of another tool nothing is reused."""


class Callback(Model):
    """The step is over when somebody answers at the address that its call hands out."""

    schema_: JsonObject | None = Field(
        default=None,
        alias="schema",
        examples=[{"type": "object", "required": ["approved"]}],
    )
    """A JSON Schema of the answer; another one is refused, and may be given again."""
    timeout: PositiveDuration | None = None
    """How long to wait once the call has returned; then the step fails. For as long as the run may take when left out."""


class Goto(Model):
    """Continue at another step."""

    goto: Identifier
    """The step to continue at."""


class Verify(Model):
    """Find out with another tool whether a call with an unknown outcome happened."""

    verify: Tool
    """The tool that knows."""
    with_: JsonObject = Field(default_factory=dict, alias="with")
    """Its arguments."""
    when: Condition
    """Holds if the call happened; `result` is the tool's answer."""


OnError = Annotated[
    Annotated[Literal["fail", "continue"], Tag("<word>")] | Annotated[Goto, Tag("<mapping>")],
    Discriminator(word_or_mapping),
]
OnUnknown = Annotated[
    Annotated[Literal["fail", "ask"], Tag("<word>")] | Annotated[Verify, Tag("<mapping>")],
    Discriminator(word_or_mapping),
]
Guard = Annotated[
    Annotated[Flag, Tag("<flag>")] | Annotated[Condition, Tag("<condition>")],
    Discriminator(lambda value: "<flag>" if isinstance(value, bool) else "<condition>"),
]
Conditions = Annotated[
    tuple[Condition, ...],
    Field(min_length=1),
    BeforeValidator(as_list, json_schema_input_type=Condition | tuple[Condition, ...]),
]


UsagePlaces = Annotated[
    dict[UsageName, Condition],
    Field(examples=[{"gen_ai.usage.input_tokens": "result.usage.prompt_tokens"}]),
]
"""Where an answer tells what a call used up."""


class Approval(Model):
    """Wait for a person before the call."""

    by: tuple[ShortText, ...] = Field(min_length=1)
    """Who may decide: persons or teams."""
    timeout: PositiveDuration | None = None
    """How long to wait."""
    on_timeout: Literal["fail", "skip"] = "fail"
    """What becomes of the step when nobody decides."""
    show: Text | None = None
    """What the person is shown, as a template; the rendered arguments when left out."""
    event: Annotated[str, StringConstraints(pattern=patterns.TOPIC)] | None = None
    """A topic whose events decide too: their data name the `run`, the `step`, whether it is `approved`, and `by` whom."""


class Step(Model):
    """One tool call of a pipeline."""

    id: Identifier
    """The step's name, unique in its pipeline."""
    uses: Tool
    """The tool to call, as `server.tool`."""
    with_: JsonObject = Field(default_factory=dict, alias="with")
    """The tool's arguments; every string may be a template."""
    save_as: Identifier | None = None
    """The name under which templates find the result; the step's id when left out."""
    if_: Guard | None = Field(default=None, alias="if")
    """Skip the step unless this holds."""
    needs: tuple[Identifier, ...] | None = None
    """The steps that must come first; the step before it when left out, none when empty."""
    foreach: Text | None = None
    """A template that gives a list: the step runs once for each `${item}`."""
    max_parallel: Integer = Field(default=1, ge=1, le=1000)
    """How many items of `foreach` run at once."""
    timeout: PositiveDuration | None = None
    """The longest time one try may take; 30 s when neither step nor server says otherwise."""
    stall: PositiveDuration | None = None
    """The longest time a try may go on without telling of its progress; one that tells may go on until `timeout`, or the run's."""
    retry: Retry | None = None
    """Overrides the task's retry."""
    effect: Effect = "idempotent"
    """What repeating the call does: nothing (`pure`), nothing more (`idempotent`), harm (`once`), or it commits with us (`transactional`)."""
    idempotency: Idempotency | None = None
    """How the tool receives the idempotency key."""
    cache: Cache | None = None
    """Reuse an earlier result."""
    expect: Conditions | None = None
    """Must hold of `result`, or the step fails."""
    fail_when: Condition | None = None
    """Fails the step although the tool reported success; `result` is the answer."""
    parse: Literal["auto", "json", "text", "python", "lines"] = "auto"
    """How a text answer is read."""
    on_error: OnError = "fail"
    """What becomes of the run when the step has failed for good."""
    on_unknown: OnUnknown = "fail"
    """What to do when a call may or may not have happened."""
    usage: UsagePlaces | None = None
    """Where the answer tells what the call cost, by OpenTelemetry GenAI name; `result` is the answer."""
    approval: Approval | None = None
    """Wait for a person before the call."""
    callback: Callback | None = None
    """Wait after the call for an answer at `${callback.url}`, which gives the step its result. No runtime is kept busy meanwhile."""

    @property
    def result_name(self) -> str:
        """The name under which templates find this step's result."""
        return self.save_as or self.id


Steps = Annotated[tuple[Step, ...], Field(min_length=1, max_length=1000)]
Finally = Annotated[tuple[Step, ...], Field(min_length=1, max_length=100)]


class PipelineUse(Model):
    """A Pipeline document, used with these parameters."""

    use: QualifiedName
    """The pipeline's name."""
    with_: JsonObject = Field(default_factory=dict, alias="with")
    """Values for the pipeline's parameters; templates are allowed."""


def _is_steps_or_use(value: Any) -> Any:
    if isinstance(value, list | tuple | PipelineUse) or (
        isinstance(value, dict) and "use" in value
    ):
        return value
    raise ValueError("a pipeline is a list of steps, or {use: name, with: {...}}")


def _pipeline_form(value: Any) -> str:
    """The tag of a task's pipeline: a list of steps, or the use of a Pipeline document."""
    return "<steps>" if isinstance(value, list | tuple) else "<use>"


PipelineForm = Annotated[
    Annotated[Steps, Tag("<steps>")] | Annotated[PipelineUse, Tag("<use>")],
    Discriminator(_pipeline_form),
    BeforeValidator(_is_steps_or_use),
]
"""A list of steps, or a Pipeline document to use."""


class Pipeline(Document):
    """A reusable list of steps with typed parameters."""

    kind: Literal["Pipeline"]
    """Always `Pipeline`."""
    params: dict[str, Any] = Field(
        default_factory=dict,
        examples=[
            {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
        ],
    )
    """A JSON Schema of the parameters."""
    steps: Steps
    """The steps, in order."""
    finally_: Finally | None = Field(default=None, alias="finally")
    """Steps that run when those are over, however they ended."""
