"""Holds: what was rolled back, and is not applied again until somebody commits on top of it or clears the hold."""

from __future__ import annotations

from typing import Literal

from runtime.actor import Actor
from runtime.store.audit import Deed, write_audit
from runtime.store.rows import Connection, fetch_rows
from runtime.store.statements import statement
from schemas.hold import Hold


def list_holds(
    connection: Connection, project: str | None = None, environment: str | None = None
) -> tuple[Hold, ...]:
    """The holds in force, of everything or of one project or environment."""
    rows = fetch_rows(connection, "list_holds", project=project, environment=environment)
    return tuple(Hold.model_validate(row) for row in rows)


def find_hold(connection: Connection, project: str, environment: str) -> Hold | None:
    """The hold on a project in an environment."""
    return next(iter(list_holds(connection, project, environment)), None)


def set_hold(
    connection: Connection,
    project: str,
    environment: str,
    *,
    commit: str | None,
    digest: str,
    revision: int,
) -> None:
    """Hold what a rollback, the revision of this number, has replaced."""
    connection.execute(
        statement("set_hold"),
        {
            "project": project,
            "environment": environment,
            "commit": commit,
            "digest": digest,
            "revision": revision,
        },
    )


def clear_hold(
    connection: Connection,
    project: str,
    environment: str,
    condition: Literal["Synced", "OutOfSync"],
) -> None:
    """End a hold; the condition says whether what is in force is what git says."""
    params = {"project": project, "environment": environment, "condition": condition}
    connection.execute(statement("clear_hold"), params)


def release_hold(connection: Connection, hold: Hold, *, actor: Actor) -> None:
    """End a hold because somebody asks: what was rolled back may be applied again."""
    details = {"commit": hold.commit, "revision": f"r{hold.revision}"}
    with connection.transaction():
        clear_hold(connection, hold.project, hold.environment, "OutOfSync")
        subject = f"{hold.project}/{hold.environment}"
        write_audit(connection, actor, Deed("hold.clear", subject, details=details))
