"""Documents that somebody wrote past git: who, when, and what is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from runtime.store.rows import Connection, fetch_rows
from runtime.store.statements import statement
from schemas.drift import Drift, StrayWrite

if TYPE_CHECKING:
    from runtime.store.pool import Pool

RESTORED: Final = "restored"
"""What the hint of `tell_restored` carries."""


@dataclass(frozen=True, slots=True)
class DriftNews:
    """A document that has come to differ from what was applied, or does so no more; `data` is that of the event."""

    type: Literal["drift.detected", "drift.resolved"]
    data: Mapping[str, Any]


async def detect_drift(pool: Pool) -> list[DriftNews]:
    """Compare every document in force with what was applied; returns what was news, which is in the outbox."""
    from runtime.store.pool import fetch_all  # noqa: PLC0415 - commands use no pool

    return [DriftNews(**row) for row in await fetch_all(pool, statement("detect_drift"), {})]


def mark_apply(connection: Connection) -> None:
    """Say that what the rest of this transaction writes comes from an apply."""
    connection.execute(statement("mark_apply"))


def tell_restored(connection: Connection) -> None:
    """Have runtimes look at once what is no drift any more; only after the commit that restored it."""
    connection.execute(statement("tell_restored"))


def list_drift(connection: Connection) -> tuple[Drift, ...]:
    """What differs and was told, by document."""
    rows = fetch_rows(connection, "list_drift")
    return tuple(Drift.model_validate(row) for row in rows)


def read_stray_writes(connection: Connection, uids: Sequence[int]) -> dict[int, StrayWrite]:
    """Who wrote those of these documents past git of which it was noticed."""
    rows = fetch_rows(connection, "read_stray_writes", uids=list(uids))
    return {row.pop("uid"): StrayWrite.model_validate(row) for row in rows}


def list_projects(connection: Connection, environment: str) -> list[str]:
    """Projects that something was applied for in an environment."""
    rows = connection.execute(statement("list_projects"), {"environment": environment})
    return [project for (project,) in rows]
