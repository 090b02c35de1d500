"""Tasks that events start: which event starts which, once, whoever races and whoever dies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from runtime.core.arriving import Arrived
from runtime.store import events as store_events
from runtime.store import hearing as store_hearing
from runtime.store.events import deliver, forget_events
from runtime.store.hearing import Due, decide_heard, hear
from runtime.store.pool import open_pool
from runtime.store.statements import statement
from tests.support.hearing import Listening
from tests.support.installed import task
from tests.support.locks import (
    hold_statements,
    let_go,
    somebody_is_blocked,
    somebody_waits_for_the_lock,
)


class Dead(Exception):
    """Its process is gone."""


def _dying_at(name: str) -> Callable[[str], Any]:
    def look(asked: str) -> Any:
        if asked == name:
            raise Dead
        return statement(asked)

    return look


async def test_each_event_of_the_topic_starts_a_run_that_knows_it(listening: Listening) -> None:
    await listening.listen()

    assert (await listening.emit(1)).heard == 1
    await listening.emit(2, topic="orders.made")
    await listening.decide()

    ((event, key, due, state),) = await listening.rows(
        "select event, trigger_key, due_at = occurrence_for, state from ordinaut.run"
    )
    assert (key, due, state) == ("1", True, "queued")
    assert {**event, "time": ""} == {
        "id": "1", "source": "shop", "topic": "orders.paid", "time": "", "data": {"order": 1},
    }  # fmt: skip
    assert listening.begun == 1
    assert await listening.rows("select count(*) from ordinaut.due_work") == [(1,)]


async def test_an_event_told_again_starts_nothing(listening: Listening) -> None:
    await listening.listen()

    for _ in range(3):
        await listening.emit(1)
        await listening.decide()

    assert await listening.runs() == [(1, "queued", None)]


@pytest.mark.parametrize(
    ("glob", "topic", "matches"),
    [
        ("orders.*", "orders.paid", True),
        ("orders.*", "orders.paid.late", True),
        ("orders.*", "orders", False),
        ("*.paid", "orders.paid", True),
        ("*", "orders.paid", True),
        ("a_c.*", "abc.d", False),
        ("orders.paid", "orders.paid.late", False),
    ],
)
async def test_a_star_stands_for_anything(
    listening: Listening, glob: str, topic: str, matches: bool
) -> None:
    await listening.listen(glob)

    assert (await listening.emit(1, topic=topic)).heard == int(matches)


async def test_only_events_for_which_the_filter_holds_start_runs(listening: Listening) -> None:
    await listening.listen(filter="data.order > `1` && source == 'shop'")

    for number in (1, 2):
        await listening.emit(number)
    await listening.decide()

    assert await listening.runs() == [(2, "queued", None)]


async def test_a_filter_that_fails_concerns_its_task_alone_and_is_on_record(
    listening: Listening,
) -> None:
    await listening.listen(filter="length(data.order) > `0`", name="counting")
    await listening.listen(name="sound")

    await listening.emit(1)
    while await listening.decide():
        pass

    assert await listening.runs() == [(1, "skipped", "filter_failed"), (1, "queued", None)]
    ((told,),) = await listening.rows(
        "select data from ordinaut.event_log where type = 'run.skipped'"
    )
    assert (told["task"], told["reason"]) == ("counting", "filter_failed")
    assert "length" in told["detail"]


async def test_an_event_that_two_schedules_match_starts_one_run(listening: Listening) -> None:
    await listening.install(
        task("pack", schedule=[{"event": "orders.*"}, {"event": "orders.paid"}])
    )

    await listening.emit(1)
    await listening.decide()

    assert await listening.runs() == [(1, "queued", None)]


async def test_an_event_from_before_the_schedule_starts_nothing(listening: Listening) -> None:
    await listening.connection.execute(
        "insert into ordinaut.event (source, event_id, topic, data) values ('shop', '1', 'orders.paid', '1')"
    )
    await listening.clock.advance(1)
    await listening.listen()

    await deliver(listening.connection)
    await listening.decide()

    assert await listening.runs() == []


async def test_runtimes_that_race_start_each_run_once(listening: Listening, database: str) -> None:
    await listening.listen(overlap="allow")
    await listening.listen("orders.*", name="book", overlap="queue_all")
    pools = [await open_pool(database) for _ in range(3)]
    hearers = [listening.another(pool) for pool in pools]

    async def shop(first: int) -> None:
        for number in range(first, first + 20):
            await listening.emit(number)

    async def work(index: int) -> None:
        for _ in range(60):
            await hearers[index].run_once()

    await asyncio.gather(*(shop(20 * part) for part in range(3)), *(work(i) for i in range(3)))
    while await listening.decide():
        pass
    for pool in pools:
        await pool.close()

    counts = await listening.rows(
        "select p.name, count(*), count(distinct r.event ->> 'id') from ordinaut.run r"
        " join ordinaut.spec p on p.uid = r.task_uid group by 1 order by 1"
    )
    assert counts == [("book", 60, 60), ("pack", 60, 60)]
    assert await listening.rows("select count(*) from ordinaut.heard") == [(0,)]


@pytest.mark.parametrize("dies_at", ["mark_delivered", "settle_listener"])
async def test_whoever_dies_before_its_commit_leaves_the_event_to_the_next(
    listening: Listening, dies_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await listening.listen()

    async def die_on_the_way() -> None:
        await listening.emit(1)
        ((uid, digest),) = await listening.rows("select task_uid, digest from ordinaut.listener")
        await decide_heard(listening.connection, Due(uid, digest))

    with monkeypatch.context() as broken:
        for module in (store_events, store_hearing):
            broken.setattr(module, "statement", _dying_at(dies_at))
        with pytest.raises(Dead):
            await die_on_the_way()
    assert await listening.runs() == []

    await deliver(listening.connection)
    await listening.decide()

    assert await listening.runs() == [(1, "queued", None)]


async def test_what_is_to_be_decided_is_not_forgotten(listening: Listening) -> None:
    installed = await listening.listen()
    await listening.override(installed)
    await listening.emit(1)
    await listening.clock.advance(90 * 86_400)

    async with await psycopg.AsyncConnection.connect(
        listening.database, autocommit=True
    ) as connection:
        assert await forget_events(connection, timedelta(days=1)) == 0
        await listening.override(installed, over=True)
        await listening.decide()
        assert await forget_events(connection, timedelta(days=1)) == 1


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        ("skip", [(1, "queued", None), (2, "skipped", "overlap"), (3, "skipped", "overlap")]),
        ("queue_one", [(1, "queued", None), (2, "queued", None), (3, "skipped", "overlap_queue_full")]),
        ("queue_all", [(1, "queued", None), (2, "queued", None), (3, "queued", None)]),
        ("allow", [(1, "queued", None), (2, "queued", None), (3, "queued", None)]),
        ("cancel_running", [(1, "skipped", "overlap_replaced"), (2, "skipped", "overlap_replaced"), (3, "queued", None)]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("at_once", [True, False])
async def test_runs_of_events_keep_to_the_overlap_policy(
    listening: Listening, overlap: str, expected: list[tuple[Any, ...]], at_once: bool
) -> None:
    await listening.listen(overlap=overlap)

    for number in (1, 2, 3):
        await listening.emit(number)
        if not at_once:
            await listening.decide()
    await listening.decide()

    if overlap == "cancel_running" and not at_once:
        expected = [(1, "cancelled", "overlap"), (2, "cancelled", "overlap"), (3, "queued", None)]
    assert await listening.runs() == expected


async def test_what_nobody_starts_in_time_is_skipped(listening: Listening) -> None:
    await listening.listen(start_deadline="1m")
    await listening.emit(1)
    await listening.clock.advance(61)

    await listening.decide()

    assert await listening.runs() == [(1, "skipped", "start_deadline")]


async def test_events_while_no_runtime_was_alive_all_start_runs(listening: Listening) -> None:
    await listening.listen(overlap="allow")
    for number in (1, 2, 3):
        await listening.emit(number)
    await listening.clock.advance(86_400)

    await listening.decide()

    assert [state for _, state, _ in await listening.runs()] == ["queued"] * 3


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"policy": "latest"}, ["catch_up_latest", "catch_up_latest", None, None]),
        ({"policy": "all"}, [None, None, None, None]),
        ({"policy": "all", "max": 2}, ["catch_up_max", None, None, None]),
        ({"policy": "skip"}, ["catch_up_skip", "catch_up_skip", "catch_up_skip", None]),
        ({"policy": "all", "window": "90s"}, ["catch_up_window", "catch_up_window", None, None]),
    ],
)
async def test_the_catch_up_policy_decides_what_a_pause_held_back(
    listening: Listening, policy: dict[str, Any], expected: list[str | None]
) -> None:
    installed = await listening.listen(overlap="allow", catch_up=policy)
    await listening.override(installed)
    for number in (1, 2, 3):
        await listening.emit(number)
        await listening.clock.advance(60)
    await listening.decide()
    assert await listening.runs() == []

    await listening.override(installed, over=True)
    await listening.emit(4)
    await listening.decide()

    assert [reason for _, _, reason in await listening.runs()] == expected


async def test_a_snooze_leaves_events_out_and_says_so(listening: Listening) -> None:
    installed = await listening.listen(overlap="allow")
    until = listening.clock.now() + timedelta(minutes=5)
    await listening.override(installed, "snooze", until)
    await listening.emit(1)
    await listening.decide()
    await listening.clock.advance(301)
    await listening.emit(2)
    await listening.decide()

    assert await listening.runs() == [(1, "skipped", "snoozed"), (2, "queued", None)]


async def test_a_task_whose_row_is_broken_holds_up_no_other(listening: Listening) -> None:
    broken = await listening.listen(name="broken")
    await listening.connection.execute(
        "update ordinaut.spec set body = body - 'catch_up' where uid = %s", [broken.uid]
    )
    await listening.listen(name="sound")

    await listening.emit(1)
    await listening.decide()

    assert await listening.runs() == [(1, "queued", None)]


async def test_a_task_whose_row_is_broken_hides_no_window_of_another(listening: Listening) -> None:
    broken = await listening.listen(name="broken")
    await listening.connection.execute(
        "update ordinaut.spec set body = body - 'catch_up' where uid = %s", [broken.uid]
    )
    await listening.listen(name="sound", debounce="5s")

    await listening.emit(1)
    _, left = await listening.hearing.run_once()

    assert left is not None
    assert 4 < left <= 5


async def test_what_is_heard_while_a_task_is_decided_is_decided_next(
    listening: Listening, database: str
) -> None:
    """The listener is locked from what is taken to what is settled, which else forgets what was heard in between."""
    await listening.listen(overlap="allow")
    await listening.emit(1)
    second = Arrived(2, "shop", "2", "orders.paid", {"order": 2}, listening.clock.now())
    heard, may_commit = asyncio.Event(), asyncio.Event()
    async with (
        await psycopg.AsyncConnection.connect(database, autocommit=True) as holder,
        await psycopg.AsyncConnection.connect(database, autocommit=True) as other,
    ):

        async def hear_second() -> None:
            async with other.transaction():
                await other.execute(
                    "insert into ordinaut.event (event_no, source, event_id, topic, data) overriding system value"
                    " values (2, 'shop', '2', 'orders.paid', '{\"order\": 2}')"
                )
                await hear(other, [second])
                heard.set()
                await may_commit.wait()

        await hold_statements(holder, "insert", "run")
        deciding = asyncio.create_task(listening.decide())
        await somebody_waits_for_the_lock(holder)
        hearing = asyncio.create_task(hear_second())
        either = [asyncio.create_task(heard.wait()), asyncio.create_task(somebody_is_blocked(database, sessions=2))]  # fmt: skip
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        await let_go(holder)
        either += [deciding, asyncio.create_task(somebody_is_blocked(database))]
        await asyncio.wait(either[2:], return_when=asyncio.FIRST_COMPLETED)
        may_commit.set()
        await asyncio.gather(deciding, hearing)
        for task_ in either:
            task_.cancel()
        await asyncio.gather(*either, return_exceptions=True)
    await listening.decide()

    assert await listening.runs() == [(1, "queued", None), (2, "queued", None)]
