"""Somebody's open transaction keeps PostgreSQL from forgetting: what is finished then costs the queue next to nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg

from runtime.store.due_work import LANES, Report, claim_due, record_progress
from runtime.store.pool import Pool, open_pool
from runtime.store.statements import statement
from tests.faults.site import Site
from tests.support.installed import install, task

_LEASE = timedelta(seconds=15)
_RUNS = 2000


async def finish_everything(pool: Pool) -> int:
    """Claim and finish all there is; how many."""
    done = 0
    while claims := (await claim_due(pool, runtime_id=1, limit=100, lease=_LEASE)).claims:
        reports = [
            Report(one.run_id, one.lease_epoch, one.task, move="finish", state="succeeded")
            for one in claims
        ]
        done += len((await record_progress(pool, reports)).held)
    return done


async def blocks_of_a_claim(database: str, floor: datetime) -> int:
    """How many blocks a claim looks at that finds nothing from there on, and has nothing to tidy up on its way."""
    lanes = len(LANES)
    params: dict[str, Any] = {
        "lanes": list(LANES), "shares": [0] * lanes, "floors": [floor] * lanes, "limit": 32, "lease": _LEASE,
        "runtime_id": 1,
    }  # fmt: skip
    async with await psycopg.AsyncConnection.connect(database) as connection:
        explained = b"explain (analyze, buffers, format json) " + statement("claim_due")
        for _ in range(2):
            row = await (await connection.execute(explained, params)).fetchone()
            assert row is not None
        plan = row[0][0]["Plan"]
        return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


async def test_work_goes_on_past_what_cannot_be_forgotten(site: Site, database: str) -> None:
    """Asserts: while a session holds a snapshot, 2,000 runs are claimed and finished, all of them. A claim that begins where the
    work stands looks at none of what cannot be forgotten, and one from the beginning at no more than a few blocks for each.
    """
    await site.queue_many(await install(site.connection, task()), _RUNS)
    beginning = await site.value("select ordinaut.now() - interval '1 day'")
    pool = await open_pool(database)
    async with await psycopg.AsyncConnection.connect(database) as holder:
        await holder.execute("set transaction isolation level repeatable read")
        await holder.execute("select count(*) from ordinaut.run")
        assert await finish_everything(pool) == _RUNS
        reached = await site.value("select ordinaut.now()")
        assert await blocks_of_a_claim(database, reached) < 50
        assert await blocks_of_a_claim(database, beginning) < 4 * _RUNS
    await pool.close()
    await site.connection.execute("vacuum ordinaut.due_work")

    assert await blocks_of_a_claim(database, beginning) < 50
