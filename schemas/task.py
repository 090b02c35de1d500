"""The Task document: what runs, when, and under which policies."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from schemas.base import (
    Document,
    Integer,
    JsonObject,
    Model,
    PositiveDuration,
    QualifiedName,
    Text,
    as_list,
)
from schemas.notify import Notify
from schemas.pipeline import Finally, PipelineForm, Retry
from schemas.schedule import Schedule
from schemas.slo import Slo


class CatchUp(Model):
    """What becomes of occurrences that were missed, for example while the runtime was down."""

    policy: Literal["latest", "all", "skip"] = "latest"
    """Run the latest missed occurrence, all of them, or none; each one that does not run is recorded."""
    window: PositiveDuration = timedelta(hours=24)
    """Occurrences older than this are recorded as skipped."""
    max: Integer = Field(default=100, ge=1, le=10_000)
    """With `all`, run at most so many; the older ones are recorded as skipped."""


class Concurrency(Model):
    """Runs that share a key share its slots, across all tasks."""

    key: Text
    """The key; may be a template over `params` and `event`."""
    limit: Integer = Field(default=1, ge=1, le=1000)
    """How many runs with this key may be active at once, in all runtimes together; more of them wait and have not begun."""


Overlap = Literal["skip", "queue_one", "queue_all", "cancel_running", "allow"]


class Task(Document):
    """A pipeline with a schedule and policies: the unit that is planned, applied and run."""

    kind: Literal["Task"]
    """Always `Task`."""
    agent: QualifiedName | None = None
    """The agent on whose behalf the tools are called."""
    schedule: Annotated[
        tuple[Schedule, ...],
        BeforeValidator(as_list, json_schema_input_type=Schedule | tuple[Schedule, ...]),
    ] = Field(min_length=1, max_length=100)
    """When to run: one schedule or a list of them."""
    catch_up: CatchUp = CatchUp()
    """What becomes of missed occurrences."""
    overlap: Overlap = "skip"
    """What happens when a run is due while another of this task is active."""
    concurrency: Concurrency | None = None
    """Slots shared with other runs."""
    priority: Integer = Field(default=5, ge=1, le=9)
    """Higher goes first; low priorities still get their share."""
    start_deadline: PositiveDuration | None = None
    """A run that nobody has started so long after its due time is recorded as skipped; without it, runs wait for ever."""
    timeout: PositiveDuration = timedelta(hours=1)
    """The longest time a run may take from its first start, waits included; steps of `finally` may take as long again."""
    retry: Retry = Retry()
    """How failed steps are tried again, unless a step says otherwise."""
    pause_after_failures: Integer | None = Field(default=None, ge=1, le=1000)
    """Pause the task after so many failed runs in a row, until somebody resumes it."""
    notify: (
        Annotated[
            tuple[Notify, ...],
            BeforeValidator(as_list, json_schema_input_type=Notify | tuple[Notify, ...]),
            Field(max_length=20),
        ]
        | None
    ) = None
    """Who is told when something happens to it: each entry becomes a task of its own."""
    slo: Slo | None = None
    """What is promised of its runs; `ordinaut slo` tells how that stands."""
    on_retire: Literal["drain", "cancel"] = "drain"
    """What becomes of runs under way when the task is retired: they finish, or are cancelled; queued ones are cancelled in any case."""
    params: JsonObject = Field(default_factory=dict)
    """Values for templates, as `${params.…}`."""
    pipeline: PipelineForm
    """The steps, or a Pipeline document to use."""
    finally_: Finally | None = Field(default=None, alias="finally")
    """Steps that run when those are over, however they ended. A Pipeline document that is used has its own."""
