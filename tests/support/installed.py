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
from runtime.core.identity import derive_run_id
from runtime.store.conditions import arm_conditions
from schemas.spec import KINDS

HEAD = {"apiVersion": "ordinaut/v1"}


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
    cursor = await connection.execute(
        "insert into ordinaut.revision (project, environment, kind, actor, plan_digest, normaliser_version, summary)"
        " values ('demo', 'default', 'apply', 'test', 'none', 1, '{}') returning revision_id"
    )
    (revision_id,) = await _one(cursor)
    cursor = await connection.execute(
        "insert into ordinaut.spec (project, environment, kind, namespace, name, revision_id, body, digest)"
        " values ('demo', 'default', %s, %s, %s, %s, %s, 'none') on conflict (kind, namespace, name)"
        " do update set revision_id = excluded.revision_id, body = excluded.body returning uid",
        [body["kind"], body["namespace"], body["name"], revision_id, Jsonb(body)],
    )
    (uid,) = await _one(cursor)
    await connection.execute(
        "insert into ordinaut.spec_revision (uid, revision_id, action, body, digest, facets, file, line)"
        " values (%s, %s, 'create', %s, 'none', '{}', 'specs/x.yaml', 1)",
        [uid, revision_id, Jsonb(body)],
    )
    return Installed(uid, revision_id)


async def schedule(
    connection: psycopg.AsyncConnection,
    installed: Installed,
    cursor_for: datetime,
    next_for: datetime,
) -> None:
    """Give an installed task its schedule row: decided up to one instant, next at another."""
    await connection.execute(
        "insert into ordinaut.schedule (task_uid, cursor_for, next_for, next_due_at, tzdata)"
        " values (%s, %s, %s, %s, 'test')",
        [installed.uid, cursor_for, next_for, next_for],
    )


def arm(database: str, installed: Installed) -> None:
    """Let an installed task have its conditions, as an apply at this moment would."""
    with psycopg.connect(database, autocommit=True) as connection:
        found = connection.execute(
            "select body, ordinaut.now() from ordinaut.spec where uid = %s", [installed.uid]
        ).fetchone()
        assert found is not None
        arm_conditions(connection, [installed.uid], armed_conditions(installed.uid, *found))


async def queue_run(
    connection: psycopg.AsyncConnection, installed: Installed, key: str = "", **fields: Any
) -> UUID:
    """Queue a manual run that is ready now; `params` and `event` may be given."""
    cursor = await connection.execute("select ordinaut.now()")
    (now,) = await _one(cursor)
    run_id = derive_run_id(installed.uid, "manual", key, now)
    await connection.execute(
        "insert into ordinaut.run (run_id, task_uid, revision_id, trigger, trigger_key, occurrence_for, due_at, state,"
        " params, event) values (%s, %s, %s, 'manual', %s, %s, %s, 'queued', %s, %s)",
        [
            run_id,
            installed.uid,
            installed.revision_id,
            key,
            now,
            now,
            _json(fields, "params"),
            _json(fields, "event"),
        ],
    )
    await connection.execute(
        "insert into ordinaut.due_work (run_id, task_uid, revision_id, ready_at, lane) values (%s, %s, %s, %s, %s)",
        [run_id, installed.uid, installed.revision_id, now, fields.get("lane", 5)],
    )
    return run_id


def _json(fields: Mapping[str, Any], name: str) -> Jsonb | None:
    return Jsonb(fields[name]) if name in fields else None


async def _one(cursor: psycopg.AsyncCursor[Any]) -> Any:
    row = await cursor.fetchone()
    assert row is not None
    return row
