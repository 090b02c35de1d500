"""What the dashboard reads: where tasks stand, their strips, namespaces by their worst task, and time as slots."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import psycopg
import pytest

from runtime.core.slots import TimedTask, timeline
from runtime.store.board import (
    MARKS,
    Wanted,
    list_standings,
    load_board,
    load_board_task,
    load_timeline,
    roll_up,
)
from runtime.store.connect import connect
from runtime.store.rows import Connection
from tests.support.factories import (
    NOON,
    TaskRow,
    insert_due_work,
    insert_run,
    insert_schedule,
    insert_task,
)

DAILY = [{"cron": "0 12 * * *", "timezone": "Europe/Berlin"}]
DAILY_AT_NOON = [{"cron": "0 12 * * *", "timezone": "UTC"}]


@pytest.fixture
def board(database: str) -> Iterator[Connection]:
    with connect(database) as connection:
        yield connection


def standing(connection: Connection, task: TaskRow) -> str:
    found = load_board(connection, Wanted(), limit=50).tasks
    return next(one.standing for one in found if one.task == task.label)


def now(connection: Connection) -> datetime:
    row = connection.execute("select ordinaut.now()").fetchone()
    assert row is not None
    return row[0]  # type: ignore[no-any-return] - a timestamp


def pause(connection: psycopg.Connection, task: TaskRow) -> None:
    connection.execute(
        "insert into ordinaut.task_override (task_uid, kind, reason, actor) values (%s, 'pause', 'moving', 'ada')",
        [task.uid],
    )


def test_a_task_stands_where_the_worst_that_is_true_of_it_says(board: Connection) -> None:
    at = now(board)
    names = ("well", "failing", "running", "fresh", "held", "late", "stuck")
    tasks = {name: insert_task(board, name) for name in names}
    for name in ("well", "failing", "running", "held"):
        insert_run(board, tasks[name], occurrence_for=at - timedelta(hours=1))
    insert_run(board, tasks["failing"], occurrence_for=at - timedelta(minutes=9), state="failed")
    insert_run(board, tasks["failing"], occurrence_for=at - timedelta(minutes=5), state="skipped")
    insert_run(board, tasks["running"], occurrence_for=at, state="running")
    pause(board, tasks["held"])
    insert_schedule(board, tasks["late"], next_for=at - timedelta(minutes=2))
    stuck = insert_run(board, tasks["stuck"], occurrence_for=at, state="queued")
    insert_due_work(board, tasks["stuck"], stuck, ready_at=at - timedelta(minutes=2))

    found = {name: standing(board, task) for name, task in tasks.items()}

    assert found == {
        "well": "well",
        "failing": "failing",
        "running": "running",
        "fresh": "new",
        "held": "paused",
        "late": "late",
        "stuck": "late",
    }


def test_a_schedule_that_somebody_deleted_is_missing(board: Connection) -> None:
    task = insert_task(board, schedule=DAILY)

    assert standing(board, task) == "missing"


def test_a_strip_holds_the_newest_runs_and_how_late_each_began(board: Connection) -> None:
    task = insert_task(board)
    for hour in range(MARKS + 5):
        at = NOON + timedelta(hours=hour)
        insert_run(board, task, occurrence_for=at, started_at=at + timedelta(seconds=hour))

    found = load_board_task(board, "default", "briefing")

    assert found is not None
    assert len(found.runs) == MARKS
    assert found.runs[0].occurrence_for == NOON + timedelta(hours=MARKS + 4)
    assert found.runs[0].late_seconds == MARKS + 4
    assert (found.file, found.line, found.schedule) == ("specs/briefing.yaml", 1, "when somebody asks")  # fmt: skip


def test_pages_hold_every_task_once_and_filters_narrow_them(board: Connection) -> None:
    for number in range(7):
        team = "home" if number % 2 else "shop"
        insert_task(
            board, f"t{number}", namespace=f"n{number % 3}", owner=team, labels={"k": team}
        )

    pages, wanted = [], Wanted()
    while True:
        page = load_board(board, wanted, limit=3)
        pages.append([one.task for one in page.tasks])
        if page.after is None:
            break
        wanted = Wanted(after=page.after)

    assert pages == [["n0/t0", "n0/t3", "n0/t6"], ["n1/t1", "n1/t4", "n2/t2"], ["n2/t5"]]
    assert page.total == 7
    assert page.owners == ("home", "shop")
    assert load_board(board, Wanted(owner="home"), limit=9).total == 3
    assert load_board(board, Wanted(labels={"k": "shop"}), limit=9).total == 4
    assert load_board(board, Wanted(words="N1/T"), limit=9).total == 2
    assert load_board(board, Wanted(namespace="n2"), limit=9).total == 2
    assert load_board(board, Wanted(standing="failing"), limit=9).tasks == ()
    assert load_board(board, Wanted(words="%"), limit=9).total == 0


def test_a_namespace_stands_where_its_worst_task_does(board: Connection) -> None:
    fine, broken = (
        insert_task(board, "fine", namespace="a"),
        insert_task(board, "b", namespace="z"),
    )
    insert_task(board, "other", namespace="z")
    insert_run(board, fine)
    insert_run(board, broken, state="failed")

    found = [
        (one.namespace, one.worst, [c.tasks for c in one.counts])
        for one in roll_up(list_standings(board))
    ]

    assert found == [("z", "failing", [1, 1]), ("a", "well", [1])]


def test_a_body_that_somebody_broke_is_shown_as_that(board: Connection) -> None:
    task = insert_task(board, schedule=DAILY)
    board.execute(
        "update ordinaut.spec set body = jsonb_set(body, '{schedule}', '[{\"cron\": \"oops\"}]') where uid = %s",
        [task.uid],
    )
    insert_schedule(board, task, next_for=NOON + timedelta(days=900))

    found = load_board_task(board, "default", "briefing")

    assert found is not None
    assert found.schedule == "cannot be read"
    assert load_timeline(board).week == ()


def test_the_timeline_counts_what_begins_and_leaves_out_what_is_held(board: Connection) -> None:
    at = now(board)
    for name in ("a", "b", "held"):
        task = insert_task(board, name, schedule=DAILY)
        insert_schedule(board, task, next_for=at + timedelta(hours=1))
    pause(board, task)
    insert_run(board, task, occurrence_for=at - timedelta(hours=2), state="failed")

    found = load_timeline(board)

    assert (found.tasks, found.held) == (2, 1)
    assert [slot.runs for slot in found.day] == [2]
    assert [slot.runs for slot in found.week] == [2] * 7
    assert [(herd.runs, herd.tasks) for herd in found.herds] == [(2, ("a", "b"))]
    assert [(slot.failed, slot.succeeded) for slot in found.past] == [(1, 0)]


@pytest.mark.parametrize(
    ("schedule", "a_day"),
    [({"every": "1s"}, 86_400), ({"cron": "* * * * *", "timezone": "UTC"}, 1440)],
)
def test_what_runs_all_the_time_is_counted_whole(schedule: dict[str, str], a_day: int) -> None:
    body = {"namespace": "default", "name": "x", "schedule": [schedule], "calendars": {}}

    found = timeline([TimedTask("x", body)], NOON, ())

    assert sum(slot.runs for slot in found.day) == a_day
    assert sum(slot.runs for slot in found.week) == a_day * 7


def test_a_snooze_leaves_out_what_is_due_before_its_end() -> None:
    body = {"namespace": "default", "name": "x", "schedule": DAILY_AT_NOON, "calendars": {}}
    snoozed = TimedTask("x", body, is_held=True, held_until=NOON + timedelta(days=3, hours=1))

    found = timeline([snoozed], NOON, ())

    assert [slot.at for slot in found.week] == [NOON + timedelta(days=n) for n in (4, 5, 6)]
