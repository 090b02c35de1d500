"""A run as it is on record, whole: what a test is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class RecordedTry:
    """A call that came to something; the last of its tries has its `input` and `output`.

    Attributes:
        iteration: for which item of `foreach`; negative for all of them.
        attempt: which try, from 1; 0 where no call stands behind it.
        is_last: whether it is the call's result.
    """

    step: str
    iteration: int
    attempt: int
    uses: str
    outcome: str
    input: Any
    output: Any
    error: Mapping[str, Any] | None
    started_at: datetime
    finished_at: datetime
    is_last: bool

    @property
    def seconds(self) -> float:
        """How long it took."""
        return max(0.0, (self.finished_at - self.started_at).total_seconds())


@dataclass(frozen=True, slots=True)
class RecordedWait:
    """What a call waited for; `answer` and `seconds` are None where nothing came."""

    step: str
    iteration: int
    kind: str
    answer: Mapping[str, Any] | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run with everything that it recorded.

    Attributes:
        task: its label.
        body: of its task, as its revision has it.
        tries: in the order in which they began.
        settled: what people said of a call, by step, item and try.
    """

    run_id: UUID
    task: str
    state: str
    trigger: str
    occurrence_for: datetime
    started_at: datetime | None
    error: Mapping[str, Any] | None
    params: Mapping[str, Any] | None
    event: Mapping[str, Any] | None
    revision: int
    environment: str
    body: Mapping[str, Any]
    tries: tuple[RecordedTry, ...]
    waits: tuple[RecordedWait, ...]
    settled: Mapping[tuple[str, int, int], Mapping[str, Any]]
