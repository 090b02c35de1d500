"""Workers that lease runs and record what became of them, as runtimes do, and how long each statement of theirs takes.

For what is measured beside them. They hold a steady load rather than the greatest: on a saturated machine everything
waits for a core, and waiting for a lock would not be seen.
"""

from __future__ import annotations

import asyncio
import random
import statistics
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from time import perf_counter

import psycopg

from runtime.clock import SYSTEM_CLOCK
from runtime.core.identity import derive_event_id, derive_run_id
from runtime.store.due_work import Claim, Report, claim_due, record_progress
from runtime.store.pool import Pool, open_pool

WORKERS, BATCH = 4, 5
PAUSE_SECONDS = 0.02
LEASE = timedelta(seconds=30)

Window = tuple[float, float]
"""When something began and ended, by `perf_counter`."""


@dataclass(slots=True)
class Leasing:
    """When each statement began and ended."""

    leases: list[Window] = field(default_factory=list)
    reports: list[Window] = field(default_factory=list)
    runs: int = 0


@asynccontextmanager
async def leasing(database: str, runs: int) -> AsyncIterator[Leasing]:
    """Queue so many runs, and lease and finish them for as long as the block lasts."""
    await asyncio.to_thread(queue_runs, database, runs)
    pool = await open_pool(database)
    noted = Leasing()
    over = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as workers:
            for number in range(WORKERS):
                workers.create_task(_work(pool, number, noted, over))
            yield noted
            over.set()
    finally:
        await pool.close()


def queue_runs(database: str, number: int) -> None:
    """Runs that are ready, of tasks in force at random."""
    at = SYSTEM_CLOCK.now()
    with psycopg.connect(database) as connection:
        tasks = connection.execute(
            "select uid, revision_id from ordinaut.spec where kind = 'Task' and retired_at is null"
        ).fetchall()
        drawn = random.Random(1).choices(tasks, k=number)
        rows = [
            (derive_run_id(uid, "manual", str(place), at), uid, revision, at)
            for place, (uid, revision) in enumerate(drawn)
        ]
        with (
            connection.cursor() as cursor,
            cursor.copy(
                "copy ordinaut.run (run_id, task_uid, revision_id, occurrence_for, due_at, trigger, state) from stdin"
            ) as copy,
        ):
            for row in rows:
                copy.write_row((*row, at, "manual", "queued"))
        with (
            connection.cursor() as cursor,
            cursor.copy(
                "copy ordinaut.due_work (run_id, task_uid, revision_id, ready_at, lane) from stdin"
            ) as copy,
        ):
            for row in rows:
                copy.write_row((*row, 5))
    with psycopg.connect(database, autocommit=True) as connection:
        # A server that has run for a while has log files to write over; making a new one holds up every commit.
        connection.execute("checkpoint")


async def _work(pool: Pool, number: int, noted: Leasing, over: asyncio.Event) -> None:
    while not over.is_set():
        begin = perf_counter()
        claims = (await claim_due(pool, runtime_id=number + 1, limit=BATCH, lease=LEASE)).claims
        noted.leases.append((begin, perf_counter()))
        assert claims, "all runs are over: queue more of them"
        begin = perf_counter()
        written = await record_progress(pool, [_finished(claim) for claim in claims])
        noted.reports.append((begin, perf_counter()))
        assert len(written.held) == len(claims)
        noted.runs += len(claims)
        await SYSTEM_CLOCK.sleep(PAUSE_SECONDS)


def _finished(claim: Claim) -> Report:
    """What a runtime reports of a run of one step."""
    result = {
        "step": "brief",
        "iteration": 0,
        "attempt": 1,
        "outcome": "ok",
        "uses": "llm.plan",
        "output": {"plan": "all is well"},
        "seconds": 0.5,
        "server_generation": 0,
        "schema_digest": "",
    }
    told = {"task": claim.task, "run_id": str(claim.run_id), "seconds": 0.5}
    event_id = derive_event_id(claim.run_id, claim.lease_epoch, 1)
    return Report(
        run_id=claim.run_id,
        lease_epoch=claim.lease_epoch,
        task=claim.task,
        move="finish",
        state="succeeded",
        results=[result],
        events=[{"id": event_id, "type": "run.succeeded", "data": told}],
    )


def within(spans: Iterable[Window], windows: Sequence[Window]) -> list[float]:
    """The milliseconds of every statement that ran while one of the windows was open."""
    return [
        (end - begin) * 1000
        for begin, end in spans
        if any(begin < closes and end > opens for opens, closes in windows)
    ]


def percentiles(milliseconds: Sequence[float]) -> tuple[float, float, float]:
    """p50, p99 and the most."""
    hundredths = statistics.quantiles(milliseconds, n=100, method="inclusive")
    return hundredths[49], hundredths[98], max(milliseconds)
