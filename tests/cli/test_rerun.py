"""`ordinaut rerun` runs a run once more, and `ordinaut runs --quarantined` lists what waits for that."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from schemas.run import RunReport
from tests.support.cli import Cli
from tests.support.factories import (
    NOON,
    TaskRow,
    insert_run,
    insert_step_result,
    insert_task,
)


@pytest.fixture
def task(rows: psycopg.Connection) -> TaskRow:
    steps = [{"id": "look", "uses": "clock.now"}, {"id": "tell", "uses": "clock.tell"}]
    return insert_task(rows, pipeline=steps)


def test_a_run_is_queued_again_and_both_tell_of_each_other(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    before = insert_run(rows, task, params={"city": "Iași"})

    done = cli("rerun", "briefing")

    assert done.status == 0
    run_id = done.stdout.strip()
    assert f"again for {before.hex[-8:]}" in done.stderr
    assert f"again for  {before}" in cli("show", run_id).stdout
    assert f"run again  {run_id[-8:]}" in cli("show", str(before)).stdout
    run = RunReport.model_validate(cli("show", run_id, "--json").json)
    assert (run.trigger, run.rerun_of, run.replay_no, run.params) == (
        "rerun",
        before,
        1,
        {"city": "Iași"},
    )


def test_what_stays_is_on_record_at_once(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    before = insert_run(rows, task, state="failed", error={"code": "ORD505", "message": "no"})
    insert_step_result(rows, before)
    insert_step_result(rows, before, "tell", outcome="tool_error")

    run = RunReport.model_validate(cli("rerun", "last", "--failed", "--json").json)

    assert [(one.step, one.state) for one in run.steps] == [
        ("look", "succeeded"),
        ("tell", "pending"),
    ]


def test_two_ways_to_begin_exclude_each_other(cli: Cli, task: TaskRow) -> None:
    refused = cli("rerun", "last", "--failed", "--from", "look")

    assert refused.status == 1
    assert "exclude each other" in refused.stderr


def test_following_a_run_needs_a_runtime(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    insert_run(rows, task)

    assert "no runtime is alive" in cli("rerun", "last", "--wait").stderr


def test_runs_in_quarantine_are_listed_until_they_are_run_again(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    error = {"code": "ORD507", "message": "the run was begun 5 times"}
    poison = insert_run(rows, task, state="failed", error=error)
    insert_run(
        rows,
        task,
        occurrence_for=NOON + timedelta(hours=1),
        state="failed",
        error={"code": "ORD505", "message": "no"},
    )

    listed = cli("runs", "--quarantined", "--json").json["runs"]
    assert [run["run_id"] for run in listed] == [str(poison)]

    assert cli("rerun", str(poison), "--failed").status == 0
    assert cli("runs", "--quarantined", "--json").json["runs"] == []
