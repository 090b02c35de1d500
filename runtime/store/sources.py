"""The branches that projects are pulled from: what the last look came to, and who let a plan pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from runtime.actor import Actor
from runtime.store.audit import Deed, write_audit
from runtime.store.rows import Connection, fetch_rows
from runtime.store.statements import statement
from schemas.approval import Approval
from schemas.source import Condition, Reason, SourceStatus

_EVENTS: Final[Mapping[Condition, str]] = {
    "Synced": "source.synced",
    "OutOfSync": "source.out_of_sync",
    "Held": "source.held",
    "NeedsApproval": "source.needs_approval",
    "InvalidSource": "source.invalid",
}


@dataclass(frozen=True, slots=True)
class Branch:
    """What is pulled, and for which environment."""

    repository: str
    branch: str
    folder: str
    environment: str


@dataclass(frozen=True, slots=True)
class StoredSource:
    """What the database knows of a project's source; all None but `now` before the first look and the first apply.

    Attributes:
        base_revision: the newest revision that does not only restore another one, with its commit.
        newest_revision: the newest of all.
    """

    condition: str | None
    reason: str | None
    seen_commit: str | None
    applied_commit: str | None
    applied_revision: int | None
    plan_digest: str | None
    refusals: list[str] | None
    approved_digest: str | None
    approved_by: str | None
    approved_reason: str | None
    approved_at: datetime | None
    approved_refusals: list[str] | None
    held_by: int | None
    looked_at: datetime | None
    fetch_error: str | None
    base_revision: int | None
    base_commit: str | None
    newest_revision: int | None
    now: datetime

    @property
    def approval(self) -> Approval | None:
        """Who let a plan pass."""
        if self.approved_digest is None:
            return None
        return Approval.model_validate(
            {
                "digest": self.approved_digest,
                "actor": self.approved_by,
                "reason": self.approved_reason,
                "approved_at": self.approved_at,
                "refusals": self.approved_refusals,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRecord:
    """What a look came to.

    Attributes:
        plan: the plan that waits for approval, as JSON.
        refusals: what refuses it.
    """

    condition: Condition
    reason: Reason
    message: str
    commit: str
    plan_digest: str | None = None
    plan: Mapping[str, Any] | None = None
    refusals: Sequence[str] = ()


def find_source_project(connection: Connection, branch: Branch) -> str | None:
    """The project that the last look at a branch found in it."""
    row = connection.execute(statement("find_source_project"), _columns(branch)).fetchone()
    return row[0] if row else None


def find_project_in_force(connection: Connection, branch: Branch) -> str | None:
    """The project that a branch brought into force last."""
    row = connection.execute(statement("find_project_in_force"), _columns(branch)).fetchone()
    return row[0] if row else None


def list_applied_projects(connection: Connection, environment: str) -> tuple[str, ...]:
    """Every project that was ever applied to an environment, by name."""
    rows = connection.execute(statement("list_applied_projects"), {"environment": environment})
    return tuple(project for (project,) in rows)


def find_source(connection: Connection, project: str, branch: Branch) -> StoredSource:
    """What the database knows of a project: what is in force, and what this branch's head came to."""
    params = {**_columns(branch), "project": project}
    with connection.cursor(row_factory=class_row(StoredSource)) as cursor:
        row = cursor.execute(statement("find_source"), params).fetchone()
    assert row is not None  # noqa: S101 - it is joined to one row
    return row


def record_source(
    connection: Connection, project: str, branch: Branch, record: SourceRecord
) -> None:
    """Write what a look came to, and tell of it if it is news."""
    params = {
        **_columns(branch),
        "project": project,
        "condition": record.condition,
        "reason": record.reason,
        "message": record.message,
        "commit": record.commit,
        "plan_digest": record.plan_digest,
        "plan": None if record.plan is None else Jsonb(record.plan),
        "refusals": list(record.refusals),
        "event": _EVENTS[record.condition],
    }
    connection.execute(statement("record_source"), params)


