"""Due work: claiming, renewing, handing back, and everything a lease holder may write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, Literal
from uuid import UUID

import orjson

from runtime.core.storable import MAX_DEPTH, storable
from runtime.store.pool import Connection, Pool, borrow, fetch_all
from runtime.store.spending import free_budgets, record_counts, record_usage
from runtime.store.statements import statement

LANES = tuple(range(9, 0, -1))
"""One lane a priority, the highest first."""
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NO_FLOORS: Final[Mapping[int, datetime]] = MappingProxyType({})
_NO_SHARES: Final[Mapping[int, int]] = MappingProxyType({})
WHOLE: Final = -1
"""The iteration under which a `foreach` step is recorded when all of it is over."""
OVER: Final = "(over)"
"""The name, which no step can have, under which is recorded how the steps ended before those of `finally` begin."""
# A value of a step as deep as it may be, and the levels of the report around it.
_REPORT_DEPTH = MAX_DEPTH + 10


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that this runtime holds: its lease, its fencing token, and what it was started with.

    Attributes:
        task: `name`, or `namespace/name` outside the default namespace.
        attempt: how often it was leased since it last got further or waited; what was handed back does not count.
        run: its id as text, which is what tools, templates and events see.
    """

    run_id: UUID
    task: str
    task_uid: int
    revision_id: int
    lease_epoch: int
    attempt: int
    trigger: str
    occurrence_for: datetime
    due_at: datetime
    started_at: datetime
    claimed_at: datetime
    params: Mapping[str, Any] | None
    event: Mapping[str, Any] | None
    run: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Assigned the long way because the class is frozen; once, as every part of its execution needs it.
        object.__setattr__(self, "run", str(self.run_id))


