"""Runs that steps of other runs start."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from runtime.actor import Actor
from runtime.errors import LeaseLost
from runtime.store.cancelling import cancel_run
from runtime.store.children import settle_children, start_child
from runtime.store.due_work import Claim
from runtime.store.pool import borrow
from runtime.store.recorded import Place, Waiting
from tests.support.executing import LEASE, Bench, step
from tests.support.installed import install, task
from tests.support.scripted_tools import ScriptedTools, failed, ok

START = step("child", "ordinaut.run", **{"with": {"task": "report", "params": {"city": "Balti"}}})
END = step("end", "tool.end", **{"with": {"got": "${steps.child}"}})


class Dying:
    """What a run asks whose process dies in that moment: the run is started, and nobody hears of it."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    async def start(self, claim: Claim, call: Any, arguments: Any) -> Any:
        await self._bench.arrivals.start(claim, call, arguments)
        raise LeaseLost("the process is gone")

    async def look(self, claim: Claim, *, is_heeded: bool) -> dict[Place, Waiting]:
        raise LeaseLost("the process is gone")


@pytest.fixture
async def report(bench: Bench) -> None:
    """The task that is started."""
    steps = [
        step("look", "tool.look", **{"with": {"city": "${params.city}"}}),
        step("sum", "tool.sum"),
    ]
    body = task("report", params={"city": "Chisinau"}, pipeline=steps)
    await install(bench.connection, body)


async def queue(bench: Bench, *steps: dict[str, Any], **fields: Any) -> None:
    await bench.queue(timeout="90d", pipeline=list(steps or (START, END)), **fields)


async def go_as(bench: Bench, name: str, tools: ScriptedTools) -> Claim:
    """Execute the one run that is ready, which is of this task."""
    claim = await bench.go(tools)
    assert claim.task == name
    return claim


async def die_looking(bench: Bench, tools: ScriptedTools) -> None:
    """Execute the one run that is ready, and lose it when it has started its child and looks for the end of that."""
    claim = await bench.claim()
    bench.looking = Dying(bench)
    with pytest.raises(LeaseLost):
        await bench.execute(claim, tools)
    bench.looking = None


async def cancel(database: str, claim: Claim) -> None:
    """As `ordinaut cancel` does."""

    def end() -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            cancel_run(connection, claim.run_id, actor=Actor("ana"), detail="enough")

    await asyncio.to_thread(end)


async def states(bench: Bench) -> Any:
    return await bench.row(
        "select jsonb_object_agg(s.name, r.state) from ordinaut.run r join ordinaut.spec s on s.uid = r.task_uid"
    )


async def test_a_step_starts_a_run_sleeps_until_it_is_over_and_gives_its_result(
    bench: Bench, report: None
) -> None:
    tools = ScriptedTools(tool__look=ok(), tool__sum=ok({"rain": True}), tool__end=ok())
    await queue(bench)
    await go_as(bench, "briefing", tools)
    assert await states(bench) == {"briefing": "waiting", "report": "queued"}

    await go_as(bench, "report", tools)
    await bench.arrivals.run_once()
    await go_as(bench, "briefing", tools)

    assert tools.calls == [
        ("tool.look", {"city": "Balti"}),
        ("tool.sum", {}),
        ("tool.end", {"got": {"rain": True}}),
    ]
    assert await states(bench) == {"briefing": "succeeded", "report": "succeeded"}
    assert await bench.row("select trigger from ordinaut.run where trigger <> 'manual'") == "run"


async def test_who_has_lost_a_run_starts_no_other_for_it(bench: Bench, report: None) -> None:
    await queue(bench)
    lost = await bench.claim()
    await bench.clock.advance(LEASE.total_seconds() + 1)
    await bench.claim()

    async with borrow(bench.pool) as connection:
        with pytest.raises(LeaseLost):
            await start_child(connection, lost, ("child", 0), "report", {})

    assert await states(bench) == {"briefing": "running"}


async def test_a_run_that_is_over_before_its_parent_looks_is_found(
    bench: Bench, report: None
) -> None:
    tools = ScriptedTools(tool__look=ok(), tool__sum=ok(7), tool__end=ok())
    await queue(bench)
    await die_looking(bench, tools)
    await go_as(bench, "report", tools)
    await bench.clock.advance(16)

    await go_as(bench, "briefing", tools)

    assert tools.calls[-1] == ("tool.end", {"got": 7})
    assert await bench.row("select count(*) from ordinaut.run") == 2


