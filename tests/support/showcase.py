"""A database that looks lived in: what browsers look at in tests, what is measured, and what the pictures in docs/ show."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from runtime.core.schedules import compile_schedules
from tests.support.factories import (
    TaskRow,
    insert_due_work,
    insert_event,
    insert_revision,
    insert_run,
    insert_schedule,
    insert_step_attempt,
    insert_step_result,
    insert_task,
    insert_wait,
)

HOSTILE: Final = '<script>alert("x")</script>'
TURNED: Final = "txt.\u202egnp.exe"
LONG: Final = "very-" * 300

_COMMIT: Final = "3f9c2e1ab04d7c55e0a1b2c3d4e5f60718293a4b"


@dataclass(slots=True)
class Showcase:
    """What was put in.

    Attributes:
        tasks: by label.
        runs: those that are worth a look, by what they show.
        now: the database's clock then.
    """

    now: datetime
    tasks: dict[str, TaskRow] = field(default_factory=dict)
    runs: dict[str, UUID] = field(default_factory=dict)


def furnish(connection: psycopg.Connection) -> Showcase:
    """Tasks of three namespaces with their runs, one that waits for a person, one that failed, and a revision after another."""
    row = connection.execute("select date_trunc('second', ordinaut.now())").fetchone()
    assert row is not None
    show = Showcase(row[0])
    draw = random.Random(7)
    first = insert_revision(connection, git_commit="a81d07c" + "0" * 33, author="ada", actor="ada@laptop", applied_at=show.now - timedelta(days=9))  # fmt: skip
    for given in _TASKS:
        _task(connection, show, first, given, draw)
    _runtime(connection)
    _morning(connection, show)
    _payment(connection, show)
    _override(connection, show, "ops/weekly-report")
    _second_revision(connection, show)
    return show


_BERLIN: Final = {"timezone": "Europe/Berlin"}
_TASKS: Final[tuple[tuple[str, dict[str, Any], str, float], ...]] = (
    ("home/morning-briefing", {"rrule": "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=7;BYMINUTE=30", **_BERLIN}, "team-home", 0.0),
    ("home/backup-photos", {"cron": "15 2 * * *", **_BERLIN}, "team-home", 0.05),
    ("ops/nightly-cleanup", {"cron": "30 2 * * *", **_BERLIN}, "team-ops", 0.1),
    ("ops/oncall-ping", {"cron": "*/15 * * * *", "timezone": "UTC"}, "team-ops", 0.02),
    ("ops/certificate-watch", {"every": "10m"}, "team-ops", 0.0),
    ("ops/weekly-report", {"cron": "0 9 * * MON", "timezone": "America/New_York"}, "team-ops", 0.0),
    ("sales/pipeline-digest", {"cron": "0 9 * * 1-5", "timezone": "America/New_York"}, "team-sales", 0.3),
    ("sales/pay-invoices", {"cron": "0 10 1 * *", **_BERLIN}, "team-sales", 0.0),
    ("support/inbox-triage", {"cron": "0 * * * *", **_BERLIN}, "team-support", 0.08),
)  # fmt: skip


def _task(
    connection: psycopg.Connection,
    show: Showcase,
    revision: int,
    given: tuple[str, dict[str, Any], str, float],
    draw: random.Random,
) -> None:
    label, schedule, owner, failures = given
    namespace, _, name = label.partition("/")
    task = insert_task(
        connection,
        name,
        namespace=namespace,
        revision_id=revision,
        owner=owner,
        schedule=[schedule],
        labels={"team": owner.removeprefix("team-")},
        pipeline=_STEPS,
        params={"city": "Berlin"},
    )
    show.tasks[label] = task
    compiled = compile_schedules(task.body)
    following = compiled.next_after(show.now)
    insert_schedule(connection, task, next_for=following.at if following else None)
    begin = show.now - timedelta(days=1 if "*/" in str(schedule) or "every" in schedule else 30)
    past = [one for one in compiled.upcoming(begin, 2000) if one.at < show.now][-60:]
    for number, one in enumerate(past):
        is_last = number == len(past) - 1
        is_failed = draw.random() < failures or (is_last and label == "sales/pipeline-digest")
        late = timedelta(milliseconds=draw.randint(1, 6))
        if draw.random() < 0.03 and not is_last:
            insert_run(connection, task, occurrence_for=one.at, state="skipped")
            continue
        took = timedelta(milliseconds=draw.randint(300, 9000))
        error = {"code": "ORD404", "message": "the CRM answered 503: try again later", "step": "send"}  # fmt: skip
        insert_run(
            connection,
            task,
            occurrence_for=one.at,
            state="failed" if is_failed else "succeeded",
            started_at=one.at + late,
            finished_at=one.at + late + took,
            error=Jsonb(error) if is_failed else None,
        )


_STEPS: Final = [
    {"id": "calendar", "uses": "google-calendar.list_events", "with": {"day": "today"}, "save_as": "events", "needs": []},
    {"id": "weather", "uses": "weather.forecast", "with": {"city": "${params.city}"}, "needs": []},
    {"id": "brief", "uses": "llm.plan", "with": {"events": "${steps.events}"}, "needs": ["calendar", "weather"], "save_as": "summary"},
    {"id": "send", "uses": "telegram.send_message", "with": {"text": "${steps.summary}"}, "needs": ["brief"], "effect": "once"},
]  # fmt: skip


def _runtime(connection: psycopg.Connection) -> None:
    connection.execute(
        "insert into ordinaut.runtime (host, pid, version, duties) values ('ordinaut-1', 4711, '0.1.0', '{scheduler,worker,relay}')"
    )


def _morning(connection: psycopg.Connection, show: Showcase) -> None:
    """A run with four steps, of which one was tried three times."""
    task = show.tasks["home/morning-briefing"]
    at = show.now - timedelta(minutes=4)
    run = insert_run(
        connection, task, occurrence_for=at, trigger="manual", trigger_key="shown", requested_by="ada@laptop",
        started_at=at + timedelta(milliseconds=3), finished_at=at + timedelta(seconds=9.2), params={"city": "Rome"},
    )  # fmt: skip
    show.runs["morning"] = run

    def step(name: str, begin: float, end: float, **columns: Any) -> None:
        times = {"started_at": at + timedelta(seconds=begin), "finished_at": at + timedelta(seconds=end)}  # fmt: skip
        insert_step_result(connection, run, name, **{**times, **columns})

    step("calendar", 0.01, 0.9, uses="google-calendar.list_events", input={"day": "today"}, output={"events": [{"title": "Stand-up", "at": "09:30"}, {"title": "Dentist", "at": "14:00"}]})  # fmt: skip
    for number, begin in ((1, 0.01), (2, 1.4)):
        insert_step_attempt(
            connection, run, "weather", attempt=number, started_at=at + timedelta(seconds=begin),
            finished_at=at + timedelta(seconds=begin + 0.6), retry_at=at + timedelta(seconds=begin + 1.4),
            error={"code": "ORD404", "message": "weather: 502 Bad Gateway"},
        )  # fmt: skip
    step("weather", 3.4, 3.9, attempt=3, uses="weather.forecast", input={"city": "Rome"}, output={"high": 17, "rain": 0.2})  # fmt: skip
    step("brief", 3.95, 8.1, uses="llm.plan", input={"events": "…"}, output={"text": "Two meetings, mild and mostly dry. Leave at 13:20 for the dentist."})  # fmt: skip
    step("send", 8.15, 9.2, uses="telegram.send_message", input={"text": "Two meetings…"}, output={"message_id": 99})  # fmt: skip
    for kind in ("run.started", "step.succeeded", "run.succeeded"):
        insert_event(connection, kind, subject="home/morning-briefing", run_id=run, occurred_at=at)


def _payment(connection: psycopg.Connection, show: Showcase) -> None:
    """A run that waits for a person."""
    task = show.tasks["sales/pay-invoices"]
    at = show.now - timedelta(minutes=32)
    run = insert_run(connection, task, occurrence_for=at, state="waiting", started_at=at)
    insert_due_work(connection, task, run, ready_at=show.now + timedelta(days=300))
    asked = {"uses": "bank.transfer", "arguments": {"to": "DE02 1203 0000 0000 2020 51", "amount": 1240.5, "currency": "EUR"}, "message": "Pay 1,240.50 EUR to the printer?"}  # fmt: skip
    insert_wait(connection, run, "send", asked=asked, until=show.now + timedelta(hours=20))
    show.runs["payment"] = run


def _override(connection: psycopg.Connection, show: Showcase, label: str) -> None:
    connection.execute(
        "insert into ordinaut.task_override (task_uid, kind, reason, actor, until) values (%s, 'pause', 'vendor outage', 'bob@ops', %s)",
        [show.tasks[label].uid, show.now + timedelta(days=2)],
    )
    connection.execute(
        "update ordinaut.schedule set paused_at = ordinaut.now() where task_uid = %s",
        [show.tasks[label].uid],
    )


def _second_revision(connection: psycopg.Connection, show: Showcase) -> None:
    """A change of one task's schedule."""
    revision = insert_revision(connection, git_commit=_COMMIT, git_branch="main", author="carol", actor="carol@ci", pull_request="#212", applied_at=show.now - timedelta(hours=5))  # fmt: skip
    task = show.tasks["home/morning-briefing"]
    body = {**task.body, "description": "What the day brings, before it begins.", "priority": 7}
    connection.execute(
        "insert into ordinaut.spec_revision (uid, revision_id, action, body, digest, facets, file, line)"
        " select uid, %s, 'update', %s, digest, jsonb_set(facets, '{policy}', '\"new\"'), 'specs/home/morning-briefing.yaml', 7"
        " from ordinaut.spec_revision where uid = %s order by revision_id desc limit 1",
        [revision, Jsonb(body), task.uid],
    )
    connection.execute(
        "update ordinaut.spec set body = %s, revision_id = %s where uid = %s",
        [Jsonb(body), revision, task.uid],
    )


