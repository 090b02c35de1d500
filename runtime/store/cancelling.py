"""Ending a run over the head of whoever executes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from psycopg.rows import class_row

from runtime.actor import Actor
from runtime.store.audit import Deed, write_audit
from runtime.store.backlog import release_turn
from runtime.store.pool import Pool, fetch_all
from runtime.store.rows import Connection
from runtime.store.runtimes import RELATED
from runtime.store.statements import statement

ENDED: Final = "ended"
"""What the hint of `tell_ended` carries."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What became of a run that was to be cancelled.

    Attributes:
        followed: another run of its task waits for its end.
        is_held: somebody was executing it.
        has_slot: it held a slot of a concurrency key.
        is_related: another run waits for it, or it waits for others.
        last: its steps of `finally`: they begin, and it is over after them; they go on, and nothing was done; or there are none
            left, and it is over.
    """

    task_uid: int
    task: str
    followed: bool
    is_held: bool
    has_slot: bool
    is_related: bool
    last: Literal["begins", "goes on", "none"]


def cancel_run(
    connection: Connection, run_id: UUID, *, actor: Actor, detail: str, at_once: bool = False
) -> Cancelled | None:
    """Cancel a run, let the next of its task begin, and have its holder stop; None if there was nothing to cancel.

    Args:
        connection: in autocommit mode.
        run_id: the run.
        actor: who asks.
        detail: why; may be empty.
        at_once: it ends where it is, without steps of `finally`.
    """
    asked = {"run_id": run_id, "actor": actor.name, "detail": detail, "at_once": at_once}
    with connection.transaction(), connection.cursor(row_factory=class_row(Cancelled)) as cursor:
        cancelled = cursor.execute(statement("cancel_run"), asked).fetchone()
        if cancelled is not None and cancelled.last != "goes on":
            facts = {"task": cancelled.task, "at_once": at_once}
            write_audit(connection, actor, Deed("run.cancel", str(run_id), detail, facts))
    if cancelled is None:
        return None
    if cancelled.is_held:
        connection.execute(statement("tell_ended"))
    if cancelled.followed:
        release_turn(connection, cancelled.task_uid)
    if cancelled.followed or cancelled.has_slot or cancelled.last == "begins":
        connection.execute(statement("wake"))
    if cancelled.is_related:
        connection.execute(statement("cry"), {"hint": RELATED})
    return cancelled


async def tell_ended(pool: Pool) -> None:
    """Have whoever executes a run look whether it still holds it; after the commit that ended some."""
    await fetch_all(pool, statement("tell_ended"), {})
