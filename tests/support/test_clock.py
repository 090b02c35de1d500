"""The fake clock moves Python and SQL together, and only when told."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import psycopg
import pytest

from runtime.clock import SYSTEM_CLOCK
from tests.support.clock import START, FakeClock, settle
from tests.support.databases import fresh_database


async def test_time_stands_still_until_it_is_moved(clock: FakeClock) -> None:
    await settle()

    assert (clock.now(), clock.monotonic()) == (START, 0.0)


async def test_sleepers_wake_in_the_order_of_their_instants(clock: FakeClock) -> None:
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic()))

    async with asyncio.TaskGroup() as tasks:
        for name, seconds in (("late", 30), ("early", 10), ("second early", 10), ("never", 61)):
            task = tasks.create_task(sleeper(name, seconds))
        await clock.advance(60)
        assert woken == [("early", 10.0), ("second early", 10.0), ("late", 30.0)]
        assert clock.sleepers == 1
        task.cancel()

    assert clock.now() == START + timedelta(seconds=60)


async def test_a_woken_task_may_sleep_again_within_the_same_advance(clock: FakeClock) -> None:
    ticks: list[float] = []

    async def ticking() -> None:
        while True:
            await clock.sleep(0.25)
            ticks.append(clock.monotonic())

    task = asyncio.ensure_future(ticking())
    await clock.advance(1)
    task.cancel()

    assert ticks == [0.25, 0.5, 0.75, 1.0]


async def test_woken_tasks_run_through_the_tasks_they_wake(clock: FakeClock) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()
    received: list[int] = []

    async def sender() -> None:
        await clock.sleep(1)
        for number in range(3):
            await queue.put(number)

    async def receiver() -> None:
        while True:
            received.append(await queue.get())

    tasks = [asyncio.ensure_future(sender()), asyncio.ensure_future(receiver())]
    await clock.advance(1)

    assert received == [0, 1, 2]
    tasks[1].cancel()


async def test_a_cancelled_sleeper_is_forgotten(clock: FakeClock) -> None:
    task = asyncio.ensure_future(clock.sleep(5))
    await settle()
    assert clock.sleepers == 1
    task.cancel()
    await settle()

    assert clock.sleepers == 0
    await clock.advance(10)
    assert task.cancelled()


async def test_no_time_at_all_only_yields(clock: FakeClock) -> None:
    await clock.sleep(0)
    await clock.sleep(-1)

    assert clock.monotonic() == 0.0


async def test_setting_the_clock_back_wakes_nobody_and_leaves_the_monotonic_clock(
    clock: FakeClock,
) -> None:
    task = asyncio.ensure_future(clock.sleep(60))
    await clock.advance(30)
    await clock.set(START - timedelta(hours=1))

    assert (clock.now(), clock.monotonic()) == (START - timedelta(hours=1), 30.0)
    await clock.advance(29)
    assert not task.done()
    await clock.advance(1)
    assert task.done()


async def test_a_task_that_never_waits_is_reported(clock: FakeClock) -> None:
    async def busy() -> None:
        while True:
            await SYSTEM_CLOCK.sleep(0)

    task = asyncio.ensure_future(busy())
    with pytest.raises(AssertionError, match="still busy"):
        await clock.advance(1)
    task.cancel()


async def test_sql_sees_the_same_instant_in_every_session(
    clock: FakeClock, database: str, connection: psycopg.AsyncConnection
) -> None:
    await clock.attach(database)
    seen = [await _database_time(connection)]
    await clock.advance(90)
    seen.append(await _database_time(connection))
    await clock.set(START - timedelta(days=1))
    async with await psycopg.AsyncConnection.connect(database) as other:
        seen.append(await _database_time(other))

    assert seen == [START, START + timedelta(seconds=90), START - timedelta(days=1)]


async def test_a_woken_task_finds_the_database_at_its_instant(
    clock: FakeClock, database: str, connection: psycopg.AsyncConnection
) -> None:
    await clock.attach(database)

    async def reader() -> object:
        await clock.sleep(10)
        return await _database_time(connection)

    task = asyncio.ensure_future(reader())
    await clock.advance(10)

    assert await task == START + timedelta(seconds=10)


async def test_one_clock_drives_several_databases(
    clock: FakeClock, database: str, servers: object
) -> None:
    with fresh_database(database) as second:
        await clock.attach(database)
        await clock.attach(second)
        await clock.advance(5)
        for url in (database, second):
            async with await psycopg.AsyncConnection.connect(url) as connection:
                assert await _database_time(connection) == START + timedelta(seconds=5)
        await clock.close()


async def _database_time(connection: psycopg.AsyncConnection) -> object:
    row = await (await connection.execute("select ordinaut.now()")).fetchone()
    assert row is not None
    return row[0]
