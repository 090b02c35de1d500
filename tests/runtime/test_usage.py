"""What calls use up is on record with their results, once, and for no other call anything is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from runtime.core.outcomes import CallOutcome
from runtime.core.prices import price_list
from runtime.core.usage import Cost, Usage
from runtime.live import Live, Scope
from runtime.store.due_work import Report, record_progress
from tests.support.clock import FakeClock
from tests.support.executing import RETRY, Bench, step
from tests.support.scripted_tools import ScriptedTools, failed, ok

SMALL = {"model": "small*", "from": "2020-01-01", "currency": "USD", "input": "2", "output": "8"}
USED = "select step, iteration, attempt, tool, model, input_tokens, output_tokens, cost, currency, cost_source from ordinaut.call_usage order by 1, 2, 3"


def using(usage: Usage, value: Any = None) -> CallOutcome:
    """An answer that tells what it used up."""
    return CallOutcome("ok", value=value, sent=True, usage=usage)


async def used(bench: Bench) -> list[tuple[Any, ...]]:
    return await (await bench.connection.execute(USED.encode())).fetchall()


async def test_what_a_call_used_up_is_recorded_with_its_result(
    bench: Bench, clock: FakeClock
) -> None:
    await bench.queue(agent="bot", pipeline=[step("a"), step("b", "tool.other")])
    told = Usage("small-1", 1200, 80, 1000, 100, 30, Cost(Decimal("0.12"), "EUR", "provider"))
    tools = ScriptedTools(tool__do=using(told), tool__other=ok())
    bench.live = Live(
        agents={"bot": Scope(("*",))}, prices={"demo": price_list([SMALL | {"model": "*"}])}
    )

    claim = await bench.go(tools)

    row = await bench.row(
        "select run_id, task_uid, agent, cache_read_tokens, cache_written_tokens, reasoning_tokens,"
        " used_at = ordinaut.now() from ordinaut.call_usage"
    )
    assert row == (claim.run_id, claim.task_uid, "bot", 1000, 100, 30, True)
    assert await used(bench) == [
        ("a", 0, 1, "tool.do", "small-1", 1200, 80, Decimal("0.12"), "EUR", "provider")
    ]


async def test_each_try_and_each_item_counts(bench: Bench, clock: FakeClock) -> None:
    fan = step("all", foreach="${params.list}", max_parallel=2)
    pipeline = [step("again", "tool.flaky", retry=RETRY), fan]
    await bench.queue(pipeline=pipeline, params={"list": [1, 2]})
    broken = failed()
    tools = ScriptedTools(
        tool__flaky=[
            CallOutcome("tool_error", error=broken.error, sent=True, usage=Usage("m", 5)),
            using(Usage("m", 7)),
        ],
        tool__do=using(Usage("m", 11)),
    )

    await bench.go(tools)
    await clock.advance(11)
    await bench.go(tools)

    assert [(*row[:3], row[5]) for row in await used(bench)] == [
        ("again", 0, 1, 5),
        ("again", 0, 2, 7),
        ("all", 0, 1, 11),
        ("all", 1, 1, 11),
    ]


class TestWhatAStepLifts:
    async def lift(self, bench: Bench, answer: CallOutcome, **usage: str) -> tuple[Any, ...]:
        names = {f"gen_ai.{name.replace('__', '.')}": text for name, text in usage.items()}
        await bench.queue(pipeline=[step("a", usage=names)])
        bench.live = Live(prices={"demo": price_list([SMALL])})
        await bench.go(ScriptedTools(tool__do=answer))
        [row] = await used(bench)
        assert await bench.row("select outcome from ordinaut.step_result") == "ok"
        return row[4:]

    async def test_it_finds_where_the_answer_tells_it(self, bench: Bench) -> None:
        answer = {"model": "small-2", "usage": {"in": 400, "cached": 100, "out": 50}}

        row = await self.lift(
            bench,
            ok(answer),
            response__model="result.model",
            usage__input_tokens="sum([result.usage.in, result.usage.cached])",
            usage__output_tokens="result.usage.out",
        )

        assert row == ("small-2", 500, 50, Decimal("0.0014"), "USD", "local")

    async def test_money_is_lifted_too(self, bench: Bench) -> None:
        row = await self.lift(
            bench,
            ok({"paid": "0.30"}),
            usage__cost__amount="result.paid",
            usage__cost__currency="'EUR'",
        )

        assert row == ("", 0, 0, Decimal("0.30"), "EUR", "provider")

    async def test_what_is_not_there_takes_nothing_else_with_it(self, bench: Bench) -> None:
        row = await self.lift(
            bench,
            ok({"in": 7, "out": "many"}),
            usage__input_tokens="result.in",
            usage__output_tokens="result.out",
            response__model="result.model.name",
        )

        assert row == ("", 7, 0, None, None, None)

    async def test_a_call_of_which_nothing_is_found_counts_as_one_of_unknown_cost(
        self, bench: Bench
    ) -> None:
        row = await self.lift(bench, ok("no numbers"), usage__input_tokens="result.in")

        assert row == ("", 0, 0, None, None, None)

    async def test_what_the_tool_tells_counts_where_nothing_is_lifted(self, bench: Bench) -> None:
        answer = using(Usage("", 9, 3), {"in": None, "out": 4})

        row = await self.lift(
            bench,
            answer,
            request__model="'small-1'",
            usage__input_tokens="result.in",
            usage__output_tokens="result.out",
        )

        assert row[:3] == ("small-1", 9, 4)


async def test_a_call_that_tells_nothing_asks_nothing_of_where_usage_is_kept(bench: Bench) -> None:
    await bench.connection.execute("drop table ordinaut.call_usage")
    await bench.queue(pipeline=[step("a")])

    await bench.go(ScriptedTools(tool__do=ok()))

    assert await bench.row("select state from ordinaut.run") == "succeeded"


async def test_an_answer_that_is_reused_used_up_nothing(bench: Bench, clock: FakeClock) -> None:
    lifts = {"gen_ai.usage.input_tokens": "result.n"}
    tools = ScriptedTools(tool__do=ok({"n": 7}))
    for _ in range(2):
        await bench.queue(pipeline=[step("a", usage=lifts, effect="pure", cache={"ttl": "1h"})])
        await bench.go(tools)
        await clock.advance(1)

    assert len(tools.calls) == 1
    assert [row[5] for row in await used(bench)] == [7]


async def test_a_secret_is_not_shown_where_a_tool_names_it_as_its_model(bench: Bench) -> None:
    await bench.queue(pipeline=[step("a", **{"with": {"key": "${secrets.token}"}})])

    await bench.go(ScriptedTools(tool__do=using(Usage("model s3cr3t-token"))))

    assert await bench.row("select model from ordinaut.call_usage") == "model [redacted]"


async def test_what_was_said_twice_is_written_once(bench: Bench) -> None:
    await bench.queue(pipeline=[step("a")])
    claim = await bench.claim()
    report = Report(claim.run_id, claim.lease_epoch, claim.task)
    report.used.append(row := _row())

    await record_progress(bench.pool, [report])
    report.used[0] = row | {"input_tokens": 99}
    await record_progress(bench.pool, [report])

    assert [row[5] for row in await used(bench)] == [1]


async def test_whoever_lost_the_lease_records_nothing_used(bench: Bench) -> None:
    await bench.queue(pipeline=[step("a")])
    claim = await bench.claim()
    stale = Report(claim.run_id, claim.lease_epoch - 1, claim.task)
    stale.used.append(_row())

    await record_progress(bench.pool, [stale])

    assert await used(bench) == []


def _row() -> dict[str, Any]:
    counts = ("input", "output", "cache_read", "cache_written", "reasoning")
    return {
        "step": "a",
        "iteration": 0,
        "attempt": 1,
        "tool": "tool.do",
        "model": "m",
        **{f"{name}_tokens": 1 for name in counts},
        "cost": None,
        "currency": None,
        "cost_source": None,
    }
