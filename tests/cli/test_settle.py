"""`ordinaut settle`: people say what became of calls that may have happened."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.support.cli import Cli
from tests.support.factories import (
    TaskRow,
    insert_sleeping_run,
    insert_task,
)

PROBLEM = {"code": "ORD405", "message": "bank did not answer in time"}


@pytest.fixture
def task(rows: psycopg.Connection) -> TaskRow:
    steps = [{"id": "pay", "uses": "bank.pay"}, {"id": "tell", "uses": "mail.send"}]
    return insert_task(rows, "rent", pipeline=steps)


@pytest.fixture
def run(rows: psycopg.Connection, task: TaskRow) -> UUID:
    """A run that sleeps."""
    return insert_sleeping_run(rows, task)


def ask(rows: psycopg.Connection, run_id: UUID, step: str = "pay", iteration: int = 0) -> None:
    asked = {"uses": "bank.pay", "arguments": {"sum": 100}, "problem": PROBLEM}
    item = {"item": iteration} if iteration else {}
    rows.execute(
        "insert into ordinaut.step_intent (run_id, step, iteration, attempt, lease_epoch, idempotency_key, asked, asked_at)"
        " values (%s, %s, %s, 1, 1, 'k1', %s, ordinaut.now())",
        [run_id, step, iteration, Jsonb(asked | item)],
    )


def answer(rows: psycopg.Connection) -> Any:
    row = rows.execute("select answer from ordinaut.step_intent order by step").fetchone()
    return row and row[0]


def test_what_is_open_is_listed_with_what_one_needs_to_look_it_up(
    cli: Cli, rows: psycopg.Connection, run: UUID
) -> None:
    ask(rows, run)

    listed = cli("settle")
    told = json.loads(cli("settle", "--json").stdout)
    shown = cli("show", "rent").stdout
    status = cli("status").stdout

    assert 'rent:pay  bank.pay with {"sum":100}; since ' in listed.stdout
    assert "bank did not answer in time; its key was k1" in listed.stdout
    assert [(call["step"], call["attempt"]) for call in told["calls"]] == [("pay", 1)]
    assert "nobody knows whether it happened: bank did not answer in time" in shown
    assert "`ordinaut settle`" in shown
    assert (
        "asks      1 call that may have happened waits to be settled: `ordinaut settle`\n"
        in status
    )


def test_nothing_open_is_said(cli: Cli, rows: psycopg.Connection, run: UUID) -> None:
    done = cli("settle")

    assert (done.status, done.stdout, done.stderr) == (0, "", "nothing waits to be settled\n")


@pytest.mark.parametrize(
    ("options", "settled", "result", "words"),
    [
        (["--happened"], "happened", None, "it happened"),
        (["--happened", "--result", '{"id": 7}'], "happened", {"id": 7}, "it happened"),
        (["--try-again"], "try_again", None, "called again"),
        (["--failed"], "failed", None, "has failed"),
    ],
)
def test_an_answer_is_kept_and_wakes_the_run(  # noqa: PLR0917 - the columns of the table
    cli: Cli,
    rows: psycopg.Connection,
    run: UUID,
    options: list[str],
    settled: str,
    result: Any,
    words: str,
) -> None:
    ask(rows, run)

    done = cli("settle", "rent:pay", *options, "--reason", "seen")

    assert done.status == 0
    assert words in done.stdout
    kept = answer(rows)
    assert (kept["settled"], kept["result"], kept["reason"]) == (settled, result, "seen")
    assert kept["by"]
    ready = rows.execute("select ready_at <= ordinaut.now(), woken from ordinaut.due_work")
    assert ready.fetchone() == (True, True)


def test_a_second_answer_finds_nothing_and_changes_nothing(
    cli: Cli, rows: psycopg.Connection, run: UUID
) -> None:
    ask(rows, run)
    cli("settle", "rent", "--failed")

    second = cli("settle", "rent", "--happened")

    assert second.status == 1
    assert "no call of rent waits to be settled" in second.stderr
    assert answer(rows)["settled"] == "failed"


def test_a_name_that_stands_for_several_is_not_guessed_at(
    cli: Cli, rows: psycopg.Connection, run: UUID
) -> None:
    ask(rows, run)
    ask(rows, run, "tell", 2)

    asked = cli("settle", "rent", "--failed")
    exact = cli("settle", "rent:tell:2", "--failed", "--json")

    assert "name one: rent:pay, rent:tell:2" in asked.stderr
    assert json.loads(exact.stdout) == {
        "run_id": str(run),
        "step": "tell",
        "iteration": 2,
        "attempt": 1,
        "settled": "failed",
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rent"], "say what became of it: --happened, --try-again or --failed"),
        (["--happened"], "say which step"),
        (["rent", "--failed", "--result", "1"], "--result goes with --happened"),
        (["rent", "--happened", "--result", "paid"], "is no JSON"),
    ],
)
def test_half_an_answer_is_none(
    cli: Cli, rows: psycopg.Connection, run: UUID, arguments: list[str], said: str
) -> None:
    ask(rows, run)

    done = cli("settle", *arguments)

    assert done.status != 0
    assert said in done.stderr
    assert answer(rows) is None


def test_of_several_runs_of_a_task_each_has_a_name_of_its_own(
    cli: Cli, rows: psycopg.Connection, task: TaskRow, run: UUID
) -> None:
    """Listed by digits of their runs, and found by any six of either end of one."""
    other = insert_sleeping_run(rows, task, trigger="manual", trigger_key="other")
    ask(rows, run)
    ask(rows, other)

    listed = cli("settle").stdout
    unclear = cli("settle", "rent:pay", "--failed")
    done = [cli("settle", f"{str(other)[-6:]}:pay", "--failed", "--json"), cli("settle", "rent", "--failed", "--json")]  # fmt: skip

    names = [f"{str(run_id)[-8:]}:pay" for run_id in (run, other)]
    assert all(f"{name}  bank.pay" in listed for name in names)
    assert all(name in unclear.stderr for name in names)
    assert [json.loads(one.stdout)["run_id"] for one in done] == [str(other), str(run)]