async def test_a_failure_carries_over(bench: Bench, report: None) -> None:
    tools = ScriptedTools(tool__look=failed())
    await queue(bench)
    await bench.go(tools)
    await bench.go(tools)
    await bench.arrivals.run_once()

    await go_as(bench, "briefing", tools)

    assert await states(bench) == {"briefing": "failed", "report": "failed"}
    code, message, detail = await bench.row(
        "select error ->> 'code', error ->> 'message', error ->> 'detail' from ordinaut.step_result where step = 'child'"
    )
    assert (code, detail) == ("ORD509", "ORD404")
    assert message.endswith("failed: it was tool_error")


async def test_a_child_whose_row_was_broken_since_it_ran_fails_the_step(
    bench: Bench, report: None
) -> None:
    tools = ScriptedTools(tool__look=ok(), tool__sum=ok())
    await queue(bench)
    await go_as(bench, "briefing", tools)
    await go_as(bench, "report", tools)
    await bench.connection.execute(
        "update ordinaut.spec_revision set body = body - 'pipeline' where body ->> 'name' = 'report'"
    )

    await bench.arrivals.run_once()
    await go_as(bench, "briefing", tools)

    assert await states(bench) == {"briefing": "failed", "report": "succeeded"}
    said = "select error ->> 'message' from ordinaut.run where state = 'failed'"
    assert "cannot be read" in await bench.row(said)


async def test_a_step_that_does_not_wait_gives_the_runs_id(bench: Bench, report: None) -> None:
    start = START | {"with": {"task": "report", "wait": False}}
    tools = ScriptedTools(tool__look=ok(), tool__sum=ok(), tool__end=ok())
    await queue(bench, start, END)

    await go_as(bench, "briefing", tools)
    child = await bench.row("select run_id::text from ordinaut.run where trigger = 'run'")
    await go_as(bench, "report", tools)

    assert tools.calls[0] == ("tool.end", {"got": {"run_id": child}})
    assert await states(bench) == {"briefing": "succeeded", "report": "succeeded"}
    assert await bench.row("select count(*) from ordinaut.wait") == 0


@pytest.mark.parametrize("wait", [True, False])
async def test_whoever_goes_on_after_a_crash_starts_no_second_run(
    bench: Bench, report: None, wait: bool
) -> None:
    tools = ScriptedTools(tool__look=ok(), tool__sum=ok(), tool__end=ok())
    await queue(bench, START | {"with": {"task": "report", "wait": wait}}, END)
    await die_looking(bench, tools)
    await go_as(bench, "report", tools)
    await bench.clock.advance(16)

    await go_as(bench, "briefing", tools)

    assert await states(bench) == {"briefing": "succeeded", "report": "succeeded"}
    assert await bench.row("select count(*) from ordinaut.run") == 2


async def test_a_parent_that_is_cancelled_has_its_children_cancelled(
    bench: Bench, report: None, database: str
) -> None:
    await queue(bench)
    claim = await bench.go(ScriptedTools())

    await cancel(database, claim)
    await bench.arrivals.run_once()
    assert await states(bench) == {"briefing": "cancelled", "report": "cancelled"}

    await bench.arrivals.run_once()
    assert await bench.row("select answer ->> 'state' from ordinaut.wait") == "cancelled"


async def test_children_of_children_are_cancelled_in_the_same_look(
    bench: Bench, report: None, database: str
) -> None:
    start = step("go", "ordinaut.run", **{"with": {"task": "report"}})
    await install(bench.connection, task("between", pipeline=[start]))
    await queue(bench, START | {"with": {"task": "between"}})
    claim = await go_as(bench, "briefing", ScriptedTools())
    await go_as(bench, "between", ScriptedTools())

    await cancel(database, claim)
    await bench.arrivals.run_once()

    assert set((await states(bench)).values()) == {"cancelled"}


async def test_who_waits_for_the_turn_of_a_child_that_is_cancelled_has_it_at_once(
    bench: Bench, database: str
) -> None:
    await install(bench.connection, task("report", overlap="queue_all"))
    start = START | {"with": {"task": "report"}}
    await queue(bench, start, {**start, "id": "another", "needs": []})
    claim = await go_as(bench, "briefing", ScriptedTools())
    await bench.turns.look()
    second = await bench.row("select run_id from ordinaut.backlog")
    # Nobody waits for the one whose turn it is, and somebody for the other.
    await bench.connection.execute(
        "update ordinaut.wait set run_id = gen_random_uuid() where asked ->> 'run_id' = %s",
        [str(second)],
    )

    await cancel(database, claim)
    await bench.arrivals.run_once()
    await bench.turns.look()

    assert await bench.row("select run_id from ordinaut.due_work") == second


