"""Runs that are run again: what they go back to, and their rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from runtime.actor import Actor
from runtime.core.identity import derive_run_id, first_id_of
from runtime.core.overlap import Admission, Fate
from runtime.core.program import lane_of, start_deadline, task_label
from runtime.core.rerunning import Carried
from runtime.store.audit import Deed, write_audit
from runtime.store.backlog import let_in, tell_let_in
from runtime.store.due_work import WHOLE
from runtime.store.rows import Connection, fetch_rows
from runtime.store.statements import statement


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run that is to be run again: by the body it is pinned to, or by the one in force."""

    run_id: UUID
    task_uid: int
    revision_id: int
    state: str
    occurrence_for: datetime
    params: Mapping[str, Any] | None
    event: Mapping[str, Any] | None
    origin_id: UUID
    replay_no: int
    task: str
    retired_at: datetime | None
    body_in_force: Mapping[str, Any]
    revision_in_force: int
    body: Mapping[str, Any]
    now: datetime


def find_rerun(connection: Connection, run_id: UUID) -> FoundRun | None:
    """The run, with the bodies it may be run again by."""
    rows = fetch_rows(connection, "find_rerun", run_id=run_id)
    if not rows:
        return None
    label = task_label(rows[0].pop("namespace"), rows[0].pop("name"))
    return FoundRun(task=label, **rows[0])


def list_step_outcomes(
    connection: Connection, run_id: UUID, steps: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """How the steps of a run ended, those that are on record; a `foreach` step as a whole."""
    return {
        row["step"]: row["outcome"]
        for row in fetch_rows(connection, "list_step_outcomes", run_id=run_id)
        if row["step"] in steps
        and (row["iteration"] == WHOLE) == ("foreach" in steps[row["step"]])
    }


def create_rerun(
    connection: Connection,
    found: FoundRun,
    *,
    latest: bool,
    carried: Carried,
    anew: bool,
    requested_by: Actor,
    entry: Admission,
    trace_link: str | None = None,
) -> tuple[UUID, Fate | Literal["retired"]]:
    """Make the run as it may be let in, and wake the runtimes; says what became of it.

    Args:
        connection: in autocommit mode.
        found: the run before.
        latest: by the revision in force instead of the one it is pinned to.
        carried: the results that stay.
        anew: calls get keys that no tool has seen, because they are to be made once more.
        requested_by: who asks.
        entry: how it meets other runs of its task.
        trace_link: the span elsewhere that it is asked from, as `kept_link` keeps it.
    """
    body = found.body_in_force if latest else found.body
    deadline = start_deadline(body)
    key = uuid4().hex
    new_id = derive_run_id(found.task_uid, "rerun", key, found.now)
    asked = {
        "new_id": new_id,
        "run_id": found.run_id,
        "revision_id": found.revision_in_force if latest else found.revision_id,
        "trigger_key": key,
        "since_id": first_id_of(found.origin_id),
        "due_at": found.now,
        "requested_by": requested_by.name,
        "anew": anew,
        "steps": sorted(carried.steps),
        "items": sorted(carried.items),
        "start_until": None if deadline is None else found.now + deadline,
        "lane": lane_of(body),
        "trace_link": trace_link,
    }
    with connection.transaction():
        fate = let_in(connection, found.task_uid, entry)
        if fate not in {"begin", "wait"}:
            return new_id, fate
        connection.execute(statement("create_rerun"), asked | {"fate": fate})
        facts = {"task": found.task, "run_id": str(new_id)}
        write_audit(connection, requested_by, Deed("run.rerun", str(found.run_id), details=facts))
    tell_let_in(connection, found.task_uid, entry, fate)
    return new_id, fate
