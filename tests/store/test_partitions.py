"""Partitions of history: made ahead by whoever comes first, and dropped without holding up anybody."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from runtime.store import retention
from runtime.store.due_work import Report, claim_due, record_progress
from runtime.store.pool import Pool, open_pool
from runtime.store.recorded import load_results
from runtime.store.retention import (
    Kept,
    Month,
    drop_partition,
    list_expired_partitions,
    make_partitions,
    sweep_history,
)
from runtime.store.statements import _all_statements
from tests.support.clock import START, FakeClock
from tests.support.installed import install, queue_run, task
from tests.support.probes import within

MONTHS = 6
YEAR = 365 * 86_400
KEPT = Kept(runs=timedelta(days=90), events=timedelta(days=30))
OLD = Month("run", "202601")


@pytest.fixture(autouse=True)
async def _time_stands_still(clock: FakeClock, database: str) -> None:
    await clock.attach(database)


@pytest.fixture
async def pools(database: str) -> AsyncIterator[list[Pool]]:
    """One pool for each of several runtimes."""
    pools = [await open_pool(database) for _ in range(4)]
    yield pools
    for pool in pools:
        await pool.close()


@pytest.fixture
def pool(pools: list[Pool]) -> Pool:
    return pools[0]


async def fetch(connection: psycopg.AsyncConnection, query: str, *params: Any) -> list[Any]:
    cursor = await connection.execute(query.encode(), params)
    return [row[0] for row in await cursor.fetchall()]


async def parts(connection: psycopg.AsyncConnection, parent: str) -> list[str]:
    """The months of a table that have a partition."""
    return await fetch(
        connection,
        "select right(c.relname, 6) from pg_inherits i join pg_class c on c.oid = i.inhrelid"
        " where i.inhparent = %s::regclass and c.relname ~ '[0-9]{6}$' order by 1",
        f"ordinaut.{parent}",
    )


async def drop_all(pool: Pool) -> dict[str, str]:
    """What became of every month whose time is over."""
    expired = await list_expired_partitions(pool, KEPT)
    return {str(month): await drop_partition(pool, month, KEPT) for month in expired}


def report(claim: Any, move: str, **more: Any) -> Report:
    result = {
        "step": "plan", "iteration": 0, "attempt": 1, "outcome": "ok", "uses": "llm.plan", "input": {}, "output": "kept",
        "error": None, "idempotency_key": None, "server_generation": 0, "schema_digest": "", "seconds": 0.1,
    }  # fmt: skip
    used = {
        "step": "plan", "iteration": 0, "attempt": 1, "tool": "llm.plan", "model": "m", "input_tokens": 1,
        "output_tokens": 1, "cache_read_tokens": 0, "cache_written_tokens": 0, "reasoning_tokens": 0,
    }  # fmt: skip
    waits = move == "wait"
    state = {"wait": "waiting", "finish": "succeeded"}[move]
    return Report(
        claim.run_id,
        claim.lease_epoch,
        "briefing",
        move=move,
        state=state,
        results=[result] if waits else [],
        used=[used] if waits else [],
        **more,
    )


@pytest.mark.parametrize("change", ["state = 'succeeded'", "finished_at = ordinaut.now()"])
async def test_a_run_has_an_end_if_it_is_over_and_only_then(
    connection: psycopg.AsyncConnection, change: str
) -> None:
    """Whoever looks for runs that are not over looks for those without an end."""
    await queue_run(connection, await install(connection, task()))

    with pytest.raises(psycopg.errors.CheckViolation, match="run_end_is_told"):
        await connection.execute(f"update ordinaut.run set {change}".encode())


async def test_runtimes_that_start_together_make_the_same_partitions(
    pools: list[Pool], connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    for _ in range(MONTHS):
        left = await asyncio.gather(*(make_partitions(pool) for pool in pools))
        assert left == [[], [], [], []]
        await clock.advance(31 * 86_400)

    for parent in ("run", "step_result", "step_attempt", "step_intent", "call_usage", "event_log"):
        assert await parts(connection, parent) == [
            "202512", "202601", "202602", "202603", "202604", "202605", "202606", "202607", "202608",
        ]  # fmt: skip


async def test_a_partition_lets_rows_of_its_month_in_and_is_like_its_table(
    pool: Pool, connection: psycopg.AsyncConnection
) -> None:
    await make_partitions(pool)
    run_id = await queue_run(connection, await install(connection, task()))

    where = await fetch(connection, "select tableoid::regclass::text from ordinaut.run")

    assert where == ["run_202601"]
    options = "select reloptions from pg_class where oid = %s::regclass"
    assert await fetch(connection, options, "ordinaut.run_202601") == [["fillfactor=50"]]
    indexes = "select count(*) from pg_index where indrelid = %s::regclass"
    assert await fetch(connection, indexes, "ordinaut.run_202601") == [3]
    with pytest.raises(psycopg.errors.CheckViolation):
        await connection.execute(
            "update ordinaut.run set state = 'lost' where run_id = %s", [run_id]
        )


async def test_making_and_dropping_give_up_soon_where_somebody_reads(
    pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock, database: str
) -> None:
    await make_partitions(pool)
    installed = await install(connection, task())
    await clock.advance(YEAR)
    async with await psycopg.AsyncConnection.connect(database) as reader:
        await reader.execute("select count(*) from ordinaut.run")

        missing = await within(make_partitions(pool), "an end of trying")
        fates = await within(drop_all(pool), "an end of trying")
        # Whoever came after them was not held up for long, and now is not at all.
        await within(queue_run(connection, installed), "a new run")

    assert Month("run", "202701") in missing
    assert fates["ordinaut.run_202512"] == "busy"
    assert await make_partitions(pool) == [Month("run", "202701")]  # the run came first
    assert (await drop_all(pool))["ordinaut.run_202512"] == "dropped"


async def test_a_run_that_waits_for_months_keeps_its_history_and_finishes(
    pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    await make_partitions(pool)
    installed = await install(connection, task())
    over = await queue_run(connection, installed, "over")
    await queue_run(connection, installed, "waits")
    lease = timedelta(seconds=15)
    claimed = (await claim_due(pool, runtime_id=1, limit=2, lease=lease)).claims
    ends = {claim.run_id == over: claim for claim in claimed}
    await record_progress(
        pool, [report(ends[True], "finish"), report(ends[False], "wait", wait_seconds=YEAR)]
    )
    await connection.execute("delete from ordinaut.outbox")  # they are published
    await clock.advance(YEAR)

    fates = await drop_all(pool)

    assert set(fates.values()) == {"dropped"}
    waiting = ends[False].run_id
    assert await fetch(connection, "select run_id from ordinaut.run") == [waiting]
    assert (await load_results(pool, waiting)).results["plan", 0].output == "kept"
    assert await fetch(connection, "select run_id from ordinaut.call_usage") == [waiting]
    [again] = (await claim_due(pool, runtime_id=2, limit=2, lease=lease)).claims
    assert again.run_id == waiting
    await record_progress(pool, [report(again, "finish")])
    assert await sweep_history(pool, KEPT) == 0
    await clock.advance(YEAR)
    # The run and its runtime-less result, and then what belongs to nothing any more.
    assert await sweep_history(pool, KEPT) >= 1
    assert await sweep_history(pool, KEPT) == 2
    assert await sweep_history(pool, KEPT) == 0
    assert await fetch(connection, "select count(*) from ordinaut.step_result") == [0]
    assert await fetch(connection, "select count(*) from ordinaut.call_usage") == [0]


async def test_what_ended_lately_stays_though_its_occurrence_is_old(
    pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    await make_partitions(pool)
    run_id = await queue_run(connection, await install(connection, task()))
    await clock.advance(YEAR)
    await connection.execute(
        "update ordinaut.run set state = 'succeeded', finished_at = ordinaut.now()"
    )

    await drop_all(pool)
    await sweep_history(pool, KEPT)

    assert await fetch(connection, "select run_id from ordinaut.run") == [run_id]


async def test_a_month_of_which_much_is_wanted_stays_as_it_is(
    pool: Pool,
    connection: psycopg.AsyncConnection,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention, "_MOST_MOVED", 1)
    await make_partitions(pool)
    installed = await install(connection, task())
    for key in ("one", "two"):
        await queue_run(connection, installed, key)
    await clock.advance(YEAR)

    fates = await drop_all(pool)

    assert fates["ordinaut.run_202601"] == "wanted"
    assert fates["ordinaut.step_result_202601"] == "wanted"
    assert fates["ordinaut.step_result_202602"] == "dropped"
    assert "202601" in await parts(connection, "run")


_TOLD = (
    "insert into ordinaut.event_log (type, subject, data, occurred_at) values ('a', 'b', '{}', %s)"
)


async def test_events_are_dropped_by_their_own_time(
    pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    await make_partitions(pool)
    for occurred_at in (START, START - timedelta(days=400), START + timedelta(days=75)):
        await connection.execute(_TOLD, [occurred_at])
    await connection.execute("delete from ordinaut.outbox")
    await clock.advance(75 * 86_400)

    await drop_all(pool)
    swept = await sweep_history(pool, KEPT)

    assert await parts(connection, "event_log") == ["202602", "202603"]
    assert "202512" in await parts(connection, "run")
    assert swept == 1  # the one that was too old for any partition
    left: list[datetime] = await fetch(connection, "select occurred_at from ordinaut.event_log")
    assert left == [START + timedelta(days=75)]


async def test_buckets_that_are_full_again_are_forgotten(
    pool: Pool, connection: psycopg.AsyncConnection
) -> None:
    await connection.execute(
        "insert into ordinaut.rate_bucket (bucket, spent_until)"
        " values ('full', ordinaut.now() - interval '2 h'), ('spent', ordinaut.now() + interval '1 min')"
    )

    assert await sweep_history(pool, KEPT) == 1

    cursor = await connection.execute("select bucket from ordinaut.rate_bucket")
    assert await cursor.fetchall() == [("spent",)]


async def test_events_that_are_not_published_are_kept_however_old_they_are(
    pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    await make_partitions(pool)
    for occurred_at in (START - timedelta(days=400), START):
        await connection.execute(_TOLD, [occurred_at])
    await clock.advance(75 * 86_400)

    await drop_all(pool)
    swept = await sweep_history(pool, KEPT)

    assert "202601" in await parts(connection, "event_log")
    assert (swept, await fetch(connection, "select count(*) from ordinaut.event_log")) == (0, [2])


async def test_turns_of_runs_that_are_over_are_forgotten_and_those_of_runs_that_wait_are_kept(
    pool: Pool, connection: psycopg.AsyncConnection
) -> None:
    waits = await queue_run(connection, await install(connection, task()))
    await connection.execute(
        "insert into ordinaut.rate_turn (run_id, step, iteration, attempt, ready_at)"
        " select run_id, 'a', 0, 1, ordinaut.now() - interval '2 h' from (values (%s::uuid), (gen_random_uuid())) r (run_id)",
        [waits],
    )

    assert await sweep_history(pool, KEPT) == 1

    cursor = await connection.execute("select run_id from ordinaut.rate_turn")
    assert await cursor.fetchall() == [(waits,)]


async def test_no_statement_locks_rows_while_it_reads_history(
    connection: psycopg.AsyncConnection, pool: Pool
) -> None:
    """Locked rows are read again with all that was joined to them; in PostgreSQL 18 partitions do not survive that."""
    await make_partitions(pool)
    await connection.execute("set enable_partition_pruning = off")
    looked_at = 0

    for name, text in _all_statements().items():
        if not re.search(rb"for (no key )?update", text):
            continue
        cursor = await connection.execute(
            b"explain (generic_plan, format json) " + _numbered(text), prepare=False
        )
        [[plan]] = [row[0] for row in await cursor.fetchall()]
        looked_at += 1
        read = {table for node in _locking(plan["Plan"]) for table in _tables(node)}
        assert not {table for table in read if re.search(r"_(\d{6}|default)$", table)}, name

    assert looked_at > 10


def _numbered(text: bytes) -> bytes:
    """A statement with parameters as the server writes them."""
    names = list(dict.fromkeys(re.findall(rb"%\((\w+)\)s", text)))
    for number, name in enumerate(names, 1):
        text = text.replace(b"%%(%s)s" % name, b"$%d" % number)
    return text.replace(b"%%", b"%")


def _locking(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if node["Node Type"] == "LockRows":
        yield node
    for inner in node.get("Plans", ()):
        yield from _locking(inner)


def _tables(node: dict[str, Any]) -> Iterator[str]:
    if "Relation Name" in node:
        yield node["Relation Name"]
    for inner in node.get("Plans", ()):
        yield from _tables(inner)
