"""Follows the event log: every event once, soon after it is committed, by whoever keeps a `LogReader`.

    reader = LogReader.from_now(connection, clock)     # or LogReader(position, clock) to go on where an earlier one was
    while True:
        for event in reader.read(connection):   # at most about `limit`; an empty list costs one tiny statement
            ...
        if not reader.is_behind:
            sleep(1)

What it promises
    Each committed event is given out once by a reader, whatever order transactions commit in, if it is committed within
    `gaps.PATIENCE_SECONDS` of its number being drawn. Events come in the order in which they occurred, but for those that were
    committed late, which follow as soon as they are seen; those of one run are committed one after another, so they keep their
    order. A reader is a value in memory: it holds no lock and no transaction between reads, writes nothing, and any number of
    them may follow. It needs no Redis. `position` is all that is needed to go on elsewhere; retention bounds how old it may be.

What it costs
    With no news one read of a sequence. Else a walk along the primary key from two seconds before the newest event that was
    seen, and for gaps a look at the span in which they can lie, seldom and bounded (`runtime.core.gaps`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from runtime.clock import Clock
from runtime.core.gaps import LAG, PATIENCE_SECONDS, Gaps
from runtime.store.rows import Connection, fetch_rows

_LIMIT: Final = 1_000
# Numbers that an earlier process missed may be as much older than what it saw last.
_LEFT_BEHIND: Final = timedelta(seconds=PATIENCE_SECONDS)


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event as the log has it.

    Attributes:
        sequence: its number.
        event_id: its id on the stream.
        type: without the prefix `ordinaut.`.
        subject: what it happened to.
        run_id: its run, if it has one.
        occurred_at: when it happened, by the database's clock.
        data: the facts; `schemas.event.EVENTS` describes them by type.
    """

    sequence: int
    event_id: UUID
    type: str
    subject: str
    run_id: UUID | None
    occurred_at: datetime
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a reader is.

    Attributes:
        top: the highest number that it has dealt with.
        at: when the newest event that it has seen occurred.
        missing: lower numbers that it has not seen, and looks for.
    """

    top: int
    at: datetime
    missing: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Walk:
    """A way through what is new, a page at a time.

    Attributes:
        after: only higher numbers.
        since: where the next page begins, with the number of the event before it.
        top: the highest number that had been drawn when it began, which was `until`.
    """

    after: int
    since: datetime
    past: int
    top: int
    until: datetime


class LogReader:
    """One follower of the log. Not for several threads at once.

    Args:
        position: from where on.
        clock: for how long gaps are looked for.
        limit: how many events a read gives, beside those that were committed late.
    """

    def __init__(self, position: Position, clock: Clock, *, limit: int = _LIMIT) -> None:
        self._gaps = Gaps(position.top)
        self._left = position
        self._newest_at = position.at
        self._clock = clock
        self._limit = limit
        self._walk: _Walk | None = None

    @classmethod
    def from_now(cls, connection: Connection, clock: Clock, *, limit: int = _LIMIT) -> LogReader:
        """A reader of what is drawn from this moment on."""
        [head] = fetch_rows(connection, "read_log_head")
        return cls(Position(head["top"], head["now"]), clock, limit=limit)

    @property
    def position(self) -> Position:
        """Where the reader is: another one may go on from there."""
        missing = self._gaps.missing or self._left.missing
        return Position(self._gaps.top, self._newest_at, missing)

    @property
    def given_up(self) -> int:
        """How many numbers were looked for in vain: what drew them was rolled back."""
        return self._gaps.given_up

    @property
    def is_behind(self) -> bool:
        """Whether the last read gave only part of what was there."""
        return self._walk is not None

    def read(self, connection: Connection) -> list[LoggedEvent]:
        """What is new, as far as one read goes; read again at once while the reader `is_behind`.

        Raises:
            psycopg.Error: the database is away; the next read gives what this one could not.
        """
        walk = self._walk or self._set_out(connection)
        # Nothing counts as seen until all is here: a connection that breaks in between loses nothing.
        found = [
            (look, _events(connection, "find_in_log", **asdict(look)))
            for look in self._gaps.looks(self._clock.monotonic())
        ]
        page = self._page(connection, walk) if walk else []
        late = [
            event
            for look, read in found
            for event in self._take(read, 0, since=look.since, until=look.until)
        ]
        self._gaps.give_up(self._clock.monotonic())
        return [*late, *(self._go_on(walk, page) if walk else ())]

    def _set_out(self, connection: Connection) -> _Walk | None:
        """A walk through what is new; none if nothing is."""
        [head] = fetch_rows(connection, "read_log_head")
        top, now = head["top"], head["now"]
        if top < self._gaps.top:
            # An older state of the database was restored: its numbers are given out again.
            self._gaps, self._newest_at = Gaps(top), now
        if self._left.missing:
            since = self._left.at - _LEFT_BEHIND
            self._gaps.miss(
                self._left.missing, since=since, until=now, now=self._clock.monotonic()
            )
            self._left = Position(top, now)
        if top == self._gaps.top:
            return None
        # A clock that was set back gives events that are older than those before them.
        return _Walk(self._gaps.top, min(self._newest_at, now) - LAG, 0, top, now)

    def _page(self, connection: Connection, walk: _Walk) -> list[LoggedEvent]:
        place = {"after": walk.after, "since": walk.since, "past": walk.past}
        return _events(connection, "follow_log", **place, limit=self._limit)

    def _go_on(self, walk: _Walk, read: list[LoggedEvent]) -> list[LoggedEvent]:
        is_over = len(read) < self._limit
        since = read[0].occurred_at if read else walk.since
        until = walk.until if is_over else read[-1].occurred_at
        fresh = self._take(read, walk.top if is_over else 0, since=since, until=until)
        self._walk = None if is_over else replace(walk, since=until, past=read[-1].sequence)
        return fresh

    def _take(
        self, read: list[LoggedEvent], top: int, *, since: datetime, until: datetime
    ) -> list[LoggedEvent]:
        numbers = [event.sequence for event in read]
        now = self._clock.monotonic()
        fresh = self._gaps.take(numbers, top, since=since, until=until, now=now)
        self._newest_at = max((self._newest_at, *(event.occurred_at for event in read)))
        return [event for event in read if event.sequence in fresh]


def _events(connection: Connection, name: str, **params: Any) -> list[LoggedEvent]:
    return [LoggedEvent(**row) for row in fetch_rows(connection, name, **params)]
