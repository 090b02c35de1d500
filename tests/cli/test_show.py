"""`ordinaut show` tells the whole story of a run, and finds it by whatever people have at hand."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import psycopg
import pytest
from click import unstyle

from runtime.cli.story import _text
from schemas.run import RunReport
from tests.support.cli import Cli
from tests.support.factories import (
    NOON,
    TaskRow,
    insert_due_work,
    insert_event,
    insert_logged_event,
    insert_revision,
    insert_run,
    insert_sleeping_run,
    insert_step_attempt,
    insert_step_result,
    insert_task,
    insert_wait,
)

STEPS = [
    {"id": "fetch", "uses": "web.fetch"},
    {"id": "brief", "uses": "llm.plan", "if": "`false`"},
    {"id": "send", "uses": "chat.send"},
    {"id": "after", "uses": "chat.send"},
]


@pytest.fixture
def task(rows: psycopg.Connection) -> TaskRow:
    revision = insert_revision(rows, git_commit="1a2b3c4d5e6f7081")
    schedule = {"cron": "0 14 * * *", "timezone": "Europe/Chisinau"}
    return insert_task(rows, schedule=schedule, pipeline=STEPS, revision_id=revision)


@pytest.fixture
def failed(rows: psycopg.Connection, task: TaskRow) -> UUID:
    """A run that failed in its third step, after two tries."""
    error = {"code": "ORD404", "message": "chat not found", "step": "send"}
    run_id = insert_run(rows, task, state="failed", error=error)
    insert_step_result(
        rows, run_id, "fetch", uses="web.fetch", input={"url": "x"}, output={"text": "long " * 60}
    )
    insert_step_result(
        rows,
        run_id,
        "brief",
        uses="llm.plan",
        outcome="skipped",
        attempt=0,
        input=None,
        output=None,
    )
    insert_step_attempt(rows, run_id, "send")
    detail = {"code": "ORD404", "message": "chat not found", "detail": "400\nBad Request"}
    insert_step_result(
        rows,
        run_id,
        "send",
        uses="chat.send",
        outcome="tool_error",
        attempt=2,
        error=detail,
        output=None,
    )
    insert_logged_event(rows, "run.started", run_id=run_id, sequence=-2, occurred_at=NOON)
    insert_logged_event(
        rows, "step.failed", run_id=run_id, sequence=-1, occurred_at=NOON, data={"step": "send"}
    )
    insert_event(rows, "run.failed", run_id=run_id, occurred_at=NOON + timedelta(seconds=2))
    return run_id


def shown(cli: Cli, reference: str) -> str:
    return str(RunReport.model_validate(cli("show", reference, "--json").json).run_id)


def test_the_json_holds_every_step_try_and_event(cli: Cli, failed: UUID) -> None:
    run = RunReport.model_validate(cli("show", "last", "--json").json)

    assert (run.run_id, run.state, run.commit) == (failed, "failed", "1a2b3c4d5e6f7081")
    assert [(step.step, step.state, step.outcome, len(step.tries)) for step in run.steps] == [
        ("fetch", "succeeded", "ok", 0),
        ("brief", "skipped", "skipped", 0),
        ("send", "failed", "tool_error", 1),
        ("after", "pending", None, 0),
    ]
    assert run.steps[0].input == {"url": "x"}
    assert run.steps[0].output == {"text": "long " * 60}
    assert [(event.type, event.published) for event in run.events] == [
        ("run.started", True),
        ("step.failed", True),
        ("run.failed", False),
    ]


def test_the_text_tells_each_steps_values_timing_tries_and_errors(cli: Cli, failed: UUID) -> None:
    text = cli("show", "last").stdout

    assert f"run       {failed}  or {str(failed)[-8:]}" in text
    assert "briefing  revision 1, commit 1a2b3c4d5e6f" in text
    assert "error     send: ORD404 chat not found" in text
    assert "schedule  Mon 2026-01-05 14:00 +02:00" in text
    assert "started   Mon 2026-01-05 14:00 +02:00  0 ms after it was due" in text
    assert "took      2.00 s" in text
    assert 'fetch  web.fetch  succeeded  1.00 s\n  input   {"url":"x"}' in text
    assert "brief  llm.plan  skipped\n" in text
    assert "send  chat.send  failed  tool_error  1.00 s" in text
    assert "  try 1   tool_error  1.00 s  ORD404 the tool said no  again after 2.00 s" in text
    assert (
        "  error   ORD404 chat not found\n          Bad Request  after 1 more lines, -v shows them"
        in text
    )
    assert "after  chat.send  pending" in text
    assert "14:00:02.000  run.failed         not yet published" in text


def test_long_values_are_folded_until_they_are_asked_for(cli: Cli, failed: UUID) -> None:
    folded, unfolded = cli("show", "last").stdout, cli("show", "last", "-v").stdout

    assert "long long" in folded
    assert "long " * 60 not in folded
    assert "311 characters, -v shows all" in folded
    assert "long " * 60 in unfolded
    assert "400\n          Bad Request" in unfolded


def test_secrets_were_masked_before_they_were_stored_so_show_adds_nothing(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    run_id = insert_run(rows, task)
    insert_step_result(rows, run_id, "fetch", input={"token": "[secret token]"})

    assert '{"token":"[secret token]"}' in cli("show", "last").stdout


@pytest.mark.parametrize("length", [6, 8, 20])
def test_a_run_is_found_by_either_end_of_its_id(cli: Cli, failed: UUID, length: int) -> None:
    digits = failed.hex

    assert shown(cli, digits[:length]) == str(failed)
    assert shown(cli, digits[-length:]) == str(failed)


def test_a_run_is_found_by_its_whole_id_its_task_or_as_the_last(cli: Cli, failed: UUID) -> None:
    for reference in (str(failed), str(failed).upper(), failed.hex, "briefing", "last"):
        assert shown(cli, reference) == str(failed)


def test_a_task_means_its_newest_run(cli: Cli, rows: psycopg.Connection, task: TaskRow) -> None:
    other = insert_task(rows, "ping", namespace="ops")
    insert_run(rows, task, occurrence_for=NOON - timedelta(hours=1))
    newest = insert_run(rows, task, occurrence_for=NOON)
    insert_run(rows, other, occurrence_for=NOON + timedelta(hours=1))

    assert shown(cli, "briefing") == str(newest)


def test_digits_that_fit_several_runs_name_them(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    found = [
        insert_run(rows, task, occurrence_for=NOON + timedelta(milliseconds=n)) for n in range(7)
    ]

    answer = cli("show", found[0].hex[:8])

    assert (answer.status, answer.stdout) == (1, "")
    first, *named = answer.stderr.splitlines()
    assert first.endswith(
        "several runs have an id with " + found[0].hex[:8] + " at its beginning or end"
    )
    assert len(named) == 5
    assert set(named) <= {f"  {run_id}" for run_id in found}


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("last", "nothing has run yet"),
        ("briefing", "briefing has not run yet"),
        ("abcdef", "no runs have an id with abcdef"),
        ("abcde", "abcde is neither a run nor a task"),
        ("nonsense", "nonsense is neither a run nor a task"),
    ],
)
def test_what_cannot_be_found_is_said(
    cli: Cli, task: TaskRow, reference: str, message: str
) -> None:
    answer = cli("show", reference)

    assert (answer.status, answer.stdout) == (1, "")
    assert f"error ORD310: {message}" in answer.stderr


def test_an_id_of_no_run_is_not_found(cli: Cli, failed: UUID) -> None:
    answer = cli("show", str(UUID(int=5)))

    assert (answer.status, answer.stdout) == (1, "")
    assert "error ORD310" in answer.stderr


def test_a_run_under_lease_says_who_has_it(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    run_id = insert_run(rows, task, state="running")
    now = rows.execute("select ordinaut.now() + interval '90 s'").fetchone()
    assert now is not None
    insert_due_work(rows, task, run_id, runtime_id=7, lease_epoch=1, lease_until=now[0])

    assert "lease     runtime 7, ends in 1 min" in cli("show", "last").stdout
    rows.execute("update ordinaut.due_work set lease_until = '2026-01-01'")
    assert "lease     runtime 7, ended " in cli("show", "last").stdout


def test_the_next_step_of_a_run_under_lease_is_under_way(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    run_id = insert_run(rows, task, state="running")
    insert_step_result(rows, run_id, "fetch", uses="web.fetch")
    insert_step_attempt(rows, run_id, "brief")
    now = rows.execute("select ordinaut.now() + interval '90 s'").fetchone()
    assert now is not None
    insert_due_work(rows, task, run_id, runtime_id=7, lease_epoch=1, lease_until=now[0])

    def states() -> list[str]:
        return [step["state"] for step in cli("show", "last", "--json").json["steps"]]

    assert states() == ["succeeded", "running", "pending", "pending"]
    rows.execute("update ordinaut.due_work set lease_until = '2026-01-01'")
    assert states() == ["succeeded", "retrying", "pending", "pending"]


def test_a_run_that_waits_says_for_how_long(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    run_id = insert_run(rows, task, state="waiting")
    insert_step_attempt(rows, run_id, "fetch")
    later = rows.execute("select ordinaut.now() + interval '1 h'").fetchone()
    assert later is not None
    insert_due_work(rows, task, run_id, ready_at=later[0])

    text = cli("show", "last").stdout

    assert "goes on   in 59 min" in text or "goes on   in 1 h" in text
    assert "fetch  web.fetch  retrying" in text


def test_a_call_whose_turn_comes_later_says_so(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    run_id = insert_sleeping_run(rows, task)
    rows.execute(
        "insert into ordinaut.rate_turn (run_id, step, iteration, attempt, ready_at)"
        " values (%s, 'fetch', 0, 1, '2099-01-05T08:30Z')",
        [run_id],
    )

    shown = cli("show", "last").stdout

    assert "fetch  web.fetch  waiting" in shown
    assert "waits   for its turn, as calls are limited  until 2099-01-05 08:30 UTC" in shown


def test_steps_of_a_run_that_is_over_wait_for_nothing(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    run_id = insert_run(rows, task, state="cancelled", reason="cancelled")
    insert_wait(rows, run_id, "fetch")
    insert_step_attempt(rows, run_id, "brief")

    steps = cli("show", "last", "--json").json["steps"]

    assert [(step["state"], step["waits"]) for step in steps[:2]] == [("pending", [])] * 2


def test_steps_that_came_before_those_of_finally_wait_for_nothing(
    cli: Cli, rows: psycopg.Connection
) -> None:
    nap = {"id": "nap", "uses": "ordinaut.sleep", "with": {"for": "1h"}}
    rest = {**nap, "id": "rest"}
    tidy = insert_task(rows, "tidy", pipeline=[nap], **{"finally": [rest]})
    run_id = insert_sleeping_run(rows, tidy)
    for step in ("nap", "rest"):
        insert_wait(rows, run_id, step)
    insert_step_result(rows, run_id, "(over)", outcome="cancelled", uses="")

    steps = cli("show", "last", "--json").json["steps"]

    assert [(step["step"], step["state"]) for step in steps] == [
        ("nap", "pending"),
        ("rest", "waiting"),
    ]


def test_a_queued_run_shows_who_asked_and_with_what(
    cli: Cli, rows: psycopg.Connection, task: TaskRow
) -> None:
    insert_run(
        rows, task, state="queued", trigger="manual", requested_by="ada@lab", params={"n": 1}
    )

    text = cli("show", "last").stdout

    assert "  by ada@lab" in text
    assert 'params  {"n":1}' in text
    assert "started" not in text


def test_a_skipped_run_shows_its_reason(cli: Cli, rows: psycopg.Connection, task: TaskRow) -> None:
    insert_run(rows, task, state="skipped", reason="catch_up_window")

    assert "state     skipped  catch_up_window" in cli("show", "last").stdout


def test_a_pipeline_that_was_used_by_name_shows_its_steps(
    cli: Cli, rows: psycopg.Connection
) -> None:
    task = insert_task(rows, pipeline={"use": "shared", "with": {}})
    rows.execute(
        "update ordinaut.spec_revision set body = jsonb_set(body, '{pipeline,steps}', %s)",
        ['[{"id": "inner", "uses": "clock.now"}]'],
    )
    insert_run(rows, task)

    assert [step["step"] for step in cli("show", "last", "--json").json["steps"]] == ["inner"]


@pytest.mark.parametrize(
    ("detail", "last"),
    [
        ("one line", "one line"),
        ("first\nlast", "last  after 1 more lines, -v shows them"),
        ("out of paper\n[exit code 3]", "out of paper  [exit code 3]"),
        ("first\nlast\n[exit code 1]", "last  [exit code 1]  after 1 more lines, -v shows them"),
        ("[exit code 1]", "[exit code 1]"),
    ],
)
def test_the_end_of_what_a_server_said_is_shown_with_how_it_ended(detail: str, last: str) -> None:
    assert unstyle(_text(detail, unfold=False)) == f"{' ' * 10}{last}"


def test_what_a_tool_says_in_many_lines_passes_for_nothing_of_ours(
    cli: Cli, rows: psycopg.Connection
) -> None:
    """One line, and bounded, until the whole is asked for."""
    said = "it failed\nstate    succeeded" + "\nand so on" * 200
    error = {"code": "ORD404", "message": said, "step": "look"}
    run_id = insert_run(rows, insert_task(rows), state="failed", error=error)
    insert_step_result(rows, run_id, outcome="tool_error", output=None, error=error)

    shown = cli("show", "briefing").lines
    unfolded = cli("show", "briefing", "-v").stdout

    assert [line for line in shown if line.startswith("state ")] == ["state     failed"]
    told = [line for line in shown if "it failed" in line]
    assert len(told) == 2
    assert all("it failed state succeeded and so on" in line and len(line) < 600 for line in told)
    assert unfolded.count("          and so on\n") == 200
