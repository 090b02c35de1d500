"""What every spec document shares: strict models, names, spans of time, and identity."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    Strict,
    StringConstraints,
    WithJsonSchema,
)

from schemas import patterns
from schemas.docstrings import describe_fields
from schemas.durations import format_duration, parse_duration

API_VERSION = "ordinaut/v1"

Name = Annotated[
    str,
    StringConstraints(pattern=patterns.NAME),
    Field(examples=["weekday-morning-briefing"]),
]
"""Lower-case letters, digits and inner hyphens, at most 63: usable in a URL, a label and a file name."""

QualifiedName = Annotated[
    str,
    StringConstraints(pattern=patterns.QUALIFIED_NAME),
]
"""A name, or `namespace/name`; without a namespace it means the document's own."""

Identifier = Annotated[str, StringConstraints(pattern=patterns.IDENTIFIER)]
"""A name that templates use: letters, digits, underscores, so that JMESPath needs no quotes."""

Tool = Annotated[
    str,
    StringConstraints(pattern=patterns.TOOL, max_length=256),
    Field(examples=["google-calendar.list_events", "llm.plan"]),
]
"""A tool's address: its server, a dot, its name. `namespace/server.tool` reaches another namespace."""

TimeZone = Annotated[str, Field(min_length=1, max_length=64, examples=["Europe/Chisinau", "UTC"])]
"""A name of the IANA time zone database."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=256)]

Integer = Annotated[int, Strict()]
"""A whole number, written as one: neither `"5"` nor `5.0` nor `true`."""

Number = Annotated[float, Strict()]
"""A number, written as one."""

Flag = Annotated[bool, Strict()]
"""`true` or `false`; YAML 1.2 knows no `yes` and `on`."""

Condition = Annotated[
    str,
    StringConstraints(min_length=1, max_length=4096),
    Field(examples=["length(steps.summary.text) > `0`"]),
]
"""A bare JMESPath expression; true as JMESPath reads it. Numbers need backticks."""


def _as_duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, int) and not isinstance(value, bool):
        # The same words as for a number in quotes.
        return parse_duration(str(value))
    raise ValueError("write a span of time with its unit, such as 30s, 10m, 12h or 7d")


Duration = Annotated[
    timedelta,
    BeforeValidator(_as_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": patterns.DURATION,
            "examples": ["30s", "10m", "1h30m", "7d"],
        }
    ),
]
"""A span of time with its unit. Equal spans are equal however they were written."""


def as_list(value: Any) -> Any:
    """One value as a list of one, so that both ways of writing it mean, and hash to, the same."""
    return value if isinstance(value, list | tuple) else [value]


def word_or_mapping(value: Any) -> str:
    """The tag of a field that takes a word or a mapping."""
    return "<mapping>" if isinstance(value, dict | BaseModel) else "<word>"


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than zero")
    return value


PositiveDuration = Annotated[
    Duration, BeforeValidator(lambda value: _positive(_as_duration(value)))
]


class Model(BaseModel):
    """A strict, immutable piece of a document: unknown fields are errors."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        json_schema_extra=describe_fields,
        # A command uses few of the models: each is built when it is first used.
        defer_build=True,
        hide_input_in_errors=True,
    )


class Document(Model):
    """The head of every document. Identity is `kind` with `namespace/name`, never the file's path."""

    api_version: Literal["ordinaut/v1"] = Field(alias="apiVersion")
    """The version of the spec language."""
    kind: str
    """What the document describes."""
    name: Name
    """The name, unique within its kind and namespace."""
    namespace: Name = "default"
    """The namespace; `default` when left out."""
    labels: dict[ShortText, ShortText] = Field(default_factory=dict)
    """Free labels, for selecting and grouping."""
    owner: ShortText | None = None
    """Who answers for this document: a team or a person."""
    description: Text | None = None
    """What it is for, in words."""
    renamed_from: QualifiedName | None = None
    """The former name; keeps history, queue and overrides across a rename."""
    protect: Flag = False
    """Refuse to retire this document; taking the protection away needs an apply of its own."""


JsonObject = dict[str, Any]
"""A JSON object whose values are templates or any JSON."""
