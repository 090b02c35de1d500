"""That a task recovered is told where somebody listens to it: once, of the first success after a failure."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import psycopg
import pytest

from runtime.core.narrowing import task_meant
from tests.runtime.test_own_events import events, look, tell
from tests.support.hearing import Listening
from tests.support.probes import eventually

RECOVERED = "ordinaut.task.recovered"


async def ended(listening: Listening, *kinds: str, task: str = "import") -> list[UUID]:
    """Let runs of a task end so, one after the other, each in a statement of its own."""
    runs = [uuid4() for _ in kinds]
    for kind, run in zip(kinds, runs, strict=True):
        await tell(listening, f"run.{kind}", run, task=task, run_id=str(run))
    return runs


async def told(listening: Listening) -> list[tuple[str, str]]:
    """The run that succeeded, and the one that had failed, of each recovery."""
    return await listening.rows(
        "select data ->> 'run_id', data ->> 'failed_run_id' from ordinaut.event_log"
        " where type = 'task.recovered' order by sequence"
    )


async def is_blocked(listening: Listening, pid: int) -> bool:
    return await listening.rows("select cardinality(pg_blocking_pids(%s)) > 0", pid) == [(True,)]


async def test_the_first_success_after_failures_is_told_and_starts_who_listens(
    listening: Listening,
) -> None:
    await listening.listen(RECOVERED, filter="data.task == 'import'")

    runs = await ended(
        listening,
        "succeeded",
        "failed",
        "failed",
        "skipped",
        "cancelled",
        "succeeded",
        "succeeded",
    )
    await look(listening)

    assert await told(listening) == [(str(runs[5]), str(runs[2]))]
    assert [topic for topic, _ in await events(listening)] == [RECOVERED]
    assert [state for _, state, _ in await listening.runs()] == ["queued"]


async def test_a_task_that_fails_again_recovers_again(listening: Listening) -> None:
    await listening.listen(RECOVERED)

    runs = await ended(listening, "failed", "succeeded", "succeeded", "failed", "succeeded")

    assert [UUID(run) for run, _ in await told(listening)] == [runs[1], runs[4]]


async def test_ends_that_are_written_together_are_told_of_in_their_order(
    listening: Listening,
) -> None:
    await listening.listen(RECOVERED)
    runs = [uuid4() for _ in range(6)]
    kinds = ["failed", "succeeded", "succeeded", "failed", "succeeded", "failed"]

    await listening.connection.execute(
        "insert into ordinaut.event_log (type, subject, run_id, data)"
        " select 'run.' || kind, 'x', run, jsonb_build_object('task', 'import')"
        " from unnest(%s::text[], %s::uuid[]) with ordinality as t(kind, run, n) order by n",
        [kinds, runs],
    )
    after = await ended(listening, "succeeded")

    assert [tuple(map(UUID, pair)) for pair in await told(listening)] == [
        (runs[1], runs[0]),
        (runs[4], runs[3]),
        (after[0], runs[5]),
    ]


async def test_of_successes_at_the_same_time_one_is_told(listening: Listening) -> None:
    await listening.listen(RECOVERED)
    await ended(listening, "failed")

    statement = (
        b"insert into ordinaut.event_log (type, subject, run_id, data)"
        b""" values ('run.succeeded', 'x', gen_random_uuid(), '{"task": "import"}')"""
    )

    async with (
        await psycopg.AsyncConnection.connect(listening.database) as first,
        await psycopg.AsyncConnection.connect(listening.database) as second,
    ):
        await first.execute(statement)
        behind = asyncio.create_task(second.execute(statement))
        await eventually(
            lambda: is_blocked(listening, second.info.backend_pid), "the second waits"
        )
        await first.commit()
        await behind

    assert len(await told(listening)) == 1


async def test_a_success_that_is_rolled_back_leaves_the_recovery_to_the_next(
    listening: Listening,
) -> None:
    await listening.listen(RECOVERED)
    await ended(listening, "failed")

    async with listening.connection.transaction(force_rollback=True):
        await ended(listening, "succeeded")
    (run,) = await ended(listening, "succeeded")

    assert [UUID(one) for one, _ in await told(listening)] == [run]


async def test_what_failed_while_nobody_listened_is_none_of_its_business(
    listening: Listening,
) -> None:
    await listening.listen(RECOVERED)
    await ended(listening, "failed")
    await listening.connection.execute("delete from ordinaut.listener")
    await ended(listening, "succeeded", "failed", "succeeded")
    assert await told(listening) == []

    await listening.clock.advance(60)
    await listening.listen(RECOVERED, name="again")
    await ended(listening, "succeeded")

    assert await told(listening) == []


async def test_of_tasks_that_nobody_watches_nothing_is_kept(listening: Listening) -> None:
    await listening.listen(RECOVERED, filter="data.task == 'import'")

    await ended(listening, "failed", "succeeded", task="other")
    await ended(listening, "failed", task="third")

    assert await told(listening) == []
    assert await listening.rows("select count(*) from ordinaut.failed_task") == [(0,)]


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("data.task == 'a/b'", "a/b"),
        ("'a' == data.task", "a"),
        ("data.late_seconds > `5` && data.task == 'a' && data.x", "a"),
        ("data.task == 'a' || data.task == 'b'", None),
        ("!(data.task == 'a')", None),
        ("data.task != 'a'", None),
        ("data.task == data.other", None),
        ("data.task == `1`", None),
        ("data.tasks == 'a'", None),
        ("data.task ==", None),
    ],
)
def test_a_filter_means_one_task_only_where_it_cannot_hold_for_another(
    text: str, task: str | None
) -> None:
    assert task_meant(text) == task


@pytest.mark.parametrize("topic", ["ordinaut.run.started", "ordinaut.run.*"])
async def test_events_of_other_tasks_are_not_put_before_a_listener_to_one(
    listening: Listening, topic: str
) -> None:
    await listening.listen(topic, filter="data.task == 'import'")

    for task in ("import", "other"):
        await tell(listening, "run.started", task=task)
    await tell(listening, "revision.applied")

    assert [data["task"] for _, data in await events(listening)] == ["import"]


async def test_each_listener_gets_what_is_its_own(listening: Listening) -> None:
    await listening.listen("ordinaut.run.failed", filter="data.task == 'one'", name="a")
    await listening.listen("ordinaut.run.failed", filter="data.task == 'two'", name="b")
    await listening.listen("ordinaut.run.failed", name="c", overlap="allow")

    for task in ("one", "two", "three"):
        await tell(listening, "run.failed", task=task)
    await look(listening)

    assert await listening.rows(
        "select s.name, r.event #>> '{data,task}' from ordinaut.run r join ordinaut.spec s on s.uid = r.task_uid"
        " where r.state = 'queued' order by 1, 2"
    ) == [("a", "one"), ("b", "two"), ("c", "one"), ("c", "three"), ("c", "two")]
