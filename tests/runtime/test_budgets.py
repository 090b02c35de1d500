"""Agents keep their budgets, in all runtimes together: calls that would begin with nothing left are refused, and runs skipped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from runtime.budgets import Purse, skipped_for_budget
from runtime.core.budgets import Budget, Exceeded, Limit, Verdict, budget_of
from runtime.core.calls import Call
from runtime.core.outcomes import CallOutcome
from runtime.core.prices import price_list
from runtime.core.program import compile_program
from runtime.core.usage import Usage
from runtime.live import Live, Scope
from runtime.store.budgets import Budgets
from runtime.store.due_work import Claim, claim_due
from runtime.store.pool import Pool, open_pool
from runtime.store.recorded import NOTHING_RECORDED
from runtime.store.retention import Kept, sweep_history
from runtime.tools.toolbox import Toolbox
from runtime.worker import Worker
from schemas.spec import KINDS
from tests.runtime.test_suspects import Tools, tools, worker
from tests.support.clock import FakeClock
from tests.support.executing import LEASE, RETRY, Bench, step
from tests.support.installed import HEAD, install, queue_run, task
from tests.support.probes import eventually, within
from tests.support.scripted_tools import Busy, ScriptedTools, ok

__all__ = ["tools", "worker"]

AGENT = {"agent": "bot"}
PRICE = {"model": "*", "from": "2020-01-01", "currency": "EUR", "input": "1000", "output": "0"}
TOKENS = Limit("day", "tokens", Decimal(1000))


def bounded(*listed: dict[str, Any], **live: Any) -> Live:
    """An agent with these budgets that may call anything."""
    scope = Scope(("*",), budget=budget_of("bot", [{"currency": "EUR", **one} for one in listed]))
    return Live(agents={"bot": scope}, **live)


def using(tokens: int, kind: Any = "ok") -> CallOutcome:
    """An answer that used up so many tokens."""
    return CallOutcome(kind, sent=True, usage=Usage("small", input_tokens=tokens))


async def asked(bench: Bench, tools: ScriptedTools, steps: int = 1, **fields: Any) -> Any:
    """A run that asks a model so often, and what became of it: its state, its error, and how its steps ended."""
    pipeline = fields.pop("pipeline", [step(f"s{number}", "llm.plan") for number in range(steps)])
    await bench.queue(**AGENT, pipeline=pipeline, **fields)
    claim = await bench.go(tools)
    run = await bench.row(
        f"select state, error ->> 'message' from ordinaut.run where run_id = '{claim.run_id}'"
    )
    cursor = await bench.connection.execute(
        "select outcome from ordinaut.step_result where run_id = %s order by started_at, step",
        [claim.run_id],
    )
    return run, [outcome for (outcome,) in await cursor.fetchall()]


class TestCalls:
    async def test_a_call_that_begins_with_nothing_left_is_refused_and_not_tried_again(
        self, bench: Bench
    ) -> None:
        bench.live = bounded({"per": "day", "tokens": 1000})
        tools = ScriptedTools(llm__plan=using(600))

        (state, message), outcomes = await asked(bench, tools, 3, retry=RETRY)

        assert state == "failed"
        assert message == "the budget of agent bot is used up: 1,200 of 1,000 tokens a day"
        assert outcomes == ["ok", "ok", "budget"]
        assert len(tools.calls) == 2
        told = await bench.row(
            "select data ->> 'outcome', data #>> '{error,code}' from ordinaut.event_log where type = 'step.failed'"
        )
        assert told == ("budget", "ORD420")

    async def test_what_other_runs_spent_today_counts_and_the_day_begins_anew_in_utc(
        self, bench: Bench, clock: FakeClock
    ) -> None:
        bench.live = bounded({"per": "day", "tokens": 1000})
        tools = ScriptedTools(llm__plan=using(1000))

        first = await asked(bench, tools)
        await clock.advance(1)
        second = await asked(bench, tools)
        await clock.advance(16 * 3600)
        third = await asked(bench, tools)

        assert [one[0][0] for one in (first, second, third)] == [
            "succeeded",
            "failed",
            "succeeded",
        ]

    async def test_the_budget_of_a_run_counts_each_run_for_itself(
        self, bench: Bench, clock: FakeClock
    ) -> None:
        bench.live = bounded({"per": "run", "tokens": 500})
        tools = ScriptedTools(llm__plan=using(400))

        first = await asked(bench, tools, 2)
        await clock.advance(1)
        second = await asked(bench, tools, 3)

        assert first == (("succeeded", None), ["ok", "ok"])
        assert second[0][1] == "the budget of agent bot is used up: 800 of 500 tokens a run"

    async def test_money_counts_as_the_price_table_has_it(self, bench: Bench) -> None:
        prices = {"demo": price_list([PRICE])}
        bench.live = bounded({"per": "day", "cost": "0.50"}, prices=prices)

        (_, message), outcomes = await asked(bench, ScriptedTools(llm__plan=using(250)), 3)

        assert message == "the budget of agent bot is used up: 0.5 of 0.5 EUR a day"
        assert outcomes == ["ok", "ok", "budget"]

    async def test_a_step_may_go_on_without_what_it_could_not_afford(self, bench: Bench) -> None:
        bench.live = bounded({"per": "run", "tokens": 1})
        pipeline = [
            step("a", "llm.plan"),
            step("b", "llm.plan", on_error="continue"),
            step("c", "tool.do"),
        ]

        found = await asked(
            bench, ScriptedTools(llm__plan=using(1), tool__do=ok()), pipeline=pipeline
        )

        assert found == (("succeeded", None), ["ok", "budget", "ok"])

    async def test_each_try_is_paid_for(self, bench: Bench, clock: FakeClock) -> None:
        bench.live = bounded({"per": "run", "tokens": 100})
        tools = ScriptedTools(llm__plan=using(100, "tool_error"))
        await bench.queue(**AGENT, pipeline=[step("a", "llm.plan", retry=RETRY)])

        await bench.go(tools)
        await clock.advance(11)
        await bench.go(tools)

        assert len(tools.calls) == 1
        assert await bench.row("select outcome from ordinaut.step_result") == "budget"

    async def test_a_tool_that_never_told_of_usage_is_called_though_nothing_is_left(
        self, bench: Bench, clock: FakeClock
    ) -> None:
        bench.live = bounded({"per": "day", "tokens": 10})
        pipeline = [
            step("a", "llm.plan"),
            step("b", "tool.list"),
            step("c", "tool.ask"),
            step("d", "tool.ask"),
        ]
        tools = ScriptedTools(llm__plan=using(10), tool__list=ok(), tool__ask=using(1))

        _, outcomes = await asked(bench, tools, pipeline=pipeline)

        assert outcomes == ["ok", "ok", "ok", "budget"]

    async def test_a_step_that_says_where_its_answer_tells_is_held_to_it_from_the_first_call(
        self, bench: Bench
    ) -> None:
        bench.live = bounded({"per": "day", "tokens": 10})
        lifts = {"gen_ai.usage.input_tokens": "result.n"}
        pipeline = [step("a", "llm.plan"), step("b", "tool.ask", usage=lifts)]

        tools = ScriptedTools(llm__plan=using(10), tool__ask=ok({"n": 1}))
        _, outcomes = await asked(bench, tools, pipeline=pipeline)

        assert outcomes == ["ok", "budget"]

    async def test_items_go_one_by_one_until_it_is_known_what_one_takes(
        self, bench: Bench, clock: FakeClock
    ) -> None:
        bench.live = bounded({"per": "day", "tokens": 1000})
        fan = step("all", "llm.plan", foreach="${params.list}", max_parallel=3)
        await bench.queue(**AGENT, pipeline=[fan], params={"list": [1, 2, 3]})
        busy, rest = Busy(), Busy()
        tools = ScriptedTools(llm__plan=[busy, rest])

        going = asyncio.create_task(bench.go(tools))
        await within(busy.entered.wait(), "the first call")
        await eventually(lambda: clock.sleepers == 1, "one of the others waits, for both")
        assert len(tools.calls) == 1
        busy.gate.set()
        await _pass_time(clock, rest.entered.is_set)
        rest.gate.set()
        await _pass_time(clock, going.done)
        await going

        assert await bench.row("select state from ordinaut.run") == "succeeded"
        assert await _holds(bench, 0)

    async def test_a_call_that_waits_for_long_gives_up_its_slot_and_asks_again(
        self, bench: Bench, clock: FakeClock
    ) -> None:
        bench.live = bounded({"per": "day", "tokens": 1000})
        other = await _claimed(bench, "other")
        budget = Budget("bot", (TOKENS,))
        verdict = await Budgets(bench.pool).reserve(
            budget, other, ("s", 0), "llm.plan", is_known=True
        )
        assert verdict == "go"
        beside = [step("a", "llm.plan"), step("b", "llm.plan", needs=[])]
        await bench.queue(**AGENT, pipeline=beside)
        tools = ScriptedTools(llm__plan=using(1))

        going = asyncio.create_task(bench.go(tools))
        await _pass_time(clock, going.done)
        claim = await going

        assert tools.calls == []
        state = f"select state from ordinaut.run where run_id = '{claim.run_id}'"
        assert await bench.row(state) == "waiting"
        reason = "select data ->> 'reason' from ordinaut.event_log where type = 'run.waiting'"
        assert await bench.row(reason) == "budget"
        # By then the lease of whoever held it is over.
        await clock.advance(10)
        (again,) = [
            one
            for one in (await claim_due(bench.pool, runtime_id=1, limit=2, lease=LEASE)).claims
            if one.run_id == claim.run_id
        ]
        going = asyncio.create_task(bench.execute(again, tools))
        await _pass_time(clock, going.done)
        await going
        assert await bench.row(state) == "succeeded"
        assert len(tools.calls) == 2


async def _pass_time(clock: FakeClock, until: Callable[[], bool]) -> None:
    """Let time pass, a little whenever somebody waits for that, until something is so."""
    while not until():
        await eventually(lambda: clock.sleepers or until(), "somebody waits, or it is so")
        await clock.advance(0.6)


async def _holds(bench: Bench, count: int) -> bool:
    return bool(await bench.row("select count(*) from ordinaut.budget_hold") == count)


async def _claimed(bench: Bench, name: str) -> Claim:
    installed = await install(bench.connection, task(name))
    await queue_run(bench.connection, installed)
    return await bench.claim()


class TestAnAbsentDatabase:
    async def test_a_call_asks_again_later(self, bench: Bench, clock: FakeClock) -> None:
        claim = await _claimed(bench, "task")
        purse = Purse(Budget("bot", (TOKENS,)), Budgets(bench.pool), claim, clock, set())
        body = task(pipeline=[step("a", "llm.plan")])
        (only,) = compile_program(normal(body), "demo").steps
        await bench.pool.close()

        asking = asyncio.create_task(purse.ask(Call(0.0, 0, 1, only)))
        await _pass_time(clock, asking.done)

        assert await asking == 5.0
        assert purse.held == set()

    async def test_a_run_begins_when_it_is_back(self, bench: Bench, clock: FakeClock) -> None:
        claim = await _claimed(bench, "task")
        around = bench.around(ScriptedTools())
        program = compile_program(normal(task(agent="bot")), "demo")
        live = bounded({"per": "day", "runs": 1})
        await bench.pool.close()

        asking = asyncio.create_task(
            skipped_for_budget(live, around, claim, program, NOTHING_RECORDED)
        )
        await eventually(lambda: clock.sleepers == 1, "it waits for the database")

        assert not asking.done()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


def normal(document: dict[str, Any]) -> dict[str, Any]:
    """A document as an apply leaves it."""
    model = KINDS[document["kind"]].model_validate(document)
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


class TestRaces:
    @pytest.fixture
    async def runtimes(self, database: str) -> AsyncIterator[list[Budgets]]:
        """Four processes, as far as the database can tell."""
        pools = [await open_pool(database, size=2) for _ in range(4)]
        yield [Budgets(pool) for pool in pools]
        for pool in pools:
            await pool.close()

    async def claims(self, connection: psycopg.AsyncConnection, pool: Pool) -> list[Claim]:
        installed = await install(connection, task())
        for number in range(12):
            await queue_run(connection, installed, str(number))
        return list((await claim_due(pool, runtime_id=1, limit=12, lease=LEASE)).claims)

    async def test_of_calls_that_race_for_what_is_left_one_goes(
        self, runtimes: list[Budgets], connection: psycopg.AsyncConnection
    ) -> None:
        claims = await self.claims(connection, runtimes[0].pool)

        verdicts = await asyncio.gather(
            *(_reserve(runtimes[n % 4], claim) for n, claim in enumerate(claims))
        )

        assert sorted(map(str, verdicts)) == ["go"] + 11 * ["wait"]

    async def test_of_calls_whose_cost_is_known_as_many_go_as_there_is_room_for(
        self, runtimes: list[Budgets], connection: psycopg.AsyncConnection
    ) -> None:
        claims = await self.claims(connection, runtimes[0].pool)
        await _use(connection, claims[0], 200)

        verdicts = await asyncio.gather(
            *(_reserve(runtimes[n % 4], claim) for n, claim in enumerate(claims))
        )

        assert sorted(map(str, verdicts)) == 4 * ["go"] + 8 * ["wait"]

    async def test_a_call_of_a_runtime_that_died_is_waited_for_no_longer_than_its_lease(
        self, runtimes: list[Budgets], connection: psycopg.AsyncConnection
    ) -> None:
        one, other, *_ = await self.claims(connection, runtimes[0].pool)
        assert await _reserve(runtimes[0], one) == "go"
        assert await _reserve(runtimes[1], other) == "wait"

        await connection.execute(
            "update ordinaut.due_work set lease_epoch = lease_epoch + 1 where run_id = %s",
            [one.run_id],
        )

        assert await _reserve(runtimes[1], other) == "go"
        assert await sweep_history(runtimes[0].pool, Kept(LEASE, LEASE)) == 1

    async def test_a_call_that_asks_again_does_not_wait_for_itself(
        self, runtimes: list[Budgets], connection: psycopg.AsyncConnection
    ) -> None:
        one, *_ = await self.claims(connection, runtimes[0].pool)

        assert [await _reserve(runtimes[0], one) for _ in range(2)] == ["go", "go"]

    async def test_another_agent_s_calls_are_not_waited_for(
        self, runtimes: list[Budgets], connection: psycopg.AsyncConnection
    ) -> None:
        one, other, *_ = await self.claims(connection, runtimes[0].pool)
        await _use(connection, one, 5000)

        assert isinstance(await _reserve(runtimes[0], one), Exceeded)
        assert await _reserve(runtimes[0], other, "cat") == "go"

    async def test_of_runs_that_race_as_many_begin_as_may_and_each_is_counted_once(
        self, runtimes: list[Budgets], connection: psycopg.AsyncConnection
    ) -> None:
        claims = await self.claims(connection, runtimes[0].pool)
        budget = Budget("bot", runs=5)

        begin = await asyncio.gather(
            *(runtimes[n % 4].begins(budget, claim) for n, claim in enumerate(claims))
        )
        again = [await runtimes[0].begins(budget, claim) for claim in claims]

        assert (sum(begin), again) == (5, begin)
        assert await runtimes[0].begins(
            replace(budget, agent="cat"), replace(claims[0], run_id=uuid4())
        )


async def _reserve(budgets: Budgets, claim: Claim, agent: str = "bot") -> Verdict:
    budget = Budget(agent, (TOKENS,))
    return await budgets.reserve(budget, claim, ("a", 0), "llm.plan", is_known=True)


async def _use(connection: psycopg.AsyncConnection, claim: Claim, tokens: int) -> None:
    await connection.execute(
        "insert into ordinaut.call_usage values (%s, 'z', 0, 1, %s, 'bot', 'llm.plan', 'm', %s, 0, 0, 0, 0, null, null, null, ordinaut.now())",
        [claim.run_id, claim.task_uid, tokens],
    )


class TestRuns:
    async def test_runs_beyond_the_budget_of_a_day_are_skipped_with_the_reason(
        self, worker: Worker, tools: Tools, connection: psycopg.AsyncConnection, clock: FakeClock
    ) -> None:
        tools.gate.set()
        await _agent(connection, {"per": "day", "runs": 2})
        installed = await install(connection, task(agent="bot"))
        for number in range(3):
            await queue_run(connection, installed, str(number))

        await worker.run_once()
        await eventually(lambda: _over(connection, 3), "the end of all runs")

        assert await _states(connection) == ["skipped", "succeeded", "succeeded"]
        cursor = await connection.execute(
            "select reason, detail, started_at from ordinaut.run where state = 'skipped'"
        )
        assert len(tools.calls) == 2
        detail = "agent bot may begin 2 runs a day, in UTC"
        assert await cursor.fetchone() == ("budget", detail, None)
        cursor = await connection.execute(
            "select data ->> 'reason', data ->> 'detail' from ordinaut.event_log where type = 'run.skipped'"
        )
        assert await cursor.fetchall() == [("budget", detail)]

        await clock.advance(16 * 3600)
        await queue_run(connection, installed, "tomorrow")
        await worker.run_once()
        await eventually(lambda: _over(connection, 4), "the end of the next day's run")
        assert await _states(connection) == ["skipped", "succeeded", "succeeded", "succeeded"]

    async def test_a_run_that_goes_on_is_not_counted_again(
        self, worker: Worker, tools: Tools, connection: psycopg.AsyncConnection, clock: FakeClock
    ) -> None:
        tools.gate.set()
        await _agent(connection, {"per": "day", "runs": 1})
        nap = {"id": "nap", "uses": "ordinaut.sleep", "with": {"for": "20h"}}
        installed = await install(
            connection, task(agent="bot", timeout="2d", pipeline=[nap, step("a", "llm.plan")])
        )
        await queue_run(connection, installed)
        await worker.run_once()
        await eventually(lambda: _waiting(connection), "it sleeps")

        await clock.advance(20 * 3600 + 60)
        other = await install(connection, task("other", agent="bot"))
        await worker.run_once()
        await eventually(lambda: _over(connection, 1), "the end of the run")
        await queue_run(connection, other)
        await worker.run_once()
        await eventually(lambda: _over(connection, 2), "the end of the other run")

        assert await _states(connection) == ["succeeded", "succeeded"]


async def _agent(connection: psycopg.AsyncConnection, *budgets: dict[str, Any]) -> None:
    await install(
        connection,
        {**HEAD, "kind": "Agent", "name": "bot", "scopes": ["*"], "budgets": list(budgets)},
    )


async def _over(connection: psycopg.AsyncConnection, count: int) -> bool:
    cursor = await connection.execute(
        "select count(*) from ordinaut.run where finished_at is not null"
    )
    return await cursor.fetchone() == (count,)


async def _waiting(connection: psycopg.AsyncConnection) -> bool:
    cursor = await connection.execute("select count(*) from ordinaut.run where state = 'waiting'")
    return await cursor.fetchone() == (1,)


async def _states(connection: psycopg.AsyncConnection) -> list[str]:
    cursor = await connection.execute("select state from ordinaut.run order by state")
    return [state for (state,) in await cursor.fetchall()]


async def test_steps_that_are_computed_on_the_spot_wait_for_nothing(
    bench: Bench, clock: FakeClock, tmp_path: Path
) -> None:
    bench.live = bounded({"per": "day", "tokens": 100_000})
    steps = [step(name, "llm.plan", **{"with": {"goal": name}}) for name in ("a", "b", "c")]
    await bench.queue(**AGENT, pipeline=steps)

    async with Toolbox((), clock, tmp_path) as toolbox:
        await within(bench.go(toolbox), "the end of the run")

    assert await bench.row("select state from ordinaut.run") == "succeeded"
    assert await bench.row("select count(*) from ordinaut.call_usage") == 3
    assert await _holds(bench, 0)
