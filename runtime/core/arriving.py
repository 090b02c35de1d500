"""Which event ends which wait: an event of the topic that came since the run began, in time, and that the filter holds for.

One event ends one wait of a run, the one that began first; so two waits for the same topic take two events. What is
decided here is the same whoever looks: a run for its events, or an event for its runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from runtime.core.expressions import Meter, Query, compile_query, is_true
from runtime.errors import ExpressionError

# Of one filter over one event, in nodes: less than a tenth of a second.
_STEPS: Final = 50_000


@dataclass(frozen=True, slots=True)
class Arrived:
    """An event on record; `event_no` is the order in which they came."""

    event_no: int
    source: str
    id: str
    topic: str
    data: Any
    arrived_at: datetime

    @property
    def value(self) -> dict[str, Any]:
        """What filters ask, and the step that waited gives."""
        return {
            "id": self.id,
            "source": self.source,
            "topic": self.topic,
            "time": self.arrived_at.astimezone(UTC).isoformat(),
            "data": self.data,
        }


@dataclass(frozen=True, slots=True)
class OpenWait:
    """A wait that an event may end.

    Attributes:
        started_at: when its run began; earlier events are none of its business.
        until: when it is over by itself; None if it never is.
    """

    run_id: UUID
    step: str
    iteration: int
    topic: str
    filter: str | None
    started_at: datetime
    until: datetime | None


def ended_by(
    waits: Iterable[OpenWait], events: Sequence[Arrived], used: Iterable[tuple[UUID, str, str]]
) -> list[tuple[OpenWait, Arrived]]:
    """The waits that these events end.

    Args:
        waits: open ones, those of one run in the order in which they began.
        events: in the order in which they came.
        used: run, source and id of events that ended a wait before.
    """
    taken = set(used)
    ended = []
    for wait in waits:
        for event in events:
            key = (wait.run_id, event.source, event.id)
            if key not in taken and _ends(event, wait):
                taken.add(key)
                ended.append((wait, event))
                break
    return ended


def _ends(event: Arrived, wait: OpenWait) -> bool:
    return (
        event.topic == wait.topic
        and event.arrived_at >= wait.started_at
        and (wait.until is None or event.arrived_at <= wait.until)
        and (wait.filter is None or _holds(wait.filter, event))
    )


def holds(text: str, event: Arrived) -> bool:
    """Whether a filter holds.

    Raises:
        ExpressionError: it cannot be evaluated for this event.
    """
    return is_true(_query(text).evaluate(event.value, Meter(_STEPS)))


def _holds(text: str, event: Arrived) -> bool:
    """Whether a filter holds; one that cannot be evaluated does not."""
    try:
        return holds(text, event)
    except ExpressionError:
        return False


@lru_cache(maxsize=1024)
def _query(text: str) -> Query:
    return compile_query(text)
