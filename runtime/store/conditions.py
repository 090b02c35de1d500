"""Conditions: who asks when, what an answer changes, and what an apply makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from runtime.core.condition import Phase
from runtime.core.overlap import Fate, admission, fate_of
from runtime.core.overlap import Standing as Meeting
from runtime.core.program import start_deadline
from runtime.store.pool import Connection, Pool, borrow, fetch_all
from runtime.store.statements import statement


@dataclass(frozen=True, slots=True)
class ArmedCondition:
    """A condition as a revision has it.

    Attributes:
        digest: of what is asked and how the answer is read.
        position: where it stands among the task's schedules.
    """

    task_uid: int
    digest: str
    position: int
    every: timedelta
    next_poll_at: datetime


@dataclass(frozen=True, slots=True)
class PollClaim:
    """A condition that this runtime holds, with what it remembers and the task as the newest revision has it."""

    task_uid: int
    digest: str
    position: int
    every: timedelta
    lease_epoch: int
    phase: Phase
    met_since: datetime | None
    revision_id: int
    project: str
    body: Mapping[str, Any]
    now: datetime


@dataclass(frozen=True, slots=True)
class Answered:
    """What an answer came to.

    Attributes:
        answer: what is kept of it, without secrets.
        event: what the steps of the run it starts are told; None if it starts none.
    """

    next_poll_at: datetime
    phase: Phase
    met_since: datetime | None
    answer: Any
    run_id: UUID
    occurrence_for: datetime
    event: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an answer.

    Attributes:
        is_written: false if nothing was, because the lease was lost or the task is not as it was.
        fate: of the run that it starts; None if it starts none.
    """

    is_written: bool
    fate: Fate | None = None


def arm_conditions(
    connection: psycopg.Connection[TupleRow],
    task_uids: Sequence[int],
    armed: Sequence[ArmedCondition],
) -> None:
    """Let these tasks have these conditions and no others."""
    connection.execute(
        statement("arm_conditions"),
        {
            "task_uids": list(task_uids),
            "owners": [one.task_uid for one in armed],
            "digests": [one.digest for one in armed],
            "positions": [one.position for one in armed],
            "everys": [one.every for one in armed],
            "next_poll_ats": [one.next_poll_at for one in armed],
        },
    )


async def claim_polls(
    pool: Pool, *, runtime_id: int, limit: int, lease: timedelta
) -> list[PollClaim]:
    """Lease at most `limit` conditions that it is time to ask about."""
    rows = await fetch_all(
        pool,
        statement("claim_polls"),
        {"runtime_id": runtime_id, "limit": limit, "lease": lease},
    )
    return [PollClaim(**row) for row in rows]


async def renew_poll(pool: Pool, claim: PollClaim, lease: timedelta) -> bool:
    """Prolong the lease; false if it is lost."""
    return bool(await fetch_all(pool, statement("renew_poll"), {**_fence(claim), "lease": lease}))


async def release_poll(pool: Pool, claim: PollClaim) -> None:
    """Hand a condition back, to be asked again at once."""
    await fetch_all(pool, statement("release_poll"), _fence(claim))


async def put_off_poll(pool: Pool, claim: PollClaim, until: datetime) -> None:
    """Hand a condition back, to be asked at an instant."""
    await fetch_all(pool, statement("put_off_poll"), {**_fence(claim), "next_poll_at": until})


async def settle_poll(
    pool: Pool, claim: PollClaim, answered: Answered, *, runtime_id: int
) -> Settled:
    """Write what an answer does, whole or not at all."""
    deadline = start_deadline(claim.body)
    written = {
        **_fence(claim),
        "revision_id": claim.revision_id,
        "runtime_id": runtime_id,
        "next_poll_at": answered.next_poll_at,
        "phase": answered.phase,
        "met_since": answered.met_since,
        "answer": None if answered.answer is None else Jsonb(answered.answer),
        "run_id": answered.run_id,
        "occurrence_for": answered.occurrence_for,
        # A poll may come long after the instant it stands for, and no run is late before somebody has asked.
        "asked_at": claim.now,
        "start_until": None if deadline is None else claim.now + deadline,
        "event": None if answered.event is None else Jsonb(answered.event),
    }
    async with borrow(pool) as connection, connection.transaction():
        fate = None if answered.event is None else await _fate(connection, claim, answered)
        cursor = await connection.execute(statement("settle_poll"), written | {"fate": fate})
        if await cursor.fetchone() is None:
            # What was to make way for the run stays.
            raise psycopg.Rollback
        return Settled(True, fate)
    return Settled(False)


async def _fate(connection: Connection, claim: PollClaim, answered: Answered) -> Fate | None:
    """What becomes of the run that the transaction is about to make, as `runtime.store.backlog.let_in` has it.

    None if it was made already: asked twice for one instant, after a clock was set back, nobody makes way again.
    """
    which = {"task_uid": claim.task_uid}
    entry = admission(claim.body["overlap"])
    if entry.beside:
        await connection.execute(statement("lock_task_in_force"), which)
        return "begin"
    await connection.execute(statement("keep_others_from_starting"), which)
    cursor = await connection.execute(statement("is_decided"), {"run_id": answered.run_id})
    if await cursor.fetchone() is not None:
        return None
    await connection.execute(statement("make_way"), which | {"replaces": entry.replaces})
    cursor = await connection.execute(statement("read_standing"), which)
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - counts have a row
    return fate_of(entry, Meeting(**row))


async def fail_poll(
    pool: Pool, claim: PollClaim, error: Mapping[str, Any], next_poll_at: datetime
) -> bool:
    """Record that there was no answer; false if nothing was written, as with `settle_poll`."""
    rows = await fetch_all(
        pool,
        statement("fail_poll"),
        {
            **_fence(claim),
            "revision_id": claim.revision_id,
            "next_poll_at": next_poll_at,
            "error": Jsonb(error),
        },
    )
    return bool(rows)


async def seconds_until_poll(pool: Pool) -> float | None:
    """Seconds until it is time to ask, negative when overdue; None when there is nothing to ask."""
    rows = await fetch_all(pool, statement("seconds_until_poll"), {})
    return rows[0]["seconds"] if rows else None


def _fence(claim: PollClaim) -> dict[str, Any]:
    return {
        "task_uid": claim.task_uid,
        "digest": claim.digest,
        "lease_epoch": claim.lease_epoch,
    }
