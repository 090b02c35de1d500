"""Follows what calls use up: every call once, as soon as what it used is committed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID

from runtime.core.gaps import LONGEST_STATEMENT
from runtime.store.rows import Connection, fetch_rows

_Call: TypeAlias = tuple[UUID, str, int, int]


@dataclass(frozen=True, slots=True)
class CallUsed:
    """What one call used up.

    Attributes:
        agent: on whose behalf; none if on nobody's.
        model: of which language model; may be empty.
        cost: what it cost, in units of `currency`; none where that is not known.
    """

    run_id: UUID
    step: str
    iteration: int
    attempt: int
    agent: str | None
    model: str
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_written_tokens: int
    reasoning_tokens: int
    cost: Decimal | None
    currency: str | None
    used_at: datetime

    @property
    def call(self) -> _Call:
        """Which call."""
        return self.run_id, self.step, self.iteration, self.attempt


class UsageReader:
    """One follower. It reads again what is younger than a statement may last, and tells what it knows already.

    Args:
        since: from when on.
    """

    def __init__(self, since: datetime) -> None:
        self._began = since
        self._newest_at = since
        self._seen: dict[_Call, datetime] = {}

    @classmethod
    def from_now(cls, connection: Connection) -> UsageReader:
        """A reader of what is used from this moment on."""
        [head] = fetch_rows(connection, "read_log_head")
        return cls(head["now"])

    def read(self, connection: Connection) -> list[CallUsed]:
        """What is new.

        Raises:
            psycopg.Error: the database is away; the next read gives what this one could not.
        """
        since = max(self._began, self._newest_at - LONGEST_STATEMENT)
        calls = [CallUsed(**row) for row in fetch_rows(connection, "follow_usage", since=since)]
        fresh = [used for used in calls if used.call not in self._seen]
        self._seen = {used.call: used.used_at for used in calls}
        self._newest_at = max((self._newest_at, *(used.used_at for used in calls)))
        return fresh
