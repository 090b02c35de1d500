"""`ordinaut cancel` ends a run, says what that did, and refuses where nothing is left to be ended."""

from __future__ import annotations

import psycopg
import pytest

from runtime.actor import current_actor
from schemas.run import CancelReport
from tests.support.cli import Cli
from tests.support.factories import (
    NOON,
    TaskRow,
    insert_due_work,
    insert_run,
    insert_step_result,
    insert_task,
)


@pytest.fixture
def task(rows: psycopg.Connection) -> TaskRow:
    return insert_task(rows)


def test_a_queued_run_is_cancelled_with_who_and_why(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    run_id = insert_run(rows, task, state="queued")
    insert_due_work(rows, task, run_id)

    done = cli("cancel", str(run_id), "--reason", " wrong month ")

    assert done.status == 0
    assert done.lines == [
        f"cancelled  run {run_id.hex[-8:]} of briefing, it was queued",
        "reason     wrong month",
    ]
    shown = cli("show", str(run_id))
    assert f"cancelled  by {current_actor().name}  wrong month" in shown.stdout
    assert "somebody cancelled it" in cli("why", "briefing", "--at", f"{NOON:%Y-%m-%d}").stdout


def test_the_report_is_json_on_request(cli: Cli, rows: psycopg.Connection, task: TaskRow) -> None:
    run_id = insert_run(rows, task, state="running")
    columns = {"lease_until": "9000-01-01", "lease_epoch": 1, "runtime_id": 1}
    insert_due_work(rows, task, run_id, **columns)
    insert_step_result(rows, run_id)

    report = CancelReport.model_validate(cli("cancel", "briefing", "--json").json)

    assert (report.outcome, report.was, report.was_executed) == ("cancelled", "running", True)
    assert report.run.state == "cancelled"
    assert report.run.steps[0].outcome == "ok"


def test_what_a_runtime_is_at_work_on_is_told_to_stop(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    run_id = insert_run(rows, task, state="running")
    columns = {"lease_until": "9000-01-01", "lease_epoch": 1, "runtime_id": 1}
    insert_due_work(rows, task, run_id, **columns)

    done = cli("cancel", "last")

    assert "stops      the step under way; nothing it still brings is recorded" in done.lines


def test_a_second_cancellation_tells_of_the_first(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    run_id = insert_run(rows, task, state="queued")
    insert_due_work(rows, task, run_id)
    cli("cancel", "last")

    again = cli("cancel", "last")

    assert again.status == 0
    assert again.lines[0] == f"cancelled  run {run_id.hex[-8:]} of briefing, as it was"
    assert again.lines[1].endswith(f" by {current_actor().name}")


def test_a_run_that_is_over_is_refused(cli: Cli, rows: psycopg.Connection, task: TaskRow) -> None:
    run_id = insert_run(rows, task, state="failed", error={"code": "ORD505", "message": "no"})

    refused = cli("cancel", "last")

    assert refused.status == 1
    assert f"ORD314: run {run_id} of briefing is over: failed at 2026-01-05" in refused.stderr


def test_an_unknown_run_is_refused(cli: Cli, task: TaskRow) -> None:
    assert cli("cancel", "123456").status == 1


def test_steps_that_come_finally_are_told_of_and_end_only_where_that_is_asked_for(
    cli: Cli, rows: psycopg.Connection
) -> None:
    last = [{"id": "tell", "uses": "llm.plan", "with": {"text": "over"}}]
    tidy = insert_task(rows, "tidy", **{"finally": last})
    run_id = insert_run(rows, tidy, state="running")
    insert_due_work(rows, tidy, run_id, lease_epoch=1)

    first = cli("cancel", "tidy")
    shown = cli("show", "tidy")
    second = cli("cancel", "tidy")
    third = cli("cancel", "tidy", "--now", "--json")

    told = "finally    its last steps run; --now ends it without them"
    assert told in first.lines
    assert second.lines == [f"cancelled  run {run_id.hex[-8:]} of tidy, as it was", told]
    assert f"running  being cancelled  by {current_actor().name}" in shown.stdout
    assert CancelReport.model_validate(third.json).outcome == "cancelled"
