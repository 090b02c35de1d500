"""`ordinaut pause` and `ordinaut resume` hold a task back and let it go, and say what that does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from runtime.actor import Actor, current_actor
from runtime.overrides import BadEnd, end_of_pause, pause_task
from runtime.store.connect import connect
from schemas.event import EVENTS
from schemas.override import PauseReport
from tests.support.cli import Cli
from tests.support.factories import (
    NOON,
    TaskRow,
    insert_run,
    insert_schedule,
    insert_task,
)

ZONED = {"cron": "0 8 * * *", "timezone": "Europe/Chisinau"}
HOUR = timedelta(hours=1)

pytestmark = pytest.mark.usefixtures("_it_is_noon")


@pytest.fixture
def task(rows: psycopg.Connection) -> TaskRow:
    """A task that time drives, decided up to noon."""
    task = insert_task(rows, schedule=ZONED)
    insert_schedule(rows, task, next_for=NOON + 18 * HOUR, cursor_for=NOON)
    return task


@pytest.fixture
def listener(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("listen ordinaut_wake")
        yield connection


def later(rows: psycopg.Connection, instant: datetime) -> None:
    rows.execute("update public.test_clock set instant = %s", [instant])


def overrides(rows: psycopg.Connection) -> list[tuple[Any, ...]]:
    return rows.execute(
        "select kind, actor, reason, created_at, until, ended_at from ordinaut.task_override order by override_id"
    ).fetchall()


def paused_at(rows: psycopg.Connection) -> Any:
    found = rows.execute("select paused_at from ordinaut.schedule").fetchone()
    assert found is not None
    return found[0]


def told(rows: psycopg.Connection) -> list[tuple[str, dict[str, Any]]]:
    found = rows.execute("select type, data from ordinaut.event_log order by sequence").fetchall()
    for kind, data in found:
        EVENTS[kind].model_validate(data)
    return found


def test_a_pause_is_an_override_with_who_why_and_until(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    found = cli("pause", "briefing", "--until", "3d", "--reason", "moving house")

    until = NOON + timedelta(days=3)
    assert found.status == 0
    assert overrides(rows) == [("pause", current_actor().name, "moving house", NOON, until, None)]
    assert paused_at(rows) == NOON
    [(kind, data)] = told(rows)
    assert (kind, data["task"], data["reason"]) == ("task.paused", "briefing", "moving house")
    assert found.lines == [
        f"paused  briefing, by {current_actor().name}",
        "until   Thu 2026-01-08 14:00 +02:00, in 3 d",
        "reason  moving house",
        "holds   Tue 2026-01-06 08:00 +02:00 and what follows; decided later by catch_up: latest, window 1d",
    ]


def test_a_pause_without_an_end_names_the_command_that_ends_it(cli: Cli, task: TaskRow) -> None:
    assert cli("pause", "briefing").lines[1] == "until   `ordinaut resume briefing`"


def test_a_pause_that_ends_before_anything_is_due_says_so(cli: Cli, task: TaskRow) -> None:
    found = cli("pause", "briefing", "--until", "2h")

    assert found.lines[-1] == "holds   nothing: what comes next is Tue 2026-01-06 08:00 +02:00"


def test_runs_that_are_queued_or_under_way_go_on_and_are_named(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    for hours, state in enumerate(("queued", "running", "waiting", "succeeded")):
        insert_run(rows, task, state=state, occurrence_for=NOON - hours * HOUR)

    found = cli("pause", "briefing")

    assert "runs    1 queued and 2 under way go on" in found.lines
    assert rows.execute("select count(*) from ordinaut.run where state <> 'succeeded'").fetchone() == (3,)  # fmt: skip


def test_pausing_a_paused_task_gives_it_another_reason_and_end(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    cli("pause", "briefing", "--until", "3d", "--reason", "moving house")
    later(rows, NOON + HOUR)

    found = cli("pause", "briefing", "--reason", "still moving")

    actor = current_actor().name
    assert overrides(rows) == [("pause", actor, "still moving", NOON, None, None)]
    assert paused_at(rows) == NOON
    assert [kind for kind, _ in told(rows)] == ["task.paused"] * 2
    assert found.lines[0] == (
        f"paused  briefing, by {actor}, instead of the pause set by {actor} 1 h ago (moving house)"
        " until Thu 2026-01-08 14:00 +02:00, in 2 d 23 h"
    )


def test_the_same_pause_again_changes_nothing(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    cli("pause", "briefing", "--until", "2026-01-08T14:00", "--reason", "x")
    before = overrides(rows)
    later(rows, NOON + HOUR)

    found = cli("pause", "briefing", "--until", "2026-01-08T12:00Z", "--reason", "x")

    assert (found.status, overrides(rows), len(told(rows))) == (0, before, 1)
    assert found.lines[0] == f"paused  briefing, as it was: by {current_actor().name} 1 h ago (x)"


def test_resuming_ends_the_pause_wakes_the_runtimes_and_counts_what_was_missed(
    cli: Cli, rows: psycopg.Connection, task: TaskRow, listener: psycopg.Connection
) -> None:
    cli("pause", "briefing", "--reason", "moving house")
    later(rows, NOON + timedelta(days=3))

    found = cli("resume", "briefing")

    assert found.status == 0
    assert found.lines == [
        f"resumed  briefing, paused by {current_actor().name} 3 d ago (moving house)",
        "missed   3 occurrences; decided now by catch_up: latest, window 1d",
        "next     Fri 2026-01-09 08:00 +02:00",
    ]
    assert paused_at(rows) is None
    assert overrides(rows)[0][-1] == NOON + timedelta(days=3)
    kind, data = told(rows)[-1]
    assert (kind, data["actor"]) == ("task.resumed", current_actor().name)
    assert [note.channel for note in listener.notifies(timeout=5, stop_after=1)] == ["ordinaut_wake"]  # fmt: skip


@pytest.mark.parametrize(
    ("days", "text"), [(1, "1 occurrence;"), (1100, "1,000 occurrences or more;")]
)
def test_what_was_missed_is_counted_up_to_a_thousand(
    cli: Cli, rows: psycopg.Connection, task: TaskRow, days: int, text: str
) -> None:
    cli("pause", "briefing")
    later(rows, NOON + timedelta(days=days))

    assert f"missed   {text}" in cli("resume", "briefing").stdout


def test_resuming_a_task_that_is_not_paused_says_so_and_succeeds(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    found = cli("resume", "briefing")

    assert (found.status, told(rows)) == (0, [])
    assert found.lines[0] == "resumed  nothing: briefing is not paused"


def test_a_schedule_that_somebody_paused_by_hand_can_be_resumed(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    rows.execute("update ordinaut.schedule set paused_at = ordinaut.now()")

    assert cli("resume", "briefing").lines[0] == "resumed  briefing, paused now"
    assert paused_at(rows) is None


def test_a_pause_takes_over_a_schedule_that_somebody_paused_by_hand(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    rows.execute("update ordinaut.schedule set paused_at = ordinaut.now() - interval '1 h'")

    found = cli("pause", "briefing", "--json")

    assert PauseReport.model_validate(found.json).outcome == "changed"
    assert len(overrides(rows)) == 1
    assert paused_at(rows) == NOON - HOUR


def test_a_task_that_time_does_not_drive_can_be_paused(cli: Cli, rows: psycopg.Connection) -> None:
    insert_task(rows, "by-hand", namespace="ops")

    paused = cli("pause", "ops/by-hand")
    resumed = cli("resume", "ops/by-hand")

    assert [line.split()[0] for line in paused.lines] == ["paused", "until"]
    assert [line.split()[0] for line in resumed.lines] == ["resumed"]
    assert [data["task"] for _, data in told(rows)] == ["ops/by-hand"] * 2


def test_the_json_holds_everything(cli: Cli, rows: psycopg.Connection, task: TaskRow) -> None:
    insert_run(rows, task, state="queued")

    paused = PauseReport.model_validate(cli("pause", "briefing", "--until", "1h", "--json").json)
    resumed = PauseReport.model_validate(cli("resume", "briefing", "--json").json)
    nothing = PauseReport.model_validate(cli("resume", "briefing", "--json").json)

    assert (paused.outcome, paused.before, paused.queued) == ("paused", None, 1)
    assert paused.pause is not None
    assert (paused.pause.since, paused.pause.until) == (NOON, NOON + HOUR)
    assert (resumed.outcome, resumed.pause, resumed.before) == ("resumed", None, paused.pause)
    assert (nothing.outcome, nothing.before) == ("not_paused", None)


@pytest.mark.usefixtures("task")
@pytest.mark.parametrize("command", ["pause", "resume"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("briefin", "error ORD310: there is no task briefin\n  did you mean briefing?"),
        ("gone", "error ORD310: task gone is retired, so it neither fires nor can be paused"),
    ],
)
def test_a_task_that_is_not_in_force_is_refused(
    cli: Cli, rows: psycopg.Connection, command: str, name: str, message: str
) -> None:
    insert_task(rows, "gone", retired_at=NOON)

    found = cli(command, name)

    assert (found.status, found.stdout, overrides(rows)) == (1, "", [])
    assert found.stderr.startswith(message)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2h", NOON + 2 * HOUR),
        ("1d12h", NOON + 36 * HOUR),
        ("2026-01-05T14:30", datetime(2026, 1, 5, 12, 30, tzinfo=UTC)),
        ("2026-01-06", datetime(2026, 1, 5, 22, 0, tzinfo=UTC)),
        ("2026-01-05T14:30+01:00", datetime(2026, 1, 5, 13, 30, tzinfo=UTC)),
        ("2026-01-05T12:30Z", datetime(2026, 1, 5, 12, 30, tzinfo=UTC)),
        # The clocks go from 02:00 to 03:00 that night.
        ("2026-03-29T02:30", datetime(2026, 3, 29, 0, 30, tzinfo=UTC)),
    ],
)
def test_the_end_is_a_span_or_an_instant_or_a_local_time(text: str, instant: datetime) -> None:
    assert end_of_pause(text, NOON, "Europe/Chisinau") == instant


def test_a_task_without_a_zone_reads_local_times_as_utc() -> None:
    assert end_of_pause("2026-01-05T14:30", NOON, None) == NOON + 2.5 * HOUR


@pytest.mark.parametrize("text", ["", "soon", "2", "-2h", "2026-13-01", "0001-01-01", "9999-12-31T23:59"])  # fmt: skip
def test_an_end_that_cannot_be_read_says_how_to_write_it(text: str) -> None:
    with pytest.raises(BadEnd) as error:
        end_of_pause(text, NOON, "Pacific/Apia")

    assert error.value.code == "ORD007"
    assert "write a span such as 2h or 3d" in error.value.hint


@pytest.mark.parametrize("text", ["0s", "2026-01-05T14:00", "2026-01-05T12:00Z"])
def test_an_end_that_has_passed_is_refused(text: str) -> None:
    with pytest.raises(BadEnd, match="a pause cannot end at 2026-01-05 12:00:00 UTC: that has"):
        end_of_pause(text, NOON, "Europe/Chisinau")


def test_people_who_pause_at_once_leave_one_pause(
    rows: psycopg.Connection, database: str, task: TaskRow
) -> None:
    together = threading.Barrier(8)

    def ask(number: int) -> str:
        with connect(database) as connection:
            together.wait()
            reason = f"reason {number}"
            return pause_task(
                connection, "briefing", until=None, reason=reason, actor=Actor("ada")
            ).outcome

    with ThreadPoolExecutor(together.parties) as people:
        outcomes = sorted(people.map(ask, range(together.parties)))

    assert outcomes == ["changed"] * 7 + ["paused"]
    assert len(overrides(rows)) == 1
