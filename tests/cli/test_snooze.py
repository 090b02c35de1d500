"""`ordinaut snooze` leaves out what a task would do for a while, and says what that is."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from runtime.actor import current_actor
from schemas.override import SnoozeReport
from tests.support.cli import Cli
from tests.support.clock import stop_the_clock
from tests.support.factories import NOON, TaskRow, insert_schedule, insert_task

ZONED = {"cron": "0 8 * * *", "timezone": "Europe/Chisinau"}


@pytest.fixture
def task(rows: psycopg.Connection) -> TaskRow:
    stop_the_clock(rows, NOON)
    task = insert_task(rows, schedule=ZONED)
    insert_schedule(rows, task, next_for=NOON + timedelta(hours=18), cursor_for=NOON)
    return task


def test_it_says_what_it_leaves_out_and_what_comes_next(cli: Cli, task: TaskRow) -> None:
    done = cli("snooze", "briefing", "--for", "2d", "--reason", "long weekend")

    assert done.lines == [
        f"snoozed     briefing, by {current_actor().name}",
        "until       Wed 2026-01-07 14:00 +02:00, in 2 d",
        "reason      long weekend",
        "leaves out  2 occurrences",
        "next        Thu 2026-01-08 08:00 +02:00",
    ]
    status = cli("status").stdout
    assert "long weekend" in status
    assert cli("resume", "briefing").lines[0].startswith("resumed  briefing, snoozed by ")
    assert "long weekend" not in cli("status").stdout


def test_what_falls_into_it_is_explained_beforehand(cli: Cli, task: TaskRow) -> None:
    cli("snooze", "briefing", "--for", "2d", "--reason", "long weekend")

    held = cli("why", "briefing", "--at", "2026-01-06T08:00").stdout
    assert "the task is snoozed by" in held
    assert "(long weekend)" in held
    assert (
        "it lies ahead and will run" in cli("why", "briefing", "--at", "2026-01-08T08:00").stdout
    )


def test_the_report_is_json_on_request(cli: Cli, task: TaskRow) -> None:
    done = cli("snooze", "briefing", "--until", "2026-01-06T08:00", "--json")

    report = SnoozeReport.model_validate(done.json)
    # Its end is the first that is not left out.
    assert (report.left_out, report.next_for) == (0, report.snooze.until)
    assert cli("snooze", "briefing", "--until", "2026-01-06T08:00").lines[0].endswith("as it was")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "either --for or --until"),
        (("--for", "1h", "--until", "2h"), "either --for or --until"),
        (("--for", "soon"), "ORD007"),
        (("--until", "2025-01-01T00:00"), "that has passed"),
    ],
)
def test_an_end_is_needed_and_lies_ahead(
    cli: Cli, task: TaskRow, options: tuple[str, ...], said: str
) -> None:
    refused = cli("snooze", "briefing", *options)

    assert refused.status == 1
    assert said in refused.stderr
