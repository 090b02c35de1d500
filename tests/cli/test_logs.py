"""`ordinaut logs` shows what happened to a run, a task or everything, from the database, and what comes."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from schemas.event_log import LogEvent
from tests.support.cli import Cli
from tests.support.factories import insert_logged_event, insert_run, insert_task
from tests.support.probes import eventually
from tests.support.processes import started


def tell(
    rows: psycopg.Connection, kind: str, run: UUID | None = None, subject: str = "briefing"
) -> None:
    insert_logged_event(
        rows, type=kind, subject=subject, run_id=run, data={"task": subject, "step": "send"}
    )


def types(stdout: str) -> list[str]:
    return [json.loads(line)["type"] for line in stdout.splitlines()]


@pytest.fixture
def run(rows: psycopg.Connection) -> UUID:
    return insert_run(rows, insert_task(rows), state="running")


def test_the_events_of_a_run_are_shown_oldest_first(
    cli: Cli, rows: psycopg.Connection, run: UUID
) -> None:
    other = insert_run(rows, insert_task(rows, "other"))
    tell(rows, "run.started", run)
    tell(rows, "run.started", other, "other")
    tell(rows, "step.succeeded", run)

    found = cli("logs", str(run))

    assert [line.split()[2:] for line in found.lines] == [
        [str(run)[-8:], "run.started", "briefing", "send"],
        [str(run)[-8:], "step.succeeded", "briefing", "send"],
    ]
    assert types(cli("logs", "briefing", "--json").stdout) == ["run.started", "step.succeeded"]
    assert types(cli("logs", "--json").stdout) == ["run.started", "run.started", "step.succeeded"]
    assert types(cli("logs", "--json", "-n", "1").stdout) == ["step.succeeded"]
    assert cli("logs", "-n", "0").stdout == ""


def test_a_reason_is_told_on_the_line_of_its_event(cli: Cli, rows: psycopg.Connection) -> None:
    insert_task(rows)
    cli("pause", "briefing", "--reason", "moving\n2026-01-05  run.failed")

    [line] = cli("logs").lines

    assert "moving 2026-01-05 run.failed" in line


def test_each_line_of_json_is_an_event_of_the_log(
    cli: Cli, rows: psycopg.Connection, run: UUID
) -> None:
    tell(rows, "run.started", run)

    event = LogEvent.model_validate_json(cli("logs", "last", "--json").stdout)

    assert (event.type, event.run_id, event.data["step"]) == ("run.started", run, "send")


def test_what_is_neither_run_nor_task_is_refused(cli: Cli) -> None:
    found = cli("logs", "nobody")

    assert found.status == 1
    assert "ORD310" in found.stderr


def test_a_run_that_is_over_is_not_followed(cli: Cli, rows: psycopg.Connection, run: UUID) -> None:
    tell(rows, "run.succeeded", run)

    assert types(cli("logs", str(run), "-f", "--json").stdout) == ["run.succeeded"]


async def test_following_shows_each_event_once_and_ends_with_the_run(
    tmp_path: Path, database: str, rows: psycopg.Connection, run: UUID
) -> None:
    tell(rows, "run.started", run)
    # No Redis is named, and none is needed.
    async with started(
        "logs", str(run), "-f", "--json", cwd=tmp_path, env={"ORDINAUT_DATABASE_URL": database}
    ) as process:
        await process.line("run.started")
        tell(rows, "step.succeeded", run)
        await process.line("step.succeeded")
        tell(rows, "step.succeeded", subject="other")
        tell(rows, "run.succeeded", run)
        done = await process.ended()

    assert done.status == 0
    assert types(done.stdout) == ["run.started", "step.succeeded", "run.succeeded"]


async def test_following_outlasts_a_session_that_is_ended(
    tmp_path: Path, database: str, rows: psycopg.Connection, run: UUID
) -> None:
    tell(rows, "run.started", run)
    async with started(
        "logs", "briefing", "-f", "--json", cwd=tmp_path, env={"ORDINAUT_DATABASE_URL": database}
    ) as process:
        await process.line("run.started")
        tell(rows, "step.succeeded", run)
        await process.line("step.succeeded")
        rows.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'ordinaut logs'"
        )
        await eventually(lambda: "waiting for it" in process.stderr, "it says so")
        tell(rows, "run.succeeded", run)
        await process.line("run.succeeded")
        process.interrupt_group()
        done = await process.ended()

    assert types(done.stdout) == ["run.started", "step.succeeded", "run.succeeded"]
    assert "the database answers again" in done.stderr
