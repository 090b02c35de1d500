"""Runs that steps start: making each once, and telling those that wait what became of them.

A child's id follows from its parent, step and item, so a parent that is cut off and asks again gets the same run. A child
that is over answers its parent's wait; a parent that is over has the children cancelled that it waited for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson
import psycopg
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from runtime.core.identity import derive_run_id
from runtime.core.outcomes import CallError
from runtime.core.overlap import Standing as Meeting
from runtime.core.overlap import admission, fate_of
from runtime.core.program import lane_of, start_deadline, task_label
from runtime.core.storable import storable
from runtime.errors import LeaseLost, Unreadable
from runtime.store.cancelling import Cancelled
from runtime.store.due_work import Claim
from runtime.store.recorded import Place
from runtime.store.statements import statement

Connection = psycopg.AsyncConnection[Any]

DEEPEST: Final = 8
"""How many runs may have started one another, the first included."""
_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class Started:
    """What became of the wish to start a run.

    Attributes:
        error: why there is none; None if there is.
        is_new: whether it was made just now.
        turn: the task in whose backlog somebody must look, because the run waits for its turn.
        replaced: whether runs were ended in whose place it comes.
    """

    error: CallError | None = None
    is_new: bool = False
    turn: int | None = None
    replaced: bool = False


def child_id(claim: Claim, place: Place) -> UUID:
    """The run that a step starts, the same for every try."""
    return derive_run_id(claim.task_uid, "run", _key(claim, place), claim.started_at)


async def start_child(
    connection: Connection, claim: Claim, place: Place, task: str, params: Mapping[str, Any]
) -> Started:
    """Make the run that a step asks for, once, as the task's overlap policy lets it in.

    Raises:
        LeaseLost: another runtime holds the parent.
    """
    async with connection.transaction():
        which = {"run_id": child_id(claim, place)}
        if await _row(connection, "find_child", which) is not None:
            return Started()
        above = await _row(
            connection, "count_ancestors", {"run_id": claim.run_id, "most": DEEPEST}
        )
        if above is not None and (above["depth"] or 0) >= DEEPEST:
            return _refused(f"runs start one another {DEEPEST} deep, and no deeper")
        namespace, slash, name = task.rpartition("/")
        found = await _row(
            connection, "find_task", {"namespace": namespace if slash else "default", "name": name}
        )
        if found is None or found["retired_at"] is not None:
            return _refused(f"there is no task {task} in force")
        if unknown := sorted(set(params) - set(found["body"]["params"])):
            return _refused(f"task {task} has no parameter {unknown[0]}")
        return await _let_in(connection, claim, place, found, params)


async def _let_in(
    connection: Connection,
    claim: Claim,
    place: Place,
    task: Mapping[str, Any],
    params: Mapping[str, Any],
) -> Started:
    """As `runtime.store.backlog.let_in` has it."""
    body, which = task["body"], {"task_uid": task["uid"]}
    entry = admission(body["overlap"])
    lock = "lock_task_in_force" if entry.beside else "keep_others_from_starting"
    if await _row(connection, lock, which) is None:
        return _refused(f"task {task_label(body['namespace'], body['name'])} was retired")
    fate = "begin"
    if not entry.beside:
        await connection.execute(statement("make_way"), which | {"replaces": entry.replaces})
        met = await _row(connection, "read_standing", which)
        fate = fate_of(entry, Meeting(**(met or {})))
    if fate not in {"begin", "wait"}:
        label = task_label(body["namespace"], body["name"])
        return _refused(f"another run of {label} is active: {fate}")
    child = {
        "run_id": child_id(claim, place),
        "task_uid": task["uid"],
        "revision_id": task["revision_id"],
        "trigger_key": _key(claim, place),
        "occurrence_for": claim.started_at,
        "params": Jsonb(storable(params)) if params else None,
        "requested_by": f"run {claim.run_id}",
        "parent": claim.run_id,
        "lease_epoch": claim.lease_epoch,
        "lane": lane_of(body),
        "deadline": start_deadline(body),
        "fate": fate,
    }
    if await _row(connection, "create_child_run", child) is None:
        raise LeaseLost(f"run {claim.run_id}: the lease was lost")
    return Started(
        is_new=True, turn=task["uid"] if fate == "wait" else None, replaced=entry.replaces
    )


async def answer_parents(connection: Connection, run_ids: Sequence[UUID]) -> list[UUID]:
    """Tell these runs of those that they waited for and that are over; returns children that nobody waits for any more.

    In the transaction in which the parents were locked.
    """
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement("list_children"), {"run_ids": list(run_ids)})
        children = await cursor.fetchall()
    over = [child for child in children if not child["is_active"]]
    answers = [
        {
            "run_id": str(child["run_id"]),
            "step": child["step"],
            "iteration": child["iteration"],
            "answer": await _answer(connection, child),
        }
        for child in over
    ]
    if answers:
        params = {"ended": orjson.dumps(answers).decode()}
        await connection.execute(statement("end_waits"), params)
    return [
        child["child_id"] for child in children if child["is_active"] and not child["is_wanted"]
    ]


async def settle_children(connection: Connection) -> tuple[int, list[UUID]]:
    """Answer the waits of parents; how many were looked at, and the children that are to be cancelled."""
    async with connection.transaction():
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(statement("list_parents_to_wake"), {"limit": _AT_ONCE})
            parents = [row["run_id"] for row in await cursor.fetchall()]
        if not parents:
            return 0, []
        await connection.execute(statement("lock_parents"), {"run_ids": parents})
        return len(parents), await answer_parents(connection, parents)


async def cancel_child(connection: Connection, run_id: UUID) -> Cancelled | None:
    """End a run whose parent is over; None if it is over itself. Whoever waits for its end is left to the caller."""
    asked = {
        "run_id": run_id,
        "actor": "ordinaut",
        "detail": "the run that started it is over",
        "at_once": False,
    }
    async with connection.cursor(row_factory=class_row(Cancelled)) as cursor:
        await cursor.execute(statement("cancel_run"), asked)
        cancelled = await cursor.fetchone()
    if cancelled is not None and cancelled.is_held:
        await connection.execute(statement("tell_ended"))
    return cancelled


async def _answer(connection: Connection, child: Mapping[str, Any]) -> dict[str, Any]:
    told = {"run_id": str(child["child_id"]), "state": child["state"]}
    if child["state"] == "succeeded":
        try:
            last = _last_step(child["body"])
        except (LookupError, TypeError) as problem:
            # Somebody broke its row since it ran; others wait for other runs.
            broken = Unreadable.because(f"the task of run {child['child_id']}", problem)
            return told | {
                "state": "failed",
                "error": {"message": broken.message, "code": broken.code},
            }
        return told | {"value": await _value(connection, child["child_id"], last)}
    error = child["error"] or {"message": child["detail"] or child["reason"] or child["state"]}
    return told | {"error": error}


def _last_step(body: Mapping[str, Any]) -> tuple[str, bool]:
    """The id of the step that is listed last, and whether it is made for each item of a list."""
    pipeline = body["pipeline"]
    last = (pipeline["steps"] if isinstance(pipeline, Mapping) else pipeline)[-1]
    return last["id"], "foreach" in last


async def _value(connection: Connection, run_id: UUID, last: tuple[str, bool]) -> Any:
    """The result of a run: that of its last step."""
    step, is_list = last
    async with connection.cursor(row_factory=dict_row) as cursor:
        which = {"run_id": run_id, "step": step}
        await cursor.execute(statement("list_step_values"), which)
        rows = await cursor.fetchall()
    values = [row["output"] if row["outcome"] == "ok" else None for row in rows]
    return values if is_list else next(iter(values), None)


def _key(claim: Claim, place: Place) -> str:
    step, iteration = place
    return f"{claim.run_id}:{step}:{iteration}"


def _refused(message: str) -> Started:
    return Started(CallError("ORD509", message))


async def _row(
    connection: Connection, name: str, params: Mapping[str, Any]
) -> dict[str, Any] | None:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement(name), params)
        return await cursor.fetchone()
