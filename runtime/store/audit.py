"""The audit log: entries are written in the transaction of what they tell of, and read in their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from runtime.actor import Actor
from runtime.core.storable import storable, storable_text
from runtime.store.rows import Connection, fetch_rows
from runtime.store.statements import statement
from schemas.audit import Action, AuditEntry

NEWEST: Final = 2**63 - 1
"""Beyond every entry."""
OLDEST: Final = -(2**63)
"""Before every entry, also those that somebody numbered past the program."""

_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody does.

    Attributes:
        action: what.
        subject: to what.
        reason: why; where empty, the reason that the actor brings.
        details: what else there is to know; no secrets.
    """

    action: Action
    subject: str
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Which entries are wanted.

    Attributes:
        actor: who did it, as `user@host` or `user`.
        action: what was done; `task.*` is any action on tasks.
        subject: to what, or to what of this task.
        since: not before then.
        before: older than this entry.
        limit: at most so many.
    """

    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    since: datetime | None = None
    before: int = NEWEST
    limit: int = 50


def write_audit(connection: Connection, actor: Actor, deed: Deed) -> None:
    """Write an entry; last in the transaction of what it tells of, as everybody else's entry waits for its end."""
    connection.execute(statement("write_audit"), _columns(actor, deed))


async def write_audit_async(connection: AsyncConnection[Any], actor: Actor, deed: Deed) -> None:
    """The same, for a runtime."""
    await connection.execute(statement("write_audit"), _columns(actor, deed))


def list_audit(connection: Connection, sought: Sought) -> tuple[AuditEntry, ...]:
    """The newest entries that are wanted, newest first."""
    rows = fetch_rows(
        connection,
        "list_audit",
        actor=sought.actor,
        action=None if sought.action is None else _like(sought.action),
        subject=sought.subject,
        since=sought.since,
        before=sought.before,
        limit=sought.limit,
    )
    return tuple(AuditEntry.model_validate(row) for row in rows)


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as it is chained: its number, its columns as text, and its hash."""

    entry: int
    columns: list[str | None]
    hash: bytes


def read_audit(connection: Connection, since: int) -> Iterator[Link]:
    """Every entry from this number on, in order, a page at a time; inside a transaction."""
    with connection.cursor("audit", row_factory=class_row(Link)) as cursor:
        cursor.itersize = _AT_ONCE
        yield from cursor.execute(statement("read_audit"), {"since": since})


def read_audit_head(connection: Connection) -> tuple[int, bytes] | None:
    """The number and hash of the entry that was written last; none if somebody deleted them."""
    row = connection.execute(statement("read_audit_head")).fetchone()
    return None if row is None else (row[0], row[1])


def _columns(actor: Actor, deed: Deed) -> dict[str, Any]:
    return {
        "actor": storable_text(actor.name),
        "origin": actor.origin,
        "token": actor.token,
        "address": actor.address,
        "action": deed.action,
        "subject": storable_text(deed.subject),
        "reason": storable_text(deed.reason or actor.reason),
        "details": Jsonb(storable(dict(deed.details))),
    }


def _like(pattern: str) -> str:
    """A pattern with stars as one of LIKE."""
    literal = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return literal.replace("*", "%")
