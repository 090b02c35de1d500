"""What `ordinaut calls --json` prints: a record for each call, for whoever keeps accounts."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime

from schemas.base import Model
from schemas.event import Trigger
from schemas.spend import Money


class TryUsage(Model):
    """What one try of a call used up."""

    attempt: int
    """Which try, from 1."""
    model: str | None
    """The model that answered, as its provider calls it; null where nobody told."""
    input_tokens: int
    """Tokens in, those of caches included."""
    output_tokens: int
    """Tokens out, reasoning included."""
    cache_read_tokens: int
    """How many of those in were read from a cache."""
    cache_written_tokens: int
    """How many of those in were written to one."""
    reasoning_tokens: int
    """How many of those out were never shown."""
    cost: Money | None
    """What it cost, exactly; null where nobody knows."""
    currency: str | None
    """Of the cost, as in ISO 4217."""
    is_local: bool
    """Whether the cost was worked out from the price table."""


class CallRecord(Model):
    """One call of a step, with all of its tries; of `foreach`, one item's. Run, step and item tell it from all others."""

    run_id: UUID
    """The run that made it."""
    step: str
    """The step; `(poll)` for a poll of a condition."""
    item: int
    """Which item of a `foreach`, from 0; 0 without one."""
    task: str
    """The task, as `namespace/name` outside the default namespace."""
    labels: dict[str, str]
    """The task's labels, as they were then."""
    agent: str | None
    """On whose behalf it was made."""
    trigger: Trigger
    """What called for the run."""
    params: dict[str, Any]
    """What parameters the run alone has."""
    occurrence_for: AwareDatetime
    """The nominal instant of the run."""
    revision: int
    """The revision that the run is pinned to."""
    tool: str
    """The tool."""
    outcome: str | None
    """How the last try ended; null where that is not on record, as of a poll."""
    attempts: int
    """How many tries it had."""
    is_reused: bool
    """Whether an earlier answer was taken, and no call made."""
    input_digest: str | None
    """Of the arguments, sha256 of what is on record of them: the same for the same arguments."""
    input_bytes: int
    """How long they are as JSON."""
    output_digest: str | None
    """Of the result, likewise; null where there is none."""
    output_bytes: int
    """How long it is as JSON."""
    input: Any = None
    """The arguments, without secrets; only where they are asked for."""
    started_at: AwareDatetime | None
    """When the last try began; null where only its usage is on record."""
    finished_at: AwareDatetime
    """When the last try was over."""
    usage: tuple[TryUsage, ...]
    """What its tries used up, each that told of it."""


class CallList(Model):
    """Calls, in the order in which they were over. Fields are only ever added within a format."""

    format: Literal["ordinaut.dev/calls/v1"] = "ordinaut.dev/calls/v1"
    """This format."""
    since: AwareDatetime
    """From when on."""
    until: AwareDatetime
    """The database's clock when the list was made."""
    calls: tuple[CallRecord, ...]
    """The calls."""
    next: str | None
    """Where the rest begins, for `--after`; null where there is none."""
