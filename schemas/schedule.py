"""When a task runs: one model a trigger kind, told apart by the key that names the kind."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PlainSerializer,
    StringConstraints,
    Tag,
    WithJsonSchema,
    model_validator,
)

from schemas import patterns
from schemas.base import (
    Condition,
    Duration,
    Integer,
    JsonObject,
    Model,
    PositiveDuration,
    QualifiedName,
    Text,
    TimeZone,
    Tool,
    as_list,
)

DstGap = Literal["shift", "skip"]
DstFold = Literal["first", "second", "both"]


def _as_local(value: object) -> dt.datetime:
    """A wall time: a date or a date with a time, never with an offset."""
    if isinstance(value, dt.datetime):
        local = value
    elif isinstance(value, dt.date):
        local = dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001 - wall time on purpose
    elif isinstance(value, str):
        local = _parse_iso(value)
    else:
        raise ValueError("write a local date and time such as 2026-01-05T08:30")
    if local.tzinfo is not None:
        raise ValueError("this is wall time in `timezone`: leave out the offset")
    return local


def _as_instant(value: object) -> dt.datetime:
    """A date and time; with an offset it is an instant, without one it is wall time."""
    if isinstance(value, str):
        value = _parse_iso(value)
    if not isinstance(value, dt.datetime):
        raise ValueError("write a date and time such as 2026-01-05T08:30 or 2026-01-05T06:30Z")
    return value if value.tzinfo is None else value.astimezone(dt.UTC)


def _as_day_or_instant(value: object) -> dt.date:
    """A whole day, or a date and time."""
    if isinstance(value, str):
        with suppress(ValueError):
            return dt.date.fromisoformat(value)
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    return _as_instant(value)


def _parse_iso(text: str) -> dt.datetime:
    begins, period, _ = text.partition("/")
    if period:
        raise ValueError(
            f"this is a period, and runs have none: write only when it begins: {begins}"
        )
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("write a date and time as ISO 8601, such as 2026-01-05T08:30") from None


def _iso(value: dt.date) -> str:
    return value.isoformat().replace("+00:00", "Z")


_LOCAL_JSON_SCHEMA = {"type": "string", "examples": ["2026-01-05T08:30"]}
LocalTime = Annotated[
    dt.datetime,
    BeforeValidator(_as_local),
    PlainSerializer(_iso, return_type=str),
    WithJsonSchema(_LOCAL_JSON_SCHEMA),
]
"""Wall time in the schedule's zone."""

Moment = Annotated[
    dt.datetime,
    BeforeValidator(_as_instant),
    PlainSerializer(_iso, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["2026-01-05T08:30", "2026-01-05T06:30:00Z"]}),
]
"""A date and time: an instant with an offset, wall time without one."""

DayOrMoment = Annotated[
    dt.datetime | dt.date,
    BeforeValidator(_as_day_or_instant),
    PlainSerializer(_iso, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["2026-12-31", "2026-12-31T18:00"]}),
]
"""A whole day of wall time, or a moment."""


class TimeBound(Model):
    """What every time-driven kind shares."""

    until: DayOrMoment | None = None
    """The last day, or the last moment, at which it may fire."""
    count: Integer | None = Field(default=None, ge=1, le=1_000_000)
    """Fire this many times, counted from `start`."""
    exclude: tuple[QualifiedName, ...] = ()
    """Calendars in which nothing fires."""
    include: tuple[QualifiedName, ...] = ()
    """Calendars outside of which nothing fires."""
    on_excluded: Literal["skip", "next_included", "previous_included"] = "skip"
    """What becomes of an excluded occurrence: record it as skipped, or move it to the same time of the nearest day that is not excluded."""
    jitter: Duration = dt.timedelta(0)
    """Spread the due time by up to this much; the same occurrence always gets the same offset."""


class RRuleSchedule(TimeBound):
    """A recurrence rule of RFC 5545, read as wall time in `timezone`."""

    rrule: Annotated[
        tuple[Text, ...],
        BeforeValidator(as_list, json_schema_input_type=Text | tuple[Text, ...]),
    ] = Field(
        min_length=1,
        max_length=100,
        examples=["FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=8;BYMINUTE=30"],
    )
    """The rule, or several that are united."""
    timezone: TimeZone
    """The zone in which the rule is read."""
    start: LocalTime | None = None
    """DTSTART, in local time; a date alone is its midnight. Without it the rule counts from 1 January 2000, 00:00; rules with INTERVAL or COUNT need it."""
    rdate: Annotated[
        tuple[Moment, ...],
        BeforeValidator(as_list, json_schema_input_type=Moment | tuple[Moment, ...]),
    ] = ()
    """Extra occurrences; a date alone is its midnight."""
    exdate: Annotated[
        tuple[DayOrMoment, ...],
        BeforeValidator(as_list, json_schema_input_type=DayOrMoment | tuple[DayOrMoment, ...]),
    ] = ()
    """Occurrences to leave out, one by one or by the day."""
    dst_gap: DstGap = "shift"
    """A time that does not exist: shift it as RFC 5545 does, or skip it."""
    dst_fold: DstFold = "first"
    """A time that happens twice: run at the first, the second, or both."""


class CronSchedule(TimeBound):
    """A cron expression with the semantics of Vixie cron, as Debian ships it."""

    cron: Text = Field(examples=["30 8 * * 1-5", "@daily"])
    """Five or six fields, or an @-word."""
    timezone: TimeZone
    """The zone in which the fields are read."""
    start: LocalTime | None = None
    """Nothing fires before this local time."""
    dst_gap: DstGap | None = None
    """Overrides what cron does with a time that does not exist."""
    dst_fold: DstFold | None = None
    """Overrides what cron does with a time that happens twice."""


