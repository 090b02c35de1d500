"""Statements of steps on our own database, in transactions that record their results as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from psycopg.types.json import Jsonb

from runtime.store.due_work import Claim, Report, write_progress
from runtime.store.pool import Connection
from runtime.store.statements import statement

MOST_ROWS: Final = 1000
"""Rows that a statement may give."""


async def run_statement(
    connection: Connection, text: str, parameters: Sequence[Any], *, seconds: float
) -> list[dict[str, Any]]:
    """Run a step's statement in the transaction that is open, without any right to what is ours.

    Args:
        connection: in a transaction.
        text: one statement, with `$1` and so on for its parameters.
        parameters: JSON values; lists and objects arrive as JSON text.
        seconds: how long it may take.

    Raises:
        psycopg.Error: the statement failed, or takes too long, or gives more than `MOST_ROWS`.
    """
    milliseconds = max(1, int(seconds * 1000))
    await connection.execute(statement("limit_statement"), {"milliseconds": milliseconds})
    params = {"statement": text, "parameters": Jsonb(list(parameters)), "most_rows": MOST_ROWS}
    cursor = await connection.execute(statement("run_statement"), params)
    row = await cursor.fetchone()
    await connection.execute(statement("forget_settings"))
    rows: list[dict[str, Any]] = row["rows"] if row else []
    return rows


async def record_with(connection: Connection, report: Report) -> bool:
    """Write a report in the transaction that is open; false if the lease was lost, and then nothing was written."""
    return bool(await write_progress(connection, [report]))


async def keep_lease(connection: Connection, claim: Claim) -> bool:
    """Let nobody else write of the run until the transaction is over; false if the lease was lost."""
    params = {"run_id": claim.run_id, "lease_epoch": claim.lease_epoch}
    cursor = await connection.execute(statement("keep_lease"), params)
    return await cursor.fetchone() is not None


async def find_result(
    connection: Connection, claim: Claim, step: str, iteration: int
) -> list[Any] | None:
    """The recorded result of a call, as a list of one; None if there is none."""
    params = {"run_id": claim.run_id, "step": step, "iteration": iteration}
    cursor = await connection.execute(statement("find_result"), params)
    row = await cursor.fetchone()
    return None if row is None else [row["output"]]
