"""`ordinaut backfill` runs what a task did not run, one at a time, and each occurrence once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from runtime.actor import current_actor
from runtime.core.identity import derive_run_id
from schemas.backfill import BackfillReport
from tests.support.cli import Cli
from tests.support.factories import NOON, TaskRow, insert_run, insert_schedule, insert_task

DAILY = {"cron": "0 8 * * *", "timezone": "Europe/Chisinau"}
DAY = timedelta(days=1)

pytestmark = pytest.mark.usefixtures("_it_is_noon")


@pytest.fixture
def task(rows: psycopg.Connection) -> TaskRow:
    """A task of every morning, decided up to noon."""
    task = insert_task(rows, schedule=DAILY, priority=7)
    insert_schedule(rows, task, next_for=NOON + 18 * DAY / 24, cursor_for=NOON)
    return task


def morning(day: int) -> datetime:
    """08:00 of a day of January 2026 in Chisinau."""
    return datetime(2026, 1, day, 6, 0, tzinfo=UTC)


def runs(rows: psycopg.Connection) -> list[tuple[Any, ...]]:
    return rows.execute(
        "select occurrence_for, state, run_id in (select run_id from ordinaut.due_work),"
        " run_id in (select run_id from ordinaut.backlog)"
        " from ordinaut.run where trigger = 'backfill' order by 1"
    ).fetchall()


def end_active_run(rows: psycopg.Connection) -> None:
    rows.execute(
        "update ordinaut.run set state = 'succeeded', finished_at = ordinaut.now() where run_id in (select run_id from ordinaut.due_work)"
    )
    rows.execute("delete from ordinaut.due_work")


def test_each_occurrence_is_queued_and_only_the_first_may_begin(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    found = cli("backfill", "briefing", "--from", "2026-01-02", "--to", "2026-01-04")

    assert found.status == 0
    assert found.lines == [
        f"queued  3 runs of briefing, by r{task.revision_id}",
        "        Fri 2026-01-02 08:00 +02:00",
        "        Sat 2026-01-03 08:00 +02:00",
        "        Sun 2026-01-04 08:00 +02:00",
    ]
    assert runs(rows) == [
        (morning(2), "queued", True, False),
        (morning(3), "queued", False, True),
        (morning(4), "queued", False, True),
    ]
    row = rows.execute(
        "select r.run_id, r.trigger_key, r.revision_id, r.requested_by, r.tzdata <> '', w.lane, w.followed"
        " from ordinaut.run r join ordinaut.due_work w using (run_id)"
    ).fetchone()
    run_id = derive_run_id(task.uid, "backfill", "", morning(2))
    assert row == (run_id, "", task.revision_id, current_actor().name, True, 7, True)
    assert rows.execute("select distinct rank, lane from ordinaut.backlog").fetchall() == [(1, 7)]


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_asking_again_fills_in_what_came_to_nothing_as_often_as_it_takes(
    cli: Cli, rows: psycopg.Connection, task: TaskRow, state: str
) -> None:
    ask = ("backfill", "briefing", "--from", "2026-01-02", "--to", "2026-01-03")
    cli(*ask)
    for tries in (2, 3):
        end_active_run(rows)
        rows.execute(
            "update ordinaut.run set state = %s, finished_at = ordinaut.now() where occurrence_for = %s",
            [state, morning(2)],
        )
        assert cli(*ask).lines[1].strip() == "Fri 2026-01-02 08:00 +02:00"
        states = [one[1] for one in runs(rows) if one[0] == morning(2)]
        assert sorted(states) == [*[state] * (tries - 1), "queued"]
        # Of the other one there is still the first.
        assert len([one for one in runs(rows) if one[0] == morning(3)]) == 1


def test_a_backfill_is_not_late_for_what_it_fills_in(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    cli("backfill", "briefing", "--from", "2026-01-02", "--to", "2026-01-02")

    row = rows.execute("select due_at = created_at from ordinaut.run").fetchone()
    assert row == (True,)


def test_asking_again_queues_nothing(cli: Cli, rows: psycopg.Connection, task: TaskRow) -> None:
    cli("backfill", "briefing", "--from", "2026-01-02", "--to", "2026-01-04")
    end_active_run(rows)
    before = runs(rows)

    again = cli("backfill", "briefing", "--from", "2026-01-02", "--to", "2026-01-04")

    assert again.lines == [
        f"queued    0 runs of briefing, by r{task.revision_id}",
        "left out  3 have run, or are going to",
    ]
    assert runs(rows) == before


@pytest.mark.parametrize(
    ("state", "is_run"),
    [("succeeded", False), ("running", False), ("failed", True), ("skipped", True), ("cancelled", True)],
)  # fmt: skip
def test_an_occurrence_that_ran_by_its_schedule_is_left_alone(
    cli: Cli, rows: psycopg.Connection, task: TaskRow, state: str, is_run: bool
) -> None:
    insert_run(rows, task, occurrence_for=morning(3), state=state)

    report = cli(
        "backfill", "briefing", "--from", "2026-01-03", "--to", "2026-01-03", "--json"
    ).json

    assert len(report["queued"]) == is_run
    assert report["already"] == 1 - is_run


def test_a_dry_run_writes_nothing(cli: Cli, rows: psycopg.Connection, task: TaskRow) -> None:
    arguments = ("backfill", "briefing", "--from", "2026-01-01", "--to", "2026-01-04")

    tried = BackfillReport.model_validate(cli(*arguments, "--dry-run", "--json").json)
    untouched = runs(rows)
    done = BackfillReport.model_validate(cli(*arguments, "--json").json)

    assert untouched == []
    assert tried.queued == done.queued == tuple(morning(day) for day in (1, 2, 3, 4))
    assert (tried.dry_run, done.dry_run) == (True, False)
    assert cli(*arguments, "--dry-run").lines[0].startswith("would queue")


def test_a_limit_takes_the_oldest_and_the_next_call_goes_on(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    arguments = (
        "backfill",
        "briefing",
        "--from",
        "2026-01-01",
        "--to",
        "2026-01-04",
        "--limit",
        "3",
    )

    first = cli(*arguments)
    cli(*arguments)

    assert first.lines[-1] == "left out  1 more than --limit"
    assert [at for at, *_ in runs(rows)] == [morning(day) for day in (1, 2, 3, 4)]


def test_many_occurrences_are_not_all_listed(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    found = cli("backfill", "briefing", "--from", "2025-12-01", "--to", "2025-12-31", "--dry-run")

    assert len(found.lines) == 12
    assert found.lines[-1].strip() == "and so on until Wed 2025-12-31 08:00 +02:00"


def test_what_lies_ahead_and_what_nobody_has_decided_yet_is_the_schedules(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    rows.execute("update ordinaut.schedule set cursor_for = %s", [morning(3)])

    report = cli(
        "backfill", "briefing", "--from", "2026-01-03", "--to", "2026-02-01", "--json"
    ).json

    assert len(report["queued"]) == 1
    assert report["undecided"] == 2
    assert datetime.fromisoformat(report["until"]) == NOON


def test_a_calendar_excludes_here_too(cli: Cli, rows: psycopg.Connection) -> None:
    task = insert_task(rows, "quiet", schedule=DAILY | {"exclude": ["holidays"]})
    rows.execute(
        "update ordinaut.spec set body = body || %s where uid = %s",
        [
            psycopg.types.json.Jsonb(
                {
                    "calendars": {
                        "holidays": {
                            "timezone": "Europe/Chisinau",
                            "days": ["2026-01-02"],
                        }
                    }
                }
            ),
            task.uid,
        ],
    )

    report = cli("backfill", "quiet", "--from", "2026-01-01", "--to", "2026-01-03", "--json").json

    assert (len(report["queued"]), report["excluded"]) == (2, 1)


def test_it_waits_for_an_active_run(cli: Cli, rows: psycopg.Connection, task: TaskRow) -> None:
    insert_run(rows, task, state="running")

    cli("backfill", "briefing", "--from", "2026-01-03", "--to", "2026-01-03")

    assert runs(rows) == [(morning(3), "queued", False, True)]


def test_runs_that_may_overlap_do_not_hold_it_up(cli: Cli, rows: psycopg.Connection) -> None:
    task = insert_task(rows, "careless", schedule=DAILY, overlap="allow")
    insert_run(rows, task, state="running")

    cli("backfill", "careless", "--from", "2026-01-02", "--to", "2026-01-03")

    assert [begins for _, _, begins, _ in runs(rows)] == [True, False]


@pytest.mark.parametrize(
    ("since", "until", "what"),
    [
        ("yesterday", "2026-01-03", "'yesterday' is no date and no time"),
        ("2026-01-03", "2026-13-01", "'2026-13-01' is no date and no time"),
        ("2026-01-03", "9999-12-31", "'9999-12-31' is no date and no time"),
        ("0001-01-01", "2026-01-02", "'0001-01-01' is no date and no time"),
        ("2026-01-03", "2026-01-02", "2026-01-02 comes before 2026-01-03"),
        ("2026-02-03", "2026-02-04", "2026-02-03 lies ahead"),
    ],
)
def test_a_time_that_cannot_be_meant_is_refused(
    cli: Cli, task: TaskRow, since: str, until: str, what: str
) -> None:
    found = cli("backfill", "briefing", "--from", since, "--to", until)

    assert (found.status, found.stdout) == (1, "")
    assert f"error ORD007: {what}" in found.stderr


def test_times_have_the_tasks_zone_or_their_own(cli: Cli, task: TaskRow) -> None:
    def count(since: str, until: str) -> int:
        return len(cli("backfill", "briefing", "--from", since, "--to", until, "--dry-run", "--json").json["queued"])  # fmt: skip

    assert count("2026-01-03T08:00", "2026-01-03T08:00") == 1
    assert count("2026-01-03T08:00:01", "2026-01-03T23:59") == 0
    assert count("2026-01-03T06:00:00Z", "2026-01-03T06:00:00Z") == 1


def test_more_than_ten_thousand_are_refused(cli: Cli, rows: psycopg.Connection) -> None:
    insert_task(rows, "busy", schedule={"every": "1m"})

    found = cli("backfill", "busy", "--from", "2025-12-01", "--to", "2026-01-04")

    assert found.status == 1
    assert "error ORD312: busy has more than 10000 occurrences in that time" in found.stderr
    assert "the first 10000 end at 2025-12-07T22:39:00Z" in found.stderr
    assert runs(rows) == []


def test_a_task_that_time_does_not_drive_is_refused(cli: Cli, rows: psycopg.Connection) -> None:
    insert_task(rows, "asked")

    found = cli("backfill", "asked", "--from", "2026-01-01", "--to", "2026-01-04")

    assert "error ORD312: time does not drive asked" in found.stderr


def test_a_retired_task_is_refused(cli: Cli, rows: psycopg.Connection) -> None:
    insert_task(rows, schedule=DAILY, retired_at=NOON)

    found = cli("backfill", "briefing", "--from", "2026-01-01", "--to", "2026-01-04")

    assert (found.status, runs(rows)) == (1, [])
    assert "error ORD310: task briefing is retired" in found.stderr