@dataclass(frozen=True, slots=True)
class Claimed:
    """What one look at the queue gave.

    Attributes:
        places: of each run, its lane and when it was ready there.
        claims: the runs, to be executed.
        late: runs that nobody has begun by their deadline, for `skip_late`.
    """

    places: tuple[tuple[int, datetime], ...]
    claims: tuple[Claim, ...]
    late: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    """What was skipped for its deadline.

    Attributes:
        turns: tasks in whose backlog somebody must look.
        is_related: whether another run waits for one of them.
    """

    turns: tuple[int, ...]
    is_related: bool

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> Skipped:
        """What the database answers."""
        listed = list(rows)
        return cls(
            turns=tuple(row["turn"] for row in listed if row["turn"] is not None),
            is_related=any(row["is_related"] for row in listed),
        )


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is left in the queue.

    Attributes:
        ready_in: seconds until some work can be claimed, negative when overdue; None when there is none.
        is_gated: whether some is ready and waits for a slot of its concurrency key.
    """

    ready_in: float | None
    is_gated: bool


@dataclass(frozen=True, slots=True)
class Written:
    """What became of reports.

    Attributes:
        held: the runs whose lease still held.
        turns: tasks in whose backlog somebody must look.
        failing: tasks of which a run failed, and that are to be paused after some failures in a row.
        frees_slots: whether a run is over that held a slot of a concurrency key.
        rouses: whether something happened that other runs may wait for.
        ready_in: seconds until the first of those that went to sleep is ready again; None where none did.
    """

    held: frozenset[UUID]
    turns: tuple[int, ...]
    failing: tuple[int, ...] = ()
    frees_slots: bool = False
    rouses: bool = False
    ready_in: float | None = None


@dataclass(slots=True)
class Report:
    """What a lease holder has to say about a run; written whole or, if the lease was lost, not at all.

    Attributes:
        move: `keep` the lease, `wait` without it for `wait_seconds`, or `finish` in `state`.
        results: final results of calls.
        attempts: tries that failed and will be repeated, or were left open and will be gone on with.
        intents: calls that are about to be made and must not be made twice; with `asked`, one that may have happened.
        waits: what the run begins to wait for.
        emits: events that it tells, for what waits for them.
        rouses: whether it ends a run that another may wait for, or one that waits for others.
        events: `{"id", "type", "data"}` each, in order.
        used: what calls used up; few have any.
        counted: how far runs are, its own or others of its project.
        freed: calls that a budget need wait for no more.
        size: about how many bytes its results have.
    """

    run_id: UUID
    lease_epoch: int
    task: str
    move: Literal["keep", "wait", "finish"] = "keep"
    state: str | None = None
    wait_seconds: float = 0.0
    error: Mapping[str, Any] | None = None
    results: list[dict[str, Any]] = field(default_factory=list)
    attempts: list[dict[str, Any]] = field(default_factory=list)
    intents: list[dict[str, Any]] = field(default_factory=list)
    waits: list[dict[str, Any]] = field(default_factory=list)
    emits: list[dict[str, Any]] = field(default_factory=list)
    rouses: bool = False
    events: list[dict[str, Any]] = field(default_factory=list)
    used: list[dict[str, Any]] = field(default_factory=list)
    counted: list[dict[str, Any]] = field(default_factory=list)
    freed: list[dict[str, Any]] = field(default_factory=list)
    size: int = 0


async def claim_due(
    pool: Pool,
    *,
    runtime_id: int,
    limit: int,
    lease: timedelta,
    floors: Mapping[int, datetime] = _NO_FLOORS,
    shares: Mapping[int, int] = _NO_SHARES,
) -> Claimed:
    """Lease at most `limit` ready runs: so many of each lane that has a share, and of the rest those that have waited
    longest, where a step of priority is worth 30 s. What is past its start deadline is told apart. In lanes that
    have a floor, what was ready before is passed over.
    """
    rows = await fetch_all(
        pool,
        statement("claim_due"),
        {
            **_lanes(floors),
            "shares": [shares.get(lane, 0) for lane in LANES],
            "limit": limit,
            "lease": lease,
            "runtime_id": runtime_id,
        },
    )
    leased = [row for row in rows if row["lease_epoch"] is not None]
    return Claimed(
        places=tuple((row.pop("lane"), row.pop("ready_at")) for row in leased),
        claims=tuple(Claim(**row) for row in leased),
        late=tuple(row["run_id"] for row in rows if row["lease_epoch"] is None),
    )


async def skip_late(pool: Pool, run_ids: Sequence[UUID]) -> Skipped:
    """Skip runs that nobody has begun by their deadline; those that somebody began meanwhile go on."""
    rows = await fetch_all(pool, statement("skip_late"), {"run_ids": list(run_ids)})
    return Skipped.of(rows)


def _lanes(floors: Mapping[int, datetime]) -> dict[str, Any]:
    return {
        "lanes": list(LANES),
        "floors": [floors.get(lane, _BEGINNING) for lane in LANES],
    }


async def renew_leases(
    pool: Pool, held: Sequence[tuple[UUID, int]], lease: timedelta
) -> frozenset[UUID]:
    """Prolong leases; returns the runs that are still ours."""
    rows = await fetch_all(pool, statement("renew_leases"), {**_pairs(held), "lease": lease})
    return frozenset(row["run_id"] for row in rows)


async def release_leases(
    pool: Pool, held: Sequence[tuple[UUID, int]], wait: timedelta = timedelta(0)
) -> None:
    """Hand runs back, for whoever comes after `wait`; taking them did not count as an attempt."""
    await fetch_all(pool, statement("release_leases"), {**_pairs(held), "wait": wait})


async def seconds_until_ready(pool: Pool, *, floors: Mapping[int, datetime] = _NO_FLOORS) -> Ahead:
    """What is left in the queue when nothing can be claimed; from the floors on."""
    rows = await fetch_all(pool, statement("seconds_until_ready"), _lanes(floors))
    return Ahead(**rows[0])


async def record_progress(pool: Pool, reports: Sequence[Report]) -> Written:
    """Write reports in one statement; those whose lease was lost write nothing."""
    if any(report.used or report.freed or report.counted for report in reports):
        async with borrow(pool) as connection, connection.transaction():
            rows = await write_progress(connection, reports)
    else:
        params = {"reports": reports_json(reports)}
        rows = await fetch_all(pool, statement("record_progress"), params)
    return replace(
        written(rows),
        rouses=any(report.emits or report.rouses for report in reports),
        ready_in=min((s for row in rows if (s := row["ready_in"]) is not None), default=None),
    )


async def write_progress(
    connection: Connection, reports: Sequence[Report]
) -> Sequence[Mapping[str, Any]]:
    """Write reports with what their calls used up, in the transaction that is open; the rows are for `written`."""
    params = {"reports": reports_json(reports)}
    rows = await (await connection.execute(statement("record_progress"), params)).fetchall()
    held = [row["run_id"] for row in rows]
    await record_usage(connection, [(one.run_id, one.used) for one in reports], held)
    await free_budgets(connection, [(one.run_id, one.freed) for one in reports], held)
    await record_counts(connection, [(one.run_id, one.counted) for one in reports], held)
    return rows


def written(rows: Sequence[Mapping[str, Any]]) -> Written:
    """What became of reports, as the database answers."""
    return Written(
        held=frozenset(row["run_id"] for row in rows),
        turns=tuple(row["turn"] for row in rows if row["turn"] is not None),
        failing=tuple(row["failing"] for row in rows if row["failing"] is not None),
        frees_slots=any(row["frees"] for row in rows),
    )


def reports_json(reports: Sequence[Report]) -> str:
    """Reports as text that PostgreSQL takes. What it cannot keep is rare, so it is looked for in the whole, and only then in parts."""
    try:
        text = orjson.dumps(list(reports))
    except TypeError:
        # A lone surrogate, a large integer, or too many levels: an expression can make each of them.
        text = b""
    if not text or rb"\u0000" in text:
        parts = [{name: getattr(report, name) for name in Report.__slots__} for report in reports]
        text = orjson.dumps(storable(parts, _REPORT_DEPTH))
    return text.decode()


def _pairs(held: Sequence[tuple[UUID, int]]) -> dict[str, Any]:
    return {
        "run_ids": [run_id for run_id, _ in held],
        "lease_epochs": [epoch for _, epoch in held],
    }
