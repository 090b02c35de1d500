"""People answer at the very moment in which the time for it is over: one of the two counts, for each run."""

from __future__ import annotations

import asyncio

import psycopg

from runtime.actor import Actor
from runtime.store.due_work import claim_due
from runtime.store.waits import answer_wait, list_asked
from schemas.asked import Asked
from tests.support.executing import LEASE, Bench, step
from tests.support.scripted_tools import ScriptedTools, ok

_RUNS = 24
_ASK = {"message": "Pay?", "timeout": "1m"}


async def test_an_answer_and_a_timeout_that_race_never_both_count(
    bench: Bench, database: str
) -> None:
    """Asserts: 24 runs wait for a person for a minute. While the minute ends, and they are executed, all of them are answered.
    A run whose answer was taken succeeds, with its call; any other fails with ORD414, without one; and there are of both.
    """
    steps = [step("ask", "ordinaut.approve", **{"with": _ASK}), step("pay")]
    for number in range(_RUNS):
        await bench.queue(name=f"payment-{number}", pipeline=steps)
    tools = ScriptedTools(tool__do=ok())
    for _ in range(_RUNS):
        await bench.go(tools)
    with psycopg.connect(database, autocommit=True) as connection:
        asked = list_asked(connection)
    assert len(asked) == _RUNS

    def say(calls: list[Asked]) -> int:
        with psycopg.connect(database, autocommit=True) as connection:
            return sum(
                answer_wait(connection, one, approved=True, by=Actor("ana"), reason="")
                for one in calls
            )

    async def execute_all() -> None:
        while await bench.row("select count(*) from ordinaut.due_work"):
            for claim in (await claim_due(bench.pool, runtime_id=1, limit=4, lease=LEASE)).claims:
                await bench.execute(claim, tools)

    await bench.clock.advance(59)
    first = asyncio.create_task(asyncio.to_thread(say, asked[:16]))
    while await bench.row("select count(*) from ordinaut.wait where answered_at is not null") < 4:
        pass
    await bench.clock.advance(1)
    second = asyncio.to_thread(say, asked[16:])
    before, after, _ = await asyncio.gather(first, second, execute_all())
    taken = before + after

    wrong = (
        "select count(*) from ordinaut.run r join ordinaut.wait w using (run_id)"
        " where (w.answered_at is not null) <> (r.state = 'succeeded')"
        " or (r.state = 'failed') <> coalesce(r.error ->> 'code' = 'ORD414', false)"
    )
    assert await bench.row(wrong) == 0
    assert await bench.row("select count(*) from ordinaut.run where state = 'succeeded'") == taken
    assert len(tools.calls) == taken
    assert 4 <= taken < _RUNS
