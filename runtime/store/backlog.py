"""Runs that wait for their turn: letting the next one begin, and finding tasks that nobody looked after.

Whoever ends a run that others wait for, or makes one wait, commits that first and looks afterwards: at the same moment
the two may not see each other, but the one that looks later sees both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg.rows import DictRow, TupleRow, dict_row

from runtime.store.pool import Pool, borrow, fetch_all
from runtime.store.statements import statement

# A look is repeated while what it waits for ends under its eyes. What cannot be marked at all is left to the sweep.
_LOOKS: Final = 5


@dataclass(frozen=True, slots=True)
class Released:
    """What one look at the backlog did: how many runs may begin, and the tasks that somebody else held locked."""

    count: int
    held_up: tuple[int, ...]


async def release_turns(pool: Pool, task_uids: Sequence[int]) -> Released:
    """Let the first waiting run of each task begin, if nothing of the task is active.

    Where something is, its end will be followed by such a look. To be called after the commit of what calls for it.
    """
    released = 0
    async with borrow(pool) as connection, connection.transaction():
        cursor = await connection.execute(
            statement("lock_idle_tasks"), {"task_uids": list(task_uids)}
        )
        idle = [row["uid"] for row in await cursor.fetchall()]
        blocked = idle
        for _ in range(_LOOKS):
            if not blocked:
                break
            cursor = await connection.execute(statement("release_turns"), {"task_uids": blocked})
            found = await cursor.fetchone()
            assert found is not None  # noqa: S101 - counts have a row
            released += found["released"]
            cursor = await connection.execute(
                statement("follow_active"), {"task_uids": found["blocked"]}
            )
            blocked = _unmarked(found["blocked"], await cursor.fetchall())
    return Released(released, tuple(sorted(set(task_uids) - set(idle))))


def release_turn(connection: psycopg.Connection[TupleRow], task_uid: int) -> None:
    """As `release_turns`, of one task, on a connection in autocommit mode."""
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        which = {"task_uids": [task_uid]}
        cursor.execute(statement("lock_tasks"), which)
        for _ in range(_LOOKS):
            found = cursor.execute(statement("release_turns"), which).fetchone()
            assert found is not None  # noqa: S101 - counts have a row
            if (
                not found["blocked"]
                or cursor.execute(statement("follow_active"), which).fetchall()
            ):
                return


async def list_unwatched_turns(pool: Pool, *, limit: int) -> list[int]:
    """Tasks where a run waits and nobody would notice that its turn has come."""
    rows = await fetch_all(pool, statement("list_unwatched_turns"), {"limit": limit})
    return [row["task_uid"] for row in rows]


def _unmarked(blocked: Sequence[int], marked: Sequence[DictRow]) -> list[int]:
    return sorted(set(blocked) - {row["task_uid"] for row in marked})
