"""Every connection of a runtime is busy: what has to wait waits, and nothing is lost by it."""

from __future__ import annotations

import psycopg

from tests.faults.site import Site, step
from tests.support.locks import somebody_is_blocked

_BUSY = "lock table ordinaut.due_work, ordinaut.schedule, ordinaut.runtime, ordinaut.outbox, ordinaut.backlog in access exclusive mode"


async def test_a_runtime_without_a_free_connection_goes_on_when_there_is_one(
    site: Site, database: str
) -> None:
    """Asserts: all four connections of the pool wait for locks that somebody holds. A call that is under way ends meanwhile,
    and its report waits for a connection in vain; when the locks are given up its result is recorded under the first lease.
    """
    run_id = await site.queue(await site.install(step("only", "wait")))
    async with (
        await psycopg.AsyncConnection.connect(database) as holder,
        site.runtime(lease="30s", silence="3s") as runtime,
    ):
        await site.called("only")
        await holder.execute(_BUSY)
        await site.connection.execute("notify ordinaut_wake")
        site.open_gate()
        await somebody_is_blocked(database, sessions=4)
        await runtime.line("progress not written yet")
        await holder.rollback()
        assert await site.ended(run_id) == ["succeeded"]

    assert site.diary == ["only"]
    assert await site.results() == [("only", "ok", 1)]
