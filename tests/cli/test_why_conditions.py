"""`ordinaut why` of a task that hangs on a condition says what its answers were, where nothing has run."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from tests.cli.test_why import BEFORE, only, set_now, why
from tests.support.cli import Cli
from tests.support.factories import (
    NOON,
    TaskRow,
    insert_condition,
    insert_revision,
    insert_task,
)

POLL = {"condition": {"uses": "clock.now", "when": "result.hour == `8`", "every": "5m"}}
HOUR = timedelta(hours=1)
ALIVE = "insert into ordinaut.runtime (host, pid, version, started_at, heartbeat_at) values ('h', 1, 'v', %s, %s)"


@pytest.fixture
def task(rows: psycopg.Connection) -> TaskRow:
    set_now(rows, NOON)
    rows.execute(ALIVE, [NOON - HOUR, NOON])
    return insert_task(rows, schedule=[POLL], revision_id=insert_revision(rows, applied_at=BEFORE))


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({}, "nobody has asked yet, and it is time at "),
        (
            {"polled_at": NOON, "changed_at": NOON - HOUR},
            "did not meet the condition, and none has since ",
        ),
        ({"polled_at": NOON}, "the answer at Mon 2026-01-05 12:00 did not meet the condition"),
        (
            {"polled_at": NOON, "met_since": NOON - HOUR},
            "and must do so for longer before it fires",
        ),
        (
            {"polled_at": NOON, "met_since": NOON - HOUR, "phase": "spent"},
            "fires again after an answer that rearms it",
        ),
        (
            {"polled_at": NOON, "met_since": NOON - HOUR, "phase": "released"},
            "fires again after one that does not",
        ),
        (
            {
                "polled_at": NOON,
                "failing_since": NOON - HOUR,
                "error": {"code": "ORD401", "message": "it is away"},
            },
            "gives no answer that could be judged: it is away",
        ),
    ],
)
def test_what_its_answers_were_stands_there(
    cli: Cli, rows: psycopg.Connection, task: TaskRow, columns: dict[str, Any], said: str
) -> None:
    insert_condition(rows, task, **columns)

    (fact,) = only(why(cli)).facts

    assert fact.startswith("condition 1 of it asks clock.now: ")
    assert said in fact


def test_that_nobody_is_there_to_ask_stands_there_too(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    insert_condition(rows, task)
    rows.execute("delete from ordinaut.runtime")

    assert only(why(cli)).facts[-1] == "no runtime is alive to ask"

    cli("pause", "briefing")
    assert only(why(cli)).facts[-1].startswith("nobody asks while the task is paused, by ")


def test_a_calendar_that_keeps_it_from_being_asked_stands_there_too(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    insert_condition(rows, task)
    lunch = {"timezone": "UTC", "windows": [{"from": "11:30", "to": "13:00", "days": []}]}
    rows.execute(
        "update ordinaut.spec set body = jsonb_set(body, '{schedule,0,exclude}', '[\"lunch\"]')"
        " || jsonb_build_object('calendars', %s::jsonb) where uid = %s",
        [json.dumps({"lunch": lunch}), task.uid],
    )

    assert only(why(cli)).facts[-1] == (
        "calendar lunch keeps it from being asked until Mon 2026-01-05 13:00"
    )
