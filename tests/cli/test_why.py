"""`ordinaut why` explains each occurrence from what is on record, and says what is not."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from runtime.core.reasons import REASONS
from schemas.explanation import Explained, Explanation
from tests.support.cli import Cli
from tests.support.factories import (
    NOON,
    TaskRow,
    insert_due_work,
    insert_revision,
    insert_run,
    insert_schedule,
    insert_task,
)

ROOT = Path(__file__).parents[2]
MORNING = datetime(2026, 1, 5, 6, 30, tzinfo=UTC)  # 08:30 in Chisinau
BEFORE = MORNING - timedelta(days=30)
AT = "2026-01-05T08:30"


@pytest.fixture
def task(rows: psycopg.Connection) -> TaskRow:
    """A task that was applied a month ago and fires at 08:30 in Chisinau; it is noon, and it is decided until now."""
    set_now(rows, NOON)
    revision = insert_revision(rows, applied_at=BEFORE, git_commit="0123456789abcdef")
    found = insert_task(
        rows,
        revision_id=revision,
        schedule={"cron": "30 8 * * *", "timezone": "Europe/Chisinau"},
    )
    insert_schedule(rows, found, next_for=MORNING + timedelta(days=1), cursor_for=MORNING)
    return found


def set_now(rows: psycopg.Connection, now: datetime) -> None:
    rows.execute(
        sql.SQL(
            "create or replace function ordinaut.now() returns timestamptz language sql stable parallel safe"
            " return {}::timestamptz"
        ).format(sql.Literal(now.isoformat()))
    )


def insert_runtime(rows: psycopg.Connection, since: datetime, until: datetime) -> int:
    row = rows.execute(
        "insert into ordinaut.runtime (host, pid, version, started_at, heartbeat_at, stopped_at)"
        " values ('alpha', 1, '1', %s, %s, %s) returning runtime_id",
        [since, until, until],
    ).fetchone()
    assert row is not None
    return int(row[0])


def insert_pause(rows: psycopg.Connection, task: TaskRow, since: datetime, **more: Any) -> None:
    rows.execute(
        "insert into ordinaut.task_override (task_uid, kind, reason, actor, created_at, until, ended_at)"
        " values (%s, 'pause', 'holidays', 'ada', %s, %s, %s)",
        [task.uid, since, more.get("until"), more.get("ended_at")],
    )


def why(cli: Cli, *arguments: str) -> Explanation:
    return Explanation.model_validate(cli("why", "briefing", *arguments, "--json").json)


def only(explanation: Explanation) -> Explained:
    (explained,) = explanation.explained
    return explained


def test_a_run_on_time_is_told_with_its_decision_and_revision(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    runtime = insert_runtime(rows, BEFORE, NOON)
    run_id = insert_run(
        rows, task, occurrence_for=MORNING, created_at=MORNING, decided_by=runtime, tzdata="2026f"
    )

    found = only(why(cli, "--at", AT))

    assert (found.verdict, found.run_id, found.late_seconds) == ("ran", run_id, 0.0)
    assert found.sentence == "it ran, on time, and succeeded after 2.00 s"
    assert found.facts == (
        f"decided Mon 2026-01-05 08:30 by runtime {runtime} on alpha, under revision {task.revision_id}",
    )
    assert found.stand is not None
    assert (found.stand.commit, found.tzdata) == ("0123456789abcdef", "2026f")
    assert "alpha" in cli("why", "briefing", "--at", AT).stdout


def test_what_was_decided_last_is_explained_without_a_time(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    insert_run(rows, task, occurrence_for=MORNING - timedelta(days=1), created_at=BEFORE)
    newest = insert_run(rows, task, occurrence_for=MORNING, created_at=MORNING)

    assert only(why(cli)).run_id == newest


def test_around_it_the_occurrences_before_and_after_are_named(cli: Cli, task: TaskRow) -> None:
    found = why(cli, "--at", "2026-01-05T09:00")

    assert only(found).sentence == "its schedule has no occurrence at that time"
    assert (found.previous_at, found.next_at) == (MORNING, MORNING + timedelta(days=1))
    assert found.schedule == "every day at 08:30, Europe/Chisinau"


def test_a_skip_is_told_with_its_reason_and_what_stood_in_the_way(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    blocker = insert_run(
        rows,
        task,
        occurrence_for=MORNING - timedelta(days=1),
        created_at=MORNING - timedelta(days=1),
        state="running",
    )
    insert_run(rows, task, occurrence_for=MORNING, created_at=MORNING, state="skipped")

    found = only(why(cli, "--at", AT))

    assert (found.verdict, found.reason) == ("skipped", "overlap")
    assert found.sentence.startswith("it did not run: another run of the task was active")
    assert found.facts[-1] == f"the active run was {str(blocker)[-8:]}"
    assert found.hint is not None
    assert "queue_one" in found.hint


def test_a_run_that_was_missed_is_late_because_no_runtime_was_alive(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    back = MORNING + timedelta(minutes=40)
    runtime = insert_runtime(rows, back, NOON)
    insert_run(
        rows, task, occurrence_for=MORNING, created_at=back, started_at=back, decided_by=runtime
    )

    found = only(why(cli, "--at", AT))

    assert found.late_seconds == 2400.0
    assert found.facts[-1] == (
        "that was 40 min after it was due, because no runtime was alive until Mon 2026-01-05 09:10"
    )


def test_a_run_that_a_pause_held_back_is_late_because_of_it(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    back = MORNING + timedelta(minutes=40)
    insert_runtime(rows, BEFORE, NOON)
    insert_pause(rows, task, MORNING - timedelta(hours=1), ended_at=back)
    insert_run(rows, task, occurrence_for=MORNING, created_at=back, started_at=back)

    assert only(why(cli, "--at", AT)).facts[-1] == (
        "that was 40 min after it was due, because the task was paused by ada"
        " from Mon 2026-01-05 07:30 until Mon 2026-01-05 09:10 (holidays)"
    )


def test_a_runtime_that_was_alive_and_late_is_not_excused(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    insert_runtime(rows, BEFORE, NOON)
    late = MORNING + timedelta(seconds=90)
    insert_run(rows, task, occurrence_for=MORNING, created_at=late, started_at=late)

    assert only(why(cli, "--at", AT)).facts[-1] == (
        "that was 1 min 30 s after it was due, though a runtime was alive: it was busy, or cut off"
    )


def test_a_late_start_names_the_run_it_waited_for(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    started = MORNING + timedelta(minutes=5)
    before = insert_run(
        rows,
        task,
        occurrence_for=MORNING - timedelta(days=1),
        created_at=MORNING - timedelta(days=1),
        finished_at=started,
    )
    insert_run(rows, task, occurrence_for=MORNING, created_at=MORNING, started_at=started)

    assert only(why(cli, "--at", AT)).facts[-1] == (
        f"it then waited 5 min for run {str(before)[-8:]} of the task to end"
    )


def test_a_late_start_without_such_a_run_waited_for_room(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    started = MORNING + timedelta(seconds=3)
    insert_run(rows, task, occurrence_for=MORNING, created_at=MORNING, started_at=started)

    assert only(why(cli, "--at", AT)).facts[-1] == "it then waited 3.00 s for a runtime with room"


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"state": "running"}, "it is running, begun on time"),
        ({"state": "cancelled", "started_at": None}, "it was cancelled"),
        (
            {"state": "failed", "error": {"code": "ORD404", "message": "the tool said no"}},
            "it ran, on time, and failed after 2.00 s: the tool said no",
        ),
        ({"state": "queued"}, "it is queued: no runtime is alive to take it"),
    ],
)
def test_each_state_has_its_sentence(
    cli: Cli, rows: psycopg.Connection, task: TaskRow, columns: dict[str, Any], sentence: str
) -> None:
    insert_run(rows, task, occurrence_for=MORNING, created_at=MORNING, **columns)

    assert only(why(cli, "--at", AT)).sentence == sentence


def test_what_a_tool_says_on_many_lines_is_told_on_one_and_passes_for_nothing_of_ours(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    message = "no\n\nTue 2026-01-06 08:30\n  it ran, on time" + " and succeeded" * 1000
    error = {"code": "ORD404", "message": message}
    insert_run(rows, task, occurrence_for=MORNING, created_at=MORNING, state="failed", error=error)

    told = cli("why", "briefing", "--at", AT).stdout

    (line,) = [line for line in told.splitlines() if "no Tue 2026-01-06 08:30 it ran" in line]
    assert len(line) < 600
    assert only(why(cli, "--at", AT)).sentence.endswith(message)


UNTIL = ", until Mon 2026-01-05 14:01"
_WAIT = "insert into ordinaut.wait (run_id, step, iteration, kind, asked, until) values (%s, 'a', 0, {}, '{{}}', {})"
_ASKED = (
    "insert into ordinaut.step_intent (run_id, step, iteration, attempt, lease_epoch, idempotency_key, asked, asked_at)"
    " values (%s, 'a', 0, 1, 1, 'k', '{}', ordinaut.now())"
)
_TURN = (
    "insert into ordinaut.rate_turn (run_id, step, iteration, attempt, ready_at)"
    " values (%s, 'a', 0, 1, ordinaut.now() + interval '1 min')"
)

_SPENDING = (
    "insert into ordinaut.event_log (type, subject, run_id, data)"
    " values ('run.waiting', 'briefing', %s, '{\"reason\": \"budget\"}')"
)


@pytest.mark.parametrize(
    ("written", "waits"),
    [
        (None, "waits for its next try" + UNTIL),
        (_TURN, "waits for the turn of a call, as calls are limited" + UNTIL),
        (_SPENDING, "waits for other calls to end, as they may use up the agent's budget" + UNTIL),
        (_ASKED, "waits for somebody to settle whether a call happened" + UNTIL),
        (_WAIT.format("'sleep'", "ordinaut.now() + interval '1 min'"), "waits" + UNTIL),
        (_WAIT.format("'approval'", "null"), "waits for a person to decide" + UNTIL),
        (_WAIT.format("'event'", "null"), "waits for an event" + UNTIL),
        (_WAIT.format("'sleep'", "ordinaut.now() - interval '1 min'"), "waits for its next try" + UNTIL),
    ],
)  # fmt: skip
def test_a_run_that_waits_says_for_what_and_until_when(
    cli: Cli, rows: psycopg.Connection, task: TaskRow, written: str | None, waits: str
) -> None:
    run_id = insert_run(rows, task, occurrence_for=MORNING, created_at=MORNING, state="waiting")
    insert_due_work(rows, task, run_id, ready_at=NOON + timedelta(minutes=1))
    if written is not None:
        rows.execute(written.encode(), [run_id])

    assert only(why(cli, "--at", AT)).sentence == f"it began, on time, and {waits}"


def test_a_run_whose_turn_has_not_come_says_so(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    run_id = insert_run(rows, task, occurrence_for=MORNING, created_at=MORNING, state="queued")
    rows.execute(
        "insert into ordinaut.backlog (run_id, task_uid, revision_id, ready_at, lane) values (%s, %s, %s, %s, 5)",
        [run_id, task.uid, task.revision_id, MORNING],
    )

    assert only(why(cli, "--at", AT)).sentence == (
        "it is queued: it begins when the run of the task before it has ended"
    )


def test_a_run_that_somebody_asked_for_says_who(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    insert_run(
        rows,
        task,
        occurrence_for=MORNING + timedelta(hours=1),
        created_at=MORNING + timedelta(hours=1),
        trigger="manual",
        requested_by="bob",
    )

    assert only(why(cli)).facts[0] == "it was called for by `ordinaut run` by bob"


def test_a_backfill_is_late_from_when_somebody_asked(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    asked = NOON - timedelta(hours=1)
    insert_run(
        rows,
        task,
        occurrence_for=MORNING - timedelta(days=3),
        created_at=asked,
        started_at=asked,
        finished_at=asked + timedelta(seconds=2),
        trigger="backfill",
        requested_by="bob",
    )

    found = why(cli).explained[0]

    assert found.sentence == "it ran, on time, and succeeded after 2.00 s"
    assert found.late_seconds == 0.0
    assert found.facts[0] == "it was called for by `ordinaut backfill` by bob"


def test_a_run_whose_place_another_took_is_not_told_as_one_that_did_not_run(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    insert_run(
        rows, task, occurrence_for=MORNING, created_at=MORNING, state="cancelled", reason="overlap"
    )

    found = only(why(cli, "--at", AT))

    assert found.verdict == "ran"
    assert found.sentence == "it was cancelled: the next run of the task took its place"
    assert found.hint == "any other overlap than cancel_running lets a run come to its end"


def test_what_is_due_and_undecided_says_what_it_waits_for(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    rows.execute("update ordinaut.schedule set cursor_for = %s", [MORNING - timedelta(days=1)])
    asleep = only(why(cli, "--at", AT))
    insert_runtime(rows, BEFORE, NOON + timedelta(hours=1))
    awake = only(why(cli, "--at", AT))
    insert_pause(rows, task, MORNING)
    paused = only(why(cli, "--at", AT))

    assert asleep.sentence == "it is due, and no runtime is alive to decide it"
    assert awake.sentence == "it is due, and about to be decided"
    assert (paused.verdict, paused.sentence) == (
        "held",
        "it is due, and the task is paused by ada from Mon 2026-01-05 08:30 (holidays)",
    )


def test_what_lies_ahead_will_run_unless_the_task_is_paused(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    ahead = only(why(cli, "--at", "2026-01-06"))
    insert_pause(rows, task, MORNING, until=NOON + timedelta(days=9))
    held = only(why(cli, "--at", "2026-01-06"))

    assert (ahead.verdict, ahead.at) == ("upcoming", MORNING + timedelta(days=1))
    assert held.sentence == (
        "it lies ahead, and the task is paused by ada from Mon 2026-01-05 08:30"
        " until Wed 2026-01-14 14:00 (holidays)"
    )


def test_a_pause_that_is_over_by_then_holds_nothing(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    insert_pause(rows, task, MORNING, until=NOON + timedelta(hours=1))

    assert only(why(cli, "--at", "2026-01-06")).sentence == "it lies ahead and will run"


def test_what_is_undecided_is_told_by_what_is_so_now(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    rows.execute("update ordinaut.schedule set cursor_for = %s", [MORNING - timedelta(days=1)])
    insert_runtime(rows, NOON - timedelta(minutes=1), NOON + timedelta(hours=1))
    awake = only(why(cli, "--at", AT))
    insert_pause(rows, task, NOON - timedelta(minutes=2))
    paused = only(why(cli, "--at", AT))

    assert awake.sentence == "it is due, and about to be decided"
    assert paused.verdict == "held"


def test_a_day_on_which_the_schedule_changed_is_told_by_each_revision_for_its_time(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    insert_run(rows, task, occurrence_for=MORNING, created_at=MORNING)
    changed = insert_revision(rows, applied_at=MORNING + timedelta(hours=1))
    rows.execute(
        "with new as (update ordinaut.spec set revision_id = %(new)s,"
        """ body = jsonb_set(body, '{schedule,0,cron}', '"15 18 * * *"') returning *)"""
        " insert into ordinaut.spec_revision (uid, revision_id, action, body, digest, facets, file, line)"
        " select uid, revision_id, 'update', body, digest, '{}', 'specs/briefing.yaml', 1 from new",
        {"new": changed},
    )

    day = why(cli, "--at", "2026-01-05")
    rows.execute(
        "update ordinaut.spec_revision set action = 'retire' where revision_id = %s", [changed]
    )
    retired = why(cli, "--at", "2026-01-05")

    assert [(one.verdict, one.stand and one.stand.revision) for one in day.explained] == [
        ("ran", task.revision_id),
        ("upcoming", changed),
    ]
    assert day.explained[1].at == MORNING.replace(hour=16, minute=15)
    assert [one.verdict for one in retired.explained] == ["ran"]
    assert retired.next_at is None


def test_before_its_first_apply_and_after_its_end_there_was_no_task(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    before = only(why(cli, "--at", "2025-11-01"))
    retiring = insert_revision(rows, applied_at=MORNING - timedelta(hours=1))
    rows.execute(
        "insert into ordinaut.spec_revision (uid, revision_id, action, body, digest, facets, file, line)"
        " select uid, %s, 'retire', body, digest, facets, file, line from ordinaut.spec_revision",
        [retiring],
    )
    rows.execute("update ordinaut.spec set retired_at = %s", [MORNING - timedelta(hours=1)])
    after = only(why(cli, "--at", AT))

    assert before.sentence == (
        "the task did not exist yet: it was first applied at Sat 2025-12-06 08:30"
    )
    assert after.sentence == (
        f"the task was not in force: revision {retiring} retired it at Mon 2026-01-05 07:30"
    )


def test_an_instant_that_a_replaced_schedule_would_have_had_is_not_claimed(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    assert only(why(cli, "--at", AT)).sentence == (
        "nothing is on record: a later revision replaced the schedule"
    )


def test_odd_hours_of_the_clock_are_told(cli: Cli, rows: psycopg.Connection) -> None:
    set_now(rows, NOON)
    revision = insert_revision(rows, applied_at=BEFORE)
    found = insert_task(
        rows,
        revision_id=revision,
        schedule={"rrule": "FREQ=DAILY;BYHOUR=2;BYMINUTE=30", "timezone": "Europe/Rome"},
    )
    insert_schedule(rows, found, next_for=NOON + timedelta(hours=13))

    assert only(why(cli, "--at", "2026-03-29")).facts == (
        "02:30 does not exist on that day; Sun 2026-03-29 03:30 stands for it",
    )
    assert only(why(cli, "--at", "2026-10-25")).facts == ("02:30 happens twice on that day",)


def test_what_a_calendar_excludes_or_moves_is_told_before_and_after(
    cli: Cli, rows: psycopg.Connection
) -> None:
    set_now(rows, NOON)
    holidays = {"timezone": "Europe/Chisinau", "days": ["2026-01-05", "2026-01-07"]}
    schedule = {
        "cron": "30 8 * * 1,3",
        "timezone": "Europe/Chisinau",
        "exclude": ["holidays"],
        "on_excluded": "next_included",
    }
    revision = insert_revision(rows, applied_at=BEFORE)
    found = insert_task(rows, revision_id=revision, schedule=schedule)
    for table in ("spec", "spec_revision"):
        rows.execute(
            sql.SQL("update ordinaut.{} set body = body || %s").format(sql.Identifier(table)),
            [Jsonb({"calendars": {"holidays": holidays}})],
        )
    insert_schedule(rows, found, next_for=MORNING + timedelta(days=1), cursor_for=MORNING)
    insert_run(
        rows,
        found,
        occurrence_for=MORNING,
        created_at=MORNING,
        state="skipped",
        reason="calendar",
        detail="holidays",
    )

    assert only(why(cli, "--at", AT)).sentence == (
        "it did not run: a calendar of the schedule excludes it (holidays)"
    )
    assert only(why(cli, "--at", "2026-01-07")).sentence == (
        "it will not run: calendar holidays excludes it; Thu 2026-01-08 08:30 stands in for it"
    )
    assert only(why(cli, "--at", "2026-01-08")).facts == (
        "it stands in for Wed 2026-01-07 08:30, which a calendar excludes",
    )
    assert why(cli, "--at", "2026-01-07").next_at == MORNING + timedelta(days=3)


def test_a_whole_day_is_explained_in_order_and_cut_where_there_is_too_much(
    cli: Cli, rows: psycopg.Connection
) -> None:
    set_now(rows, NOON)
    revision = insert_revision(rows, applied_at=BEFORE)
    found = insert_task(rows, revision_id=revision, schedule={"every": "10m"})
    insert_schedule(rows, found, next_for=NOON)

    day = why(cli, "--at", "2026-01-06")

    assert day.is_cut
    assert [one.at for one in day.explained[:2]] == [
        datetime(2026, 1, 6, tzinfo=UTC),
        datetime(2026, 1, 6, 0, 10, tzinfo=UTC),
    ]
    assert "only 50 are explained at once" in cli("why", "briefing", "--at", "2026-01-06").stdout


def test_a_task_that_time_does_not_drive_says_so(cli: Cli, rows: psycopg.Connection) -> None:
    set_now(rows, NOON)
    insert_task(rows, revision_id=insert_revision(rows, applied_at=BEFORE))

    assert only(why(cli, "--at", "12:30")).sentence == (
        "time does not drive the task: it runs when somebody asks"
    )


@pytest.mark.parametrize("text", ["yesterday", "25:00", "2026-13-01"])
def test_what_is_no_time_is_refused_with_examples(cli: Cli, task: TaskRow, text: str) -> None:
    refused = cli("why", "briefing", "--at", text)

    assert refused.status == 1
    assert "is not a time such as" in refused.stderr


def test_an_instant_with_an_offset_means_itself(cli: Cli, task: TaskRow) -> None:
    assert why(cli, "--at", "2026-01-05T06:30:00Z").since == MORNING


def test_every_reason_stands_in_the_documentation_word_by_word() -> None:
    operations = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")

    table = operations.partition("| it did not run, because |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", table, flags=re.MULTILINE)
    assert dict(rows) == {code: reason.sentence for code, reason in REASONS.items()}
