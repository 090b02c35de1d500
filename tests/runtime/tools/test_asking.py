"""A tool server that asks back in the middle of its calls, over the protocol itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from mcp import MCPError
from mcp_types import ElicitRequestFormParams, InputRequiredResult

from runtime.actor import Actor
from runtime.clock import SYSTEM_CLOCK
from runtime.core.answering import responses_of
from runtime.core.leftopen import GoingOn, LeftOpen
from runtime.core.outcomes import CallOutcome
from runtime.store.waits import answer_wait, list_asked
from runtime.tools.answers import Call, outcome_of_error, outcome_of_result
from runtime.tools.catalogue import ToolInfo
from runtime.tools.definition import ServerDefinition, StdioTransport
from runtime.tools.interview import Interview, answer
from runtime.tools.questions import key_of
from runtime.tools.redact import Redactor
from runtime.tools.toolbox import Toolbox
from tests.runtime.tools.conftest import OpenToolbox
from tests.runtime.tools.servers import SUPPORT, kill
from tests.support.executing import Bench, step

KEY = "0123456789abcdef0123456789abcdef"
WHEN = {"seats": {"day": "2026-03-01"}}


def asking(diary: Path, *key: str) -> ServerDefinition:
    """The server that asks back; with a key it knows its state again after a restart."""
    arguments = (str(SUPPORT / "asking_server.py"), str(diary), *key)
    return ServerDefinition(key="asking", transport=StdioTransport("python", arguments))


def approve(database: str, data: Mapping[str, Any]) -> bool:
    with psycopg.connect(database, autocommit=True) as connection:
        (asked,) = list_asked(connection)
        (key,) = asked.asked["requests"]
        responses = responses_of(asked.asked["requests"], {key: data})
        return answer_wait(
            connection, asked, approved=True, by=Actor("ana"), reason="", responses=responses
        )


async def test_a_call_goes_on_over_all_its_questions_though_server_and_runtime_are_lost_each_time(
    bench: Bench, database: str, tmp_path: Path
) -> None:
    diary = tmp_path / "diary"
    await bench.queue(
        timeout="90d",
        pipeline=[step("book", "asking.book", effect="once", **{"with": {"place": "Da Vito"}})],
    )

    async def go() -> None:
        async with Toolbox([asking(diary, KEY)], SYSTEM_CLOCK, tmp_path) as box:
            await bench.go(box)  # type: ignore[arg-type]  # the real one
            kill(box.status()[0].pid)

    await go()
    assert approve(database, WHEN["seats"])
    await go()
    assert approve(database, {})
    await go()

    assert diary.read_text().splitlines() == [
        "asked when Da Vito",
        "asked whether Da Vito",
        "booked Da Vito 2026-03-01 for 2",
    ]
    assert await bench.row("select output ->> 'result' from ordinaut.step_result") == (
        "Da Vito 2026-03-01 for 2"
    )


async def test_what_a_server_asked_before_it_forgot_its_key_is_refused_with_a_hint(
    bench: Bench, database: str, tmp_path: Path
) -> None:
    await bench.queue(
        timeout="90d", pipeline=[step("book", "asking.book", **{"with": {"place": "Da Vito"}})]
    )
    for _ in range(2):
        async with Toolbox([asking(tmp_path / "diary")], SYSTEM_CLOCK, tmp_path) as box:
            await bench.go(box)  # type: ignore[arg-type]  # the real one
        if await bench.row("select state from ordinaut.run") == "waiting":
            assert approve(database, WHEN["seats"])

    outcome, error = await bench.row(
        "select outcome, error ->> 'message' from ordinaut.step_result"
    )
    assert outcome == "rejected"
    assert "what it asked may have expired" in error
    assert (tmp_path / "diary").read_text() == "asked when Da Vito\n"


async def test_a_call_of_an_older_revision_is_made_again_with_what_people_answered(
    bench: Bench, database: str, tmp_path: Path
) -> None:
    diary = tmp_path / "diary"
    await bench.queue(
        timeout="90d", pipeline=[step("get", "asking.order", **{"with": {"item": "hats"}})]
    )
    definition = replace(asking(diary), protocol="legacy")
    async with Toolbox([definition], SYSTEM_CLOCK, tmp_path) as box:
        for answers in ({}, {"colour": "red"}):
            await bench.go(box)  # type: ignore[arg-type]  # the real one
            assert approve(database, answers)
        await bench.go(box)  # type: ignore[arg-type]  # the real one

    assert diary.read_text().splitlines() == [
        "asked how many hats",
        *("asked how many hats", "asked which hats"),
        *("asked how many hats", "asked which hats", "ordered 1 red hats"),
    ]
    assert await bench.row("select outcome, attempt from ordinaut.step_result") == ("ok", 3)


async def test_a_call_of_an_older_revision_that_must_not_be_repeated_asks_nobody(
    bench: Bench, tmp_path: Path
) -> None:
    pay = step("get", "asking.order", effect="once", **{"with": {"item": "hats"}})
    await bench.queue(pipeline=[pay])
    definition = replace(asking(tmp_path / "diary"), protocol="legacy")
    async with Toolbox([definition], SYSTEM_CLOCK, tmp_path) as box:
        await bench.go(box)  # type: ignore[arg-type]  # the real one

    outcome, message = await bench.row(
        "select outcome, error ->> 'message' from ordinaut.step_result"
    )
    assert outcome == "input_required"
    assert message.endswith("How many hats?; it was told that nobody answers")


def test_of_calls_under_way_together_none_is_taken_for_the_one_that_asks(
    caplog: pytest.LogCaptureFixture,
) -> None:
    params = ElicitRequestFormParams(message="How many?", requested_schema=FORM)
    known = {key_of({"message": "How many?", "schema": FORM}): {"action": "accept", "content": {}}}
    strangers = [Interview(None), Interview(GoingOn(None, {}))]
    alone, among = Interview(GoingOn(None, known)), Interview(GoingOn(None, known))

    unanswered = answer(strangers, params)
    answered = answer([alone], params)
    doubtful = answer([*strangers, among], params)

    assert (unanswered.action, answered.action, doubtful.action) == ("cancel", "accept", "cancel")
    assert [one.result for one in (*strangers, alone)] == [None, None, None]
    assert among.result is not None, "it may have been told that nobody answers, and is made again"
    assert "'How many?' while 2 of its calls were under way" in caplog.text


def test_addresses_to_be_visited_before_a_call_are_asked_as_questions() -> None:
    visits = {
        "mode": "url",
        "message": "Log in",
        "url": "https://a.example",
        "elicitationId": "e1",
    }
    error = MCPError(-32042, "first visit", {"elicitations": [visits]})

    outcome = outcome_of_error(_call(), error)

    assert outcome.left_open == LeftOpen(None, {"e1": {"message": "Log in", "url": visits["url"]}})


async def test_where_nobody_goes_on_a_question_is_an_outcome(
    open_toolbox: OpenToolbox, tmp_path: Path
) -> None:
    box = await open_toolbox(asking(tmp_path / "diary"))

    asked = await box.call("asking.book", {"place": "Da Vito"})
    tampered = await box.call("asking.book", {"place": "Da Vito"}, going_on=GoingOn("forged", {}))
    words = await box.call("asking.think", {})

    assert (asked.kind, asked.sent) == ("input_required", True)
    assert asked.error is not None
    assert asked.left_open is not None
    assert asked.error.message == "asking.book asks for input: When do you come to Da Vito?"
    assert asked.left_open.requests["seats"]["schema"]["required"] == ["day"]
    assert tampered.kind == "rejected"
    assert (words.kind, words.left_open) == ("input_required", None)
    assert words.error is not None
    assert "sampling/createMessage is not answered" in words.error.message


FORM = {"type": "object", "properties": {}}


def elicit(**params: Any) -> dict[str, Any]:
    """A result that asks for a form."""
    form = {"message": "Well?", "requestedSchema": FORM} | params
    asked = {"q": {"method": "elicitation/create", "params": form}}
    return {"resultType": "input_required", "inputRequests": asked}


def form_of(**fields: Any) -> dict[str, Any]:
    return elicit(requestedSchema={"type": "object", "properties": fields})


def _call() -> Call:
    tool = ToolInfo("asking", "book", "", {"type": "object"}, None, {})
    return Call(tool, 1, 1000, Redactor(["s3cr3t"]))


def outcome_of(result: dict[str, Any]) -> CallOutcome:
    """The outcome of a call that a server answered so."""
    return outcome_of_result(_call(), InputRequiredResult.model_validate(result))


@pytest.mark.parametrize(
    ("result", "says"),
    [
        ({"resultType": "input_required", "requestState": "s3cr3t"}, "state holds a secret, which is"),
        ({"resultType": "input_required", "requestState": "x" * 65_537}, "its state has 65,537 char"),
        ({"resultType": "input_required", "requestState": "a\0b"}, "some that cannot be kept"),
        (elicit(requestedSchema={"type": "string"}), "q: its form is no object"),
        (form_of(a={"type": "object"}), "q: its form has a field 'a' that is neither"),
        (form_of(a={"type": ["string", "null"]}), "has a field 'a' that is neither"),
        (form_of(a={"type": "string", "minLength": "1"}), "q: its form cannot be checked: not a"),
        (elicit(message="x" * 65_536), "what it asks is longer than 65,536 bytes"),
        (
            {"resultType": "input_required", "inputRequests": {
                f"q{n}": elicit()["inputRequests"]["q"] for n in range(17)}},
            "it asks 17 questions at once; 16 may be asked",
        ),
        (
            {"resultType": "input_required", "inputRequests": {"r": {"method": "roots/list"}}},
            "r: roots/list is not answered",
        ),
    ],
)  # fmt: skip
def test_what_nobody_could_answer_or_keep_is_refused_with_the_reason(
    result: dict[str, Any], says: str
) -> None:
    outcome = outcome_of(result)

    assert (outcome.kind, outcome.sent, outcome.left_open) == ("input_required", True, None)
    assert outcome.error is not None
    assert outcome.error.code == "ORD411"
    assert says in outcome.error.message


def test_what_is_asked_is_kept_without_secrets() -> None:
    outcome = outcome_of(elicit(message="Is it s3cr3t?\0"))

    assert outcome.left_open is not None
    (asked,) = outcome.left_open.requests.values()
    assert asked == {"message": "Is it [redacted]?\N{REPLACEMENT CHARACTER}", "schema": FORM}
