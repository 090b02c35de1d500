"""A runtime that dies around a call that must not be repeated: the call is never made twice on a guess."""

from __future__ import annotations

import psycopg

from tests.faults.site import Site, step
from tests.support.cli import Cli
from tests.support.locks import hold_statements, let_go, somebody_waits_for_the_lock
from tests.support.probes import eventually
from tests.support.processes import RunningProcess
from tests.support.proxy import Proxy


async def lose(runtime: RunningProcess) -> None:
    runtime.kill()
    assert (await runtime.ended()).status == -9


async def test_a_runtime_killed_before_the_call_leaves_it_unknown_and_unmade(
    site: Site, database: str
) -> None:
    """Asserts: the intent is committed, its answer withheld, and the runtime killed there, so the call was not made. The
    next runtime does not make it either: the step is `unknown`, and the run has failed.
    """
    async with Proxy(database) as network:
        run_id = await site.queue(
            await site.install(step("first", "wait"), step("pay", effect="once"))
        )
        async with (
            site.runtime(database_url=network.url) as runtime,
            await psycopg.AsyncConnection.connect(database, autocommit=True) as holder,
        ):
            await site.called("first")
            await hold_statements(holder, "insert", "step_intent")
            site.open_gate()
            await somebody_waits_for_the_lock(holder)
            network.stall_answers()
            await let_go(holder)
            intents = "select count(*) = 1 from ordinaut.step_intent"
            await eventually(lambda: site.value(intents), "the intent is on record", seconds=20)
            await lose(runtime)
    async with site.runtime():
        assert await site.ended(run_id) == ["failed"]

    assert site.diary == ["first"]
    assert [(name, outcome) for name, outcome, _ in await site.results()] == [
        ("first", "ok"),
        ("pay", "unknown"),
    ]


async def test_a_runtime_killed_in_the_call_leaves_it_to_people(site: Site) -> None:
    """Asserts: the runtime is killed while the tool works. The next one makes no call and waits for people; what they say
    happened is the result, and the run goes on from there.
    """
    pay = step("pay", "wait", effect="once", on_unknown="ask")
    run_id = await site.queue(await site.install(pay, step("tell")))
    async with site.runtime() as runtime:
        await site.called("pay")
        await lose(runtime)
    async with site.runtime():
        waiting = "select state = 'waiting' from ordinaut.run"
        await eventually(lambda: site.value(waiting), "somebody is asked", seconds=20)
        answer = ("briefing:pay", "--happened", "--result", '"by hand"')
        assert Cli(site.env)("settle", *answer).status == 0
        assert await site.ended(run_id) == ["succeeded"]

    assert site.diary == ["pay", "tell"]
    assert await site.value("select output from ordinaut.step_result where step = 'pay'") == "by hand"  # fmt: skip


async def test_a_runtime_killed_in_the_call_leaves_it_to_a_tool_that_knows(site: Site) -> None:
    """Asserts: the runtime is killed while the tool works. The next one asks another tool, which says that it happened,
    and the call is not made again.
    """
    verify = {"verify": "diary.enter", "with": {"name": "look"}, "when": "result == 'look'"}
    pay = step("pay", "wait", effect="once", on_unknown=verify)
    run_id = await site.queue(await site.install(pay))
    async with site.runtime() as runtime:
        await site.called("pay")
        await lose(runtime)
    async with site.runtime():
        assert await site.ended(run_id) == ["succeeded"]

    assert site.diary == ["pay", "look"]