def add_hostile(connection: psycopg.Connection, show: Showcase) -> TaskRow:
    """A task whose every text is hostile; names cannot be, so it is the row that somebody wrote past git."""
    task = insert_task(connection, "hostile", owner="someone", description=HOSTILE)
    body = {
        **task.body,
        "owner": HOSTILE,
        "labels": {TURNED: HOSTILE},
        "description": HOSTILE + TURNED + LONG,
    }
    connection.execute(
        "update ordinaut.spec set body = %s, name = %s where uid = %s",
        [Jsonb(body), HOSTILE + TURNED, task.uid],
    )
    error = Jsonb({"code": "ORD404", "message": HOSTILE + TURNED + LONG, "step": HOSTILE})
    show.runs["hostile"] = insert_run(
        connection, task, occurrence_for=show.now - timedelta(minutes=1), state="failed", error=error,
        requested_by=HOSTILE, trigger="manual", trigger_key=HOSTILE,
    )  # fmt: skip
    insert_step_result(connection, show.runs["hostile"], "look", output={HOSTILE: TURNED + LONG}, uses=HOSTILE, outcome="tool_error", error={"code": "ORD404", "message": HOSTILE})  # fmt: skip
    return task


def crowd(connection: psycopg.Connection, show: Showcase, *, tasks: int, runs: int) -> None:
    """Many more tasks, and runs of them over the last days, each with a step and what it used up of time."""
    connection.execute(
        "with made as ("
        " insert into ordinaut.spec (project, environment, kind, namespace, name, revision_id, body, digest)"
        " select 'demo', 'default', 'Task', 'crowd-' || n %% 20, 'task-' || n, 1,"
        "  p.body || jsonb_build_object('namespace', 'crowd-' || n %% 20, 'name', 'task-' || n,"
        "   'schedule', jsonb_build_array((p.body -> 'schedule' -> 0) || jsonb_build_object('cron', n %% 60 || ' ' || n %% 24 || ' * * *'))),"
        "  md5(n::text) || md5(n::text)"
        " from generate_series(1, %s) n, ordinaut.spec p where p.uid = %s returning uid, revision_id, body)"
        ", noted as (insert into ordinaut.spec_revision (uid, revision_id, action, body, digest, facets, file, line)"
        " select uid, revision_id, 'create', body, repeat('0', 64), '{}', 'specs/crowd.yaml', uid from made)"
        " insert into ordinaut.schedule (task_uid, cursor_for, next_for, next_due_at, tzdata)"
        " select uid, now(), now() + interval '1 hour', now() + interval '1 hour', 'test' from made",
        [tasks, show.tasks["ops/nightly-cleanup"].uid],
    )
    connection.execute(
        "with many as (select n, t.uid, now() - interval '7 days' * (n / %(runs)s::float) as at"
        "  from generate_series(1, %(runs)s) n"
        "  join (select uid, row_number() over (order by uid) - 1 as place from ordinaut.spec where namespace like 'crowd-%%') t"
        "   on t.place = n %% %(tasks)s)"
        ", made as (insert into ordinaut.run (run_id, task_uid, revision_id, trigger, trigger_key, occurrence_for, due_at, state,"
        "  reason, created_at, started_at, finished_at, error)"
        " select overlay(ordinaut.run_id_floor(at)::text placing right(md5(n::text), 12) from 25)::uuid, uid, 1, 'schedule', '', at, at,"
        "  case when n %% 97 = 0 then 'failed' when n %% 41 = 0 then 'skipped' else 'succeeded' end,"
        "  case when n %% 97 <> 0 and n %% 41 = 0 then 'overlap' end, at, at, at + interval '2 s',"
        '  case when n %% 97 = 0 then \'{"code": "ORD404", "message": "the tool said no"}\'::jsonb end from many returning run_id, started_at)'
        " insert into ordinaut.step_result (run_id, step, lease_epoch, attempt, outcome, uses, started_at, finished_at)"
        " select run_id, 'look', 1, 1, 'ok', 'clock.now', started_at, started_at + interval '1 s' from made",
        {"runs": runs, "tasks": tasks},
    )
    connection.execute("analyze")
