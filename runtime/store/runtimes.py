"""Runtimes and what they read of the live specs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from migrations import newest_migration
from runtime.duties import DUTIES, Duty
from runtime.store.pool import Pool, fetch_all
from runtime.store.statements import statement

WORK: Final = "work"
"""The hint that runs are ready."""
EVENTS: Final = "events"
"""The hint that events wait to be published."""
RELATED: Final = "related"
"""The hint that a run is over which others wait for, or which waits for others."""
HEARD: Final = "heard"
"""The hint that tasks have heard events, which wait to be decided."""


@dataclass(frozen=True, slots=True)
class LiveSpec:
    """A document in force that runs depend on."""

    kind: str
    namespace: str
    name: str
    project: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TaskRevision:
    """A task as one revision wrote it; it never changes."""

    namespace: str
    name: str
    project: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Beat:
    """What one look found.

    Attributes:
        resumed: how many pauses were ended.
        newest_revision: the newest revision of any project; 0 before the first.
        are_schedules_due: whether a schedule is due, or some run waits for its turn.
        is_work_ready: whether some run can be claimed.
        is_gate_busy: whether some run waits for a slot of its concurrency key.
        are_events_left: whether some events are not published.
        is_outdated: whether a newer program migrated the database in a way that this one cannot work with.
    """

    resumed: int
    newest_revision: int
    are_schedules_due: bool
    is_work_ready: bool
    is_gate_busy: bool
    are_events_left: bool
    is_outdated: bool = False


async def register_runtime(
    pool: Pool, *, host: str, pid: int, version: str, duties: Collection[Duty] = DUTIES
) -> int:
    """Announce a runtime process; returns its id."""
    rows = await fetch_all(
        pool,
        statement("register_runtime"),
        {
            "host": host,
            "pid": pid,
            "version": version,
            "duties": [duty for duty in DUTIES if duty in duties],
        },
    )
    return int(rows[0]["runtime_id"])


async def beat_runtime(pool: Pool, runtime_id: int, *, draining: bool) -> Beat:
    """Say that a runtime is alive, end the pauses whose time is over, and look for what services may have missed."""
    rows = await fetch_all(
        pool,
        statement("beat_runtime"),
        {
            "runtime_id": runtime_id,
            "draining": draining,
            "newest_migration": newest_migration(),
        },
    )
    return Beat(**rows[0])


async def wake(pool: Pool) -> None:
    """Hint to every runtime, this one among them, that something may be due."""
    await fetch_all(pool, statement("wake"), {})


async def cry(pool: Pool, hint: str) -> None:
    """Send one of these hints to every runtime, this one among them."""
    await fetch_all(pool, statement("cry"), {"hint": hint})


async def stop_runtime(pool: Pool, runtime_id: int) -> None:
    """Say that a runtime stopped on purpose."""
    await fetch_all(pool, statement("stop_runtime"), {"runtime_id": runtime_id})


async def newest_revision(pool: Pool) -> int:
    """The id of the newest revision of any project; 0 before the first."""
    rows = await fetch_all(pool, statement("newest_revision"), {})
    return int(next(iter(rows[0].values())))


async def list_live_specs(pool: Pool) -> list[LiveSpec]:
    """Tool servers, agents and projects in force."""
    return [LiveSpec(**row) for row in await fetch_all(pool, statement("list_live_specs"), {})]


async def load_task_revisions(
    pool: Pool, keys: Collection[tuple[int, int]]
) -> dict[tuple[int, int], TaskRevision]:
    """Tasks' immutable bodies, by the task's uid and the revision; those that are there."""
    wanted = {
        "uids": [uid for uid, _ in keys],
        "revision_ids": [revision_id for _, revision_id in keys],
    }
    rows = await fetch_all(pool, statement("load_task_revisions"), wanted)
    return {(row.pop("uid"), row.pop("revision_id")): TaskRevision(**row) for row in rows}
