"""What a worker takes on: what is due from its own scheduler, of every priority its share, runs that lost their lease again
and again one at a time, and nothing once it drains.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from runtime.arrivals import Arrivals
from runtime.attention import Attention
from runtime.config import Config
from runtime.gate import Gate
from runtime.keyring import Keyring
from runtime.lease import LeaseKeeper
from runtime.recorder import Recorder
from runtime.registry import Registry
from runtime.store.answers import Answers
from runtime.store.budgets import Budgets
from runtime.store.pool import Pool
from runtime.store.rates import Rates
from runtime.surroundings import Surroundings
from runtime.tools.definition import ServerDefinition
from runtime.turns import Turns
from runtime.wake import Bell
from runtime.worker import Worker
from tests.support.clock import START, FakeClock
from tests.support.installed import install, queue_run, schedule, task
from tests.support.locks import somebody_is_blocked
from tests.support.probes import eventually, within
from tests.support.scheduling import make_scheduler
from tests.support.scripted_tools import ScriptedTools, ok

# Twenty runs that are not urgent, and many that are. Age gives the former nothing here: all of the flood has waited longer.
_FLOOD = """
with r as (
    insert into ordinaut.run
        (run_id, task_uid, revision_id, trigger, trigger_key, occurrence_for, due_at, state)
    select gen_random_uuid(), %s, %s, 'manual', n::text, ordinaut.now(), ordinaut.now(), 'queued'
    from generate_series(1, 400) n
    returning run_id, task_uid, revision_id, trigger_key::integer <= 20 as has_time)
insert into ordinaut.due_work (run_id, task_uid, revision_id, ready_at, lane)
select run_id, task_uid, revision_id,
    ordinaut.now() - case when has_time then interval '0' else interval '1 h' end,
    case when has_time then 1 else 9 end
from r
"""


class Tools(ScriptedTools):
    """One tool, which answers when the test says so."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()

        async def answer(_: object) -> object:
            await self.gate.wait()
            return ok()

        super().__init__(llm__plan=answer, tool__tell=ok())  # type: ignore[arg-type] - an answer in the end

    def replace(self, definitions: tuple[ServerDefinition, ...]) -> None:
        """There are no servers."""


@pytest.fixture
def tools() -> Tools:
    return Tools()


@pytest.fixture
async def worker(
    pool: Pool, clock: FakeClock, database: str, tools: Tools, tmp_path: Path
) -> AsyncIterator[Worker]:
    await clock.attach(database)
    config = Config()
    recorder = Recorder(pool, clock, Bell(clock), Turns(pool, clock, Bell(clock), Bell(clock)))
    attention = Attention(pool, clock, Bell(clock), 5.0)
    arrivals = Arrivals(pool, clock, Bell(clock), Turns(pool, clock, Bell(clock), Bell(clock)))
    around = Surroundings(
        tools,
        recorder,
        pool,
        Rates(pool),
        Budgets(pool),
        clock,
        random.Random(1),
        arrivals,
        attention,
        b"key",
        Answers(pool),
    )
    registry = Registry(pool, tools, clock, Keyring(tmp_path, clock))
    worker = Worker(
        runtime_id=1,
        pool=pool,
        registry=registry,
        around=around,
        leases=LeaseKeeper(pool, clock, config.lease),
        turns=Turns(pool, clock, Bell(clock), Bell(clock)),
        bell=Bell(clock),
        others=Bell(clock),
        gate=Gate(pool, registry, clock, 5),
        config=config,
    )
    recording = asyncio.create_task(recorder.run())
    yield worker
    tools.gate.set()
    await within(worker.drain(), "the end of all runs")
    recording.cancel()
    await asyncio.gather(recording, return_exceptions=True)


async def queue(connection: psycopg.AsyncConnection, *attempts: int, **fields: Any) -> None:
    """Runs that were leased so often before."""
    installed = await install(connection, task(**fields))
    for place, attempt in enumerate(attempts):
        run_id = await queue_run(connection, installed, str(place))
        await connection.execute(
            "update ordinaut.due_work set attempt = %s, lease_epoch = %s where run_id = %s",
            [attempt, attempt, run_id],
        )


async def due_in_a_minute(connection: psycopg.AsyncConnection, *names: str) -> None:
    """Tasks that are due for the first time then."""
    for name in names:
        installed = await install(connection, task(name, schedule={"every": "1m"}))
        await schedule(connection, installed, START, START + timedelta(minutes=1))


async def attempts(connection: psycopg.AsyncConnection) -> list[tuple[int, bool]]:
    cursor = await connection.execute(
        "select attempt, lease_until > ordinaut.now() from ordinaut.due_work order by 1, 2"
    )
    return await cursor.fetchall()  # type: ignore[return-value] - two columns