class EverySchedule(TimeBound):
    """A fixed span of elapsed time, whatever the clocks do."""

    every: PositiveDuration
    """The span between two occurrences."""
    start: Moment | None = None
    """The first occurrence. Without it, spans count from 1 January 2000 UTC, so they fall on round times."""
    timezone: TimeZone | None = None
    """Needed only when `start` is wall time."""


class AtSchedule(Model):
    """One moment, or a list of them."""

    at: Annotated[
        tuple[Moment, ...],
        BeforeValidator(as_list, json_schema_input_type=Moment | tuple[Moment, ...]),
    ] = Field(min_length=1, max_length=1000)
    """When to run."""
    timezone: TimeZone | None = None
    """Needed when `at` is wall time; a time that does not exist is shifted, one that happens twice is the first."""
    jitter: Duration = dt.timedelta(0)
    """Spread the due time by up to this much."""


class EventBatch(Model):
    """How many events one run gets."""

    max: Integer = Field(default=100, ge=1, le=1000)
    """The run begins when so many have come."""
    within: PositiveDuration
    """Or so long after the first of them, with those that have come by then."""


class EventSchedule(Model):
    """A run for every matching event."""

    event: Annotated[str, StringConstraints(pattern=patterns.TOPIC_GLOB)] = Field(
        examples=["orders.created", "orders.*", "ordinaut.run.failed"]
    )
    """The topic to listen to; `*` stands for anything. Ordinaut's own events have topics that begin with `ordinaut.`, and only a topic that is written so matches them."""
    filter: Condition | None = Field(default=None, examples=["data.total > `100`"])
    """Only events for which this holds; it sees `id`, `source`, `topic`, `time` and `data`."""
    debounce: PositiveDuration | None = None
    """Wait until no matching event has come for so long, then run once, with the last one."""
    batch: EventBatch | None = None
    """One run for several events."""

    @model_validator(mode="after")
    def _has_one_window(self) -> EventSchedule:
        if self.debounce is not None and self.batch is not None:
            raise ValueError("`debounce` runs for the last event and `batch` for all: take one")
        return self


_OFTENEST = dt.timedelta(seconds=1)


def _not_too_often(every: dt.timedelta) -> dt.timedelta:
    if every < _OFTENEST:
        raise ValueError("a tool is asked at most once a second")
    return every


class Poll(Model):
    """The tool that a condition asks."""

    uses: Tool
    """The tool, as `server.tool`."""
    with_: JsonObject = Field(default_factory=dict, alias="with")
    """Its arguments."""
    every: Annotated[PositiveDuration, AfterValidator(_not_too_often)]
    """How often to ask: at round times, at most once a second."""
    when: Condition = Field(examples=["result.temperature > `30`"])
    """Fires when this becomes true; `result` is the tool's answer."""
    edge: Literal["rising", "level"] = "rising"
    """Fire when the condition becomes true, or each time it is found true."""
    rearm: Condition | None = Field(default=None, examples=["result.temperature < `25`"])
    """After it fired, this must have become true before it may fire again; by default, that `when` is no longer true."""
    for_: PositiveDuration | None = Field(default=None, alias="for")
    """Fire only when the condition has been found true for this long."""

    @model_validator(mode="after")
    def _rearms_only_an_edge(self) -> Poll:
        if self.edge == "level" and self.rearm is not None:
            raise ValueError("`rearm` goes with `edge: rising`; with `level` every poll may fire")
        return self


class ConditionSchedule(Model):
    """A tool polled on a schedule; a run when its answer comes to meet a condition."""

    condition: Poll
    """What to ask, how often, and what answer fires."""
    exclude: tuple[QualifiedName, ...] | None = None
    """Calendars in which nobody asks; what would be asked then is asked at the first moment after."""
    include: tuple[QualifiedName, ...] | None = None
    """Calendars outside of which nobody asks."""


class ManualSchedule(Model):
    """Runs only when somebody asks."""

    manual: Literal[True]
    """Always `true`."""


_KINDS = ("rrule", "cron", "every", "at", "event", "condition", "manual")


def _names_one_kind(value: Any) -> Any:
    if isinstance(value, Model):
        return value
    if not isinstance(value, dict):
        raise ValueError("a schedule is a mapping such as {cron: '0 8 * * *', timezone: UTC}")
    present = [kind for kind in _KINDS if kind in value]
    if len(present) != 1:
        found = " and ".join(present) if present else "none"
        raise ValueError(f"a schedule names exactly one of {', '.join(_KINDS)}; found {found}")
    return value


def _kind_of(value: Any) -> str:
    """The tag of a schedule: the one key of it that names a kind. Tags carry angle brackets so that no field equals one."""
    keys = type(value).model_fields if isinstance(value, Model) else value
    return next(f"<{kind}>" for kind in _KINDS if kind in keys)


Schedule = Annotated[
    Annotated[RRuleSchedule, Tag("<rrule>")]
    | Annotated[CronSchedule, Tag("<cron>")]
    | Annotated[EverySchedule, Tag("<every>")]
    | Annotated[AtSchedule, Tag("<at>")]
    | Annotated[EventSchedule, Tag("<event>")]
    | Annotated[ConditionSchedule, Tag("<condition>")]
    | Annotated[ManualSchedule, Tag("<manual>")],
    Discriminator(_kind_of),
    BeforeValidator(_names_one_kind),
]
"""One trigger of a task."""
