"""Runs that wait for their turn: letting the next one begin, and finding tasks that nobody looked after.

Whoever ends a run that others wait for, or makes one wait, commits that first and looks afterwards: at the same moment
the two may not see each other, but the one that looks later sees both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from psycopg.rows import DictRow, class_row, dict_row

from runtime.actor import Actor
from runtime.core.identity import derive_run_id
from runtime.core.overlap import Admission, Fate, Standing, fate_of
from runtime.store.audit import Deed, write_audit
from runtime.store.pool import Pool, borrow, fetch_all
from runtime.store.rows import Connection
from runtime.store.runtimes import RELATED, WORK
from runtime.store.statements import statement

# A look is repeated while what it waits for ends under its eyes. What cannot be marked at all is left to the sweep.
_LOOKS: Final = 5


@dataclass(frozen=True, slots=True)
class Released:
    """What one look at the backlog did.

    Attributes:
        count: how many runs may begin.
        held_up: the tasks that somebody else held locked.
        is_related: whether a run was skipped that another waits for.
    """

    count: int
    held_up: tuple[int, ...]
    is_related: bool


async def release_turns(pool: Pool, task_uids: Sequence[int]) -> Released:
    """Let the first waiting run of each task begin, if nothing of the task is active.

    Where something is, its end will be followed by such a look. To be called after the commit of what calls for it.
    """
    released, is_related = 0, False
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
            is_related = is_related or found["is_related"]
            cursor = await connection.execute(
                statement("follow_active"), {"task_uids": found["blocked"]}
            )
            blocked = _unmarked(found["blocked"], await cursor.fetchall())
    return Released(released, tuple(sorted(set(task_uids) - set(idle))), is_related)


def release_turn(connection: Connection, task_uid: int) -> None:
    """As `release_turns`, of one task, on a connection in autocommit mode; has whoever waits for what was skipped look."""
    is_related = False
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        which = {"task_uids": [task_uid]}
        cursor.execute(statement("lock_tasks"), which)
        for _ in range(_LOOKS):
            found = cursor.execute(statement("release_turns"), which).fetchone()
            assert found is not None  # noqa: S101 - counts have a row
            is_related = is_related or found["is_related"]
            if (
                not found["blocked"]
                or cursor.execute(statement("follow_active"), which).fetchall()
            ):
                break
    if is_related:
        connection.execute(statement("cry"), {"hint": RELATED})


def let_in(connection: Connection, task_uid: int, entry: Admission) -> Fate | Literal["retired"]:
    """What becomes of a run of the task that the transaction is about to make; nobody else makes one until it ends.

    Runs that it takes the place of are cancelled. After the commit of one that is made, `tell_let_in` is due.
    """
    which = {"task_uid": task_uid}
    lock = "lock_task_in_force" if entry.beside else "keep_others_from_starting"
    if connection.execute(statement(lock), which).fetchone() is None:
        return "retired"
    if entry.beside:
        return "begin"
    connection.execute(statement("make_way"), which | {"replaces": entry.replaces})
    with connection.cursor(row_factory=class_row(Standing)) as cursor:
        found = cursor.execute(statement("read_standing"), which).fetchone()
    assert found is not None  # noqa: S101 - counts have a row
    return fate_of(entry, found)


def tell_let_in(connection: Connection, task_uid: int, entry: Admission, fate: Fate) -> None:
    """Have everybody look whom a run concerns that was let in; after the commit that made it."""
    if fate == "wait":
        release_turn(connection, task_uid)
    if entry.replaces:
        connection.execute(statement("tell_ended"))
        connection.execute(statement("cry"), {"hint": RELATED})
    # Workers alone: all the others would look first, and find nothing.
    connection.execute(statement("cry"), {"hint": WORK})


def queue_backfill(
    connection: Connection,
    task_uid: int,
    label: str,
    revision_id: int,
    occurrences: Sequence[datetime],
    *,
    lane: int,
    requested_by: Actor,
    tzdata: str,
) -> int | None:
    """Queue a run for each occurrence that has none, or none but failed ones, behind whatever else of the task waits.

    They run one at a time. How many; None if the task is retired.

    Args:
        connection: in autocommit mode.
        task_uid: the task.
        label: its name.
        revision_id: the revision they run by.
        occurrences: nominal instants.
        lane: where they begin.
        requested_by: who asks.
        tzdata: the version of the time zone data by which they were found.
    """
    wanted = {
        "task_uid": task_uid,
        "revision_id": revision_id,
        "lane": lane,
        "requested_by": requested_by.name,
        "tzdata": tzdata,
    }
    with connection.transaction():
        alone = connection.execute(
            statement("keep_others_from_starting"), {"task_uid": task_uid}
        ).fetchone()
        if alone is None:
            return None
        fresh = _undecided(task_uid, _tries(connection, task_uid, occurrences))
        queued = len(connection.execute(statement("queue_backfill"), wanted | fresh).fetchall())
        if queued:
            facts = {
                "queued": queued,
                "first": min(fresh["occurrence_fors"]).isoformat(),
                "last": max(fresh["occurrence_fors"]).isoformat(),
            }
            write_audit(connection, requested_by, Deed("task.backfill", label, details=facts))
    if queued:
        release_turn(connection, task_uid)
        connection.execute(statement("wake"))
    return queued


def find_decided(
    connection: Connection, task_uid: int, occurrences: Sequence[datetime]
) -> frozenset[datetime]:
    """Those of these occurrences that `queue_backfill` would leave alone."""
    tries = _tries(connection, task_uid, occurrences)
    return frozenset(instant for instant, _, is_decided in tries if is_decided)


def _tries(
    connection: Connection, task_uid: int, occurrences: Sequence[datetime]
) -> list[tuple[datetime, int, bool]]:
    """Each occurrence, how often it was filled in, and whether it is left alone."""
    asked = {
        "task_uid": task_uid,
        "schedule_run_ids": [derive_run_id(task_uid, "schedule", "", at) for at in occurrences],
        "occurrence_fors": list(occurrences),
    }
    rows = connection.execute(statement("list_backfill_tries"), asked).fetchall()
    return [(at, tries, is_decided) for at, tries, is_decided in rows]


def _undecided(task_uid: int, tries: Sequence[tuple[datetime, int, bool]]) -> dict[str, Any]:
    """The runs to be made, each with an id that no try before has."""
    wanted = [
        (at, str(count) if count else "") for at, count, is_decided in tries if not is_decided
    ]
    return {
        "run_ids": [derive_run_id(task_uid, "backfill", key, at) for at, key in wanted],
        "trigger_keys": [key for _, key in wanted],
        "occurrence_fors": [at for at, _ in wanted],
    }


async def list_unwatched_turns(pool: Pool, *, limit: int) -> list[int]:
    """Tasks where a run waits and nobody would notice that its turn has come."""
    rows = await fetch_all(pool, statement("list_unwatched_turns"), {"limit": limit})
    return [row["task_uid"] for row in rows]


def _unmarked(blocked: Sequence[int], marked: Sequence[DictRow]) -> list[int]:
    return sorted(set(blocked) - {row["task_uid"] for row in marked})
