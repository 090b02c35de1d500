"""What people are asked by runs, and their answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow, dict_row
from psycopg.types.json import Jsonb

from runtime.core.program import task_label
from runtime.store.pool import Pool, fetch_all
from runtime.store.statements import statement
from schemas.asked import Asked

Connection = psycopg.Connection[TupleRow]

_MOST = 1000


def list_asked(connection: Connection) -> list[Asked]:
    """What waits for a person, oldest first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(statement("list_asked"), {"limit": _MOST}).fetchall()
    return [_asked(row) for row in rows]


def answer_wait(
    connection: Connection, asked: Asked, *, approved: bool, by: str, reason: str
) -> bool:
    """Record a person's decision and wake the run; false if it is too late for it."""
    answer = {"approved": approved, "by": by, "reason": reason}
    params = {
        "run_id": asked.run_id,
        "step": asked.step,
        "iteration": asked.iteration,
        "answer": Jsonb(answer),
    }
    answered = connection.execute(statement("answer_wait"), params).fetchone() is not None
    if answered:
        connection.execute(statement("wake"))
    return answered


async def take_woken(pool: Pool, run_ids: Sequence[UUID]) -> list[UUID]:
    """Those of these runs of which something was answered since this was last asked, or they were claimed."""
    rows = await fetch_all(pool, statement("take_woken"), {"run_ids": list(run_ids)})
    return [row["run_id"] for row in rows]


def _asked(row: dict[str, Any]) -> Asked:
    label = task_label(row.pop("namespace"), row.pop("name"))
    return Asked(task=label, **row)
