"""The one door to all tools."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from runtime.core.usage import Cost, Usage
from runtime.tools.builtin import BuiltinTool, call_builtin
from runtime.tools.catalogue import ToolInfo
from tests.runtime.tools.conftest import OpenToolbox
from tests.runtime.tools.servers import is_alive, raw
from tests.support.probes import eventually, within


async def test_a_changed_definition_counts_at_once_and_the_old_server_finishes_its_calls(
    open_toolbox: OpenToolbox,
) -> None:
    changed, same = raw(key="changed"), raw(key="same")
    box = await open_toolbox(changed, same)
    await box.tools("same")
    await box.tools("changed")
    old, untouched = (status.pid for status in box.status())
    running = asyncio.create_task(box.call("changed.slow", {"seconds": 0.5}))
    await eventually(lambda: box.status()[0].running, "a call is under way")

    box.replace([replace(changed, deny=("echo",)), same])
    refused = await box.call("changed.echo", {})
    assert old is not None
    assert is_alive(old)

    assert refused.kind == "rejected"
    assert (await running).value == "late"
    await eventually(lambda: not is_alive(old), "the old server is gone")
    assert box.status()[1].pid == untouched
    assert (await box.call("same.echo", {})).generation == 1


async def test_an_equal_definition_changes_nothing_and_a_missing_one_ends_the_server(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(raw(env={"A": "b"}))
    await box.call("raw.echo", {})
    pid = box.status()[0].pid

    box.replace([raw(env={"A": "b"})])
    assert (await box.call("raw.echo", {})).generation == 1
    box.replace([])

    assert pid is not None
    await eventually(lambda: not is_alive(pid), "the server is gone")
    outcome = await box.call("raw.echo", {})
    assert outcome.kind == "rejected"
    assert outcome.error is not None
    assert outcome.error.message == "there is no tool server 'raw': there are llm, ordinaut"


async def test_leaving_does_not_wait_for_calls_of_a_server_that_was_replaced(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(raw())
    await box.tools("raw")
    running = asyncio.create_task(box.call("raw.silent", {}))
    await eventually(lambda: box.status()[0].running, "a call is under way")
    box.replace([])

    await within(box.stop(), "the end", seconds=5)

    assert (await running).kind == "lost"


async def test_a_server_in_a_namespace_is_named_with_it(open_toolbox: OpenToolbox) -> None:
    box = await open_toolbox(raw(key="team/raw"))

    assert (await box.call("team/raw.echo", {"a": 1})).value == {"a": 1}
    assert (await box.call("team/raw.a.b", {})).kind == "rejected"
    assert box.servers() == ["llm", "ordinaut", "team/raw"]


async def test_a_server_may_take_the_place_of_a_built_in_one(open_toolbox: OpenToolbox) -> None:
    box = await open_toolbox(raw(key="llm"))

    assert (await box.call("llm.echo", {"a": 1})).value == {"a": 1}


async def test_the_toolbox_can_be_left_by_another_task_and_when_its_own_is_cancelled(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(raw("deaf"))
    await box.tools("raw")
    pid = box.status()[0].pid
    assert pid is not None

    stop = asyncio.create_task(box.stop())
    await eventually(lambda: box.status()[0].state == "stopping", "stopping has begun")
    assert is_alive(pid)
    stop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stop

    assert not is_alive(pid)


async def test_llm_tools_answer_offline_and_tell_what_that_counts_as(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox()

    outcome = await box.call("llm.summarize", {"text": "One two. Three."})

    nothing = Cost(Decimal(0), "USD", "provider")
    text = "One two. Three.\n\n[offline: no language model was asked]"
    assert outcome.value == {"text": text, "model": "offline", "provider": "offline"}
    assert outcome.usage == Usage("offline", input_tokens=7, output_tokens=28, cost=nothing)


async def test_data_that_cannot_be_made_offline_is_no_answer(open_toolbox: OpenToolbox) -> None:
    box = await open_toolbox()

    outcome = await box.call(
        "llm.extract", {"text": "", "output_schema": {"type": "string", "pattern": "^x$"}}
    )

    assert (outcome.kind, outcome.value) == ("contract_error", None)
    assert outcome.error is not None
    assert outcome.error.code == "ORD407"
    assert outcome.error.message == (
        "llm.extract: 'offline' does not match '^x$': without a model only simple schemas can be met"
    )


async def test_a_schema_that_is_none_is_refused_offline_as_well(open_toolbox: OpenToolbox) -> None:
    box = await open_toolbox()

    outcome = await box.call("llm.extract", {"text": "", "output_schema": {"maxLength": "x"}})

    assert outcome.kind == "contract_error"
    assert outcome.error is not None
    assert outcome.error.code == "ORD403"


async def test_built_in_tools_keep_the_same_contract(open_toolbox: OpenToolbox) -> None:
    box = await open_toolbox()

    unknown = await box.call("llm.summarise", {})
    wrong = await box.call("llm.summarize", {"txt": "a"})

    assert unknown.error is not None
    assert unknown.error.message == "llm has no tool summarise: did you mean summarize?"
    assert (wrong.kind, wrong.sent) == ("contract_error", False)
    assert [tool.name for tool in await box.tools("llm")] == [
        "extract",
        "plan",
        "summarize",
    ]


def test_what_a_built_in_tool_gives_must_be_json_as_well() -> None:
    info = ToolInfo(server="x", name="y", description="", input_schema={})

    def unspeakable(arguments: Mapping[str, Any]) -> float:
        return float("nan")

    got = call_builtin(BuiltinTool(info, unspeakable), {})

    assert (got.kind, got.sent) == ("contract_error", True)
