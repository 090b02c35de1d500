"""Events that go out again because somebody asks for it: the same ones, with their ids and sequences, in order.

They take the way of every event, through the outbox, and are before all others in it: a relay publishes them once it can.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from uuid import UUID

from runtime.actor import Actor
from runtime.errors import OrdinautError
from runtime.store.replaying import Queued, Wanted, count_events, look_at_log, replay_events
from runtime.store.rows import Connection
from schemas.durations import parse_duration
from schemas.event import types_like
from schemas.replay import ReplayReport

_MOMENT: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)
_DAY_LENGTH: Final = len("2026-12-31")
_SEQUENCE_DIGITS: Final = 19


class BadBound(OrdinautError):
    """Where a replay begins or ends cannot be read."""

    default_code = "ORD007"


class ReplayRefused(OrdinautError):
    """No event fits, or too many do."""

    default_code = "ORD330"


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants published again.

    Attributes:
        since: a sequence, a date or time in ISO 8601 (UTC where it has no offset), or a span such as `2h` before now; inclusive.
        until: likewise, inclusive; a date is the whole day. None for all there is.
        patterns: globs of types; all where there is none.
        run_id: of one run alone.
        most: refuse if there are more.
        dry_run: only count.
        actor: who asks.
    """

    since: str | None
    until: str | None
    patterns: Sequence[str]
    run_id: UUID | None
    most: int
    dry_run: bool
    actor: Actor


def replay(connection: Connection, asked: Asked) -> tuple[ReplayReport, Queued]:
    """Put events of the log into the outbox again, all of them or none.

    Args:
        connection: the database, in autocommit mode.
        asked: which ones.

    Returns:
        What they are, and where in the outbox they stand.

    Raises:
        BadBound: ORD007.
        ReplayRefused: ORD330, there are none, or more than `most`.
    """
    log = look_at_log(connection)
    wanted = _wanted(asked, log.now)
    found = count_events(connection, wanted)
    if (
        not found.events
        or found.first_at is None
        or found.last_at is None
        or log.oldest_at is None
    ):
        kept = (
            f"the oldest that is kept is of {log.oldest_at:%Y-%m-%d %H:%M}Z"
            if log.oldest_at
            else "none is kept"
        )
        raise ReplayRefused(
            "there are no such events that were published",
            hint=f"{kept}; those that wait to be published go out by themselves",
        )
    if found.events > asked.most and not asked.dry_run:
        raise ReplayRefused(
            f"{found.events:,} events would go out again, and the stream holds about {asked.most:,}",
            hint=f"narrow them down, or let them through with --most {found.events}",
        )
    if not asked.dry_run:
        found = replay_events(connection, wanted, asked.actor)
    report = ReplayReport(
        dry_run=asked.dry_run,
        events=found.events,
        published=0,
        first_at=found.first_at,
        last_at=found.last_at,
        first_sequence=found.first_sequence,
        last_sequence=found.last_sequence,
        kept_since=log.oldest_at,
        has_relay=log.has_relay,
    )
    return report, found


def _wanted(asked: Asked, now: datetime) -> Wanted:
    types = types_like(asked.patterns)
    if asked.patterns and not types:
        raise BadBound(
            f"no type of event is like {', '.join(asked.patterns)}",
            hint="docs/events.md lists them: run.failed, step.*, …",
        )
    since, until = (
        _bound(asked.since, now, ends_day=False),
        _bound(asked.until, now, ends_day=True),
    )
    return Wanted(
        from_at=since if isinstance(since, datetime) else None,
        to_at=until if isinstance(until, datetime) else None,
        from_sequence=since if isinstance(since, int) else None,
        to_sequence=until if isinstance(until, int) else None,
        types=list(types) if asked.patterns else None,
        run_id=asked.run_id,
    )


def _bound(text: str | None, now: datetime, *, ends_day: bool) -> datetime | int | None:
    if text is None:
        return None
    if text.isdecimal() and len(text) <= _SEQUENCE_DIGITS:
        return int(text)
    try:
        return now - parse_duration(text)
    except ValueError:
        pass
    try:
        if len(text) == _DAY_LENGTH:
            first = datetime.combine(date.fromisoformat(text), time(), now.tzinfo)
            return first + _DAY - _MOMENT if ends_day else first
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise BadBound(
            f"{text!r} is no sequence, no time and no span",
            hint="write 4711, 2026-03-28, 2026-03-28T08:30 (UTC), 2026-03-28T08:30+02:00, or 2h for two hours ago",
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)
