"""Steps that hand out a callback and wait for its answer: once, whenever it comes, and whoever dies in between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import psycopg
import pytest

from runtime.core.callback import callback_token
from runtime.store.events import Arrival, CallbackMisfit, CallbackRefused, arrive_by_token
from runtime.store.runs import load_run
from tests.support.executing import KEY, RETRY, Bench, step
from tests.support.scripted_tools import ScriptedTools, failed, ok

SCHEMA = {"type": "object", "required": ["paid"], "properties": {"paid": {"type": "boolean"}}}
PAY = step(
    "pay",
    "bank.charge",
    callback={"schema": SCHEMA, "timeout": "1h"},
    **{"with": {"url": "${callback.url}", "token": "${callback.token}"}},
)
END = step("end", "tool.end", **{"with": {"got": "${steps.pay.data}"}})


@pytest.fixture
async def outside(bench: Bench, database: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection of whoever answers."""
    await bench.connection.execute("update ordinaut.installation set callback_key = %s", [KEY])
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        yield connection


async def queue(bench: Bench, *steps: dict[str, Any], **fields: Any) -> None:
    await bench.queue(timeout="90d", pipeline=list(steps or (PAY, END)), **fields)


async def token_of(bench: Bench) -> str:
    run_id = await bench.row("select run_id from ordinaut.run")
    return callback_token(KEY, run_id, "pay")


async def state(bench: Bench) -> str:
    return str(await bench.row("select state from ordinaut.run"))


