"""Puts documents into a database as an apply would leave them, for tests of the runtime alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from reconciler.conditions import armed_conditions
from reconciler.listening import armed_listeners
from runtime.core.identity import derive_run_id
from runtime.store.conditions import arm_conditions
from runtime.store.hearing import arm_listeners
from schemas.spec import KINDS
from tests.support.factories import (
    due_work_row,
    insertion,
    revision_row,
    spec_revision_row,
    spec_row,
)

HEAD = {"apiVersion": "ordinaut/v1"}
_RENEWED = (
    "on conflict (kind, namespace, name)"
    " do update set revision_id = excluded.revision_id, body = excluded.body, digest = excluded.digest"
)


@dataclass(frozen=True, slots=True)
class Installed:
    """A document in a database."""

    uid: int
    revision_id: int


def task(name: str = "briefing", **fields: Any) -> dict[str, Any]:
    """A manual task of one step that echoes; only what matters is named."""
    return {
        **HEAD,
        "kind": "Task",
        "name": name,
        "schedule": {"manual": True},
        "pipeline": [{"id": "plan", "uses": "llm.plan", "with": {"greeting": "hello"}}],
        **fields,
    }


async def install(connection: psycopg.AsyncConnection, document: Mapping[str, Any]) -> Installed:
    """Install one document under a revision of its own; an existing one of the same identity gets the new body."""
    model = KINDS[document["kind"]].model_validate(document)
    body = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    revision_id = await _insert(
        connection, "revision", revision_row(actor="test"), returning="revision_id"
    )
    uid = await _insert(
        connection, "spec", spec_row(body, revision_id), returning="uid", conflict=_RENEWED
    )
    await _insert(connection, "spec_revision", spec_revision_row(body, uid, revision_id))
    return Installed(uid, revision_id)


async def schedule(
    connection: psycopg.AsyncConnection,
    installed: Installed,
    cursor_for: datetime,
    next_for: datetime,
) -> None:
    """Give an installed task its schedule row: decided up to one instant, next at another."""
    row = {
        "task_uid": installed.uid,
        "cursor_for": cursor_for,
        "next_for": next_for,
        "next_due_at": next_for,
        "tzdata": "test",
    }
    await _insert(connection, "schedule", row)


def arm(database: str, installed: Installed) -> None:
    """Let an installed task have its conditions and listeners, as an apply at this moment would."""
    with psycopg.connect(database, autocommit=True) as connection:
        found = connection.execute(
            "select body, ordinaut.now() from ordinaut.spec where uid = %s", [installed.uid]
        ).fetchone()
        assert found is not None
        arm_conditions(connection, [installed.uid], armed_conditions(installed.uid, *found))
        arm_listeners(connection, [installed.uid], armed_listeners(installed.uid, found[0]))


async def queue_run(
    connection: psycopg.AsyncConnection, installed: Installed, key: str = "", **fields: Any
) -> UUID:
    """Queue a manual run that is ready now; `params` and `event` may be given."""
    cursor = await connection.execute("select ordinaut.now()")
    (now,) = await _one(cursor)
    run_id = derive_run_id(installed.uid, "manual", key, now)
    run = {
        "run_id": run_id,
        "task_uid": installed.uid,
        "revision_id": installed.revision_id,
        "trigger": "manual",
        "trigger_key": key,
        "occurrence_for": now,
        "due_at": now,
        "state": "queued",
        **{name: Jsonb(fields[name]) for name in ("params", "event") if name in fields},
    }
    await _insert(connection, "run", run)
    place = (installed.uid, installed.revision_id, run_id)
    work = due_work_row(*place, ready_at=now, lane=fields.get("lane", 5))
    await _insert(connection, "due_work", work)
    return run_id


async def _insert(
    connection: psycopg.AsyncConnection, table: str, row: Mapping[str, Any], **more: str
) -> Any:
    (found,) = await _one(await connection.execute(*insertion(table, row, **more)))
    return found


async def _one(cursor: psycopg.AsyncCursor[Any]) -> Any:
    row = await cursor.fetchone()
    assert row is not None
    return row
