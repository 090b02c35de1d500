"""Thousands of schedules are due in the same second: all are decided, in parts, and nobody waits behind all of them."""

from __future__ import annotations

import asyncio
import tracemalloc
from datetime import timedelta

import psycopg
import pytest

from runtime.scheduler import Look, Scheduler
from runtime.store.due_work import claim_due
from runtime.store.pool import open_pool
from tests.support.clock import START, FakeClock
from tests.support.installed import install, schedule, task
from tests.support.scheduling import make_scheduler

_SCHEDULES = 2_000
_COPIES = f"""
with made as (
    insert into ordinaut.spec (project, environment, kind, namespace, name, revision_id, body, digest)
    select project, environment, kind, namespace, name || '-' || n, revision_id,
        body || jsonb_build_object('name', name || '-' || n, 'priority', 1 + n %% 9), digest
    from ordinaut.spec, generate_series(2, {_SCHEDULES}) n where uid = %s
    returning uid)
insert into ordinaut.schedule (task_uid, cursor_for, next_for, next_due_at, tzdata)
select m.uid, s.cursor_for, s.next_for, s.next_due_at, s.tzdata from made m, ordinaut.schedule s
"""


async def decide_all(scheduler: Scheduler) -> list[Look]:
    """Look until nothing is due."""
    looks = []
    while (look := await scheduler.run_once()).due:
        looks.append(look)
    return looks


@pytest.mark.slow
async def test_schedules_that_are_due_at_once_are_decided_in_parts_and_every_lane_is_served(
    database: str, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    """Asserts: two schedulers decide 2,000 occurrences of one instant, each once, in looks of bounded size, within 24 MiB. Of
    what a runtime then claims, the highest priority comes first; and work of the lowest that has waited its time goes before
    new work of the highest.
    """
    await clock.attach(database)
    original = await install(connection, task("tick", schedule={"every": "1h"}, overlap="allow"))
    await schedule(connection, original, START, START + timedelta(hours=1))
    await connection.execute(_COPIES.encode(), [original.uid])
    pools = [await open_pool(database, size=2) for _ in range(2)]
    await clock.advance(3600)

    tracemalloc.start()
    racers = (make_scheduler(pool, clock, runtime_id=n) for n, pool in enumerate(pools))
    looks = [look for some in await asyncio.gather(*map(decide_all, racers)) for look in some]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    lease = timedelta(hours=1)
    first = (await claim_due(pools[0], runtime_id=1, limit=50, lease=lease)).claims
    await connection.execute(
        "update ordinaut.due_work set ready_at = ready_at + interval '1 h' where lane > 1"
    )
    await clock.advance(3600)
    second = (await claim_due(pools[0], runtime_id=1, limit=50, lease=lease)).claims
    for pool in pools:
        await pool.close()

    decided = "select count(*), count(distinct task_uid), count(distinct occurrence_for) from ordinaut.run"
    cursor = await connection.execute(decided.encode())
    assert await cursor.fetchone() == (_SCHEDULES, _SCHEDULES, 1)
    assert max(look.due for look in looks) <= 500
    assert peak < 24 * 2**20
    assert await lanes(connection, [claim.run_id for claim in first]) == {9}
    assert await lanes(connection, [claim.run_id for claim in second]) == {1}


async def lanes(connection: psycopg.AsyncConnection, run_ids: list[object]) -> set[int]:
    """The lanes of runs that are held."""
    cursor = await connection.execute(
        "select distinct lane from ordinaut.due_work where run_id = any(%s)", [run_ids]
    )
    return {lane for (lane,) in await cursor.fetchall()}
