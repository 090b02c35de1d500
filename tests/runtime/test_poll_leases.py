"""However many runtimes ask, freeze or stop, and whatever happens to a task meanwhile: an answer counts once or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from reconciler.conditions import armed_conditions
from runtime.core.outcomes import CallOutcome
from runtime.poller import Poller
from runtime.store.conditions import arm_conditions
from runtime.store.pool import Pool, fetch_all, open_pool
from tests.support.installed import Installed, queue_run
from tests.support.locks import somebody_is_blocked
from tests.support.polling import MINUTE, Gate, Meter, Polling, level
from tests.support.probes import eventually, within

LEASE = 15


@asynccontextmanager
async def serving(poller: Poller) -> AsyncIterator[None]:
    """The poller as a service for the block."""
    service = asyncio.create_task(poller.run())
    yield
    service.cancel()
    await asyncio.gather(service, return_exceptions=True)


async def test_an_answer_that_is_not_written_takes_nobody_s_place(polling: Polling) -> None:
    installed = await polling.watch({}, overlap="cancel_running")
    active = await queue_run(polling.connection, installed)

    async def paused_meanwhile(_: object) -> CallOutcome:
        await polling.pause(installed)
        return level(4)

    await polling.minutes(polling.poller(Meter(paused_meanwhile)))

    assert await polling.runs() == []
    assert await polling.rows("select state from ordinaut.run where run_id = %s", active) == [
        ("queued",)
    ]


async def test_an_instant_that_is_asked_about_twice_cancels_nothing(polling: Polling) -> None:
    """As after a clock was set back: the run exists already, so the active one, itself, need not make way."""
    await polling.watch({"edge": "level"}, overlap="cancel_running")
    poller = polling.poller(Meter(level(4)))
    await polling.minutes(poller)
    await polling.connection.execute("update ordinaut.condition set next_poll_at = ordinaut.now()")

    await polling.look(poller)

    assert await polling.runs() == [("08:01", "queued", None)]


async def test_runtimes_that_race_ask_once(polling: Polling, database: str) -> None:
    for number in range(40):
        await polling.watch({"edge": "level"}, name=f"watch-{number}", overlap="allow")
    meter = Meter(level(4))
    pools = [await open_pool(database) for _ in range(4)]
    pollers = [polling.poller(meter, number, pool) for number, pool in enumerate(pools)]

    for _ in range(3):
        await polling.clock.advance(MINUTE)
        while sum(await asyncio.gather(*(polling.look(poller) for poller in pollers))):
            pass
    for pool in pools:
        await pool.close()

    assert len(meter.calls) == 120
    assert await polling.rows(
        "select count(*), count(distinct (task_uid, occurrence_for)) from ordinaut.run"
    ) == [(120, 120)]


Disturbance = Callable[[Polling, Installed], Any]


async def retired(polling: Polling, installed: Installed) -> None:
    await polling.connection.execute(
        "update ordinaut.spec set retired_at = ordinaut.now() where uid = %s", [installed.uid]
    )


async def forgotten(polling: Polling, _: Installed) -> None:
    await polling.connection.execute("delete from ordinaut.condition")


@pytest.mark.parametrize("disturb", [Polling.pause, retired, forgotten])
async def test_an_answer_that_comes_too_late_for_its_task_starts_nothing(
    polling: Polling, disturb: Disturbance
) -> None:
    installed = await polling.watch({})
    slow = Gate(level(4))
    meter = Meter(slow)
    await polling.clock.advance(MINUTE)
    begun = await polling.poller(meter).run_once()
    await within(meter.called.wait(), "the tool is asked")
    await disturb(polling, installed)
    slow.open.set()
    await within(asyncio.gather(*begun), "the poll ends")

    assert await polling.runs() == []


async def test_an_answer_to_a_task_that_changed_meanwhile_is_asked_for_again(
    polling: Polling,
) -> None:
    """An apply keeps the condition and changes what its run does: the run must not begin with the old steps."""
    await polling.watch({})
    asked: list[int] = []

    async def answer(_: object) -> CallOutcome:
        if not asked:
            asked.append(1)
            await polling.watch({}, priority=9)
        return level(4)

    poller = polling.poller(Meter(answer))
    await polling.minutes(poller)
    assert await polling.runs() == []
    await polling.look(poller)

    assert await polling.rows(
        "select w.lane, r.revision_id = s.revision_id from ordinaut.run r join ordinaut.due_work w using (run_id)"
        " join ordinaut.spec s on s.uid = r.task_uid"
    ) == [(9, True)]


async def test_an_answer_that_meets_an_apply_under_way_does_not_undo_what_it_writes(
    polling: Polling, database: str
) -> None:
    installed = await polling.watch({"every": "1h"})
    slow = Gate(level(1))
    meter = Meter(slow)
    await polling.clock.advance(60 * MINUTE)
    begun = await polling.poller(meter).run_once()
    await within(meter.called.wait(), "the tool is asked")
    with psycopg.connect(database) as applying:
        applying.execute(
            "with next as (insert into ordinaut.revision (project, environment, kind, actor, plan_digest,"
            " normaliser_version, summary) select project, environment, kind, actor, plan_digest, normaliser_version,"
            " summary from ordinaut.revision returning revision_id)"
            " update ordinaut.spec s set revision_id = n.revision_id,"
            """ body = jsonb_set(s.body, '{schedule,0,condition,every}', '"1m"') from next n"""
        )
        found = applying.execute("select body, ordinaut.now() from ordinaut.spec").fetchone()
        assert found is not None
        arm_conditions(applying, [installed.uid], armed_conditions(installed.uid, *found))
        slow.open.set()
        await somebody_is_blocked(database)
    await within(asyncio.gather(*begun), "the answer is refused")

    assert await polling.state("polled_at", "every") == (None, timedelta(minutes=1))
    await polling.look(polling.poller(Meter(level(4))))
    assert await polling.fired() == ["09:00"]


async def test_answers_that_wait_for_an_apply_leave_the_database_to_the_others(
    polling: Polling, pool: Pool, database: str
) -> None:
    for number in range(6):
        await polling.watch({}, name=f"watch-{number}")
    await polling.clock.advance(MINUTE)

    async with await psycopg.AsyncConnection.connect(database) as applying:
        await applying.execute("select from ordinaut.spec for no key update")
        begun = await polling.poller(Meter(level(4))).run_once()
        await somebody_is_blocked(database)
        assert await within(fetch_all(pool, b"select 1 as one", {}), "an answer", seconds=2)
    await within(asyncio.gather(*begun), "the polls end")

    assert len(await polling.runs()) == 6


async def test_a_runtime_that_lost_its_lease_writes_nothing(polling: Polling) -> None:
    await polling.watch({"edge": "level"}, overlap="allow")
    slow = Gate(level(1))
    frozen, other = Meter(slow), Meter(level(5))
    await polling.clock.advance(MINUTE)
    begun = await polling.poller(frozen).run_once()
    await within(frozen.called.wait(), "the tool is asked")
    # It sleeps through its lease, as far as the database can tell.
    await polling.connection.execute("update ordinaut.condition set next_poll_at = ordinaut.now()")
    await polling.look(polling.poller(other, 2))
    slow.open.set()
    await within(asyncio.gather(*begun), "the late answer is refused")

    assert await polling.state("answer", "lease_epoch") == ({"level": 5}, 2)
    assert await polling.fired() == ["08:01"]


async def test_a_long_call_keeps_its_lease(polling: Polling) -> None:
    await polling.watch({"every": "1h"})
    slow = Gate(level(4))
    meter = Meter(slow)
    await polling.clock.advance(60 * MINUTE)
    begun = await polling.poller(meter).run_once()
    await within(meter.called.wait(), "the tool is asked")
    for _ in range(12):
        before = await polling.state("next_poll_at")
        await polling.clock.advance(LEASE / 3)

        async def renewed(before: Any = before) -> bool:
            return bool(await polling.state("next_poll_at") > before)

        await eventually(renewed, "the lease is renewed")
    assert await polling.look(polling.poller(Meter(), 2)) == 0
    slow.open.set()
    await within(asyncio.gather(*begun), "the poll ends")

    assert await polling.fired() == ["09:00"]


async def test_a_poll_ends_when_its_lease_is_lost(polling: Polling) -> None:
    await polling.watch({})
    meter = Meter(Gate(level(4)))
    await polling.clock.advance(MINUTE)
    (begun,) = await polling.poller(meter).run_once()
    await within(meter.called.wait(), "the tool is asked")

    await polling.connection.execute("update ordinaut.condition set lease_epoch = lease_epoch + 1")
    await polling.clock.advance(LEASE / 3)

    await within(asyncio.gather(begun, return_exceptions=True), "the poll ends")
    assert begun.cancelled()


async def test_a_runtime_that_stops_hands_its_polls_back(polling: Polling) -> None:
    await polling.watch({})
    meter = Meter(Gate(level(4)))
    await polling.clock.advance(MINUTE)
    async with serving(polling.poller(meter)):
        await within(meter.called.wait(), "the tool is asked")

    await polling.look(polling.poller(Meter(level(4)), 2))

    assert await polling.fired() == ["08:01"]


async def test_the_service_sleeps_until_the_next_poll(polling: Polling) -> None:
    await polling.watch({"every": "10s", "edge": "level"}, overlap="allow")
    meter = Meter(level(4))

    async with serving(polling.poller(meter)):
        for count in range(1, 4):
            await eventually(lambda: polling.clock.sleepers, "the service sleeps")
            await polling.clock.advance(10)
            await eventually(lambda count=count: asked(polling, count), "the tool is asked")

    assert len(meter.calls) == 3


async def asked(polling: Polling, count: int) -> bool:
    return len(await polling.fired()) == count


async def test_no_more_polls_are_under_way_than_a_runtime_takes_on(polling: Polling) -> None:
    for number in range(20):
        await polling.watch({}, name=f"watch-{number}")
    slow = Gate(level(4))
    meter = Meter(slow)
    await polling.clock.advance(MINUTE)
    async with serving(polling.poller(meter)):
        await eventually(lambda: len(meter.calls) == 16, "the house is full")
        slow.open.set()
        await eventually(lambda: asked(polling, 20), "the others have their turn")


async def test_a_condition_that_cannot_even_be_read_stops_no_other(
    polling: Polling, caplog: pytest.LogCaptureFixture
) -> None:
    broken = await polling.watch({}, name="broken")
    await polling.watch({}, name="sound")
    await polling.connection.execute(
        "update ordinaut.spec set body = body - 'schedule' where uid = %s", [broken.uid]
    )

    await polling.minutes(polling.poller(Meter(level(4))))

    assert len(await polling.fired()) == 1
    assert f"condition of task {broken.uid} failed in the runtime itself" in caplog.text


async def lose_connections(polling: Polling, *, on: str) -> None:
    """From now on the database goes away whenever this column of a condition is written."""
    await polling.connection.execute(
        b"create function public.go_away() returns trigger language plpgsql as"
        b" $$ begin raise exception using errcode = '57P01'; end $$"
    )
    await polling.connection.execute(
        f"create trigger gone before update of {on} on ordinaut.condition"
        " for each row execute function public.go_away()".encode()
    )


async def find_connections_again(polling: Polling) -> None:
    await polling.connection.execute("drop function public.go_away cascade")


async def test_an_answer_that_could_not_be_written_is_asked_for_again_after_the_lease(
    polling: Polling, caplog: pytest.LogCaptureFixture
) -> None:
    await polling.watch({})
    poller = polling.poller(Meter(level(4)))
    await lose_connections(polling, on="phase")

    await polling.minutes(poller)
    await find_connections_again(polling)
    assert await polling.fired() == []
    assert "answer not written" in caplog.text
    await polling.clock.advance(LEASE)
    await polling.look(poller)

    assert await polling.fired() == ["08:01"]


async def test_the_service_outlives_the_absence_of_its_database(
    polling: Polling, caplog: pytest.LogCaptureFixture
) -> None:
    await polling.watch({})
    await polling.clock.advance(MINUTE)
    await lose_connections(polling, on="lease_epoch")

    async with serving(polling.poller(Meter(level(4)))):
        await eventually(lambda: "conditions not looked at" in caplog.text, "it notices")
        await find_connections_again(polling)
        await eventually(lambda: polling.clock.sleepers, "it waits a little")
        await polling.clock.advance(1)
        await eventually(lambda: asked(polling, 1), "it asks")


async def test_a_lease_that_cannot_be_renewed_once_is_renewed_later(polling: Polling) -> None:
    await polling.watch({})
    slow = Gate(level(4))
    meter = Meter(slow)
    await polling.clock.advance(MINUTE)
    begun = await polling.poller(meter).run_once()
    await within(meter.called.wait(), "the tool is asked")
    await lose_connections(polling, on="next_poll_at")
    await polling.clock.advance(LEASE / 3)
    await find_connections_again(polling)
    before = await polling.state("next_poll_at")

    async def renewed() -> bool:
        await polling.clock.advance(LEASE / 3)
        return bool(await polling.state("next_poll_at") > before)

    await eventually(renewed, "the lease is renewed")
    slow.open.set()
    await within(asyncio.gather(*begun), "the poll ends")
    assert len(await polling.fired()) == 1
