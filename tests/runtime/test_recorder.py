"""Reports are committed together, answered one by one, and survive a database that goes away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from runtime.errors import LeaseLost, StoreError
from runtime.recorder import Recorder
from runtime.store.due_work import Claim, Report, Written, claim_due, record_progress
from runtime.store.pool import Pool
from runtime.turns import Turns
from runtime.wake import Bell
from tests.support.clock import FakeClock
from tests.support.installed import install, queue_run, task
from tests.support.locks import somebody_is_blocked
from tests.support.probes import within

LEASE = timedelta(seconds=15)


@pytest.fixture
async def claims(pool: Pool, connection: psycopg.AsyncConnection) -> list[Claim]:
    installed = await install(connection, task())
    for n in range(5):
        await queue_run(connection, installed, str(n))
    return list((await claim_due(pool, runtime_id=1, limit=5, lease=LEASE)).claims)


@pytest.fixture
async def recorder(pool: Pool, clock: FakeClock) -> AsyncIterator[Recorder]:
    recorder = Recorder(pool, clock, Bell(clock), Turns(pool, clock, Bell(clock), Bell(clock)))
    service = asyncio.create_task(recorder.run())
    yield recorder
    service.cancel()
    await asyncio.gather(service, return_exceptions=True)


def report(
    claim: Claim,
    output: Any = None,
    *,
    epoch: int | None = None,
    move: Any = "finish",
    state: str = "succeeded",
) -> Report:
    result = {
        "step": "x", "iteration": 0, "attempt": 1, "outcome": "ok", "uses": "a.b", "output": output,
        "seconds": 0.0, "server_generation": 0, "schema_digest": "",
    }  # fmt: skip
    return Report(
        run_id=claim.run_id,
        lease_epoch=claim.lease_epoch if epoch is None else epoch,
        task="briefing",
        move=move,
        state=None if move == "keep" else state,
        results=[result],
    )


async def outcomes(connection: psycopg.AsyncConnection) -> list[tuple[str]]:
    cursor = await connection.execute("select state from ordinaut.run order by trigger_key")
    return await cursor.fetchall()


async def test_reports_that_come_together_are_each_answered(
    recorder: Recorder, claims: list[Claim], connection: psycopg.AsyncConnection
) -> None:
    answers = await asyncio.gather(
        *(
            recorder.record(report(claim, epoch=0 if n == 2 else None))
            for n, claim in enumerate(claims)
        ),
        return_exceptions=True,
    )

    assert [type(answer) for answer in answers] == [
        type(None),
        type(None),
        LeaseLost,
        type(None),
        type(None),
    ]
    assert await outcomes(connection) == [
        ("succeeded",),
        ("succeeded",),
        ("running",),
        ("succeeded",),
        ("succeeded",),
    ]


async def test_two_reports_of_one_run_are_written_one_after_the_other(
    recorder: Recorder, claims: list[Claim], connection: psycopg.AsyncConnection
) -> None:
    first, second = report(claims[0], "first", move="keep"), report(claims[0], "second")

    await asyncio.gather(recorder.record(first), recorder.record(second))

    cursor = await connection.execute("select output from ordinaut.step_result")
    assert await cursor.fetchall() == [("first",)]
    assert (await outcomes(connection))[0] == ("succeeded",)


async def test_a_report_the_database_refuses_fails_alone(
    recorder: Recorder, claims: list[Claim], connection: psycopg.AsyncConnection
) -> None:
    answers = await asyncio.gather(
        *(
            recorder.record(report(claim, state="unheard of" if n == 1 else "succeeded"))
            for n, claim in enumerate(claims)
        ),
        return_exceptions=True,
    )

    assert [type(answer) for answer in answers] == [
        type(None),
        StoreError,
        type(None),
        type(None),
        type(None),
    ]
    assert (await outcomes(connection)).count(("succeeded",)) == 4


async def test_large_reports_are_not_gathered_beyond_what_fits_into_memory(
    recorder: Recorder, claims: list[Claim], monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []

    async def counted(pool: Pool, reports: Sequence[Report]) -> Written:
        batches.append(len(reports))
        return await record_progress(pool, reports)

    monkeypatch.setattr("runtime.recorder.record_progress", counted)
    reports = [report(claim) for claim in claims]
    for one, size in zip(reports, (1, 9 << 20, 6 << 20, 9 << 20, 99 << 20), strict=True):
        one.size = size

    await asyncio.gather(*map(recorder.record, reports))

    assert batches == [3, 1, 1]


async def test_a_result_that_is_too_large_for_the_database_fails_with_a_code_of_its_own(
    recorder: Recorder, claims: list[Claim], connection: psycopg.AsyncConnection
) -> None:
    # What PostgreSQL says of a quarter of a gigabyte, without one.
    await connection.execute(
        "create function public.refuse() returns trigger language plpgsql as"
        " $$begin raise 'total size of jsonb array elements exceeds the maximum' using errcode = '54000'; end$$;"
        " create trigger refuse before insert on ordinaut.step_result for each row"
        " when (new.output = '\"huge\"') execute function public.refuse()"
    )

    refused, written = await asyncio.gather(
        recorder.record(report(claims[0], "huge")),
        recorder.record(report(claims[1], "small")),
        return_exceptions=True,
    )

    assert written is None
    assert isinstance(refused, StoreError)
    assert refused.code == "ORD506"
    assert refused.message.startswith("a result is too large for PostgreSQL: total size of jsonb")


@pytest.mark.parametrize("together", [True, False])
async def test_what_the_database_cannot_keep_is_made_so_that_it_can(
    recorder: Recorder, claims: list[Claim], connection: psycopg.AsyncConnection, *, together: bool
) -> None:
    deep: Any = "bottom"
    for _ in range(600):
        deep = [deep]
    outputs = ["a\0b", {"\ud800": 10**30}, deep, 7, r"\u0000"]

    one_by_one = asyncio.Semaphore(len(outputs) if together else 1)

    async def record(told: Report) -> None:
        async with one_by_one:
            await recorder.record(told)

    await asyncio.gather(*map(record, map(report, claims, outputs)))

    cursor = await connection.execute(
        "select output from ordinaut.step_result join ordinaut.run using (run_id) order by trigger_key"
    )
    first, second, third, *others = [output for (output,) in await cursor.fetchall()]
    assert (first, second, others) == ("a\ufffdb", {"\ufffd": "1" + 30 * "0"}, [7, r"\u0000"])
    assert json.dumps(third).strip("[]") == '"\\u2026"'


async def test_a_report_waits_for_a_database_that_comes_back(
    recorder: Recorder, claims: list[Claim], connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    await connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )

    recording = asyncio.create_task(recorder.record(report(claims[0])))
    while not recording.done():
        await clock.advance(0.5)
        await asyncio.wait((recording,), timeout=0.05)

    assert recording.exception() is None
    assert (await outcomes(connection))[0] == ("succeeded",)


async def test_stopping_the_recorder_leaves_nobody_waiting(
    pool: Pool, claims: list[Claim], clock: FakeClock, database: str
) -> None:
    recorder = Recorder(pool, clock, Bell(clock), Turns(pool, clock, Bell(clock), Bell(clock)))
    service = asyncio.create_task(recorder.run())
    async with pool.connection() as blocker, blocker.transaction():
        await blocker.execute("lock table ordinaut.due_work in access exclusive mode")
        recording = asyncio.create_task(recorder.record(report(claims[0])))
        await somebody_is_blocked(database)
        service.cancel()
        await asyncio.gather(service, return_exceptions=True)

    await within(asyncio.wait((recording,)), "the reporter is let go")
    assert recording.cancelled()
