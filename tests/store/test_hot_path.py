"""What claiming, renewing and finishing ask of PostgreSQL: updates that touch no index, and plans that scan no table."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from runtime.store.due_work import (
    LANES,
    Claim,
    Report,
    claim_due,
    record_progress,
    release_leases,
    renew_leases,
    reports_json,
)
from runtime.store.pool import Pool, open_pool
from runtime.store.retention import make_partitions
from runtime.store.statements import statement
from tests.support.installed import Installed, install, queue_run, task

LEASE = timedelta(seconds=15)
MANY = 5_000
_FILL = """
with r as (
    insert into ordinaut.run
        (run_id, task_uid, revision_id, trigger, trigger_key, occurrence_for, due_at, state)
    select gen_random_uuid(), %s, %s, 'manual', n::text, now(), now(), 'queued'
    from generate_series(1, %s) n
    returning run_id, task_uid, revision_id)
insert into ordinaut.due_work (run_id, task_uid, revision_id, ready_at, lane)
select run_id, task_uid, revision_id, now() + %s * interval '1 hour', 5 from r
"""


@pytest.fixture
async def one(database: str) -> AsyncIterator[Pool]:
    """A pool of one connection, so that its statistics can be asked for."""
    pool = await open_pool(database, size=1)
    yield pool
    await pool.close()


async def fill(
    connection: psycopg.AsyncConnection, installed: Installed, runs: int, hours: int = 0
) -> None:
    """So many runs, ready now or in so many hours."""
    await connection.execute(_FILL, [installed.uid, installed.revision_id, runs, hours])


def ending(claim: Claim) -> Report:
    return Report(claim.run_id, claim.lease_epoch, claim.task, move="finish", state="succeeded")


async def test_leases_are_taken_renewed_and_given_back_without_touching_an_index(
    one: Pool, connection: psycopg.AsyncConnection
) -> None:
    await fill(connection, await install(connection, task()), 300)

    claims = (await claim_due(one, runtime_id=1, limit=300, lease=LEASE)).claims
    held = [(claim.run_id, claim.lease_epoch) for claim in claims]
    assert len(await renew_leases(one, held, LEASE)) == 300
    await release_leases(one, held)
    claims = (await claim_due(one, runtime_id=1, limit=300, lease=LEASE)).claims
    assert len(claims) == 300

    assert await touching_no_index(one, connection, "due_work") == 4 * 300


async def test_a_run_begins_without_touching_an_index(
    one: Pool, connection: psycopg.AsyncConnection
) -> None:
    await fill(connection, await install(connection, task()), 300)

    assert len((await claim_due(one, runtime_id=1, limit=300, lease=LEASE)).claims) == 300

    assert await touching_no_index(one, connection, "run_default") == 300


async def touching_no_index(one: Pool, connection: psycopg.AsyncConnection, table: str) -> int:
    """How many rows of a table were updated, none of which took along an index."""
    async with one.connection() as session:
        await session.execute("select pg_stat_force_next_flush()")
        await session.execute("select 1")
    cursor = await connection.execute(
        "select n_tup_upd, n_tup_hot_upd, n_tup_newpage_upd from pg_stat_user_tables"
        " where relname = %s",
        [table],
    )
    row = await cursor.fetchone()
    assert row is not None
    updates, hot, elsewhere = row
    # Where somebody still sees the rows of before, a page has no room, and that alone may be why one is not HOT.
    assert hot + elsewhere == updates
    assert hot > updates / 2
    return int(updates)


def scanned(plan: dict[str, Any]) -> Iterator[str]:
    """The tables that a plan reads from end to end."""
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for part in plan.get("Plans", ()):
        yield from scanned(part)


@pytest.mark.parametrize("known", ["as it is", "as empty", "not at all"])
async def test_no_statement_of_the_hot_path_scans_a_table_of_many_rows(
    one: Pool, connection: psycopg.AsyncConnection, known: str
) -> None:
    await make_partitions(one)
    installed = await install(connection, task())
    run_id = await queue_run(connection, installed)
    if known == "as empty":
        await connection.execute("analyze ordinaut.due_work, ordinaut.run")
    await fill(connection, installed, MANY)
    await fill(connection, installed, MANY, hours=1)
    if known == "as it is":
        await connection.execute("analyze ordinaut.due_work, ordinaut.run")
    (claim,) = (await claim_due(one, runtime_id=1, limit=1, lease=LEASE)).claims
    assert claim.run_id == run_id
    lanes = {"lanes": list(LANES), "floors": ["-infinity"] * len(LANES)}
    lease = {"run_ids": [run_id], "lease_epochs": [claim.lease_epoch]}
    params: dict[str, dict[str, Any]] = {
        "claim_due": lanes | {"shares": [9] * len(LANES), "limit": 500, "lease": LEASE, "runtime_id": 1},
        "renew_leases": lease | {"lease": LEASE},
        "release_leases": lease | {"wait": timedelta(0)},
        "record_progress": {"reports": reports_json([ending(claim)])},
        "seconds_until_ready": lanes,
        "load_results": {"run_id": run_id, "asks_again": ["lost"]},
        "beat_runtime": {"runtime_id": 1, "draining": False, "newest_migration": 0},
    }  # fmt: skip
    for name, given in params.items():
        async with psycopg.AsyncClientCursor(connection) as cursor:
            await cursor.execute(b"explain (format json) " + statement(name), given)
            row = await cursor.fetchone()
        assert row is not None
        large = {"due_work", "run", "run_default"} & set(scanned(row[0][0]["Plan"]))
        assert not large, name

    assert (await record_progress(one, [ending(claim)])).held == {run_id}


async def test_what_was_ready_before_the_floor_is_passed_over(
    one: Pool, connection: psycopg.AsyncConnection
) -> None:
    installed = await install(connection, task())
    early = await queue_run(connection, installed, "early", lane=5)
    other = await queue_run(connection, installed, "other", lane=9)
    cursor = await connection.execute("select now()")
    row = await cursor.fetchone()
    assert row is not None
    late = await queue_run(connection, installed, "late", lane=5)

    found = await claim_due(one, runtime_id=1, limit=9, lease=LEASE, floors={5: row[0]})
    assert {claim.run_id for claim in found.claims} == {other, late}
    assert sorted(lane for lane, _ in found.places) == [5, 9]

    swept = await claim_due(one, runtime_id=1, limit=9, lease=LEASE)
    assert [claim.run_id for claim in swept.claims] == [early]
