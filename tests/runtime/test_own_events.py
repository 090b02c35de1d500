"""Our own events start tasks, as they are committed; and chains of events that come back again and again are cut."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
import pytest

from runtime.core.hearing import LOOPS
from runtime.store.events import deliver
from tests.support.hearing import Listening

FAILED = "ordinaut.run.failed"


async def tell(listening: Listening, kind: str, run: UUID | None = None, **data: Any) -> None:
    """Write an event of ours, as a statement that does something does."""
    await listening.connection.execute(
        "insert into ordinaut.event_log (type, subject, run_id, data) values (%s, 'x', %s, %s)",
        [kind, run, psycopg.types.json.Jsonb(data)],
    )


async def look(listening: Listening) -> None:
    await deliver(listening.connection)
    while await listening.decide():
        pass


async def events(listening: Listening) -> list[tuple[Any, ...]]:
    return await listening.rows("select topic, data from ordinaut.event order by event_no")


async def test_an_event_of_ours_starts_the_task_that_listens_to_it(listening: Listening) -> None:
    await listening.listen(FAILED, filter="data.task == 'import'")

    await tell(listening, "run.failed", task="import", error={"message": "no"})
    await tell(listening, "run.failed", task="other")
    await tell(listening, "run.succeeded", task="import")
    await look(listening)

    assert await listening.rows(
        "select event ->> 'topic', event ->> 'source', event #>> '{data,error,message}', state from ordinaut.run"
    ) == [(FAILED, "ordinaut", "no", "queued")]
    # What nobody listens to is not copied.
    assert [topic for topic, _ in await events(listening)] == [FAILED]


@pytest.mark.parametrize("topic", ["*", "orders.*", "*.failed"])
async def test_only_a_topic_that_is_written_so_means_our_own(
    listening: Listening, topic: str
) -> None:
    await listening.listen(topic)

    await tell(listening, "run.failed", task="import")
    await look(listening)

    assert await events(listening) == []
    assert await listening.runs() == []


async def test_what_is_rolled_back_starts_nothing(listening: Listening) -> None:
    await listening.listen(FAILED)

    async with listening.connection.transaction(force_rollback=True):
        await tell(listening, "run.failed", task="import")
    await look(listening)

    assert await events(listening) == []


async def chain(listening: Listening, *kinds: str) -> int:
    """Let each run that is started tell an event of its own, in turn one of these kinds; how many runs there were."""
    last, started = 0, 0
    while started < 8 * LOOPS:
        await look(listening)
        newest = await listening.rows(
            "select run_id, trigger_key::bigint from ordinaut.run where state = 'queued' and trigger = 'event'"
            " order by trigger_key::bigint desc limit 1"
        )
        ((run, number),) = newest
        if number == last:
            return started
        await tell(listening, kinds[started % len(kinds)], run, task="any")
        last, started = number, started + 1
    return started


async def test_a_task_that_its_own_events_start_is_stopped(listening: Listening) -> None:
    await listening.listen("ordinaut.run.*", overlap="allow")
    await tell(listening, "run.succeeded", task="first")

    started = await chain(listening, "run.succeeded")

    assert started == LOOPS + 1
    assert await listening.rows(
        "select reason, count(*) from ordinaut.run where state = 'skipped' group by 1"
    ) == [("event_loop", 1)]
    # That it was cut is told, and starts nothing though the task listens to that too.
    await look(listening)
    assert await listening.rows(
        "select count(*) from ordinaut.event_log where data ->> 'reason' = 'event_loop'"
    ) == [(1,)]


async def test_two_tasks_that_start_each_other_are_stopped(listening: Listening) -> None:
    await listening.listen("ordinaut.run.succeeded", name="ping", overlap="allow")
    await listening.listen("ordinaut.run.cancelled", name="pong", overlap="allow")
    await tell(listening, "run.succeeded", task="first")

    started = await chain(listening, "run.cancelled", "run.succeeded")

    assert started == 2 * (LOOPS + 1)
    skipped = await listening.rows("select count(*) from ordinaut.run where reason = 'event_loop'")
    assert skipped == [(1,)]


async def test_a_chain_goes_on_through_the_runs_that_steps_start(listening: Listening) -> None:
    installed = await listening.listen("ordinaut.run.succeeded", overlap="allow")
    await tell(listening, "run.succeeded", task="first")
    for _ in range(LOOPS):
        await look(listening)
        ((parent,),) = await listening.rows(
            "select run_id from ordinaut.run where trigger = 'event' order by trigger_key::bigint desc limit 1"
        )
        ((child,),) = await listening.rows(
            "insert into ordinaut.run (run_id, task_uid, revision_id, trigger, trigger_key, occurrence_for, due_at, state)"
            " values (gen_random_uuid(), %s, %s, 'run', %s, ordinaut.now(), ordinaut.now(), 'queued') returning run_id",
            installed.uid,
            installed.revision_id,
            f"{parent}:step:0",
        )
        await tell(listening, "run.succeeded", child, task="child")
    await look(listening)

    reasons = await listening.rows(
        "select reason from ordinaut.run where trigger = 'event' order by trigger_key::bigint"
    )
    # A run and its child are two of the task.
    assert [reason for (reason,) in reasons].index("event_loop") == LOOPS // 2 + 1


async def test_unrelated_runs_of_a_task_are_no_loop(listening: Listening) -> None:
    await listening.listen(FAILED, overlap="allow")
    for _ in range(2 * LOOPS):
        await tell(listening, "run.failed", task="import")
    await look(listening)

    assert {state for _, state, _ in await listening.runs()} == {"queued"}
