"""Calls that may have happened: which of them people are asked about, and what they say."""

from __future__ import annotations

from typing import Any, Literal

from psycopg.types.json import Jsonb

from runtime.actor import Actor
from runtime.core.program import task_label
from runtime.store.audit import Deed, write_audit
from runtime.store.rows import Connection, fetch_rows
from runtime.store.statements import statement
from schemas.unsettled import Unsettled

Settled = Literal["happened", "try_again", "failed"]

_MOST = 1000


def list_unsettled(connection: Connection) -> list[Unsettled]:
    """What waits for somebody to settle it, oldest first."""
    rows = fetch_rows(connection, "list_unsettled", limit=_MOST)
    return [
        Unsettled(task=task_label(row.pop("namespace"), row.pop("name")), **row) for row in rows
    ]


def settle_call(
    connection: Connection,
    call: Unsettled,
    *,
    settled: Settled,
    result: Any,
    by: Actor,
    reason: str,
) -> bool:
    """Record what became of a call and wake the run; false if somebody else did, or the run is over.

    Args:
        connection: the database, in autocommit mode.
        call: the call.
        settled: what became of it.
        result: what the tool gave, as any JSON value; counts where it happened.
        by: who says so.
        reason: how they know; may be empty.
    """
    params = {
        "run_id": call.run_id,
        "step": call.step,
        "iteration": call.iteration,
        "attempt": call.attempt,
        "answer": Jsonb({"settled": settled, "result": result, "by": by.name, "reason": reason}),
    }
    with connection.transaction():
        is_settled = connection.execute(statement("settle_call"), params).fetchone() is not None
        if is_settled:
            facts = {"task": call.task, "step": call.step, "settled": settled}
            write_audit(connection, by, Deed("step.settle", str(call.run_id), reason, facts))
    if is_settled:
        connection.execute(statement("wake"))
    return is_settled