async def test_a_child_that_somebody_cancelled_says_why(
    bench: Bench, report: None, database: str
) -> None:
    await queue(bench, START)
    await go_as(bench, "briefing", ScriptedTools())

    await cancel(database, await bench.claim())
    await bench.arrivals.run_once()
    await go_as(bench, "briefing", ScriptedTools())

    message = await bench.row(
        "select error ->> 'message' from ordinaut.run where state = 'failed'"
    )
    assert message.endswith("cancelled: enough")


async def test_a_parent_that_is_out_of_time_has_its_children_cancelled(
    bench: Bench, report: None
) -> None:
    await bench.queue(timeout="1h", pipeline=[START, END])
    await bench.go(ScriptedTools())
    await bench.connection.execute(
        "update ordinaut.due_work d set ready_at = 'infinity' from ordinaut.run r"
        " where r.run_id = d.run_id and r.trigger = 'run'"
    )
    await bench.clock.advance(3601)
    await go_as(bench, "briefing", ScriptedTools())

    await bench.arrivals.run_once()

    assert await states(bench) == {"briefing": "failed", "report": "cancelled"}


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"task": "nobody"}, "there is no task nobody in force"),
        ({"task": "report", "params": {"town": 1}}, "task report has no parameter town"),
    ],
)
async def test_a_run_that_cannot_be_started_fails_the_step(
    bench: Bench, report: None, asked: dict[str, Any], why: str
) -> None:
    await queue(bench, START | {"with": asked})

    await bench.go(ScriptedTools())

    assert await bench.row("select error ->> 'code', error ->> 'message' from ordinaut.run") == (
        "ORD509",
        why,
    )


async def test_whoever_could_start_no_run_is_looked_at_no_more(bench: Bench) -> None:
    """There are only so many that are looked at at once, and it must not be one of them for ever."""
    await queue(bench)

    await bench.go(ScriptedTools())

    async with borrow(bench.pool) as connection:
        assert await settle_children(connection) == (0, [])


async def test_another_active_run_of_the_task_stands_in_the_way_as_its_policy_says(
    bench: Bench, report: None
) -> None:
    each = START | {"foreach": "${`[1, 2]`}", "max_parallel": 2, "on_error": "continue"}
    await queue(bench, each)
    tools = ScriptedTools(tool__look=ok(), tool__sum=ok("done"))
    await bench.go(tools)
    await go_as(bench, "report", tools)
    await bench.arrivals.run_once()
    await bench.go(tools)

    assert (
        await bench.row("select state from ordinaut.run where trigger = 'manual'") == "succeeded"
    )
    assert await bench.row(
        # Which of the two is first, is a matter of chance.
        "select array_agg(coalesce(output #>> '{}', error ->> 'message') order by outcome)"
        " from ordinaut.step_result where step = 'child' and iteration >= 0"
    ) == ["done", "another run of report is active: overlap"]


async def test_runs_start_one_another_only_so_deep(bench: Bench) -> None:
    await bench.queue(
        timeout="90d",
        overlap="allow",
        pipeline=[step("again", "ordinaut.run", **{"with": {"task": "briefing"}})],
    )
    for _ in range(8):
        await bench.go(ScriptedTools())

    assert await bench.row("select count(*) from ordinaut.run") == 8
    assert await bench.row(
        "select error ->> 'message' from ordinaut.run where state = 'failed'"
    ) == ("runs start one another 8 deep, and no deeper")
    for _ in range(7):
        await bench.arrivals.run_once()
        await bench.go(ScriptedTools())
    assert await bench.row("select count(*) from ordinaut.run where state = 'failed'") == 8


async def test_two_ends_of_a_child_and_a_parents_look_at_once_answer_once(
    bench: Bench, report: None
) -> None:
    tools = ScriptedTools(tool__look=ok(), tool__sum=ok(1), tool__end=ok())
    await queue(bench)
    await die_looking(bench, tools)
    await bench.go(tools)
    await bench.clock.advance(16)
    claim = await bench.claim()

    await asyncio.gather(
        bench.execute(claim, tools), bench.arrivals.run_once(), bench.arrivals.run_once()
    )

    assert await states(bench) == {"briefing": "succeeded", "report": "succeeded"}
    assert (await bench.events()).count("step.succeeded") == 4
