"""`ordinaut audit` shows who did what, and whatever people do has its entry in the transaction of its effect."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from runtime.actor import current_actor
from tests.cli.test_plan import TASK, specs
from tests.support.cli import Cli, schema_of
from tests.support.factories import NOON, insert_run, insert_sleeping_run, insert_task, insert_wait
from tests.support.git import new_repository

__all__ = ["specs"]

TABLES = ("run", "due_work", "task_override", "event_log", "event", "revision", "spec", "wait", "audit")  # fmt: skip


def state(rows: psycopg.Connection) -> list[Any]:
    """Everything that a command could have changed."""
    return [
        rows.execute(f"select to_jsonb(t) from ordinaut.{name} t order by 1::text").fetchall()
        for name in TABLES
    ]


def entries(cli: Cli) -> list[dict[str, Any]]:
    found = cli("audit", "--json").json
    schema_of(found["format"]).validate(found)
    return list(found["entries"])


def deeds(cli: Cli) -> list[tuple[str, str, str]]:
    """Action, subject and reason of each, the oldest first, after the migration."""
    return [(one["action"], one["subject"], one["reason"]) for one in entries(cli)[::-1]][1:]


@pytest.fixture
def report(cli: Cli, rows: psycopg.Connection) -> str:
    """A task, with an occurrence that failed."""
    task = insert_task(rows, name="report")
    return str(insert_run(rows, task, state="failed", finished_at=NOON))


def ways(run: str) -> list[tuple[Sequence[str], tuple[str, str, str]]]:
    because = ("--reason", "because")
    return [
        (("run", "report", *because), ("task.run", "report", "because")),
        (("pause", "report", *because), ("task.pause", "report", "because")),
        (("resume", "report", *because), ("task.resume", "report", "because")),
        (("snooze", "report", "--until", "2h", *because), ("task.snooze", "report", "because")),
        (("rerun", run, "--overlap", *because), ("run.rerun", run, "because")),
        (("emit", "orders.paid", "--id", "17"), ("event.emit", "orders.paid", "")),
    ]


def test_what_people_do_has_its_entry(cli: Cli, report: str) -> None:
    for arguments, _ in ways(report):
        assert cli(*arguments).status == 0

    assert deeds(cli) == [told for _, told in ways(report)]
    found = entries(cli)
    assert {(one["actor"], one["origin"]) for one in found} == {(current_actor().name, "cli")}
    assert found[0]["details"] == {"id": "17", "source": "cli"}


@pytest.mark.parametrize("number", range(6))
def test_what_has_no_entry_has_no_effect(
    cli: Cli, rows: psycopg.Connection, report: str, number: int
) -> None:
    if number == 2:
        cli("pause", "report")
    rows.execute("alter table ordinaut.audit add constraint nothing check (false) not valid")
    before = state(rows)

    found = cli(*ways(report)[number][0])

    assert found.status == 1
    assert state(rows) == before


def test_a_cancelled_run_has_its_entry_and_no_effect_without(
    cli: Cli, rows: psycopg.Connection, report: str
) -> None:
    cli("run", "report")
    rows.execute("alter table ordinaut.audit add constraint nothing check (false) not valid")
    before = state(rows)

    assert cli("cancel", "report", "--reason", "wrong month").status == 1
    assert state(rows) == before
    rows.execute("alter table ordinaut.audit drop constraint nothing")
    done = cli("cancel", "report", "--reason", "wrong month", "--json").json

    assert deeds(cli)[-1] == ("run.cancel", done["run"]["run_id"], "wrong month")
    assert entries(cli)[0]["details"] == {"task": "report", "at_once": False}


def test_an_apply_has_its_entry_and_no_effect_without(
    specs: Path, cli: Cli, rows: psycopg.Connection
) -> None:
    rows.execute("alter table ordinaut.audit add constraint nothing check (false) not valid")
    before = state(rows)
    assert cli("apply", "--yes").status == 1
    assert state(rows) == before
    rows.execute("alter table ordinaut.audit drop constraint nothing")

    assert cli("apply", "--yes").status == 0

    assert deeds(cli) == [("revision.apply", "r2", "")]
    details = entries(cli)[0]["details"]
    assert details["summary"]["create"] == 4
    assert details["project"] == "home"


def test_a_rollback_and_the_end_of_its_hold_have_their_entries(
    specs: Path, folder: Path, cli: Cli
) -> None:
    clone = new_repository(folder)
    clone.commit()
    cli("apply", "--yes")
    clone.write({"specs/three.yaml": TASK.replace("NAME", "three")})
    clone.commit()
    assert cli("apply", "--yes").status == 0

    assert (
        cli(
            "rollback", "--to", "r1", "--yes", "--allow-retire", "1", "--reason", "too early"
        ).status
        == 0
    )
    assert cli("hold", "clear", "--reason", "it is time").status == 0

    assert deeds(cli)[-2:] == [
        ("revision.rollback", "r3", "too early"),
        ("hold.clear", "home/default", "it is time"),
    ]


def test_a_pull_has_its_entry_with_its_origin(specs: Path, folder: Path, cli: Cli) -> None:
    clone = new_repository(folder)
    clone.commit()

    assert cli("sync", "--once").status == 0

    assert [(one["action"], one["origin"]) for one in entries(cli)[:-1]] == [
        ("revision.apply", "sync")
    ]


@pytest.mark.parametrize(
    ("answer", "action"), [("--yes", "step.approve"), ("--deny", "step.refuse")]
)
def test_a_decision_has_its_entry(
    cli: Cli, rows: psycopg.Connection, answer: str, action: str
) -> None:
    run = insert_sleeping_run(rows, insert_task(rows, name="payments"))
    insert_wait(rows, run, "ask", asked={"message": "Pay?"})

    assert cli("approve", "payments", answer, "--yes", "--reason", "x").status == 0

    assert deeds(cli) == [(action, str(run), "x")]


def test_the_log_is_a_table_and_lines_of_json(cli: Cli, report: str) -> None:
    cli("run", "report", "--reason", "month\x1b]0; end")
    cli("rerun", report, "--overlap")

    listed = cli("audit")
    lines = cli("audit", "--lines").lines

    assert listed.lines[0].split() == ["ENTRY", "AT", "ACTOR", "ACTION", "SUBJECT", "REASON"]
    assert f"run.rerun       {report[-8:]} of report" in listed.lines[1]
    assert listed.lines[2].endswith("month\\u001b]0; end")
    assert [json.loads(line)["action"] for line in lines] == [
        "run.rerun",
        "task.run",
        "schema.migrate",
    ]


def test_the_chain_is_verified_and_a_break_ends_with_1(
    cli: Cli, rows: psycopg.Connection, report: str
) -> None:
    cli("run", "report")
    held = cli("audit", "verify")
    noted = held.lines[1].split()[-1]

    assert (held.status, held.lines[0]) == (0, "verified  2 entries hold, 1 to 2")
    assert cli("audit", "verify", "--since", noted).lines[0] == "verified  1 entry hold, 2 to 2"
    rows.execute("set session_replication_role = replica")
    rows.execute("update ordinaut.audit set actor = 'eve' where entry = 2")
    found = cli("audit", "verify")
    report_json = cli("audit", "verify", "--json")

    assert found.status == 1
    assert "ORD324: entry 2 of the audit log does not hold" in found.stderr
    assert report_json.status == 1
    assert report_json.json["broken"]["entry"] == 2


@pytest.mark.parametrize("noted", ["7", "0:" + "0" * 64, "7:xyz"])
def test_a_noted_hash_that_cannot_be_read_is_refused(cli: Cli, noted: str) -> None:
    found = cli("audit", "verify", "--since", noted)

    assert found.status == 1
    assert "write ENTRY:HASH" in found.stderr
