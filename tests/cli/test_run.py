"""`ordinaut run` queues a run of a task now, and follows it if asked to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import psycopg
import pytest

from runtime.actor import Actor, current_actor
from runtime.clock import SYSTEM_CLOCK
from runtime.errors import NotFound
from runtime.manual import RunRefused, follow_run, request_run
from runtime.store.connect import connect
from schemas.event import EVENTS
from schemas.run import RunReport
from tests.support.cli import Cli
from tests.support.factories import (
    NOON,
    TaskRow,
    insert_due_work,
    insert_run,
    insert_step_result,
    insert_task,
)
from tests.support.processes import started

STEPS = [{"id": "first", "uses": "clock.now"}, {"id": "second", "uses": "clock.now"}]


@pytest.fixture
def task(rows: psycopg.Connection) -> TaskRow:
    return insert_task(rows, pipeline=STEPS, params={"city": "Iași", "days": 1}, priority=7)


@pytest.fixture
def alive(rows: psycopg.Connection) -> None:
    rows.execute("insert into ordinaut.runtime (host, pid, version) values ('here', 1, 'test')")


def stored(rows: psycopg.Connection) -> list[dict[str, Any]]:
    with rows.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        return cursor.execute(
            "select r.*, w.lane, w.lease_epoch, w.ready_at from ordinaut.run r"
            " left join ordinaut.due_work w using (run_id)"
        ).fetchall()


def test_a_run_is_queued_with_its_work_and_its_id_printed(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    before = SYSTEM_CLOCK.now()
    found = cli("run", "briefing")

    [row] = stored(rows)
    assert (found.status, found.stdout) == (0, f"{row['run_id']}\n")
    assert found.stderr == f"queued run {str(row['run_id'])[-8:]} of briefing\n"
    assert (row["state"], row["trigger"], row["task_uid"]) == ("queued", "manual", task.uid)
    assert (row["revision_id"], row["lane"], row["lease_epoch"]) == (task.revision_id, 7, 0)
    assert row["requested_by"] == current_actor().name
    assert row["params"] is None
    assert row["occurrence_for"] == row["due_at"]
    assert row["occurrence_for"].microsecond % 1000 == 0
    assert abs((row["occurrence_for"] - before).total_seconds()) < 60


def test_its_id_begins_with_its_time(cli: Cli, rows: psycopg.Connection, task: TaskRow) -> None:
    cli("run", "briefing")

    [row] = stored(rows)
    floor = rows.execute(
        "select ordinaut.run_id_floor(occurrence_for) from ordinaut.run"
    ).fetchone()
    assert floor is not None
    assert row["run_id"].hex[:12] == floor[0].hex[:12]


def test_runtimes_are_woken_after_the_commit(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    rows.execute("listen ordinaut_wake")

    cli("run", "briefing")

    assert [note.channel for note in rows.notifies(timeout=5, stop_after=1)] == ["ordinaut_wake"]


def test_parameters_are_json_or_text(cli: Cli, rows: psycopg.Connection, task: TaskRow) -> None:
    cli("run", "briefing", "-p", "city=Cluj=Napoca", "--param", "days=[1, 2]")

    [row] = stored(rows)
    assert row["params"] == {"city": "Cluj=Napoca", "days": [1, 2]}


def test_a_parameter_that_cannot_be_kept_is_refused(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    answer = cli("run", "briefing", "--param", r'city={"name": "\u0000"}')

    assert (answer.status, answer.stdout, stored(rows)) == (1, "", [])
    assert "error ORD508: parameter city holds a NUL" in answer.stderr


def test_json_prints_the_whole_run(cli: Cli, task: TaskRow) -> None:
    run = RunReport.model_validate(cli("run", "briefing", "--json").json)

    assert (run.task, run.state) == ("briefing", "queued")
    assert [(step.step, step.state) for step in run.steps] == [
        ("first", "pending"),
        ("second", "pending"),
    ]


@pytest.mark.parametrize("pair", ["city", "=x"])
def test_a_parameter_without_a_name_or_value_is_refused_before_anything_else(
    alone: Cli, pair: str
) -> None:
    found = alone("run", "briefing", "-p", pair)

    assert (found.status, found.stdout) == (1, "")
    assert "is not of the form NAME=VALUE" in found.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("briefin",), "error ORD310: there is no task briefin\n  did you mean briefing?"),
        (
            ("briefing", "-p", "town=x"),
            "error ORD310: task briefing has no parameter town\n  it has city, days",
        ),
        (("plain", "-p", "a=1"), "error ORD310: task plain has no parameter a\n  it has none"),
        (("gone",), "error ORD310: task gone was retired at 2026-01-05 12:00 UTC"),
        (("briefing", "--wait"), "error ORD311: no runtime is alive, so nobody would run it"),
    ],
)
def test_what_cannot_run_is_refused_and_changes_nothing(
    cli: Cli, rows: psycopg.Connection, task: TaskRow, arguments: tuple[str, ...], message: str
) -> None:
    insert_task(rows, "plain")
    insert_task(rows, "gone", retired_at=NOON)

    found = cli("run", *arguments)

    assert (found.status, found.stdout, stored(rows)) == (1, "", [])
    assert found.stderr.startswith(message)


@pytest.mark.parametrize("state", ["queued", "running", "waiting"])
def test_a_task_that_may_not_overlap_is_refused_while_a_run_is_active(
    cli: Cli, rows: psycopg.Connection, task: TaskRow, state: str
) -> None:
    insert_run(rows, task, state=state)

    found = cli("run", "briefing")

    assert (found.status, len(stored(rows))) == (1, 1)
    assert found.stderr == (
        "error ORD311: another run of briefing is active, and its overlap policy is skip\n"
        "  wait for it, or run beside it with --overlap\n"
    )


def test_overlap_is_allowed_by_the_flag_or_by_the_task(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    generous = insert_task(rows, "generous", overlap="allow")
    insert_run(rows, task, state="running")
    insert_run(rows, generous, state="running")

    assert cli("run", "briefing", "--overlap").status == 0
    assert cli("run", "generous").status == 0
    assert cli("run", "briefing", "--overlap").status == 0


def test_a_finished_run_is_no_obstacle(cli: Cli, rows: psycopg.Connection, task: TaskRow) -> None:
    insert_run(rows, task)

    assert cli("run", "briefing").status == 0


@pytest.mark.usefixtures("task", "alive")
@pytest.mark.parametrize(("state", "status"), [("succeeded", 0), ("failed", 1), ("cancelled", 1)])
def test_waiting_prints_each_step_and_tells_by_the_exit_code(
    cli: Cli, database: str, state: str, status: int
) -> None:
    error = '{"code": "ORD505", "message": "it broke"}' if state == "failed" else None

    with runtime_that(database, finish, state, error):
        found = cli("run", "briefing", "--wait")

    assert found.status == status
    assert found.stdout.startswith("first  clock.now  succeeded  1.00 s\n")
    assert found.stdout.count("first  ") == 1
    assert "second  clock.now  succeeded" in found.stdout
    end = found.lines[-1]
    assert end.startswith(state)
    assert ("ORD505 it broke" in end) is (state == "failed")


def test_waiting_with_json_prints_the_finished_run(
    cli: Cli, database: str, task: TaskRow, alive: None
) -> None:
    with runtime_that(database, finish, "succeeded", None):
        found = cli("run", "briefing", "--wait", "--json")

    run = RunReport.model_validate(found.json)
    assert (run.state, [step.state for step in run.steps]) == ("succeeded", ["succeeded"] * 2)


def test_a_draining_silent_or_stopped_runtime_does_not_count(
    cli: Cli, rows: psycopg.Connection, task: TaskRow, alive: None
) -> None:
    for change in (
        "draining = true",
        "draining = false, heartbeat_at = ordinaut.now() - interval '16 s'",
        "heartbeat_at = ordinaut.now(), stopped_at = ordinaut.now()",
    ):
        rows.execute(f"update ordinaut.runtime set {change}".encode())
        assert "no runtime is alive" in cli("run", "briefing", "--wait").stderr


def test_a_run_that_is_deleted_while_it_is_followed_is_reported(
    database: str, rows: psycopg.Connection, task: TaskRow
) -> None:
    run_id = insert_run(rows, task, state="running")

    def delete(connection: psycopg.Connection) -> None:
        connection.execute("delete from ordinaut.run")

    with (
        runtime_that(database, delete),
        connect(database) as connection,
        pytest.raises(NotFound, match="there is no run"),
    ):
        follow_run(connection, run_id, SYSTEM_CLOCK, lambda step: None)


async def test_ctrl_c_while_waiting_leaves_the_run_alone(
    tmp_path: Path, database: str, rows: psycopg.Connection, task: TaskRow, alive: None
) -> None:
    env = {"ORDINAUT_DATABASE_URL": database}
    async with started("run", "briefing", "--wait", cwd=tmp_path, env=env) as process:
        await process.line("queued run")
        process.interrupt_group()
        done = await process.ended()

    assert (done.status, done.stdout, "Traceback" in done.stderr) == (130, "", False), done.stderr
    assert [row["state"] for row in stored(rows)] == ["queued"]


def finish(connection: psycopg.Connection, state: str, error: str | None) -> None:
    """What a runtime would do with the one queued run."""
    while not (row := connection.execute("select run_id from ordinaut.run").fetchone()):
        pass
    run_id: UUID = row[0]
    connection.execute("update ordinaut.run set state = 'running', started_at = ordinaut.now()")
    insert_step_result(connection, run_id, "first")
    insert_step_result(connection, run_id, "second")
    connection.execute(
        "update ordinaut.run set state = %s, error = %s, finished_at = ordinaut.now()",
        [state, error],
    )


@contextmanager
def runtime_that(database: str, act: Any, *arguments: Any) -> Iterator[None]:
    """Something that acts on the database beside the command."""

    def work() -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            act(connection, *arguments)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join(timeout=10)


def test_of_runs_that_are_asked_for_at_once_one_is_queued_unless_overlap_is_allowed(
    rows: psycopg.Connection, database: str, task: TaskRow
) -> None:
    together = threading.Barrier(8)

    def ask() -> bool:
        with connect(database) as connection:
            together.wait()
            try:
                request_run(
                    connection,
                    "briefing",
                    {},
                    may_overlap=False,
                    needs_runtime=False,
                    actor=Actor("ada"),
                )
            except RunRefused:
                return False
        return True

    with ThreadPoolExecutor(together.parties) as people:
        queued = [
            asked.result() for asked in [people.submit(ask) for _ in range(together.parties)]
        ]

    assert queued.count(True) == 1


class TestOverlap:
    """What becomes of a run that is asked for while another is active."""

    @pytest.fixture
    def active(self, rows: psycopg.Connection, request: pytest.FixtureRequest) -> UUID:
        task = insert_task(rows, overlap=request.param)
        run_id = insert_run(rows, task, state="running")
        insert_due_work(rows, task, run_id, lease_epoch=1)
        return run_id

    def states(self, rows: psycopg.Connection) -> list[tuple[str, str | None, bool, bool]]:
        return rows.execute(
            "select state, reason, run_id in (select run_id from ordinaut.due_work),"
            " run_id in (select run_id from ordinaut.backlog) from ordinaut.run order by trigger = 'manual', run_id"
        ).fetchall()

    @pytest.mark.parametrize("active", ["queue_one", "queue_all"], indirect=True)
    def test_where_runs_queue_it_waits_for_its_turn(
        self, cli: Cli, rows: psycopg.Connection, active: UUID
    ) -> None:
        assert cli("run", "briefing").status == 0

        assert self.states(rows) == [("running", None, True, False), ("queued", None, False, True)]
        assert rows.execute("select followed from ordinaut.due_work").fetchall() == [(True,)]

    @pytest.mark.parametrize("active", ["queue_one"], indirect=True)
    def test_it_is_refused_where_as_many_wait_as_may(
        self, cli: Cli, rows: psycopg.Connection, active: UUID
    ) -> None:
        cli("run", "briefing")

        found = cli("run", "briefing")

        assert found.status == 1
        assert "error ORD311: as many runs of briefing wait as may" in found.stderr
        assert len(self.states(rows)) == 2

    @pytest.mark.parametrize("active", ["cancel_running"], indirect=True)
    def test_it_takes_the_place_of_the_active_one(
        self, cli: Cli, rows: psycopg.Connection, active: UUID
    ) -> None:
        assert cli("run", "briefing").status == 0

        assert self.states(rows) == [
            ("cancelled", "overlap", False, False),
            ("queued", None, True, False),
        ]
        [(run_id, data)] = rows.execute(
            "select run_id, data from ordinaut.event_log where type = 'run.cancelled'"
        ).fetchall()
        assert run_id == active
        assert EVENTS["run.cancelled"].model_validate(data)

    @pytest.mark.parametrize("active", ["queue_one"], indirect=True)
    def test_it_may_still_run_beside_it(
        self, cli: Cli, rows: psycopg.Connection, active: UUID
    ) -> None:
        cli("run", "briefing", "--overlap")

        assert [begins for _, _, begins, _ in self.states(rows)] == [True, True]

    def test_it_must_begin_by_its_start_deadline(self, cli: Cli, rows: psycopg.Connection) -> None:
        insert_task(rows, start_deadline="1h")

        cli("run", "briefing")

        assert rows.execute(
            "select w.start_until - r.due_at from ordinaut.run r join ordinaut.due_work w using (run_id)"
        ).fetchall() == [(timedelta(hours=1),)]


@pytest.mark.parametrize("policy", ["skip", "allow"])
def test_a_task_that_is_retired_just_then_is_not_run(
    cli: Cli, rows: psycopg.Connection, database: str, policy: str
) -> None:
    insert_task(rows, overlap=policy)
    with psycopg.connect(database) as retiring, ThreadPoolExecutor() as pool:
        retiring.execute("update ordinaut.spec set retired_at = ordinaut.now()")
        asking = pool.submit(cli, "run", "briefing")
        while not rows.execute(
            "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        ).fetchall():
            pass
        retiring.commit()
        found = asking.result()

    assert "error ORD310: task briefing was retired" in found.stderr
    assert rows.execute("select from ordinaut.run").fetchall() == []


def test_a_run_may_be_given_the_event_that_its_steps_ask_for(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    event = {"topic": "orders.paid", "data": {"order": 17}}

    assert cli("run", "briefing", "--event", orjson.dumps(event).decode()).status == 0

    (run,) = stored(rows)
    assert (run["trigger"], run["event"]) == ("manual", event)


@pytest.mark.parametrize("text", ["{", "17", '"paid"'])
def test_an_event_that_is_no_object_is_refused(cli: Cli, task: TaskRow, text: str) -> None:
    found = cli("run", "briefing", "--event", text)

    assert found.status == 1
    assert "--event is" in found.stderr


def test_an_event_that_cannot_be_kept_is_refused(cli: Cli, task: TaskRow) -> None:
    found = cli("run", "briefing", "--event", '{"data": "\\u0000"}')

    assert "ORD508" in found.stderr
    assert "the event holds" in found.stderr
