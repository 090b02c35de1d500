"""What people are asked by runs, and their answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from runtime.actor import Actor
from runtime.core.program import task_label
from runtime.core.storable import storable_text
from runtime.errors import EXIT_BLOCKED, OrdinautError
from runtime.store.audit import Deed, write_audit
from runtime.store.pool import Pool, fetch_all
from runtime.store.rows import Connection, fetch_rows
from runtime.store.statements import statement
from schemas.asked import Asked
from schemas.audit import Action

_MOST = 1000
# How many runs may have started one another, with room to spare.
_DEEPEST: Final = 32
_MOST_ITEMS: Final = 2**31 - 1
_DECISIONS: Final[Mapping[bool, Action]] = {True: "step.approve", False: "step.refuse"}
_NO_RESPONSES: Final[Mapping[str, Any]] = MappingProxyType({})


def list_asked(connection: Connection) -> list[Asked]:
    """What waits for a person, oldest first."""
    rows = fetch_rows(connection, "list_asked", limit=_MOST)
    return [_asked(row) for row in rows]


def list_askers(connection: Connection, run_id: UUID) -> frozenset[str]:
    """Who asked for a run, or for one of those that led to it: names of tokens, persons and agents."""
    rows = fetch_rows(connection, "list_askers", run_id=run_id, most=_DEEPEST)
    return frozenset(row["name"] for row in rows)


class NotAsked(OrdinautError):
    """Somebody decides whom the step does not ask."""

    default_code = "ORD418"
    exit_code = EXIT_BLOCKED


def answer_wait(
    connection: Connection,
    asked: Asked,
    *,
    approved: bool,
    by: Actor,
    reason: str,
    teams: Collection[str] = (),
    instead_of: str | None = None,
    responses: Mapping[str, Any] = _NO_RESPONSES,
) -> bool:
    """Record a person's decision and wake the run; false if it is too late for it.

    Args:
        connection: the database.
        asked: what is decided.
        approved: how.
        by: who decides, as `user` or `user@host`.
        reason: why; may be empty.
        teams: those that the decider belongs to.
        instead_of: whom the decider says to decide for; it is recorded.
        responses: what a server that asks in the middle of a call is answered; see `runtime.core.answering`.

    Raises:
        NotAsked: ORD418, the step asks others.
    """
    names = {by.name, by.name.partition("@")[0], *teams} if instead_of is None else {instead_of}
    wanted = asked.asked.get("by") or names
    if names.isdisjoint(wanted):
        raise NotAsked(
            f"step {asked.step} of {asked.task} asks {', '.join(wanted)}, and not {instead_of or by.name}",
            hint="let one of them decide, or say with --as for whom you do; that is kept with the decision",
        )
    decider = by.name if instead_of is None else f"{by.name} for {instead_of}"
    answer: dict[str, Any] = {"approved": approved, "by": decider, "reason": reason}
    if asked.attempt is not None:
        answer["responses"] = dict(responses)
    params = {
        "run_id": asked.run_id,
        "step": asked.step,
        "iteration": asked.iteration,
        "attempt": asked.attempt,
        "answer": Jsonb(answer),
    }
    with connection.transaction():
        answered = connection.execute(statement("answer_wait"), params).fetchone() is not None
        if answered:
            facts = {"task": asked.task, "step": asked.step, "item": asked.iteration}
            if instead_of is not None:
                facts["instead_of"] = instead_of
            deed = Deed(_DECISIONS[approved], str(asked.run_id), reason, facts)
            write_audit(connection, by, deed)
    if answered:
        connection.execute(statement("wake"))
    return answered


async def decide(
    connection: AsyncConnection[Any], topic: str, data: Any
) -> tuple[Actor, Deed] | None:
    """Take the decision that an event holds, for a step that takes those of its topic.

    Args:
        connection: in the transaction that puts the event on record; the run is to be woken after it.
        topic: the event's.
        data: what it says: `run`, `step` and `approved`, and `by`, `reason` and the `item` of a `foreach`.

    Returns:
        What is to be audited, last in the transaction; None if nothing goes on by it.

    Raises:
        NotAsked: ORD418, the step asks others; nothing was written.
    """
    told = _Decision.of(data)
    if told is None:
        return None
    where = {"run_id": told.run_id, "step": told.step, "iteration": told.item}
    found = await connection.execute(statement("find_asked"), where | {"topic": topic})
    row = await found.fetchone()
    if row is None:
        return None
    wanted = row[0].get("by") or [told.by]
    if told.by not in wanted:
        raise NotAsked(
            f"step {told.step} asks {', '.join(wanted)}, and not {told.by or 'nobody'}",
            hint="say who decided as `by` in the data of the event",
        )
    answer = {"approved": told.approved, "by": told.by, "reason": told.reason}
    params = where | {"attempt": None, "answer": Jsonb(answer)}
    answered = await (await connection.execute(statement("answer_wait"), params)).fetchone()
    if answered is None:
        return None
    facts = {"step": told.step, "item": told.item, "topic": topic}
    deed = Deed(_DECISIONS[told.approved], str(told.run_id), told.reason, facts)
    return Actor(told.by, "event"), deed


@dataclass(frozen=True, slots=True)
class _Decision:
    """What an event says about a step that asks."""

    run_id: UUID
    step: str
    item: int
    approved: bool
    by: str
    reason: str

    @classmethod
    def of(cls, data: Any) -> _Decision | None:
        """What the data of an event say; None if they hold no decision."""
        match data:
            case {"run": str(run), "step": str(step), "approved": bool(approved)}:
                by, reason, item = data.get("by", ""), data.get("reason", ""), data.get("item", 0)
            case _:
                return None
        if not (isinstance(by, str) and isinstance(reason, str) and type(item) is int):
            return None
        if not 0 <= item <= _MOST_ITEMS:
            return None
        try:
            return cls(
                UUID(run), storable_text(step), item, approved, *map(storable_text, (by, reason))
            )
        except ValueError:
            return None


async def list_woken(pool: Pool, leases: Sequence[tuple[UUID, int]]) -> list[UUID]:
    """Those of these runs of which something was answered since their holder heeded that, or they were claimed.

    Args:
        pool: the database.
        leases: runs with the leases they are held under; of a lease that is lost nothing is heard.
    """
    asked = {
        "run_ids": [run_id for run_id, _ in leases],
        "lease_epochs": [lease_epoch for _, lease_epoch in leases],
    }
    rows = await fetch_all(pool, statement("list_woken"), asked)
    return [row["run_id"] for row in rows]


def _asked(row: dict[str, Any]) -> Asked:
    label = task_label(row.pop("namespace"), row.pop("name"))
    return Asked(task=label, **row)
