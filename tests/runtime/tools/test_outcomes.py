"""What becomes of a call, whatever the server does to it."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from runtime.core.outcomes import UNKNOWN_OUTCOMES, CallOutcome, OutcomeClass
from runtime.core.usage import Cost, Usage
from tests.runtime.tools.conftest import OpenToolbox
from tests.runtime.tools.servers import SECOND, good, kill, raw
from tests.support.probes import eventually


def error_of(outcome: CallOutcome) -> str:
    assert outcome.error is not None
    return f"{outcome.error.code} {outcome.error.message}"


async def test_a_structured_result_comes_back_with_what_is_recorded_about_the_call(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(good())

    outcome = await box.call("good.add", {"a": 1, "b": 2})

    (add,) = [tool for tool in await box.tools("good") if tool.name == "add"]
    assert outcome == CallOutcome(
        "ok", value={"result": 3}, sent=True, generation=1, schema_digest=add.digest, size=12
    )
    assert add.annotations == {"readOnlyHint": True}
    assert add.description == "The sum."


@pytest.mark.parametrize(
    ("tool", "arguments", "value"),
    [
        ("echo", {"a": [1, None, "é"]}, {"a": [1, None, "é"]}),
        ("twice", {}, "first"),
        ("flood", {}, "found it"),
        ("result", {"result": {"content": []}}, None),
        ("huge", {"bytes": 1000}, "x" * 1000),
        ("last_words", {}, "farewell"),
    ],
)
async def test_an_answer_is_found_among_noise_repetition_and_sudden_death(
    open_toolbox: OpenToolbox, tool: str, arguments: dict[str, Any], value: object
) -> None:
    box = await open_toolbox(raw("noise"))

    outcome = await box.call(f"raw.{tool}", arguments)

    assert (outcome.kind, outcome.value, outcome.error) == ("ok", value, None)


TEN_MB = 10_000_000
BROKEN: list[tuple[str, dict[str, Any], OutcomeClass, str]] = [
    ("mutter", {"text": "jammed"}, "tool_error", "ORD404 raw.mutter failed: it did not work"),
    ("die", {}, "lost", "ORD406 raw.die: the connection was lost before an answer came"),
    ("garble", {}, "contract_error", "ORD407 raw.garble: the answer is not valid JSON-RPC"),
    ("anonymous", {}, "timeout", "ORD405 raw.anonymous: no answer came in time"),
    ("silent", {}, "timeout", "ORD405 raw.silent: no answer came in time"),
    ("huge", {"bytes": 2_000_000}, "contract_error", "ORD506 raw.huge: the result has 2,000,002 bytes"),
    ("huge", {"bytes": TEN_MB}, "contract_error", "ORD506 raw.huge: the answer has 10,000,"),
    ("huge", {"bytes": TEN_MB, "id_last": True}, "contract_error", "ORD506 raw.huge: the answer has 10,000,"),
    ("rejected", {"code": -32602, "message": "no"}, "rejected", "ORD408 raw.rejected was rejected: no (-32602)"),
    ("rejected", {"code": -32010, "message": "I?", "data": {"dev.ordinaut/fault": "unreachable"}}, "rejected", "ORD408 raw.rejected was rejected: I? (-32010)"),
    ("rejected", {"code": -32042, "message": "see URL"}, "input_required", "ORD411 raw.rejected: see URL"),
    ("rejected", {"code": -32001, "message": "mine"}, "rejected", "ORD408 raw.rejected was rejected: mine (-32001)"),
    ("rejected", {"code": -32000, "message": "mine"}, "rejected", "ORD408 raw.rejected was rejected: mine (-32000)"),
    ("rejected", {"code": -32010, "message": "mine"}, "rejected", "ORD408 raw.rejected was rejected: mine (-32010)"),
    ("result", {"result": {"content": "text"}}, "contract_error", "ORD407 raw.result answered outside the protocol"),
    (
        "literal",
        {"result": '{"content": [], "structuredContent": {"a": 1e999}}'},
        "contract_error",
        "ORD407 raw.literal: the result holds inf, which is not a JSON number",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("tool", "arguments", "kind", "message"), BROKEN)
async def test_every_misbehaviour_has_its_outcome_and_the_server_serves_on(
    open_toolbox: OpenToolbox,
    tool: str,
    arguments: dict[str, Any],
    kind: OutcomeClass,
    message: str,
) -> None:
    patience = timedelta(seconds=0.5 if kind == "timeout" else 30)
    box = await open_toolbox(raw(call_timeout=patience))

    outcome = await box.call(f"raw.{tool}", arguments)

    assert (outcome.kind, outcome.value, outcome.sent) == (kind, None, True)
    assert error_of(outcome).startswith(message)
    assert (await box.call("raw.echo", {"still": "here"})).value == {"still": "here"}


async def test_a_failed_call_shows_the_end_of_what_the_server_wrote_to_stderr(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(raw("die"), raw(key="paper"))

    started = await box.call("raw.echo", {})
    died = await box.call("paper.die", {})

    assert started.error is not None
    assert died.error is not None
    assert error_of(started) == "ORD401 raw could not be started: it ended before it was ready"
    assert started.error.detail == "cannot find my configuration\n[exit code 1]"
    assert died.error.detail == "out of paper\n[exit code 3]"


async def test_what_a_tool_says_it_used_up_comes_with_its_outcome_whatever_that_is(
    open_toolbox: OpenToolbox,
) -> None:
    secret = "hunter2hunter2"
    told = {
        "gen_ai.response.model": f"{secret}-small",
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": "many",
        "cost": {"amount": "0.01", "currency": "USD", "source": "provider"},
    }
    answer = {"content": [], "_meta": {"dev.ordinaut/usage": told}}
    box = await open_toolbox(raw(), secrets=[secret])

    worked = await box.call("raw.result", {"result": answer})
    failed = await box.call("raw.result", {"result": {**answer, "isError": True}})
    nothing = await box.call("raw.result", {"result": {"content": [], "_meta": {"other": 1}}})
    nonsense = {"content": [], "_meta": {"dev.ordinaut/usage": 7}}
    senseless = await box.call("raw.result", {"result": nonsense})

    cost = Cost(Decimal("0.01"), "USD", "provider")
    used = Usage(model="[redacted]-small", input_tokens=12, cost=cost)
    assert (worked.kind, worked.usage) == ("ok", used)
    assert (failed.kind, failed.usage) == ("tool_error", used)
    assert (nothing.usage, senseless.usage) == (None, None)


async def test_a_secret_is_shown_neither_in_results_nor_in_errors_nor_in_stderr(
    open_toolbox: OpenToolbox,
) -> None:
    secret = "hunter2hunter2"
    box = await open_toolbox(raw(), secrets=[secret])

    told = await box.call("raw.echo", {"token": f"Bearer {secret}", secret: 1})
    failed = await box.call("raw.mutter", {"text": f"{secret} is wrong. ", "times": 1000})
    refused = await box.call("raw.slow", {"seconds": secret})
    rejected = await box.call("raw.rejected", {"code": -32602, "message": secret})

    assert told.value == {"token": "Bearer [redacted]", "[redacted]": 1}
    assert failed.error is not None
    assert "hunter" not in failed.error.detail
    assert failed.error.detail.endswith("[redacted] is wrong.")
    assert "hunter" not in error_of(refused)
    assert "hunter" not in error_of(rejected)


async def test_wrong_arguments_are_refused_without_being_sent(
    open_toolbox: OpenToolbox, tmp_path: Path
) -> None:
    box = await open_toolbox(good())
    diary = tmp_path / "diary"

    outcome = await box.call("good.slow", {"seconds": "soon", "file": str(diary), "secnods": 1})

    assert (outcome.kind, outcome.sent) == ("contract_error", False)
    assert error_of(outcome) == (
        "ORD403 good.slow cannot be called like this: "
        "unknown argument 'secnods': did you mean 'seconds'?; seconds: 'soon' is not of type 'number'"
    )
    assert not diary.exists()


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (float("nan"), "Out of range float values are not JSON compliant"),
        ("\ud800", "surrogates not allowed"),
        (timedelta(), "Object of type timedelta is not JSON serializable"),
    ],
)
async def test_arguments_that_json_cannot_carry_are_not_sent_as_something_else(
    open_toolbox: OpenToolbox, value: object, problem: str
) -> None:
    box = await open_toolbox(raw())

    outcome = await box.call("raw.echo", {"value": value})

    assert (outcome.kind, outcome.sent) == ("contract_error", False)
    assert error_of(outcome).startswith("ORD403 raw.echo cannot be called like this: not JSON: ")
    assert problem in error_of(outcome)


async def test_a_result_that_breaks_the_output_schema_is_a_broken_contract(
    open_toolbox: OpenToolbox,
) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    box = await open_toolbox(raw(env={"RESULT_SCHEMA": json.dumps(schema)}))

    kept = await box.call("raw.result", {"result": {"content": [], "structuredContent": {"n": 1}}})
    broken = await box.call(
        "raw.result", {"result": {"content": [], "structuredContent": {"n": "1"}}}
    )
    missing = await box.call("raw.result", {"result": {"content": []}})
    failed = await box.call("raw.result", {"result": {"content": [], "isError": True}})

    assert kept.value == {"n": 1}
    assert (
        error_of(broken)
        == "ORD407 raw.result broke its output schema: n: '1' is not of type 'integer'"
    )
    assert error_of(missing).endswith("it promises a structured result and sent none")
    assert error_of(failed) == "ORD404 raw.result failed: no reason given"


async def test_an_unknown_tool_is_refused_with_the_nearest_name(open_toolbox: OpenToolbox) -> None:
    box = await open_toolbox(raw(allow=("e*", "slow"), deny=("environment",)))

    unknown = await box.call("raw.ecko", {})
    hidden = await box.call("raw.die", {})
    denied = await box.call("raw.environment", {})

    assert {(each.kind, each.sent) for each in (unknown, hidden, denied)} == {("rejected", False)}
    assert error_of(unknown) == "ORD402 raw has no tool ecko: did you mean echo?"
    assert error_of(hidden) == "ORD402 raw.die is excluded by the server's allow and deny patterns"
    assert error_of(denied).startswith("ORD402 raw.environment is excluded")
    assert [tool.name for tool in await box.tools("raw")] == ["echo", "slow"]


async def test_a_tool_that_asks_back_is_told_to_nobody(open_toolbox: OpenToolbox) -> None:
    box = await open_toolbox(good())

    outcome = await box.call("good.ask", {})

    assert (outcome.kind, outcome.sent) == ("input_required", True)
    assert error_of(outcome) == "ORD411 good.ask asks for input: Are you sure?"


async def test_a_call_that_takes_too_long_is_withdrawn_at_the_server(
    open_toolbox: OpenToolbox, tmp_path: Path
) -> None:
    box = await open_toolbox(good())
    diary = tmp_path / "diary"
    await box.tools("good")

    outcome = await box.call("good.slow", {"seconds": 60, "file": str(diary)}, SECOND)

    assert (outcome.kind, outcome.sent) == ("timeout", True)
    assert (await box.call("good.add", {"a": 1, "b": 1})).generation == 1
    assert diary.read_text() == "started\nwithdrawn\n"


async def test_a_late_answer_is_not_taken_for_that_of_the_next_call(
    open_toolbox: OpenToolbox,
) -> None:
    box = await open_toolbox(raw())
    await box.tools("raw")

    late = await box.call("raw.slow", {"seconds": 0.3}, timedelta(seconds=0.1))
    next_one = await box.call("raw.slow", {"seconds": 0.5})

    assert late.kind == "timeout"
    assert next_one.value == "late"
    assert next_one.generation == 1


async def test_what_cannot_be_excluded_to_have_happened_is_unknown_and_never_sent_again(
    open_toolbox: OpenToolbox, tmp_path: Path
) -> None:
    box = await open_toolbox(raw(call_timeout=SECOND))
    effects = tmp_path / "effects"

    died = await box.call("raw.note", {"file": str(effects), "then": "die"})
    silent = await box.call("raw.note", {"file": str(effects), "then": "silent"})

    assert {died.kind, silent.kind} == UNKNOWN_OUTCOMES
    assert effects.read_text() == "called\ncalled\n"


async def test_a_limit_covers_waiting_for_a_slot_and_what_was_not_sent_may_be_repeated(
    open_toolbox: OpenToolbox, tmp_path: Path
) -> None:
    box = await open_toolbox(raw(max_concurrency=1))
    effects = tmp_path / "effects"
    await box.tools("raw")

    other = asyncio.create_task(box.call("raw.silent", {}))
    await eventually(lambda: box.status()[0].running, "the first call is under way")
    outcome = await box.call("raw.note", {"file": str(effects)}, timedelta(seconds=0.1))
    kill(box.status()[0].pid)

    assert (outcome.kind, outcome.sent) == ("not_sent", False)
    assert error_of(outcome) == "ORD401 raw had none of its 1 slots free in time"
    assert not effects.exists()
    assert (await other).kind == "lost"
