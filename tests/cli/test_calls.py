"""`ordinaut calls` tells of calls one by one, as whoever keeps accounts needs them."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.cli.test_spend import NOW, insert_usage, paid
from tests.support.cli import Cli
from tests.support.factories import (
    NOON,
    TaskRow,
    insert_run,
    insert_step_result,
    insert_task,
)


def result(rows: psycopg.Connection, run: UUID, step: str = "ask", **fields: Any) -> None:
    """A call that was over an hour ago."""
    times = {"started_at": NOW - timedelta(hours=1, seconds=2), "finished_at": NOW - timedelta(hours=1)}  # fmt: skip
    told = {"uses": "llm.plan", "input": {"goal": "x"}, "output": {"text": "y"}, "size": 12}
    insert_step_result(rows, run, step, **times | told | fields)


@pytest.fixture
def task(rows: psycopg.Connection) -> TaskRow:
    return insert_task(rows, agent="bot", labels={"client": "acme"})


@pytest.fixture
def run(rows: psycopg.Connection, task: TaskRow) -> UUID:
    return insert_run(rows, task, occurrence_for=NOON, params={"city": "Balti"})


def test_a_call_is_told_with_its_task_its_arguments_and_what_each_try_used_up(
    cli: Cli, rows: psycopg.Connection, task: TaskRow, run: UUID
) -> None:
    result(rows, run, attempt=2)
    insert_usage(rows, task, 1, run_id=run, **paid("0.25", source="local"))
    insert_usage(rows, task, 2, run_id=run, **paid("0.5"), model="")

    [call] = cli("calls", "--json").json["calls"]

    assert {name: call[name] for name in ("run_id", "step", "item", "task", "labels", "agent", "params", "tool", "outcome", "attempts", "is_reused", "input_bytes", "output_bytes", "input")} == {
        "run_id": str(run), "step": "ask", "item": 0, "task": "briefing", "labels": {"client": "acme"}, "agent": "bot",
        "params": {"city": "Balti"}, "tool": "llm.plan", "outcome": "ok", "attempts": 2, "is_reused": False,
        "input_bytes": len('{"goal": "x"}'), "output_bytes": 12, "input": None,
    }  # fmt: skip
    assert call["input_digest"] == hashlib.sha256(b'{"goal": "x"}').hexdigest()
    assert [(one["attempt"], one["model"], one["cost"], one["is_local"]) for one in call["usage"]] == [
        (1, "small", "0.25", True),
        (2, None, "0.5", False),
    ]  # fmt: skip


def test_arguments_are_told_where_they_are_asked_for(
    cli: Cli, rows: psycopg.Connection, run: UUID
) -> None:
    result(rows, run)

    [call] = cli("calls", "--with-input", "--json").json["calls"]

    assert call["input"] == {"goal": "x"}


def test_calls_of_every_item_are_told_and_those_that_were_not_made_are_not(
    cli: Cli, rows: psycopg.Connection, run: UUID
) -> None:
    for item in (0, 1, -1):
        result(rows, run, "each", iteration=item)
    result(rows, run, "left-out", outcome="skipped")
    result(rows, run, "taken-over", lease_epoch=0)
    result(rows, run, "old", finished_at=NOW - timedelta(days=3))
    result(rows, run, "again", reused_at=NOW - timedelta(hours=2))

    told = cli("calls", "--json").json["calls"]

    assert [(one["step"], one["item"], one["is_reused"]) for one in told] == [
        ("again", 0, True),
        ("each", 0, False),
        ("each", 1, False),
    ]


def test_what_was_used_up_by_a_call_without_a_result_is_told_too(
    cli: Cli, rows: psycopg.Connection, task: TaskRow, run: UUID
) -> None:
    insert_usage(rows, task, 1, run_id=run, step="(poll)", **paid("0.25"))

    [call] = cli("calls", "--json").json["calls"]

    assert (call["step"], call["outcome"], call["usage"][0]["cost"]) == ("(poll)", None, "0.25")


def test_the_rest_begins_where_a_list_ended(cli: Cli, rows: psycopg.Connection, run: UUID) -> None:
    for number in range(5):
        # Some were over at the same instant.
        result(rows, run, f"s{number}", finished_at=NOW - timedelta(minutes=9 - (number + 1) // 2))
    found, after = [], []
    for _ in range(3):
        page = cli("calls", "-n", "2", *after, "--json").json
        found += [one["step"] for one in page["calls"]]
        after = ["--after", page["next"]]

    assert found == ["s0", "s1", "s2", "s3", "s4"]
    assert page["next"] is None


@pytest.mark.parametrize("place", ["nowhere", "W10", "WzEsMiwzLDRd"])
def test_a_place_that_is_none_is_refused(cli: Cli, place: str) -> None:
    found = cli("calls", "--after", place)

    assert (found.status, "no list of calls ended there" in found.stderr) == (1, True)


def test_people_get_a_table(cli: Cli, rows: psycopg.Connection, task: TaskRow, run: UUID) -> None:
    result(rows, run, attempt=2)
    insert_usage(rows, task, 1, run_id=run, **paid("0.25"))
    insert_usage(rows, task, 2, run_id=run, **paid("0.5"))

    header, line = cli("calls").lines

    assert header.split() == ["OVER", "(UTC)", "CALL", "TOOL", "OUTCOME", "IN", "OUT", "COST"]
    assert line.split()[3:] == ["briefing:ask", "llm.plan", "ok", "x2", "2,000", "20", "0.750000", "USD"]  # fmt: skip


def test_only_one_tasks_calls_are_told(cli: Cli, rows: psycopg.Connection, run: UUID) -> None:
    result(rows, run)
    other = insert_run(rows, insert_task(rows, "other"), occurrence_for=NOON)
    result(rows, other, "theirs")

    assert [one["step"] for one in cli("calls", "other", "--json").json["calls"]] == ["theirs"]


def test_no_call_is_said_on_stderr(cli: Cli) -> None:
    found = cli("calls")

    assert (found.status, found.stdout) == (0, "")
    assert found.stderr.startswith("no call since ")
