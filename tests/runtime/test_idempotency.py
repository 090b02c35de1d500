"""How a tool gets the idempotency key: always in `_meta`, and where its step says."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.core.identity import HEADER_META, KEY_META
from runtime.core.tracing import traceparent
from tests.support.clock import FakeClock
from tests.support.executing import RETRY, Bench, step
from tests.support.scripted_tools import ScriptedTools, failed, ok


async def test_a_named_argument_takes_the_key_and_is_recorded_with_the_others(
    bench: Bench,
) -> None:
    pay = step("pay", **{"with": {"sum": 100}}, idempotency={"argument": "reference"})
    await bench.queue(pipeline=[pay])
    tools = ScriptedTools(tool__do=ok())

    await bench.go(tools)

    key = (tools.metas[0] or {})[KEY_META]
    assert tools.calls == [("tool.do", {"sum": 100, "reference": key})]
    assert await bench.row("select input ->> 'reference', idempotency_key from ordinaut.step_result") == (key, key)  # fmt: skip
    assert HEADER_META not in (tools.metas[0] or {})


async def test_a_key_of_the_steps_own_replaces_the_derived_one(bench: Bench) -> None:
    how = {"key": "order-${params.order}", "header": "Idempotency-Key"}
    await bench.queue(params={"order": 17}, pipeline=[step("pay", idempotency=how)])
    tools = ScriptedTools(tool__do=ok())

    await bench.go(tools)

    meta = tools.metas[0] or {}
    assert (meta[KEY_META], meta[HEADER_META]) == ("order-17", "Idempotency-Key")
    assert await bench.row("select idempotency_key from ordinaut.step_result") == "order-17"


async def test_a_number_is_a_key(bench: Bench) -> None:
    how = {"key": "${params.order}"}
    await bench.queue(params={"order": 17}, pipeline=[step("pay", idempotency=how)])
    tools = ScriptedTools(tool__do=ok())

    await bench.go(tools)

    assert (tools.metas[0] or {})[KEY_META] == "17"


@pytest.mark.parametrize("made", ["", " x", "x ", "a\nb: c", "naïve", "x" * 256, True, ["x"]])
async def test_what_no_header_can_carry_is_no_key_and_nothing_is_called(
    bench: Bench, made: Any
) -> None:
    how = {"key": "${params.made}"}
    await bench.queue(params={"made": made}, pipeline=[step("pay", idempotency=how)])
    tools = ScriptedTools(tool__do=ok())

    await bench.go(tools)

    assert tools.calls == []
    assert await bench.row("select state, error ->> 'code' from ordinaut.run") == (
        "failed",
        "ORD503",
    )


async def test_every_try_carries_the_key_and_every_item_its_own(bench: Bench) -> None:
    pay = step(
        "pay",
        foreach="${`[1, 2]`}",
        **{"with": {"n": "${item}"}},
        idempotency={"argument": "reference"},
    )
    await bench.queue(retry=RETRY, pipeline=[pay])
    tools = ScriptedTools(tool__do=[failed(), ok(), failed(), ok()])

    for seconds in (10, 20, 0):
        await bench.go(tools)
        await bench.clock.advance(seconds)

    keys: dict[int, set[str]] = {1: set(), 2: set()}
    for _, arguments in tools.calls:
        keys[arguments["n"]].add(arguments["reference"])
    assert len(tools.calls) == 4
    assert [len(found) for found in keys.values()] == [1, 1]
    assert keys[1] != keys[2]


async def test_every_try_tells_its_tool_which_span_it_is(bench: Bench, clock: FakeClock) -> None:
    await bench.queue(pipeline=[step("a", retry=RETRY)])
    tools = ScriptedTools(tool__do=[failed(), ok()])
    claim = await bench.go(tools)
    await clock.advance(1_000)
    await bench.go(tools)

    told = [(meta or {})["traceparent"] for meta in tools.metas]
    assert told == [traceparent(claim.run_id, "a", 0, attempt) for attempt in (1, 2)]