async def test_the_call_hands_out_an_address_and_its_answer_is_the_result(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    tools = ScriptedTools(bank__charge=ok({"accepted": True}), tool__end=ok())
    await queue(bench)

    await bench.go(tools)

    token = await token_of(bench)
    assert tools.calls == [("bank.charge", {"url": f"http://127.0.0.1:8470/callbacks/{token}", "token": token})]  # fmt: skip
    assert (await state(bench), await bench.seconds_until_ready()) == ("waiting", 3600)
    assert await bench.row("select lease_until = '-infinity' from ordinaut.due_work")

    assert await arrive_by_token(outside, token, {"paid": True}) == Arrival(is_new=True, ended=1)
    await bench.go(tools)

    assert tools.calls[1:] == [("tool.end", {"got": {"paid": True}})]
    assert await state(bench) == "succeeded"


async def test_a_step_can_tell_where_the_web_side_is(bench: Bench) -> None:
    tell = step("tell", "tool.tell", **{"with": {"to": "${run.web_url}/hooks/home/shop"}})
    tools = ScriptedTools(tool__tell=ok())
    await queue(bench, tell)

    await bench.go(tools)

    assert tools.calls == [("tool.tell", {"to": "http://127.0.0.1:8470/hooks/home/shop"})]


async def test_no_record_holds_the_token(bench: Bench, outside: psycopg.AsyncConnection) -> None:
    token = await token_of_after(bench)
    for table in ("step_result", "step_attempt", "event_log", "wait", "event"):
        held = f"select count(*) from ordinaut.{table} t where t::text like '%%' || %s || '%%'"
        cursor = await bench.connection.execute(held.encode(), [token.partition(".")[2]])
        assert await cursor.fetchone() == (0,), table


async def token_of_after(bench: Bench) -> str:
    """The token of a run that has gone through, whose tool repeats what it was given."""

    async def echo(arguments: Mapping[str, Any]) -> Any:
        return ok({"you said": dict(arguments)})

    await queue(bench)
    tools = ScriptedTools(bank__charge=echo, tool__end=ok())
    await bench.go(tools)
    token = await token_of(bench)
    async with await psycopg.AsyncConnection.connect(
        bench.pool.conninfo, autocommit=True
    ) as connection:
        await arrive_by_token(connection, token, {"paid": True})
    await bench.go(tools)
    return token


async def test_an_answer_may_come_before_the_call_has_returned(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    async def quick(arguments: Mapping[str, Any]) -> Any:
        told = await arrive_by_token(outside, arguments["token"], {"paid": True})
        assert told == Arrival(is_new=True, ended=0)
        return ok()

    tools = ScriptedTools(bank__charge=quick, tool__end=ok())
    await queue(bench)

    await bench.go(tools)

    assert await state(bench) == "succeeded"
    assert tools.calls[-1] == ("tool.end", {"got": {"paid": True}})


async def test_the_call_is_not_made_again_by_whoever_goes_on(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    tools = ScriptedTools(bank__charge=ok(), tool__end=ok())
    await queue(bench)
    await bench.go(tools)
    await bench.connection.execute("update ordinaut.due_work set ready_at = ordinaut.now()")
    await bench.go(tools)
    await arrive_by_token(outside, await token_of(bench), {"paid": True})
    await bench.go(tools)

    assert [name for name, _ in tools.calls] == ["bank.charge", "tool.end"]


async def test_an_answer_that_does_not_fit_is_refused_and_may_be_given_again(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    tools = ScriptedTools(bank__charge=ok(), tool__end=ok())
    await queue(bench)
    await bench.go(tools)
    token = await token_of(bench)

    for wrong in (None, {"paid": "yes"}, []):
        with pytest.raises(CallbackMisfit, match="step pay asks for another answer"):
            await arrive_by_token(outside, token, wrong)
    assert await state(bench) == "waiting"

    assert (await arrive_by_token(outside, token, {"paid": False})).ended == 1


async def test_a_token_counts_once_and_not_when_it_is_too_late(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    tools = ScriptedTools(bank__charge=ok(), tool__end=ok())
    await queue(bench)
    await bench.go(tools)
    token = await token_of(bench)
    await arrive_by_token(outside, token, {"paid": True})

    for said in ({"paid": True}, {"paid": False}, None):
        with pytest.raises(CallbackRefused) as used:
            await arrive_by_token(outside, token, said)
        assert used.value.why == "used"
    await bench.go(tools)
    with pytest.raises(CallbackRefused) as expired:
        await arrive_by_token(outside, token, {"paid": True})
    assert expired.value.why == "expired"
    with pytest.raises(CallbackRefused) as unknown:
        await arrive_by_token(outside, f"x{token}", {"paid": True})
    assert unknown.value.why == "unknown"


async def test_nobody_answers_in_time_and_the_step_fails(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    tools = ScriptedTools(bank__charge=ok(), tool__end=ok())
    await queue(bench)
    await bench.go(tools)
    await bench.clock.advance(3601)
    await bench.go(tools)

    assert await state(bench) == "failed"
    assert await bench.row("select error ->> 'code' from ordinaut.run") == "ORD417"
    with pytest.raises(CallbackRefused) as expired:
        await arrive_by_token(outside, await token_of(bench), {"paid": True})
    assert expired.value.why == "expired"


async def test_a_call_that_fails_is_tried_again_with_the_same_callback(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    tools = ScriptedTools(bank__charge=[failed("not_sent"), ok()], tool__end=ok())
    await queue(bench, retry=RETRY)
    await bench.go(tools)
    await bench.clock.advance(10)
    await bench.go(tools)

    assert tools.calls[0] == tools.calls[1]
    assert await bench.row("select kind from ordinaut.wait") == "callback"


async def test_a_step_that_is_left_out_waits_for_nobody(
    bench: Bench, outside: psycopg.AsyncConnection
) -> None:
    tools = ScriptedTools(tool__end=ok())
    await queue(bench, PAY | {"if": "`false`"}, step("end", "tool.end"))

    await bench.go(tools)

    assert await state(bench) == "succeeded"
    assert [name for name, _ in tools.calls] == ["tool.end"]


async def test_both_halves_are_shown(bench: Bench, outside: psycopg.AsyncConnection) -> None:
    await queue(bench)
    claim = await bench.go(ScriptedTools(bank__charge=ok(), tool__end=ok()))
    with psycopg.connect(bench.pool.conninfo, autocommit=True) as connection:
        run = load_run(connection, claim.run_id)

    assert [(one.step, one.state) for one in run.steps] == [
        ("pay:call", "succeeded"), ("pay", "waiting"), ("end", "pending"),
    ]  # fmt: skip
    assert run.steps[0].input == {"url": "[callback]", "token": "[callback]"}
