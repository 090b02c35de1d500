"""What is on record of a run, as a test of it: without a database, from records made by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from reconciler.core.testing.recording import recorded_test
from reconciler.recording import record
from runtime.core.record import RecordedRun, RecordedTry, RecordedWait
from schemas.spec import KINDS
from tests.support.clock import START
from tests.support.executing import step
from tests.support.installed import task

CHILD = "019b8d2b-8c00-82a3-9cbb-bf7c9bba4f4d"


def run(*steps: dict[str, Any], **facts: Any) -> RecordedRun:
    """A run that succeeded, of a task with these steps; of its record, what matters."""
    fields = facts.pop("fields", {})
    document = KINDS["Task"].model_validate(task("rent", pipeline=list(steps), **fields))
    whole: dict[str, Any] = {
        "run_id": UUID(CHILD), "task": "rent", "state": "succeeded", "trigger": "manual", "occurrence_for": START,
        "started_at": START, "error": None, "params": None, "event": None, "revision": 3, "environment": "default",
        "body": document.model_dump(mode="json", by_alias=True, exclude_none=True), "tries": (), "waits": (), "settled": {},
    }  # fmt: skip
    return RecordedRun(**whole | facts)


def tried(name: str, outcome: str = "ok", **facts: Any) -> RecordedTry:
    """The result of a call."""
    whole: dict[str, Any] = {
        "iteration": 0, "attempt": 1, "uses": "tool.do", "input": {}, "output": None, "error": None,
        "started_at": START, "finished_at": START + timedelta(seconds=2), "is_last": True,
    }  # fmt: skip
    return RecordedTry(name, outcome=outcome, **whole | facts)


def given(made: RecordedRun) -> Any:
    """What its test gives; it passes when it is played."""
    test = record(made, "it")
    assert test.problems == ()
    return test.document["given"]


def test_an_event_is_given_with_its_data_and_when_it_came() -> None:
    event = {"id": "e1", "source": "shop", "topic": "paid", "time": "…", "data": {"n": 7}}
    made = run(
        step("until", "ordinaut.wait_for", **{"with": {"event": "paid"}}),
        tries=(tried("until", uses="ordinaut.wait_for", output=event),),
        waits=(RecordedWait("until", 0, "event", event, 65.2),),
    )

    assert given(made) == {
        "until": {"event": {"data": {"n": 7}, "id": "e1", "source": "shop", "takes": "65s"}}
    }


@pytest.mark.parametrize(
    ("answer", "outcome", "expected"),
    [
        ({"state": "succeeded", "value": 5}, {}, {"result": 5, "takes": "3s"}),
        (
            {"state": "failed", "error": {"code": "ORD404", "message": "gone"}},
            {"outcome": "tool_error", "error": {"code": "ORD509", "message": "run …: gone"}},
            {"outcome": "tool_error", "code": "ORD404", "message": "gone", "takes": "3s"},
        ),
    ],
)
def test_a_run_that_was_started_is_given_by_its_end(
    answer: dict[str, Any], outcome: dict[str, Any], expected: dict[str, Any]
) -> None:
    called = tried("child", **{"uses": "ordinaut.run", "input": {"task": "other"}} | outcome)
    error = {"error": {"code": "ORD509", "message": "…", "step": "child"}, "state": "failed"}
    made = run(
        step("child", "ordinaut.run", **{"with": {"task": "other"}}),
        tries=(called,),
        waits=(RecordedWait("child", 0, "run", answer | {"run_id": CHILD}, 3.0),),
        **(error if outcome else {}),
    )

    assert given(made) == {"child": expected}


def test_a_run_that_still_waits_gives_nothing_for_what_it_waits_for() -> None:
    waits = (
        RecordedWait("until", 0, "event", None, None),
        RecordedWait("child", 0, "run", None, None),
    )
    made = run(
        step("until", "ordinaut.wait_for", needs=[], **{"with": {"event": "paid"}}),
        step("child", "ordinaut.run", needs=[], **{"with": {"task": "other"}}),
        step("late", "ordinaut.wait_for", **{"with": {"event": "paid"}}),
        state="waiting",
        waits=waits,
    )

    document = recorded_test(made, "it", any_order=False, same_id=False)

    assert "given" not in document
    assert document["expect"] == {"state": "waiting", "calls": [], "steps": {"late": "not_reached"}} or document["expect"]["state"] == "waiting"  # fmt: skip


def test_the_head_says_what_is_not_so_anyway() -> None:
    event = {"topic": "a", "data": 1}
    made = run(
        step("a"),
        tries=(tried("a"),),
        environment="live",
        trigger="schedule",
        event=event,
        params={"x": 1},
        occurrence_for=START - timedelta(seconds=1),
    )

    document = recorded_test(made, "it", any_order=True, same_id=True)

    assert {key: document[key] for key in ("environment", "occurrence_for", "trigger", "event", "params", "run_id")} == {
        "environment": "live",
        "occurrence_for": "2026-01-05T07:59:59+00:00",
        "trigger": "schedule",
        "event": event,
        "params": {"x": 1},
        "run_id": CHILD,
    }  # fmt: skip
    assert document["expect"]["any_order"] is True


def test_items_that_made_no_call_keep_their_place() -> None:
    made = run(
        step("each", foreach="${params.list}", **{"if": "item != `2`"}),
        fields={"params": {"list": [1, 2, 3]}},
        tries=(
            tried("each", output="a"),
            tried("each", "skipped", iteration=1, attempt=0, input=None),
            tried("each", iteration=2, output="c"),
            tried("each", iteration=-1, attempt=0, input=None, output={"items": 3}),
        ),
    )

    assert given(made) == {"each": {"items": [{"result": "a"}, {"result": None}, {"result": "c"}]}}


def test_a_list_of_none_gives_nothing() -> None:
    over = tried("each", iteration=-1, attempt=0, input=None, output={"items": 0})
    made = run(step("each", foreach="${`[]`}"), tries=(over,))

    assert "given" not in record(made, "it").document


def test_an_answer_that_was_not_as_expected_is_judged_anew() -> None:
    error = {"code": "ORD412", "message": "…"}
    made = run(
        step("a", expect="result.ok"),
        tries=(tried("a", "tool_error", output={"ok": False}, error=error),),
        state="failed",
        error=error | {"step": "a"},
    )

    assert given(made) == {"a": {"result": {"ok": False}}}


def test_a_refused_call_is_no_call_and_needs_no_answer() -> None:
    error = {"code": "ORD403", "message": "…"}
    made = run(
        step("a", "ordinaut.sql", effect="transactional"),
        tries=(tried("a", "contract_error", uses="ordinaut.sql", error=error),),
        state="failed",
        error=error | {"step": "a"},
    )

    test = record(made, "it")

    assert test.problems == ()
    assert test.document["expect"]["calls"] == []


def test_an_approval_stands_beside_every_try() -> None:
    approval = {"approved": True, "by": "ana", "reason": ""}
    failed = tried("a", "tool_error", error={"code": "ORD404", "message": "no"}, is_last=False)
    made = run(
        step("a", approval={"by": ["ana"]}, retry={"attempts": 2}),
        tries=(failed, replace(tried("a"), attempt=2)),
        waits=(RecordedWait("a", 0, "approval", approval, 0.2),),
    )

    assert given(made)["a"]["tries"] == [
        {"outcome": "tool_error", "code": "ORD404", "message": "no"},
        {"result": None},
    ]


def test_secrets_are_known_by_their_masks() -> None:
    made = run(
        step("a", **{"with": {"key": "${secrets.token}"}}),
        tries=(tried("a", input={"key": "[secret token]"}),),
    )

    assert given(made) == {"a": {"result": None}}