async def test_one_suspect_is_executed_at_a_time_and_the_others_lose_no_attempt(
    worker: Worker, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    await queue(connection, 2, 2, 2)

    assert await worker.run_once() == 1
    assert await attempts(connection) == [(2, False), (2, False), (3, True)]

    assert await worker.run_once() == 0
    await clock.advance(1)
    assert await worker.run_once() == 0
    assert await attempts(connection) == [(2, False), (2, False), (3, True)]


async def test_the_next_suspect_follows_when_the_first_has_finished(
    worker: Worker, connection: psycopg.AsyncConnection, clock: FakeClock, tools: Tools
) -> None:
    await queue(connection, 2, 2)
    assert await worker.run_once() == 1

    tools.gate.set()
    await within(worker.drain(), "the end of the first")
    worker._closed = False
    await clock.advance(1)

    assert await worker.run_once() == 1


async def test_runs_above_suspicion_are_not_held_up(
    worker: Worker, connection: psycopg.AsyncConnection
) -> None:
    await queue(connection, 2, 0, 1, 2)

    assert await worker.run_once() == 3


async def test_a_run_that_was_begun_too_often_fails_untried(
    worker: Worker, connection: psycopg.AsyncConnection, tools: Tools
) -> None:
    await queue(connection, 5)

    assert await worker.run_once() == 1
    await within(worker.drain(), "its end")

    assert tools.calls == []
    cursor = await connection.execute("select state, error ->> 'code' from ordinaut.run")
    assert await cursor.fetchall() == [("failed", "ORD507")]
    cursor = await connection.execute(
        "select subject from ordinaut.event_log where type = 'run.failed'"
    )
    assert await cursor.fetchall() == [("briefing",)]


TELL = {"id": "tell", "uses": "tool.tell", "with": {"error": "${run.error.code}"}}


async def test_what_comes_finally_is_done_where_the_steps_are_given_up(
    worker: Worker, connection: psycopg.AsyncConnection, tools: Tools
) -> None:
    await queue(connection, 5, **{"finally": [TELL]})

    assert await worker.run_once() == 1
    await within(worker.drain(), "its end")

    assert tools.calls == [("tool.tell", {"error": "ORD507"})]
    cursor = await connection.execute("select state, error ->> 'code' from ordinaut.run")
    assert await cursor.fetchall() == [("failed", "ORD507")]


async def test_what_comes_finally_is_given_up_too_where_that_is_to_blame(
    worker: Worker, connection: psycopg.AsyncConnection, tools: Tools
) -> None:
    await queue(connection, 5, **{"finally": [TELL]})
    await connection.execute(
        "insert into ordinaut.step_result (run_id, step, lease_epoch, attempt, outcome, uses, output, started_at, finished_at)"
        """ select run_id, '(over)', 1, 0, 'ok', '', '{"seconds": 1}', now(), now() from ordinaut.run"""
    )

    assert await worker.run_once() == 1
    await within(worker.drain(), "its end")

    assert tools.calls == []
    cursor = await connection.execute("select state, error ->> 'code' from ordinaut.run")
    assert await cursor.fetchall() == [("failed", "ORD507")]


async def test_a_draining_worker_does_not_look_again_and_again_at_work_it_will_not_take(
    worker: Worker, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    await queue(connection, 0)
    await within(worker.drain(), "nothing is active")
    working = asyncio.create_task(worker.run())

    await eventually(lambda: clock.sleepers == 1, "it sleeps")

    assert await attempts(connection) == [(0, False)]
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def test_a_full_house_tells_the_others_once_and_not_whenever_it_is_asked(
    worker: Worker, connection: psycopg.AsyncConnection
) -> None:
    worker._config = replace(worker._config, concurrency=1)
    await queue(connection, 0, 0)

    await worker._look()
    assert await worker._others.sleep(0)
    await worker._look()

    assert not worker._others.is_rung


async def test_a_flood_of_urgent_work_leaves_its_share_to_what_is_not(
    worker: Worker, connection: psycopg.AsyncConnection, tools: Tools
) -> None:
    tools.gate.set()
    installed = await install(connection, task())
    await connection.execute(_FLOOD, [installed.uid, installed.revision_id])

    claimed = 0
    while claimed < 300:
        claimed += await worker.run_once()
        await eventually(lambda: worker.active == 0, "the end of what was claimed")

    cursor = await connection.execute("select count(*) from ordinaut.due_work where lane = 1")
    row = await cursor.fetchone()
    assert row is not None
    given = 20 - row[0]
    # A twentieth, less what it is not owed yet.
    assert claimed / 20 - 3 < given < claimed / 20 + 1


async def test_after_a_slow_look_it_begins_behind_what_it_claimed_until_it_may_sweep(
    worker: Worker, connection: psycopg.AsyncConnection, clock: FakeClock, database: str
) -> None:
    installed = await install(connection, task())
    await queue_run(connection, installed, "first")
    async with await psycopg.AsyncConnection.connect(database) as holder:
        await holder.execute("lock table ordinaut.due_work in access exclusive mode")
        looking = asyncio.create_task(worker.run_once())
        await somebody_is_blocked(database)
        await clock.advance(1)
        await holder.rollback()
        assert await within(looking, "the look") == 1

    late = await queue_run(connection, installed, "late")
    await connection.execute(
        "update ordinaut.due_work set ready_at = ready_at - interval '1 min' where run_id = %s",
        [late],
    )

    assert await worker.run_once() == 0
    await clock.advance(10)
    assert await worker.run_once() == 1


async def test_a_run_is_leased_as_it_is_made_by_a_process_that_has_room_for_it(
    worker: Worker,
    pool: Pool,
    connection: psycopg.AsyncConnection,
    clock: FakeClock,
    tools: Tools,
) -> None:
    await due_in_a_minute(connection, "tick")
    scheduler = make_scheduler(pool, clock, runtime_id=1, starter=worker)
    await worker.run_once()
    await clock.advance(60)

    await scheduler.run_once()

    assert worker.active == 1
    cursor = await connection.execute(
        "select r.state, r.started_at - r.due_at, w.lease_until - ordinaut.now(), w.lease_epoch, w.attempt, w.runtime_id"
        " from ordinaut.run r join ordinaut.due_work w on w.run_id = r.run_id"
    )
    assert await cursor.fetchall() == [("running", timedelta(0), timedelta(seconds=15), 1, 1, 1)]
    tools.gate.set()
    await within(worker.drain(), "its end")
    cursor = await connection.execute(
        "select type, data ->> 'late_seconds' from ordinaut.event_log order by sequence"
    )
    assert [row for row in await cursor.fetchall() if row[0].startswith("run.")] == [
        ("run.started", "0.000"),
        ("run.succeeded", None),
    ]


async def test_what_has_no_room_is_queued_for_whoever_has_and_rung_for(
    worker: Worker, pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    worker._config = replace(worker._config, concurrency=2)
    await due_in_a_minute(connection, "tick", "tock", "boom")
    work = Bell(clock)
    scheduler = make_scheduler(pool, clock, work=work, runtime_id=1, starter=worker)
    await worker.run_once()
    await clock.advance(60)

    await scheduler.run_once()

    assert worker.active == 2
    assert work.is_rung
    assert await attempts(connection) == [(0, False), (1, True), (1, True)]


async def test_a_run_that_is_due_does_not_overtake_what_waits_for_a_slot(
    worker: Worker, pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    worker._config = replace(worker._config, concurrency=1)
    await queue(connection, 0, 0)
    await due_in_a_minute(connection, "tick")
    scheduler = make_scheduler(pool, clock, runtime_id=1, starter=worker)
    await worker.run_once()
    worker._config = replace(worker._config, concurrency=2)
    await clock.advance(60)

    await scheduler.run_once()

    assert await attempts(connection) == [(0, False), (0, False), (1, False)]


async def test_what_is_leased_while_the_worker_closes_is_handed_back(
    worker: Worker, pool: Pool, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    await due_in_a_minute(connection, "tick")
    scheduler = make_scheduler(pool, clock, runtime_id=1, starter=worker)
    await worker.run_once()
    await clock.advance(60)
    give_back = worker.give_back

    def close(slots: int) -> None:
        give_back(slots)
        worker._closed = True

    worker.give_back = close  # type: ignore[method-assign] - it closes at the worst moment

    await scheduler.run_once()

    assert worker.active == 0
    assert await attempts(connection) == [(0, False)]


async def test_whoever_waits_for_a_run_that_is_skipped_for_its_deadline_is_told(
    worker: Worker, connection: psycopg.AsyncConnection
) -> None:
    await queue_run(connection, await install(connection, task()))
    await connection.execute(
        "update ordinaut.due_work set start_until = ordinaut.now() - interval '1 s', followed = true"
    )
    await connection.execute("update ordinaut.run set trigger = 'run'")

    assert await worker.run_once() == 0

    assert (len(worker._turns._told), worker._turns._related.is_rung) == (1, True)
