"""`ordinaut runs` lists what was decided, newest first."""

from __future__ import annotations

import re
from datetime import timedelta

import psycopg
import pytest

from runtime.errors import EXIT_LOCKED
from schemas.run import RunList
from tests.support.cli import Cli
from tests.support.factories import NOON, insert_run, insert_task


@pytest.fixture
def history(rows: psycopg.Connection) -> list[str]:
    """Four runs of two tasks; their ids, newest first."""
    briefing = insert_task(rows, schedule={"cron": "0 8 * * *", "timezone": "Europe/Chisinau"})
    ping = insert_task(rows, "ping", namespace="ops")
    found = [
        insert_run(rows, briefing, occurrence_for=NOON),
        insert_run(rows, briefing, occurrence_for=NOON + timedelta(hours=1), state="skipped"),
        insert_run(rows, ping, occurrence_for=NOON + timedelta(hours=2), state="failed"),
        insert_run(rows, briefing, occurrence_for=NOON + timedelta(hours=3), state="queued"),
    ]
    return [str(run_id) for run_id in reversed(found)]


def ids(found: object) -> list[str]:
    return [str(run.run_id) for run in RunList.model_validate(found).runs]


def test_runs_are_listed_newest_first(cli: Cli, history: list[str]) -> None:
    assert ids(cli("runs", "--json").json) == history


def test_the_table_shows_short_ids_states_and_local_times(cli: Cli, history: list[str]) -> None:
    lines = cli("runs").lines

    assert lines[0].split() == ["RUN", "TASK", "STATE", "FOR", "TOOK"]
    assert [line.split()[:3] for line in lines[1:]] == [
        [history[0][-8:], "briefing", "queued"],
        [history[1][-8:], "ops/ping", "failed"],
        [history[2][-8:], "briefing", "skipped"],
        [history[3][-8:], "briefing", "succeeded"],
    ]
    assert "05 Jan 2026 14:00 +02:00" in lines[4] or "Mon 05 Jan 14:00 +02:00" in lines[4]
    assert lines[4].endswith("2.00 s")
    assert lines[3].endswith("overlap")


def test_one_task_and_some_states_can_be_chosen(cli: Cli, history: list[str]) -> None:
    assert ids(cli("runs", "ops/ping", "--json").json) == [history[1]]
    chosen = cli("runs", "briefing", "--state", "queued", "--state", "succeeded", "--json")
    assert ids(chosen.json) == [history[0], history[3]]
    assert ids(cli("runs", "-n", "2", "--json").json) == history[:2]


def test_a_run_under_way_shows_how_long_it_has_taken(cli: Cli, rows: psycopg.Connection) -> None:
    task = insert_task(rows)
    insert_run(rows, task, state="running", started_at=NOON - timedelta(days=400))

    # At some hour of the day it is whole days.
    assert re.fullmatch(r"\d+ d( \d+ h)?", cli("runs").lines[1].rsplit("  ", 1)[-1])


def test_runs_of_a_retired_task_are_still_there(cli: Cli, rows: psycopg.Connection) -> None:
    task = insert_task(rows, retired_at=NOON)
    run_id = insert_run(rows, task)

    assert ids(cli("runs", "briefing", "--json").json) == [str(run_id)]


def test_no_runs_are_said_on_stderr(cli: Cli) -> None:
    found = cli("runs")

    assert (found.status, found.stdout, found.stderr) == (0, "", "no runs\n")
    assert cli("runs", "--json").json["runs"] == []


def test_an_unknown_task_is_answered_with_the_nearest(cli: Cli, history: list[str]) -> None:
    found = cli("runs", "briefin")

    assert (found.status, found.stdout) == (1, "")
    assert found.stderr == "error ORD310: there is no task briefin\n  did you mean briefing?\n"


def test_before_the_first_apply_an_unknown_task_says_so(cli: Cli) -> None:
    assert "nothing has been applied yet" in cli("runs", "briefing").stderr


def test_without_any_database_the_way_to_one_is_named(alone: Cli) -> None:
    found = alone("runs")

    assert (found.status, found.stdout) == (EXIT_LOCKED, "")
    assert "error ORD301: there is no database yet" in found.stderr
    assert "`ordinaut up` makes one" in found.stderr


def test_a_wrong_password_is_told_from_an_absent_server(cli: Cli, database: str) -> None:
    wrong = database.replace(":", ":wrong", 2).replace("wrong//", "//", 1)

    found = cli("runs", "--database-url", wrong)

    assert (found.status, found.stdout) == (EXIT_LOCKED, "")
    assert "error ORD302" in found.stderr