def record_synced(connection: Connection, project: str, branch: Branch, commit: str) -> None:
    """Write, after `record_source`, that a commit is in force; an approval is used up by it."""
    params = {**_columns(branch), "project": project, "commit": commit}
    connection.execute(statement("record_synced"), params)


def record_in_force(
    connection: Connection, project: str, environment: str, commit: str, revision: int
) -> None:
    """Write that a commit says what is in force by the newest revision; under the project's lock."""
    params = {"project": project, "environment": environment}
    connection.execute(
        statement("record_in_force"), {**params, "commit": commit, "revision": revision}
    )


def record_unreachable(connection: Connection, project: str, branch: Branch, message: str) -> None:
    """Write that the repository cannot be read, and tell of it once."""
    params = {**_columns(branch), "project": project, "message": message}
    connection.execute(statement("record_unreachable"), params)


def record_look(connection: Connection, project: str, branch: Branch) -> None:
    """Write that somebody looked, and that nothing has changed."""
    connection.execute(statement("record_look"), {**_columns(branch), "project": project})


def list_sources(connection: Connection) -> tuple[SourceStatus, ...]:
    """Every branch that is pulled, by project and environment."""
    rows = fetch_rows(connection, "list_sources")
    return tuple(SourceStatus.model_validate(row) for row in rows)


def read_waiting_plan(connection: Connection, source: SourceStatus) -> Mapping[str, Any] | None:
    """The plan that a source waits with, as JSON; None if it does not wait with that any more."""
    row = connection.execute(statement("read_waiting_plan"), _waiting(source)).fetchone()
    return row[0] if row else None


def approve_plan(
    connection: Connection, source: SourceStatus, *, actor: Actor, reason: str
) -> bool:
    """Let the plan pass that a source waits with, and tell who pulls it; false if it does not wait with that any more."""
    params = {
        **_waiting(source),
        "actor": actor.name,
        "reason": reason,
        "refusals": list(source.refusals),
    }
    facts = {
        "plan": source.plan_digest,
        "commit": source.seen_commit,
        "past": list(source.refusals),
    }
    deed = Deed("plan.approve", _subject(source), reason, facts)
    return _decided(connection, "approve_plan", params, actor, deed)


def withdraw_approval(
    connection: Connection, source: SourceStatus, *, actor: Actor, reason: str
) -> bool:
    """Take back who let a plan of this source pass, and tell who pulls it; false if that was used or is gone."""
    approved = source.approval and source.approval.digest
    params = {**_waiting(source), "approved": approved, "actor": actor.name, "reason": reason}
    deed = Deed("plan.withdraw", _subject(source), reason, {"plan": approved})
    return _decided(connection, "withdraw_approval", params, actor, deed)


def lock_approval(
    connection: Connection, project: str, branch: Branch, approval: Approval
) -> bool:
    """Whether an approval still stands; if so, nobody takes it back before this transaction ends."""
    given = {"digest": approval.digest, "approved_at": approval.approved_at}
    params = {**_columns(branch), **given, "project": project}
    return connection.execute(statement("lock_approval"), params).rowcount == 1


def wake_sources(connection: Connection) -> None:
    """Let whoever pulls a branch look at once; after what there is to see was committed."""
    connection.execute(statement("wake_sources"))


def _decided(
    connection: Connection, name: str, params: Mapping[str, Any], actor: Actor, deed: Deed
) -> bool:
    with connection.transaction():
        is_done = connection.execute(statement(name), params).rowcount == 1
        if is_done:
            write_audit(connection, actor, deed)
    if is_done:
        wake_sources(connection)
    return is_done


def _subject(source: SourceStatus) -> str:
    return f"{source.project}/{source.environment}"


def _waiting(source: SourceStatus) -> dict[str, str | None]:
    return {
        "project": source.project,
        "environment": source.environment,
        "repository": source.repository,
        "branch": source.branch,
        "folder": source.folder,
        "digest": source.plan_digest,
    }


def _columns(branch: Branch) -> dict[str, str]:
    return {
        "repository": branch.repository,
        "branch": branch.branch,
        "folder": branch.folder,
        "environment": branch.environment,
    }
