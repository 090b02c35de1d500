"""Calls keep the rate limits of their agent and of tool servers, in all runtimes together, and one that waits for its turn
holds nobody up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from runtime.core.calls import Call
from runtime.core.leftopen import LeftOpen
from runtime.core.program import compile_program
from runtime.core.rates import hold_on, rate_limits, server_limits
from runtime.live import Live, Scope
from runtime.store.pool import Pool
from runtime.store.rates import Rates
from runtime.store.runtimes import load_task_revisions
from runtime.throttle import throttle_of
from runtime.underway import Ready
from tests.runtime.test_app import Start, sleepy, start
from tests.support.clock import FakeClock
from tests.support.executing import Bench, step
from tests.support.installed import HEAD, install, queue_run, task
from tests.support.probes import eventually
from tests.support.scripted_tools import ScriptedTools, failed, ok

__all__ = ["start"]

TWO_A_MINUTE = {"tools": "*", "calls": 2, "per": "1m"}
AGENT = {"agent": "bot"}


def limited(*limits: dict[str, Any]) -> Live:
    listed = limits or (TWO_A_MINUTE,)
    return Live(agents={"bot": Scope(("*",), (), rate_limits("bot", listed))})


def calls(count: int) -> list[dict[str, Any]]:
    return [step(f"s{number}") for number in range(count)]


async def take(rates: Rates, run_id: UUID | None = None, *, calls: int = 2) -> int:
    """Whole seconds until a call has its turn."""
    limits = rate_limits("bot", [{"tools": "*", "calls": calls, "per": "1m"}])
    return round(await rates.take_turn(limits, run_id or uuid4(), "s", 0, 1))


class TestBuckets:
    @pytest.fixture
    async def rates(self, pool: Pool, clock: FakeClock, database: str) -> Rates:
        await clock.attach(database)
        return Rates(pool)

    async def test_a_full_bucket_is_spent_at_once_and_comes_back_evenly(
        self, rates: Rates, clock: FakeClock
    ) -> None:
        assert [await take(rates) for _ in range(5)] == [0, 0, 30, 60, 90]

        await clock.advance(300)
        assert [await take(rates) for _ in range(3)] == [0, 0, 30]

    async def test_whoever_waits_keeps_the_turn_and_has_it_once(
        self, rates: Rates, clock: FakeClock
    ) -> None:
        await take(rates), await take(rates)
        waiting = uuid4()
        assert await take(rates, waiting) == 30

        await clock.advance(10)
        assert await take(rates, waiting) == 20
        assert await take(rates) == 50
        await clock.advance(20)
        assert await take(rates, waiting) == 0
        assert await take(rates, waiting) == 60

    async def test_a_call_waits_for_the_slowest_of_its_buckets(self, rates: Rates) -> None:
        both = rate_limits("bot", [TWO_A_MINUTE, {"tools": "crm.*", "calls": 1, "per": "2m"}])

        waits = [round(await rates.take_turn(both, uuid4(), "s", 0, 1)) for _ in range(3)]

        assert waits == [0, 120, 240]

    async def test_a_pause_that_a_tool_asks_for_holds_everybody_back(self, rates: Rates) -> None:
        hold = hold_on("bot", "crm.find")
        await rates.hold_back(hold, timedelta(seconds=40))
        await rates.hold_back(hold, timedelta(seconds=20))

        waits = [round(await rates.take_turn([hold], uuid4(), "s", 0, 1)) for _ in range(2)]

        assert waits == [40, 40]

    async def test_of_many_that_race_no_two_have_the_same_turn(self, rates: Rates) -> None:
        waits = await asyncio.gather(*(take(rates, calls=6) for _ in range(20)))

        assert sorted(waits) == [0] * 6 + [10 * n for n in range(1, 15)]


class TestRuns:
    async def test_a_run_sleeps_until_its_next_call_has_its_turn(
        self, bench: Bench, clock: FakeClock
    ) -> None:
        bench.live = limited()
        await bench.queue(**AGENT, pipeline=calls(3))
        tools = ScriptedTools(tool__do=ok())

        await bench.go(tools)

        assert len(tools.calls) == 2
        assert await bench.seconds_until_ready() == 30
        assert (
            await bench.row(
                "select data ->> 'reason' from ordinaut.event_log where type = 'run.waiting'"
            )
            == "rate_limit"
        )
        await clock.advance(31)
        await bench.go(tools)
        assert len(tools.calls) == 3
        assert await bench.row("select state from ordinaut.run") == "succeeded"
        assert await bench.row("select count(*) from ordinaut.rate_turn") == 0

    async def test_what_waits_for_its_turn_is_not_written_down_as_made(
        self, bench: Bench, clock: FakeClock
    ) -> None:
        bench.live = limited({"tools": "*", "calls": 1, "per": "1m"})
        await bench.queue(**AGENT, pipeline=[step("a"), step("b", effect="once")])
        tools = ScriptedTools(tool__do=ok())

        await bench.go(tools)
        assert await bench.row("select count(*) from ordinaut.step_intent") == 0

        await clock.advance(61)
        await bench.go(tools)
        assert await bench.row("select state from ordinaut.run") == "succeeded"

    async def test_items_of_a_step_are_spread(self, bench: Bench, clock: FakeClock) -> None:
        bench.live = limited()
        fan = step("all", foreach="${params.list}", max_parallel=4)
        await bench.queue(**AGENT, pipeline=[fan], params={"list": [1, 2, 3, 4]})
        tools = ScriptedTools(tool__do=ok())

        made = []
        for _ in range(3):
            await bench.go(tools)
            made.append(len(tools.calls))
            await clock.advance(31)

        assert made == [2, 3, 4]
        assert await bench.row("select state from ordinaut.run") == "succeeded"

    async def test_another_try_needs_a_turn_of_its_own(
        self, bench: Bench, clock: FakeClock
    ) -> None:
        bench.live = limited({"tools": "*", "calls": 1, "per": "1m"})
        again = {"attempts": 2, "initial": "1s", "jitter": "none"}
        await bench.queue(**AGENT, pipeline=[step("a", retry=again)])
        tools = ScriptedTools(tool__do=[failed(), ok()])

        await bench.go(tools)
        await clock.advance(1)
        await bench.go(tools)
        assert len(tools.calls) == 1
        await clock.advance(60)
        await bench.go(tools)

        assert await bench.row("select state from ordinaut.run") == "succeeded"

    async def test_a_tool_that_asks_for_a_pause_gets_it_from_other_runs_too(
        self, bench: Bench, clock: FakeClock
    ) -> None:
        bench.live = limited({"tools": "*", "calls": 100, "per": "1m"})
        await bench.queue(**AGENT, pipeline=[step("a")])
        await bench.go(ScriptedTools(tool__do=failed(retry_after=45)))

        await clock.advance(5)
        await bench.queue(**AGENT, pipeline=[step("other", "tool.other"), step("a")])
        tools = ScriptedTools(tool__do=ok(), tool__other=ok())
        await bench.go(tools)

        assert [name for name, _ in tools.calls] == ["tool.other"]
        assert await bench.seconds_until_ready() == 40

    async def test_a_run_that_is_out_of_time_waits_no_longer(
        self, bench: Bench, clock: FakeClock
    ) -> None:
        bench.live = limited({"tools": "*", "calls": 1, "per": "1h"})
        await bench.queue(**AGENT, pipeline=calls(2), timeout="10m")
        tools = ScriptedTools(tool__do=ok())
        await bench.go(tools)

        assert await bench.seconds_until_ready() == 600
        await clock.advance(601)
        await bench.go(tools)

        assert await bench.row("select error ->> 'code' from ordinaut.run") == "ORD504"

    async def test_for_a_moment_a_call_waits_without_going_to_sleep(
        self, bench: Bench, clock: FakeClock
    ) -> None:
        bench.live = limited({"tools": "*", "calls": 10, "per": "1s"})
        await bench.queue(**AGENT, pipeline=calls(11))
        tools = ScriptedTools(tool__do=ok())

        going = asyncio.create_task(bench.go(tools))
        await eventually(lambda: len(tools.calls) == 10, "all but one are made")
        await eventually(lambda: _turns(bench), "the last one has its turn")
        await clock.advance(0.2)
        await going

        assert len(tools.calls) == 11
        assert await bench.row("select state from ordinaut.run") == "succeeded"

    async def test_a_database_that_is_away_is_asked_again_and_ends_no_run(
        self, bench: Bench, clock: FakeClock
    ) -> None:
        await bench.queue(**AGENT, pipeline=[step("a")])
        claim = await bench.claim()
        pinned = (claim.task_uid, claim.revision_id)
        revision = (await load_task_revisions(bench.pool, [pinned]))[pinned]
        (only,) = compile_program(revision.body, revision.project).steps
        await bench.pool.close()
        around = bench.around(ScriptedTools())
        throttle = throttle_of(limited(), "bot", around, claim, set())
        assert throttle is not None
        call = Call(0.0, 0, 1, only)

        landed = await throttle.ask(Ready(call, {}, {}, asks_turn=True))
        await throttle.heed("tool.do", 30)

        assert landed.turn_in == 1.0
        assert throttle.waits_for == "rate_limit"
        assert not throttle.lets(call)

    async def test_a_server_s_limit_is_shared_by_agents_and_by_runs_without_one(
        self, bench: Bench, clock: FakeClock
    ) -> None:
        limits = server_limits("tool", [{"tools": "do", "calls": 2, "per": "1m"}])
        bench.live = Live(agents={"bot": Scope(("*",)), "cat": Scope(("*",))}, limits=limits)
        tools = ScriptedTools(tool__do=ok(), tool__other=ok())

        for agent in (AGENT, {"agent": "cat"}, {}):
            await clock.advance(1)
            await bench.queue(**agent, pipeline=[step("free", "tool.other"), step("a")])
            await bench.go(tools)

        assert [name for name, _ in tools.calls].count("tool.do") == 2
        assert [name for name, _ in tools.calls].count("tool.other") == 3
        assert await bench.seconds_until_ready() == 28

    async def test_each_value_of_a_key_has_a_limit_of_its_own(self, bench: Bench) -> None:
        bench.live = limited({"tools": "*", "calls": 1, "per": "1m", "key": "to"})
        names = ["ada", "bob", "ada"]
        mails = [
            step(f"s{number}", needs=[], **{"with": {"to": name}})
            for number, name in enumerate(names)
        ]
        await bench.queue(**AGENT, pipeline=mails)
        tools = ScriptedTools(tool__do=ok())

        await bench.go(tools)

        assert [sent["to"] for _, sent in tools.calls] == ["ada", "bob"]
        assert await bench.seconds_until_ready() == 60

    async def test_no_secret_is_kept_with_a_key(self, bench: Bench) -> None:
        bench.live = limited({"tools": "*", "calls": 1, "per": "1m", "key": "as"})
        await bench.queue(**AGENT, pipeline=[step("a", **{"with": {"as": "${secrets.token}"}})])
        tools = ScriptedTools(tool__do=ok())

        await bench.go(tools)

        assert [sent["as"] for _, sent in tools.calls] == ["s3cr3t-token"]
        kept = await bench.row("select string_agg(bucket, ' ') from ordinaut.rate_bucket")
        assert " as: " in kept
        assert "s3cr3t" not in kept

    async def test_a_server_that_asks_for_a_pause_gets_it_from_everybody(
        self, bench: Bench, clock: FakeClock
    ) -> None:
        limits = server_limits("tool", [{"tools": "*", "calls": 100, "per": "1m"}])
        bench.live = Live(agents={"bot": Scope(("*",))}, limits=limits)
        await bench.queue(**AGENT, pipeline=[step("a")])
        await bench.go(ScriptedTools(tool__do=failed(retry_after=45)))

        await clock.advance(5)
        await bench.queue(pipeline=[step("a")])
        tools = ScriptedTools(tool__do=ok())
        await bench.go(tools)

        assert tools.calls == []
        assert await bench.seconds_until_ready() == 40

    async def test_tools_that_only_compute_or_wait_need_no_turn(self, bench: Bench) -> None:
        bench.live = limited({"tools": "*", "calls": 1, "per": "1h"})
        await bench.queue(**AGENT, pipeline=[step(f"s{n}", "ordinaut.assert") for n in range(3)])

        await bench.go(ScriptedTools(ordinaut__assert=ok()))

        assert await bench.row("select state from ordinaut.run") == "succeeded"
        assert await bench.row("select count(*) from ordinaut.rate_bucket") == 0


async def _turns(bench: Bench) -> bool:
    return bool(await bench.row("select count(*) from ordinaut.rate_turn"))


BOT = {**HEAD, "kind": "Agent", "name": "bot", "scopes": ["*"]}
THREE = {"calls": 3, "per": "1h"}


def of_an_agent(tmp_path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    return {**BOT, "rate_limits": [THREE]}, task(agent="bot")


def of_a_server(tmp_path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    server = sleepy(0, tmp_path) | {"rate_limits": [THREE]}
    return server, task(pipeline=[{"id": "nap", "uses": "sleepy.nap"}])


@pytest.mark.parametrize("limited_by", [of_an_agent, of_a_server])
async def test_two_runtimes_keep_one_limit(
    start: Start,
    connection: psycopg.AsyncConnection,
    tmp_path: Path,
    limited_by: Callable[[Path], tuple[dict[str, Any], dict[str, Any]]],
) -> None:
    owner, body = limited_by(tmp_path)
    await install(connection, owner)
    installed = await install(connection, body)

    async def states() -> bool:
        cursor = await connection.execute(
            "select state, count(*) from ordinaut.run group by state order by state"
        )
        return await cursor.fetchall() == [("succeeded", 3), ("waiting", 7)]

    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(start())
        for number in range(10):
            await queue_run(connection, installed, str(number))
        await connection.execute("notify ordinaut_wake")
        await eventually(states, "three runs have their turn, and seven wait", seconds=20)


async def test_asking_for_the_result_of_a_task_takes_no_turn(bench: Bench) -> None:
    await bench.queue(pipeline=calls(1), timeout="1h", **AGENT)
    bench.live = limited({"tools": "*", "calls": 1, "per": "1h"})
    handle = LeftOpen(None, {}, task="t1", wait_seconds=60.0)
    tools = ScriptedTools(tool__do=[replace(failed("task"), left_open=handle), ok()])

    await bench.go(tools)
    await bench.clock.advance(61)
    await bench.go(tools)

    assert await bench.row("select state from ordinaut.run") == "succeeded"
