"""`ordinaut approve` for steps of runs that ask people."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import psycopg
import pytest

from runtime.actor import current_actor
from runtime.store.waits import answer_wait, list_asked
from tests.support.cli import Cli
from tests.support.factories import (
    NOON,
    TaskRow,
    insert_sleeping_run,
    insert_task,
    insert_wait,
)

MESSAGE = {"message": "Pay 100?", "by": ["ana"]}


@pytest.fixture
def task(rows: psycopg.Connection) -> TaskRow:
    steps = [
        {"id": "ask", "uses": "ordinaut.approve"},
        {"id": "pay", "uses": "bank.pay", "foreach": "${`[1, 2]`}"},
    ]
    return insert_task(rows, "payments", pipeline=steps)


@pytest.fixture
def run(rows: psycopg.Connection, task: TaskRow) -> UUID:
    """A run that sleeps."""
    return insert_sleeping_run(rows, task)


def answers(rows: psycopg.Connection) -> list[Any]:
    cursor = rows.execute(
        "select step, iteration, answer from ordinaut.wait order by step, iteration"
    )
    return [(step, item, answer and answer["approved"]) for step, item, answer in cursor]


def test_what_waits_is_listed_with_what_is_asked(
    cli: Cli, rows: psycopg.Connection, run: UUID
) -> None:
    insert_wait(rows, run, "ask", asked=MESSAGE)
    asked = {"uses": "bank.pay", "arguments": {"sum": 2}, "by": [], "item": 1}
    insert_wait(rows, run, "pay", iteration=1, asked=asked, until=NOON)

    listed = cli("approve")
    told = json.loads(cli("approve", "--json").stdout)

    assert "asks      2 steps wait for a decision: `ordinaut approve`\n" in cli("status").stdout
    assert "payments:ask  Pay 100?; asks ana" in listed.stdout
    assert 'payments:pay:1  call bank.pay with {"sum":2}; until ' in listed.stdout
    assert told["plans"] == []
    assert [(one["step"], one["iteration"]) for one in told["steps"]] == [("ask", 0), ("pay", 1)]


def test_what_is_asked_on_many_lines_is_told_in_full_and_passes_for_nothing_else(
    cli: Cli, rows: psycopg.Connection, run: UUID
) -> None:
    letter = "Send this?\r\nrent:pay  Pay 1?\x1b[2A\u2028" + "\n".join(
        f"line {n}" for n in range(99)
    )
    insert_wait(rows, run, "ask", asked={"message": letter})

    listed = cli("approve").stdout.splitlines()
    (shown,) = [line for line in cli("show", "last").lines if "Send this?" in line]
    decided = cli("approve", "payments:ask", "--yes").stderr.splitlines()

    for lines in (listed, decided):
        assert lines[0] == "payments:ask  Send this?"
        assert lines[1] == "    rent:pay  Pay 1?\\u001b[2A"
        assert lines[-1] == "    line 98"
        assert all(line.startswith("    ") for line in lines[1:])
    assert len(shown) < 600


@pytest.mark.parametrize("by", ["task", "step", "id"])
def test_a_step_is_approved_by_task_by_step_or_by_the_runs_id(
    cli: Cli, rows: psycopg.Connection, run: UUID, by: str
) -> None:
    insert_wait(rows, run, "ask", asked=MESSAGE)
    name = {"task": "payments", "step": "payments:ask", "id": str(run)}[by]

    answer = cli("approve", name, "--yes", "--reason", "fine", "--as", "ana")

    assert answer.status == 0, answer.stderr
    assert answer.stdout == "Approved: it goes on.\n"
    assert answers(rows) == [("ask", 0, True)]
    assert rows.execute("select ready_at <= now(), woken from ordinaut.due_work").fetchone() == (
        True,
        True,
    )


def test_a_step_is_denied_and_the_answer_is_told(
    cli: Cli, rows: psycopg.Connection, run: UUID
) -> None:
    insert_wait(rows, run, "ask", asked=MESSAGE)

    answer = cli("approve", "payments", "--deny", "--yes", "--json", "--as", "ana")

    assert json.loads(answer.stdout) == {
        "run_id": str(run),
        "step": "ask",
        "iteration": 0,
        "approved": False,
    }
    assert answers(rows) == [("ask", 0, False)]
    (data,) = rows.execute(
        "select data from ordinaut.event_log where type = 'step.answered'"
    ).fetchone() or ({},)
    assert (data["step"], data["uses"], data["approved"]) == ("ask", "ordinaut.approve", False)


def test_where_several_wait_each_is_named(cli: Cli, rows: psycopg.Connection, run: UUID) -> None:
    for item in (0, 1):
        asked = {"uses": "bank.pay", "arguments": {}, "by": [], "item": item}
        insert_wait(rows, run, "pay", iteration=item, asked=asked)

    many = cli("approve", "payments", "--yes")
    one = cli("approve", "payments:pay:1", "--yes")

    assert many.status == 1
    assert "name one: payments:pay:0, payments:pay:1" in many.stderr
    assert one.status == 0
    assert answers(rows) == [("pay", 0, None), ("pay", 1, True)]


def test_what_does_not_wait_is_not_answered(cli: Cli, rows: psycopg.Connection, run: UUID) -> None:
    insert_wait(rows, run, "ask", asked=MESSAGE, until=NOON)

    late = cli("approve", "payments", "--yes", "--as", "ana")
    nobody = cli("approve", "groceries", "--yes")
    denied = cli("approve", "groceries", "--deny", "--yes")

    assert (late.status, nobody.status, denied.status) == (4, 1, 1)
    assert "does not wait any more" in late.stderr
    assert "nothing of groceries waits for approval" in nobody.stderr
    assert answers(rows) == [("ask", 0, None)]


def test_a_run_shows_what_it_waits_for(cli: Cli, rows: psycopg.Connection, run: UUID) -> None:
    insert_wait(rows, run, "ask", asked=MESSAGE, until=NOON)

    story = cli("show", "payments")

    assert "ask  ordinaut.approve  waiting" in story.stdout
    assert (
        "waits   Pay 100?  asks ana  until 2026-01-05 12:00 UTC  `ordinaut approve`"
        in story.stdout
    )


def test_who_is_not_asked_does_not_decide(cli: Cli, rows: psycopg.Connection, run: UUID) -> None:
    insert_wait(rows, run, "ask", asked=MESSAGE)

    other = cli("approve", "payments", "--yes")
    nobody = cli("approve", "payments", "--yes", "--as", "eve")
    assert answers(rows) == [("ask", 0, None)]
    right = cli("approve", "payments", "--yes", "--as", "ana")

    assert (other.status, nobody.status, right.status) == (3, 3, 0)
    assert "ORD418: step ask of payments asks ana, and not eve" in nobody.stderr
    (by,) = rows.execute("select answer ->> 'by' from ordinaut.wait").fetchone() or ("",)
    assert by == f"{current_actor().name} for ana"


@pytest.mark.parametrize(
    "by", [current_actor().name, current_actor().name.partition("@")[0], "team"]
)
def test_a_user_decides_by_name_with_or_without_the_host_or_as_one_of_a_group(
    rows: psycopg.Connection, run: UUID, by: str
) -> None:
    insert_wait(rows, run, "ask", asked=MESSAGE | {"by": [by]})
    (one,) = list_asked(rows)

    assert answer_wait(
        rows, one, approved=True, by=current_actor(), reason="", teams=frozenset({"team"})
    )
