"""Runs that share a concurrency key never hold more slots than it has, whichever runtimes execute them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from runtime.actor import Actor
from runtime.cancelling import cancel_run
from runtime.gate import Gate
from runtime.keyring import Keyring
from runtime.manual import request_run
from runtime.registry import Registry
from runtime.scheduler import Look
from runtime.store.connect import connect
from runtime.store.due_work import (
    Claim,
    Report,
    claim_due,
    record_progress,
    seconds_until_ready,
    skip_late,
)
from runtime.store.pool import Pool
from runtime.store.runs import load_run
from tests.runtime.test_app import Start, sleepy, start
from tests.runtime.test_overlap import LEASE, Place, place
from tests.support.clock import FakeClock
from tests.support.installed import Installed, install, task
from tests.support.probes import eventually

__all__ = ["place", "start"]

CRM = {"key": "crm", "limit": 2}
ONE = {"key": "crm", "limit": 1}


class NoServers:
    """Whoever would run tool servers."""

    def replace(self, definitions: object) -> None:
        """There are none."""


@pytest.fixture
async def gate(pool: Pool, clock: FakeClock, database: str, tmp_path: Path) -> Gate:
    await clock.attach(database)
    return Gate(pool, Registry(pool, NoServers(), clock, Keyring(tmp_path, clock)), clock, 5)


def ask(database: str, label: str = "briefing", **params: Any) -> UUID:
    with connect(database) as connection:
        return request_run(
            connection, label, params, may_overlap=True, needs_runtime=False, actor=Actor("ada")
        )[0]


async def ask_later(clock: FakeClock, database: str, label: str = "briefing") -> UUID:
    """As `ask`, a second after what was asked for before."""
    await clock.advance(1)
    return ask(database, label)


async def claim(pool: Pool, lease: timedelta = LEASE) -> list[Claim]:
    claimed = await claim_due(pool, runtime_id=1, limit=100, lease=lease)
    if claimed.late:
        await skip_late(pool, claimed.late)
    return list(claimed.claims)


async def finish(pool: Pool, claimed: Claim) -> None:
    over = Report(
        claimed.run_id, claimed.lease_epoch, claimed.task, move="finish", state="succeeded"
    )
    assert (await record_progress(pool, [over])).held


async def begun(gate: Gate, pool: Pool) -> list[UUID]:
    """The runs that one look lets begin."""
    count = await gate.look()
    claimed = [one.run_id for one in await claim(pool)]
    assert len(claimed) == count
    return claimed


async def install_gated(
    connection: psycopg.AsyncConnection, name: str = "briefing", **fields: Any
) -> Installed:
    return await install(connection, task(name, **{"concurrency": CRM, **fields}))


@pytest.fixture
async def two(
    gate: Gate, connection: psycopg.AsyncConnection, clock: FakeClock, database: str
) -> tuple[UUID, UUID]:
    """Two runs of a task with one slot, which the first has got."""
    await install_gated(connection, concurrency=ONE)
    first, second = [await ask_later(clock, database) for _ in range(2)]
    await gate.look()
    return first, second


async def test_runs_of_all_tasks_with_a_key_share_its_slots(
    gate: Gate,
    pool: Pool,
    connection: psycopg.AsyncConnection,
    clock: FakeClock,
    database: str,
) -> None:
    await install_gated(connection)
    await install_gated(connection, "other")
    first, second, third = [
        await ask_later(clock, database, name) for name in ("briefing", "other", "briefing")
    ]

    assert await claim(pool) == []
    assert await gate.look() == 2
    held = await claim(pool)
    assert [one.run_id for one in held] == [first, second]
    assert await gate.look() == 0

    await finish(pool, held[1])
    assert await begun(gate, pool) == [third]


async def test_a_waiting_run_has_not_begun_and_says_who_is_in_its_way(
    pool: Pool, database: str, two: tuple[UUID, UUID]
) -> None:
    first, second = two
    await claim(pool)

    with connect(database) as reading:
        run = load_run(reading, second)

    assert (run.state, run.started_at) == ("queued", None)
    assert run.slot_wait is not None
    assert run.slot_wait.key == "crm"
    assert [(h.slot, h.run_id, h.task) for h in run.slot_wait.holders] == [(1, first, "briefing")]
    assert (await seconds_until_ready(pool)).is_gated


async def test_each_value_of_a_template_is_a_key_of_its_own(
    gate: Gate, pool: Pool, connection: psycopg.AsyncConnection, database: str
) -> None:
    await install_gated(
        connection,
        params={"customer": "a"},
        concurrency={"key": "crm-${params.customer}", "limit": 1},
    )
    ask(database), ask(database), ask(database, customer="b")

    assert await gate.look() == 2
    cursor = await connection.execute(
        "select slot_key, slot from ordinaut.concurrency_slot order by 1"
    )
    assert await cursor.fetchall() == [("crm-a", 1), ("crm-b", 1)]


async def test_a_very_long_key_is_told_from_another_by_its_digest(
    gate: Gate, connection: psycopg.AsyncConnection, database: str
) -> None:
    key = {"key": "${params.text}", "limit": 1}
    await install_gated(connection, params={"text": ""}, concurrency=key)
    ask(database, text="x" * 5000 + "a"), ask(database, text="x" * 5000 + "b")

    assert await gate.look() == 2


async def test_a_run_keeps_its_slot_while_it_sleeps_and_when_its_runtime_dies(
    gate: Gate, pool: Pool, clock: FakeClock, two: tuple[UUID, UUID]
) -> None:
    first, second = two
    (held,) = await claim(pool)
    asleep = Report(
        first, held.lease_epoch, held.task, move="wait", state="waiting", wait_seconds=60
    )
    await record_progress(pool, [asleep])
    assert await gate.look() == 0

    await clock.advance(61)
    (again,) = await claim(pool, timedelta(seconds=15))
    # Nobody renews: its runtime is dead, and another takes the run over with its slot.
    await clock.advance(16)
    assert await gate.look() == 0
    (taken,) = await claim(pool)
    assert (taken.run_id, taken.lease_epoch) == (first, again.lease_epoch + 1)

    await finish(pool, taken)
    assert await begun(gate, pool) == [second]


async def test_a_cancelled_run_frees_its_slot(
    gate: Gate, pool: Pool, database: str, two: tuple[UUID, UUID]
) -> None:
    first, second = two

    with connect(database) as cancelling:
        cancel_run(cancelling, first, reason="", actor=Actor("ada"))

    assert await begun(gate, pool) == [second]


async def test_the_higher_priority_gets_the_next_slot(
    gate: Gate, pool: Pool, connection: psycopg.AsyncConnection, database: str
) -> None:
    await install_gated(connection, "low", priority=1, concurrency=ONE)
    await install_gated(connection, "high", priority=9, concurrency=ONE)
    ask(database, "low")
    await gate.look()
    (held,) = await claim(pool)
    ask(database, "low"), ask(database, "high")
    await finish(pool, held)

    assert await gate.look() == 1
    assert [one.task for one in await claim(pool)] == ["high"]


async def test_where_a_limit_was_lowered_nobody_begins_until_enough_have_ended(
    gate: Gate, pool: Pool, connection: psycopg.AsyncConnection, database: str
) -> None:
    await install_gated(connection, concurrency={"key": "crm", "limit": 3})
    for _ in range(3):
        ask(database)
    await gate.look()
    claims = {one.run_id: one for one in await claim(pool)}
    cursor = await connection.execute("select run_id from ordinaut.concurrency_slot order by slot")
    await install_gated(connection, concurrency=ONE)
    ask(database)

    # The one in slot 1 ends first, and the two beyond the limit still count.
    for one in [claims[run_id] for (run_id,) in await cursor.fetchall()]:
        assert await gate.look() == 0
        await finish(pool, one)
    assert await gate.look() == 1


async def test_what_waited_beyond_its_start_deadline_is_skipped(
    gate: Gate,
    pool: Pool,
    connection: psycopg.AsyncConnection,
    clock: FakeClock,
    database: str,
) -> None:
    await install_gated(connection, concurrency=ONE, start_deadline="1m")
    first, second = [await ask_later(clock, database) for _ in range(2)]
    await gate.look()
    (held,) = await claim(pool)
    await clock.advance(61)

    assert await gate.look() == 1
    assert await claim(pool) == []

    cursor = await connection.execute(
        "select run_id, state, reason from ordinaut.run order by state"
    )
    assert await cursor.fetchall() == [
        (first, "running", None),
        (second, "skipped", "start_deadline"),
    ]
    await finish(pool, held)


async def test_slots_of_runs_that_are_over_are_forgotten_when_nobody_waits(
    gate: Gate, pool: Pool, connection: psycopg.AsyncConnection, database: str
) -> None:
    await install_gated(connection)
    ask(database)
    await gate.look()
    await finish(pool, (await claim(pool))[0])

    await gate.look()

    cursor = await connection.execute("select count(*) from ordinaut.concurrency_slot")
    assert await cursor.fetchone() == (0,)


async def test_what_a_schedule_fires_waits_for_a_slot_too(place: Place, gate: Gate) -> None:
    await place.minutely("allow", concurrency=ONE)
    assert await place.fire(2) == Look(due=1, queued=1, skipped=1)

    assert await place.claim() == []
    assert await gate.look() == 1
    await place.claim_one()


async def test_a_look_that_comes_to_a_slot_second_does_not_get_it(
    pool: Pool, gate: Gate, connection: psycopg.AsyncConnection, database: str, tmp_path: Path
) -> None:
    await install_gated(connection, concurrency={"key": "crm", "limit": 3})
    for _ in range(30):
        ask(database)
    clock = gate._clock
    others = [
        Gate(pool, Registry(pool, NoServers(), clock, Keyring(tmp_path, clock)), clock, 5)
        for _ in range(5)
    ]

    through = await asyncio.gather(*(one.look() for one in (gate, *others)))

    assert sum(through) == 3
    assert len(await claim(pool)) == 3


class TestWithRuntimes:
    """Two whole runtimes on one database, at the real clock."""

    async def test_no_more_runs_are_under_way_than_there_are_slots(
        self,
        start: Start,
        connection: psycopg.AsyncConnection,
        database: str,
        tmp_path: Path,
    ) -> None:
        await install(connection, sleepy(0.05, tmp_path))
        steps = [{"id": "nap", "uses": "sleepy.nap"}]
        await install_gated(connection, pipeline=steps)
        await install(connection, task("free", pipeline=steps))
        run_ids = [ask(database) for _ in range(20)]

        async def are_over() -> bool:
            cursor = await connection.execute(
                "select count(*) from ordinaut.run where state = 'succeeded'"
            )
            return await cursor.fetchone() == (len(run_ids) + 1,)

        async with AsyncExitStack() as stack:
            for _ in range(2):
                await stack.enter_async_context(start(poll=timedelta(hours=1)))
            ask(database, "free")
            await eventually(are_over, "all runs succeed", seconds=20)

        cursor = await connection.execute(
            "select max(active) from (select (select count(*) from ordinaut.run o where o.params is null"
            " and o.task_uid = r.task_uid and o.started_at <= r.started_at and o.finished_at > r.started_at) as active"
            " from ordinaut.run r join ordinaut.spec p on p.uid = r.task_uid and p.name = 'briefing') x"
        )
        assert await cursor.fetchone() == (2,)

    async def test_a_key_that_cannot_be_made_fails_its_run_and_no_other(
        self, start: Start, connection: psycopg.AsyncConnection, database: str
    ) -> None:
        key = {"key": "${params.customer.name}", "limit": 1}
        await install_gated(connection, params={"customer": {"name": "a"}}, concurrency=key)
        bad = ask(database, customer=5)
        good = ask(database)

        async def states() -> bool:
            cursor = await connection.execute(
                "select run_id, state, error ->> 'code' from ordinaut.run order by state"
            )
            return await cursor.fetchall() == [
                (bad, "failed", "ORD502"),
                (good, "succeeded", None),
            ]

        async with start():
            await eventually(states, "one fails and one succeeds")
