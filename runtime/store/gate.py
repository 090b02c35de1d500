"""Slots of concurrency keys, and the runs that wait for one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from runtime.store.due_work import Written, written
from runtime.store.pool import Pool, borrow, fetch_all
from runtime.store.statements import statement

_LOCK_ID: Final = 0x6F726467


@dataclass(frozen=True, slots=True)
class Gated:
    """A run that needs a slot, and what its key is made of."""

    run_id: UUID
    task_uid: int
    revision_id: int
    occurrence_for: datetime
    params: Mapping[str, Any] | None
    event: Mapping[str, Any] | None


async def list_unnamed_runs(pool: Pool, limit: int) -> list[Gated]:
    """Runs whose key nobody has worked out, those that are ready first."""
    return [
        Gated(**row)
        for row in await fetch_all(pool, statement("list_unnamed_runs"), {"limit": limit})
    ]


async def name_slot_keys(pool: Pool, keys: Mapping[UUID, str]) -> None:
    """Say which key each of these runs needs a slot of."""
    named = {"run_ids": list(keys), "slot_keys": list(keys.values())}
    await fetch_all(pool, statement("name_slot_keys"), named)


async def pass_late_runs(pool: Pool) -> int:
    """Let the runs through that are past their start deadline, and do not begin; how many."""
    return len(await fetch_all(pool, statement("pass_late_runs"), {}))


async def fail_gated_run(pool: Pool, run_id: UUID, error: Mapping[str, Any]) -> Written:
    """End a run whose key cannot be made."""
    failed = {"run_id": run_id, "error": Jsonb(error)}
    ended = written(await fetch_all(pool, statement("fail_gated_run"), failed))
    return replace(ended, rouses=True)


async def list_gate_keys(pool: Pool) -> list[tuple[str, int, int]]:
    """The keys that are waited for, each with the task and revision whose limit counts."""
    rows = await fetch_all(pool, statement("list_gate_keys"), {})
    return [(row["slot_key"], row["task_uid"], row["revision_id"]) for row in rows]


async def give_slots(pool: Pool, limits: Mapping[str, int]) -> int:
    """Give the free slots of these keys to runs that wait for them; to how many. With none, forget slots of ended runs."""
    async with borrow(pool) as connection, connection.transaction():
        await connection.execute(statement("lock_gate"), {"lock_id": _LOCK_ID})
        if not limits:
            await connection.execute(statement("clear_slots"), {})
            return 0
        asked = {"slot_keys": list(limits), "limits": list(limits.values())}
        cursor = await connection.execute(statement("take_slots"), asked)
        return len(await cursor.fetchall())
