"""Rows that change between a statement's snapshot and its locks are checked again, and the server survives it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import psycopg
import pytest
from psycopg import sql

from runtime.store.connect import connect
from runtime.store.pool import Pool, fetch_all, open_pool
from runtime.store.retention import make_partitions
from runtime.store.statements import statement
from tests.support.installed import install, queue_run, task
from tests.support.locks import somebody_is_blocked
from tests.support.probes import within

_RUNS = 100
_LANES = b"from unnest(%(lanes)s"
_GATE = b"from (select pg_advisory_xact_lock_shared(1)) as gate cross join unnest(%(lanes)s"


@pytest.fixture
async def pool(database: str, connection: psycopg.AsyncConnection) -> AsyncIterator[Pool]:
    """A pool whose plans are those of large tables: runs are looked up by their ids, one by one."""
    name = sql.Identifier(connection.info.dbname)
    for setting in ("enable_hashjoin", "enable_mergejoin", "enable_seqscan"):
        await connection.execute(
            sql.SQL("alter database {} set {} = off").format(name, sql.Identifier(setting))
        )
    pool = await open_pool(database)
    await make_partitions(pool)
    yield pool
    await pool.close()


async def test_a_claim_meets_rows_that_another_has_just_claimed(
    pool: Pool, connection: psycopg.AsyncConnection, database: str
) -> None:
    """PostgreSQL 18 died of it, and took every session along: the check freed what chooses partitions."""
    installed = await install(connection, task())
    first, second, *others = [await queue_run(connection, installed, str(n)) for n in range(_RUNS)]
    await connection.execute("select pg_advisory_lock(1)")
    halted = statement("claim_due").replace(_LANES, _GATE)
    assert halted != statement("claim_due")
    lanes = {"lanes": [5], "shares": [0], "floors": ["-infinity"]}
    params = {**lanes, "limit": 2 * _RUNS, "runtime_id": 1}
    lease = {"lease": timedelta(seconds=15)}

    claiming = asyncio.create_task(fetch_all(pool, halted, params | lease))
    await somebody_is_blocked(database)
    await connection.execute(
        "update ordinaut.due_work set lease_until = 'infinity' where run_id in (%s, %s)",
        [first, second],
    )
    await connection.execute("select pg_advisory_unlock(1)")

    claimed = await within(claiming, "the claim")
    assert {row["run_id"] for row in claimed} == set(others)


def test_commands_are_kept_from_it_as_well(database: str) -> None:
    with connect(database) as connection:
        assert connection.execute("show enable_partition_pruning").fetchone() == ("off",)
