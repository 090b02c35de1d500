"""Writes what few calls have to say beside their results, in the same transaction: what they used up, and how far runs are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias
from uuid import UUID

import orjson

from runtime.store.pool import Connection
from runtime.store.statements import statement

OfRuns: TypeAlias = Iterable[tuple[UUID, Iterable[Mapping[str, Any]]]]
"""What there is to say of calls, by run."""


async def record_usage(connection: Connection, used: OfRuns, held: Sequence[UUID]) -> None:
    """Write what was used up, of the runs whose lease holds."""
    await _write(connection, "record_usage", used, held)


async def free_budgets(connection: Connection, freed: OfRuns, held: Sequence[UUID]) -> None:
    """Let no budget wait for these calls any more."""
    await _write(connection, "free_budget", freed, held)


async def record_counts(connection: Connection, counted: OfRuns, held: Sequence[UUID]) -> None:
    """Write how far runs are, as those say whose lease holds."""
    await _write(connection, "record_counts", counted, held)


async def _write(connection: Connection, name: str, said: OfRuns, held: Sequence[UUID]) -> None:
    rows = [{"run_id": run_id, **one} for run_id, several in said for one in several]
    if rows:
        params = {"rows": orjson.dumps(rows).decode(), "run_ids": list(held)}
        await connection.execute(statement(name), params)
