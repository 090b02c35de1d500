"""A scheduler that dies at any point of a decision leaves it made whole, or to be made: never half, and never twice."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import psycopg

from runtime.store.pool import open_pool
from tests.support.clock import START, FakeClock
from tests.support.installed import install, schedule, task
from tests.support.proxy import Proxy
from tests.support.scheduling import make_scheduler

_EVERYTHING = (
    "select (select count(*) from ordinaut.run where state = 'queued'), (select count(*) from ordinaut.due_work),"
    " (select count(distinct occurrence_for) from ordinaut.run),"
    " (select extract(epoch from next_for - %s) / 60 from ordinaut.schedule)"
)


async def test_a_scheduler_cut_off_after_any_answer_is_made_up_for_by_the_next(
    database: str, connection: psycopg.AsyncConnection, clock: FakeClock
) -> None:
    """Asserts, for each answer of the database that a decision waits for: the connection is lost with that answer, and the
    scheduler is not asked again. After a look of another scheduler the occurrence has one run, one row in the queue, and
    the schedule stands at the next occurrence.
    """
    await clock.attach(database)
    installed = await install(connection, task("tick", schedule={"every": "1m"}, overlap="allow"))
    await schedule(connection, installed, START, START + timedelta(minutes=1))
    sound = await open_pool(database)
    cuts = 0

    async with Proxy(database) as network:
        while True:
            await clock.advance(60)
            dying = await open_pool(network.url)
            network.cut_after(cuts)
            with contextlib.suppress(psycopg.OperationalError):
                await make_scheduler(dying, clock).run_once()
            was_cut = network.has_cut
            await dying.close()
            await make_scheduler(sound, clock).run_once()

            minutes = cuts + 1
            cursor = await connection.execute(_EVERYTHING.encode(), [START])
            assert await cursor.fetchone() == (minutes, minutes, minutes, minutes + 1)
            if not was_cut:
                break
            cuts += 1
    await sound.close()

    assert cuts > 1
