"""What `ordinaut status` reads of the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from migrations import newest_migration
from runtime.core.program import task_label
from runtime.core.slo import standing
from runtime.core.verdict import judge
from runtime.core.zonedata import tzdata_version
from runtime.store.board import list_standings
from runtime.store.drift import list_drift
from runtime.store.holds import list_holds
from runtime.store.rows import Connection, fetch_rows
from runtime.store.slo import load_slos
from runtime.store.sources import list_sources
from runtime.store.specs import count_schedules_by_tzdata
from schemas.override import Pause
from schemas.status import (
    AppliedRevision,
    AskedStatus,
    BusStatus,
    DatabaseStatus,
    OutboxStatus,
    QueueStatus,
    RunProgress,
    RuntimeStatus,
    Status,
    TaskStatus,
    Trouble,
    TroubleKind,
    Verdict,
    ZoneDataStatus,
)

_SHOWN: Final = 5
_ON_THE_BOARD: Final[tuple[TroubleKind, ...]] = ("failing", "late", "missing")

_PROMISES: Final[dict[str, TroubleKind]] = {
    "broken": "promise_broken",
    "burning": "promise_burning",
}


def load_status(
    connection: Connection,
    bus: BusStatus,
    *,
    limit: int,
    standings: Sequence[Mapping[str, Any]] | None = None,
) -> Status:
    """Everything on one screen, with at most so many tasks, and whether it is all right.

    Args:
        connection: the database.
        bus: what is known of Redis.
        limit: how many tasks.
        standings: as `list_standings` gives them, of whoever has asked already.
    """
    known = list_standings(connection) if standings is None else standings
    facts = _facts(connection, bus, known, limit=limit)
    return facts.model_copy(update={"verdict": judge(facts)})


def _facts(
    connection: Connection,
    bus: BusStatus,
    standings: Sequence[Mapping[str, Any]],
    *,
    limit: int,
) -> Status:
    info = connection.info
    [installation] = fetch_rows(connection, "load_installation")
    tasks = fetch_rows(connection, "list_task_statuses", limit=limit)
    return Status(
        verdict=Verdict(state="well", headline=""),
        now=installation["now"],
        installation_id=installation["installation_id"],
        database=DatabaseStatus(
            address=f"{info.dbname} at {info.host}:{info.port}",
            version=installation["version"],
            # A connection of a command has a current schema, or the command has refused.
            schema_version=newest_migration(),
        ),
        bus=bus,
        tzdata=ZoneDataStatus(
            version=tzdata_version(), schedules=count_schedules_by_tzdata(connection)
        ),
        revisions=tuple(
            AppliedRevision(**r) for r in fetch_rows(connection, "list_newest_revisions")
        ),
        holds=list_holds(connection),
        sources=list_sources(connection),
        drift=list_drift(connection),
        runtimes=tuple(RuntimeStatus(**r) for r in fetch_rows(connection, "list_runtimes")),
        queue=QueueStatus(**fetch_rows(connection, "load_queue_status")[0]),
        asked=load_asked(connection),
        outbox=OutboxStatus(**fetch_rows(connection, "load_outbox_status")[0]),
        progress=tuple(_progress(row) for row in fetch_rows(connection, "list_run_progress")),
        troubles=_troubles(connection, standings),
        tasks_total=len(standings),
        tasks=tuple(_task(row) for row in tasks),
    )


def _troubles(
    connection: Connection, standings: Sequence[Mapping[str, Any]]
) -> tuple[Trouble, ...]:
    """As the board has them, and what it does not tell apart."""
    names: dict[TroubleKind, list[str]] = {}
    for row in standings:
        if row["standing"] in _ON_THE_BOARD:
            names.setdefault(row["standing"], []).append(task_label(row["namespace"], row["name"]))
    for row in fetch_rows(connection, "list_troubles"):
        names.setdefault(row["kind"], []).append(task_label(row["namespace"], row["name"]))
    for one in load_slos(connection).tasks:
        if (how := standing(one.objectives)) is not None:
            names.setdefault(_PROMISES[how], []).append(one.task)
    return tuple(
        Trouble(kind=kind, tasks=len(found), names=tuple(found[:_SHOWN]))
        for kind, found in names.items()
    )


def load_asked(connection: Connection) -> AskedStatus:
    """How much waits for people."""
    return AskedStatus(**fetch_rows(connection, "load_asked_status")[0])


def _progress(row: dict[str, Any]) -> RunProgress:
    return RunProgress(task=task_label(row.pop("namespace"), row.pop("task_name")), **row)


def _task(row: dict[str, Any]) -> TaskStatus:
    label = task_label(row.pop("namespace"), row.pop("name"))
    override = {name: row.pop(name) for name in ("actor", "reason", "until", "kind")}
    since = row["paused_at"]
    # Paused by hand, it has no override.
    known = {name: value for name, value in override.items() if value is not None}
    return TaskStatus(task=label, pause=Pause(since=since, **known) if since else None, **row)
