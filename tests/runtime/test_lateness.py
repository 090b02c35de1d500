"""A run that is due and does not begin is told where somebody listens: once for each time after which it is late."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from runtime.core.narrowing import lateness_meant
from runtime.lateness import Lateness
from runtime.store.lateness import tell_late
from tests.runtime.test_own_events import tell
from tests.support.hearing import Listening
from tests.support.installed import Installed, install, queue_run, task

LATE = "ordinaut.run.late"


async def queued(listening: Listening, name: str = "import", *keys: str) -> list[UUID]:
    """Runs of a task that are ready, and that nobody begins."""
    installed: Installed = await install(listening.connection, task(name))
    return [await queue_run(listening.connection, installed, key) for key in keys or ("a",)]


async def told(listening: Listening) -> list[tuple[Any, ...]]:
    """Of what was told: the run, and after how many seconds."""
    return await listening.rows(
        "select run_id, (data ->> 'after_seconds')::float8 from ordinaut.event_log where type = 'run.late' order by sequence"
    )


async def look(listening: Listening) -> int:
    return (await tell_late(listening.pool)).told


def after(seconds: float, name: str = "import") -> str:
    return f"data.task == '{name}' && data.after_seconds == `{seconds:g}`"


async def test_a_run_that_nobody_begins_is_told_once_when_it_is_late(listening: Listening) -> None:
    await listening.listen(LATE, filter=after(60))
    (run,) = await queued(listening)

    await listening.clock.advance(59)
    assert await look(listening) == 0
    await listening.clock.advance(2)
    assert await look(listening) == 1
    assert await look(listening) == 0

    assert await told(listening) == [(run, 60.0)]
    ((data,),) = await listening.rows("select data from ordinaut.event where topic = %s", LATE)
    assert (data["task"], data["late_seconds"]) == ("import", pytest.approx(61, abs=1))


async def test_one_that_waits_for_its_turn_is_late_as_well(listening: Listening) -> None:
    await listening.listen(LATE, filter=after(60))
    (run,) = await queued(listening)
    await listening.connection.execute(
        "with w as (delete from ordinaut.due_work returning run_id, task_uid, revision_id, ready_at, lane)"
        " insert into ordinaut.backlog (run_id, task_uid, revision_id, ready_at, lane) select * from w"
    )

    await listening.clock.advance(61)

    assert await look(listening) == 1
    assert await told(listening) == [(run, 60.0)]
    assert await look(listening) == 0


async def test_each_time_that_somebody_listens_for_is_told_once(listening: Listening) -> None:
    await listening.listen(LATE, filter=after(60), name="soon")
    await listening.listen(LATE, filter=after(600), name="late")
    await listening.listen(LATE, filter=after(60), name="soon-too")
    (run,) = await queued(listening)

    for _ in range(3):
        await listening.clock.advance(250)
        await look(listening)

    assert await told(listening) == [(run, 60.0), (run, 600.0)]


async def test_of_lookers_at_the_same_time_one_tells(listening: Listening) -> None:
    await listening.listen(LATE, filter=after(60))
    runs = await queued(listening, "import", *map(str, range(20)))
    await listening.clock.advance(61)

    counts = await asyncio.gather(*(look(listening) for _ in range(4)))

    assert sum(counts) == 20
    assert {run for run, _ in await told(listening)} == set(runs)
    assert len(await told(listening)) == 20


async def test_nothing_is_told_of_what_nobody_listens_to(listening: Listening) -> None:
    await queued(listening)
    await listening.clock.advance(3600)

    assert await Lateness(listening.pool, listening.clock).run_once() == 30.0
    await listening.listen(LATE, filter=after(60, "other"))
    assert await Lateness(listening.pool, listening.clock).run_once() == 5.0

    assert await told(listening) == []


async def test_a_run_that_began_is_late_no_more(listening: Listening) -> None:
    await listening.listen(LATE, filter=after(60))
    await queued(listening)
    await listening.connection.execute("update ordinaut.due_work set lease_epoch = 1")

    await listening.clock.advance(61)

    assert await look(listening) == 0


async def test_one_that_began_late_unseen_is_told_by_its_beginning(listening: Listening) -> None:
    await listening.listen(LATE, filter=after(60))
    unseen, seen, punctual = await queued(listening, "import", "a", "b", "c")
    await listening.connection.execute("delete from ordinaut.due_work where run_id <> %s", [seen])
    await listening.clock.advance(61)
    assert await look(listening) == 1

    for run, late in ((unseen, 61.5), (seen, 62.0), (punctual, 59.9)):
        await tell(
            listening,
            "run.started",
            run,
            task="import",
            run_id=str(run),
            late_seconds=late,
            revision=1,
        )

    assert await told(listening) == [(seen, 60.0), (unseen, 60.0)]
    ((data,),) = await listening.rows(
        "select data from ordinaut.event_log where type = 'run.late' and run_id = %s", unseen
    )
    assert (data["late_seconds"], "revision" in data) == (61.5, False)


async def test_what_was_told_is_forgotten_when_it_is_over(listening: Listening) -> None:
    await listening.listen(LATE)
    await queued(listening)
    await listening.clock.advance(301)
    assert await look(listening) == 1
    await listening.connection.execute("delete from ordinaut.due_work")

    await look(listening)

    assert await listening.rows("select count(*) from ordinaut.late_run") == [(0,)]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("data.after_seconds == `600`", 600.0),
        ("data.task == 'a' && data.after_seconds == `0.5`", 0.5),
        ("data.after_seconds >= `600`", None),
        ("data.after_seconds == '600'", None),
        ("data.after_seconds == `true`", None),
        ("data.after_seconds == `-1`", None),
        ("data.after_seconds == `1e300`", None),
    ],
)
def test_a_filter_says_when_a_run_is_late(text: str, seconds: float | None) -> None:
    assert lateness_meant(text) == seconds
