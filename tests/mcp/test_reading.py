"""What tools tell is what the command line tells: one reader, one model."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import yaml
from psycopg.types.json import Jsonb

from reconciler.core.compile import compile_specs
from reconciler.core.files import SourceFile
from tests.cli.test_spend import insert_usage
from tests.support.agents import over_http
from tests.support.cli import Cli
from tests.support.clock import stop_the_clock
from tests.support.factories import (
    NOON,
    insert_event,
    insert_revision,
    insert_run,
    insert_spec,
    insert_step_result,
    insert_task,
)
from tests.support.installed import HEAD
from tests.support.showcase import Showcase, furnish
from tests.support.web import Web


@pytest.fixture
def show(rows: psycopg.Connection) -> Showcase:
    return furnish(rows)


async def asked(web: Web, tool: str, **arguments: Any) -> Any:
    """What a tool says to whoever may look."""
    async with over_http(web.url, web.token_for("read")) as agent:
        return await agent.call(tool, **arguments)


async def refusal(web: Web, tool: str, **arguments: Any) -> str:
    """What a tool says that refuses whoever may look."""
    async with over_http(web.url, web.token_for("read")) as agent:
        return await agent.refused(tool, **arguments)


def lasting(value: Any) -> Any:
    """Without what is another at every look."""
    match value:
        case dict():
            passing = {"now", "as_of", "bus", "next_cursor"}
            return {name: lasting(inner) for name, inner in value.items() if name not in passing}
        case list():
            return [lasting(inner) for inner in value]
        case _:
            return value


@pytest.mark.parametrize(
    ("tool", "arguments", "command", "of"),
    [
        ("list_runs", {}, ("runs",), lambda told: told),
        ("list_runs", {"task": "sales/pipeline-digest", "states": ["failed"], "limit": 3}, ("runs", "sales/pipeline-digest", "--state", "failed", "-n", "3"), lambda told: told),
        ("get_run", {"run": "home/morning-briefing"}, ("show", "home/morning-briefing"), lambda told: told["run"]),
        ("get_status", {"limit": 100}, ("status", "-n", "100"), lambda told: told),
    ],
    ids=["runs", "some runs", "a run", "status"],
)  # fmt: skip
async def test_a_tool_tells_what_the_command_tells(
    *,
    web: Web,
    cli: Cli,
    rows: psycopg.Connection,
    show: Showcase,
    tool: str,
    arguments: dict[str, Any],
    command: tuple[str, ...],
    of: Callable[[Any], Any],
) -> None:
    # What is told of it tells how long ago things were.
    stop_the_clock(rows, show.now)

    told = await asked(web, tool, **arguments)

    assert lasting(of(told)) == lasting(cli(*command, "--json").json)


async def test_what_calls_cost_is_told_as_the_command_tells_it(
    web: Web, cli: Cli, rows: psycopg.Connection
) -> None:
    insert_usage(rows, insert_task(rows), 1, cost="0.25", currency="EUR", cost_source="provider")
    since = "2020-01-01T00:00:00Z"
    told = await asked(web, "get_spend", by="model", since=since)

    said = cli("spend", "--by", "model", "--since", since, "--json").json
    assert told["total"]["calls"] == 1
    assert told | {"until": said["until"]} == said


async def test_tasks_come_in_short_rows_a_page_at_a_time(web: Web, show: Showcase) -> None:
    first = await asked(web, "list_tasks", limit=4)
    second = await asked(web, "list_tasks", limit=100, cursor=first["next_cursor"])
    failing = await asked(web, "list_tasks", standing="failing", owner="team-sales")

    assert sorted(show.tasks) == [one["task"] for one in first["tasks"] + second["tasks"]]
    assert (first["total"], second["next_cursor"]) == (len(show.tasks), None)
    assert [one["task"] for one in failing["tasks"]] == ["sales/pipeline-digest"]
    assert failing["tasks"][0]["last_run"]["state"] == "failed"
    assert failing["tasks"][0]["schedule"].startswith("weekdays at 09:00")


async def test_a_task_is_told_with_its_document_and_what_is_next(web: Web, show: Showcase) -> None:
    told = await asked(web, "get_task", task="home/backup-photos", occurrences=3)

    assert (told["task"]["file"], told["task"]["owner"]) == (
        "specs/backup-photos.yaml",
        "team-home",
    )
    assert told["manifest"]["schedule"][0]["cron"] == "15 2 * * *"
    assert len(told["next"]) == 3
    assert told["drift"] == []
    project = yaml.safe_dump({**HEAD, "kind": "Project", "name": "shown"}).encode()
    again = yaml.safe_dump(told["manifest"]).encode()
    specs = compile_specs([SourceFile("o.yaml", project), SourceFile("t.yaml", again)])
    assert [str(key) for key in specs.documents if key.kind == "Task"] == [
        "Task home/backup-photos"
    ], show


async def test_a_log_goes_on_where_a_page_ends(web: Web, show: Showcase) -> None:
    run = str(show.runs["morning"])

    first = await asked(web, "get_run_logs", run=run, limit=2)
    rest = await asked(web, "get_run_logs", run=run, cursor=first["next_cursor"])
    failed = await asked(web, "get_run_logs", task="home/morning-briefing", type="run.succeeded")

    kinds = [one["type"] for one in first["events"] + rest["events"]]
    assert sorted(kinds) == ["run.started", "run.succeeded", "step.succeeded"]
    assert [one["run_id"] for one in failed["events"]] == [run]


async def test_a_failure_is_explained_with_what_to_do(web: Web, rows: psycopg.Connection) -> None:
    steps = [{"id": step, "uses": "clock.now"} for step in ("look", "send")]
    task = insert_task(rows, pipeline=steps)
    error = {"code": "ORD404", "message": "the CRM answered 503", "step": "send"}
    insert_run(rows, task, occurrence_for=NOON - timedelta(days=3))
    for days in (2, 1):
        at = NOON - timedelta(days=days)
        run_id = insert_run(rows, task, occurrence_for=at, state="failed", error=Jsonb(error))
    insert_step_result(rows, run_id, "look")
    insert_step_result(rows, run_id, "send", outcome="tool_error", error=error, output=None)

    told = await asked(web, "explain_failure", run="briefing")

    assert (told["run"]["run_id"], told["in_a_row"]) == (str(run_id), 2)
    assert told["run"]["error"]["message"] == "the CRM answered 503"
    assert told["meaning"] == "The tool reported an error."
    assert [one["step"] for one in told["steps"]] == ["send"]
    assert told["changed_since"] is False
    assert any("ordinaut rerun" in line for line in told["advice"])
    assert told["story"]


async def test_what_waits_for_people_is_part_of_the_explanation(web: Web, show: Showcase) -> None:
    told = await asked(web, "explain_failure", run=str(show.runs["payment"]))

    assert told["waits_for_people"] == ["send"]
    assert any("ordinaut approve" in line for line in told["advice"])


async def test_nothing_is_explained_that_went_well(web: Web, show: Showcase) -> None:
    assert "ORD310" in await refusal(web, "explain_failure", run="ops/certificate-watch")
    assert "succeeded" in await refusal(web, "explain_failure", run=str(show.runs["morning"]))


async def test_large_values_are_cut_and_asked_for_by_themselves(
    web: Web, rows: psycopg.Connection
) -> None:
    run_id = insert_run(rows, insert_task(rows), params={"list": ["x" * 50] * 100})
    insert_step_result(rows, run_id, "look", output={"rows": ["y" * 100] * 100}, input={"a": 1})
    for _ in range(40):
        insert_event(rows, "run.started", subject="briefing", run_id=run_id)

    short = await asked(web, "get_run", run=str(run_id))
    whole = await asked(web, "get_run", run=str(run_id), step="look")

    assert set(short["cut"]) == {"params", "steps.look.output", "events"}
    assert short["run"]["steps"][0]["output"]["bytes"] > 10_000
    assert short["run"]["steps"][0]["input"] == {"a": 1}
    assert whole["run"]["steps"][0]["output"] == {"rows": ["y" * 100] * 100}
    assert "look" in await refusal(web, "get_run", run=str(run_id), step="none")


async def test_a_schedule_that_is_not_written_yet_is_previewed(web: Web) -> None:
    spring = {"rrule": "FREQ=DAILY;BYHOUR=2;BYMINUTE=30", "timezone": "Europe/Berlin"}

    told = await asked(web, "preview_schedule", schedule=spring, after="2026-03-28T00:00:00+01:00", limit=2)  # fmt: skip

    assert [one["at"] for one in told["occurrences"]] == [
        "2026-03-28T02:30:00+01:00",
        "2026-03-29T03:30:00+02:00",
    ]
    assert told["occurrences"][1]["note"]


async def test_a_preview_of_a_task_is_what_next_tells(web: Web, show: Showcase) -> None:
    task = await asked(web, "get_task", task="home/backup-photos", occurrences=4)
    told = await asked(web, "preview_schedule", task="home/backup-photos", limit=4)

    assert told["occurrences"] == task["next"], show.now


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        ({"rrule": "FREQ=DAYLY", "timezone": "UTC"}, "ORD601: schedule: FREQ=DAYLY is not a frequency\n  did you mean DAILY?"),
        ({"cron": "0 8 * * *", "timezone": "Europe/Chisinu"}, "ORD604"),
        ({"corn": "0 8 * * *"}, "ORD"),
        ({"cron": "0 8 31 2 *", "timezone": "UTC"}, "ORD605"),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_a_schedule_is_said_as_plan_says_it(
    web: Web, schedule: dict[str, Any], told: str
) -> None:
    assert (await refusal(web, "preview_schedule", schedule=schedule)).startswith(told)


async def test_servers_are_told_with_how_calls_of_them_went(
    web: Web, rows: psycopg.Connection
) -> None:
    revision = insert_revision(rows)
    weather = {"http": {"url": "https://ada:secret@tools.example/mcp?key=1"}, "locked": {"forecast": {}}}  # fmt: skip
    for name, body in (("clock", {"stdio": {"command": "clock", "args": ["--key", "secret"]}}), ("weather", weather)):  # fmt: skip
        head = {**HEAD, "kind": "ToolServer", "namespace": "default", "name": name}
        insert_spec(rows, head | body, revision_id=revision)
    (now,) = rows.execute("select ordinaut.now()").fetchone() or ()
    run_id = insert_run(rows, insert_task(rows), occurrence_for=now)
    for step, outcome in (("a", "ok"), ("b", "ok"), ("c", "timeout")):
        insert_step_result(rows, run_id, step, uses="clock.now", outcome=outcome)

    first = await asked(web, "list_servers", limit=1)
    second = await asked(web, "list_servers", cursor=first["next_cursor"])

    [clock], [other] = first["servers"], second["servers"]
    assert (clock["server"], clock["reached"]) == ("clock", "clock")
    assert clock["outcomes"] == {"ok": 2, "timeout": 1}
    assert clock["last_ok_at"]
    assert (other["reached"], other["tools"]) == ("https://tools.example/mcp", ["forecast"])
    assert "secret" not in str((first, second))


@pytest.mark.parametrize(
    "tool", ["list_tasks", "list_runs", "get_run_logs", "list_servers"]
)  # fmt: skip
async def test_a_cursor_of_nowhere_is_refused(web: Web, tool: str) -> None:
    for cursor in ("!", "cnVuOng", "dGFzazo"):
        assert "ORD310" in await refusal(web, tool, cursor=cursor)


async def test_a_task_that_is_misspelt_is_named(web: Web, show: Showcase) -> None:
    told = await refusal(web, "get_task", task="home/morning-brieffing")

    assert told == (
        "ORD310: there is no task home/morning-brieffing\n  did you mean home/morning-briefing?"
    ), show.now
