"""What tools do, they do as the commands do, for those who may, with who and why on record; a dry run does nothing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from mcp import MCPError
from psycopg import sql
from psycopg.types.json import Jsonb

from runtime.core.identity import KEY_META
from schemas.token import Scope
from tests.support.agents import over_http
from tests.support.factories import (
    TaskRow,
    insert_due_work,
    insert_run,
    insert_sleeping_run,
    insert_spec,
    insert_task,
    insert_wait,
)
from tests.support.web import Web

WHY = {"reason": "a test"}


@pytest.fixture(autouse=True)
def task(rows: psycopg.Connection) -> TaskRow:
    return insert_task(rows, agent="assistant", params={"city": "Rome"})


@pytest.fixture
def queued(rows: psycopg.Connection, task: TaskRow) -> UUID:
    """A run that nobody has taken."""
    run_id = insert_run(rows, task, state="queued")
    insert_due_work(rows, task, run_id)
    return run_id


@pytest.fixture
def asking(rows: psycopg.Connection, task: TaskRow) -> UUID:
    """A run whose step asks for a decision."""
    run_id = insert_sleeping_run(rows, task, trigger_key="asking", requested_by="operate")
    insert_wait(rows, run_id, "pay", asked={"message": "Pay?"})
    return run_id


async def done(web: Web, *scopes: Scope, tool: str, **arguments: Any) -> Any:
    """What a tool says to somebody with these scopes."""
    async with over_http(web.url, web.token_for(*scopes)) as agent:
        return await agent.call(tool, **WHY | arguments)


async def refusal(web: Web, *scopes: Scope, tool: str, **arguments: Any) -> str:
    """What a tool says that refuses somebody with these scopes."""
    async with over_http(web.url, web.token_for(*scopes)) as agent:
        return await agent.refused(tool, **WHY | arguments)


def tables(rows: psycopg.Connection) -> dict[str, list[Any]]:
    """Every row of every table."""
    names = rows.execute(
        "select relname from pg_class where relnamespace = 'ordinaut'::regnamespace and relkind in ('r', 'p') order by 1"
    ).fetchall()
    found = {}
    for (name,) in names:
        query = sql.SQL("select t::text from ordinaut.{} t order by 1").format(
            sql.Identifier(name)
        )
        found[name] = rows.execute(query).fetchall()
    return found


def audited(rows: psycopg.Connection) -> list[tuple[Any, ...]]:
    """Who did what over MCP."""
    return rows.execute(
        "select action, actor, origin, token, address, reason from ordinaut.audit where origin = 'mcp' order by entry"
    ).fetchall()


READS = [
    "list_tasks",
    "get_task",
    "list_runs",
    "get_run",
    "get_run_logs",
    "explain_failure",
    "preview_schedule",
    "list_servers",
    "get_status",
    "get_spend",
    "wait_run",
    "validate_manifest",
    "plan_change",
]
OPERATES = ["run_now", "cancel_run", "snooze_task"]


@pytest.mark.parametrize(
    ("scopes", "shown"),
    [
        (("read",), READS),
        (("operate",), OPERATES),
        (("approve",), ["decide_approval"]),
        (("propose",), ["propose_change"]),
        (("emit",), []),
        (("read", "operate"), READS + OPERATES),
    ],
)
async def test_a_caller_is_shown_what_its_scopes_allow_and_nothing_else(
    web: Web, scopes: tuple[Scope, ...], shown: list[str]
) -> None:
    async with over_http(web.url, web.token_for(*scopes)) as agent:
        assert set(await agent.names()) == set(shown)
        for hidden in set(READS + OPERATES + ["decide_approval", "propose_change"]) - set(shown):
            with pytest.raises(MCPError, match="there is no tool"):
                await agent.client.call_tool(hidden, WHY)


async def test_a_run_is_started_with_who_and_why_on_record(
    web: Web, rows: psycopg.Connection
) -> None:
    made = await done(web, "operate", tool="run_now", task="briefing", params={"city": "Brașov"})

    assert (made["dry_run"], made["is_new"], made["run"]["state"]) == (False, True, "queued")
    assert audited(rows) == [("task.run", "operate", "mcp", "operate", "127.0.0.1", "a test")]
    [(run_id, params)] = rows.execute("select run_id, params from ordinaut.run").fetchall()
    assert (str(run_id), params) == (made["run"]["run_id"], {"city": "Brașov"})


async def test_a_key_stands_for_one_run_of_its_caller(web: Web, rows: psycopg.Connection) -> None:
    wish: dict[str, Any] = {"tool": "run_now", "task": "briefing", "idempotency_key": "k 1"}

    first = await done(web, "operate", **wish)
    again = await done(web, "operate", **wish)
    of_another = await done(web, "operate", "read", **wish, overlap=True)
    other = await refusal(web, "operate", **wish, params={"city": "Oslo"})

    assert (first["is_new"], again["is_new"], of_another["is_new"]) == (True, False, True)
    assert first["run"]["run_id"] == again["run"]["run_id"] != of_another["run"]["run_id"]
    assert other.startswith("ORD329")
    assert len(audited(rows)) == 2


async def test_a_step_that_is_tried_again_starts_no_second_run(web: Web) -> None:
    wish = {"task": "briefing", "overlap": True, **WHY}
    found = []
    async with over_http(web.url, web.token_for("operate")) as agent:
        for key in ("a" * 32, "a" * 32, "b" * 32, "no key of ours", 7):
            told = await agent.client.call_tool("run_now", wish, meta={KEY_META: key})
            found.append(told.structured_content["run"]["run_id"])

    first, again, *others = found
    assert first == again
    assert len({first, *others}) == 4


async def test_a_run_is_cancelled_once(web: Web, rows: psycopg.Connection, queued: UUID) -> None:
    first = await done(web, "operate", tool="cancel_run", run=str(queued))
    again = await done(web, "operate", tool="cancel_run", run=str(queued))

    assert (first["outcome"], first["run"]["state"]) == ("cancelled", "cancelled")
    assert again["outcome"] == "unchanged"
    assert [one[0] for one in audited(rows)] == ["run.cancel"]


async def test_a_task_is_snoozed(web: Web, rows: psycopg.Connection) -> None:
    until = "2099-01-01T00:00:00+00:00"

    first = await done(web, "operate", tool="snooze_task", task="briefing", until=until)
    again = await done(web, "operate", tool="snooze_task", task="briefing", until=until)

    assert (first["outcome"], first["snooze"]["actor"]) == ("snoozed", "operate")
    assert again["outcome"] == "unchanged"
    assert [one[0] for one in audited(rows)] == ["task.snooze"]


async def test_a_step_goes_on_that_somebody_else_decides(
    web: Web, rows: psycopg.Connection, asking: UUID
) -> None:
    told = await done(web, "approve", tool="decide_approval", run=str(asking), step="pay", approved=True)  # fmt: skip

    assert (told["run_id"], told["approved"], told["dry_run"]) == (str(asking), True, False)
    assert [one[:2] for one in audited(rows)] == [("step.approve", "approve")]


def own_run(rows: psycopg.Connection, task: TaskRow, way: str) -> UUID:
    """A run that somebody called `approve` asked for, in some way, and whose step asks for a decision."""
    columns: dict[str, Any] = {}
    match way:
        case "request":
            columns = {"requested_by": "approve"}
        case "event":
            columns = {"event": Jsonb({"source": "api:approve"})}
        case "batch":
            columns = {"event": Jsonb({"source": "api:ana", "items": [{"source": "api:approve"}]})}
        case "run above":
            above = insert_sleeping_run(rows, task, trigger_key="above", requested_by="approve")
            columns = {"trigger": "run", "trigger_key": f"{above}:call:0", "requested_by": "run"}
        case "agent":
            body = task.body | {"agent": "home/approve"}
            rows.execute("update ordinaut.spec set body = %s where uid = %s", [Jsonb(body), task.uid])  # fmt: skip
        case "token":
            rule = {"agent": "assistant", "token": "approve"}
            project = {"kind": "Project", "namespace": "default", "name": "home", "proposals": {"merge": [rule]}}  # fmt: skip
            insert_spec(rows, project, revision_id=task.revision_id)
    run_id = insert_sleeping_run(rows, task, **columns)
    insert_wait(rows, run_id, "pay", asked={"message": "Pay?"})
    return run_id


WAYS = pytest.mark.parametrize("way", ["request", "event", "batch", "run above", "agent", "token"])


@WAYS
async def test_nobody_decides_what_they_asked_for(
    web: Web, rows: psycopg.Connection, task: TaskRow, way: str
) -> None:
    own = own_run(rows, task, way)
    async with over_http(web.url, web.token_for("approve")) as agent:
        await agent.names()
    before = tables(rows)

    told = await refusal(web, "approve", tool="decide_approval", run=str(own), step="pay", approved=True)  # fmt: skip

    assert told.startswith("ORD418")
    assert tables(rows) == before


@WAYS
def test_the_same_token_does_not_decide_it_past_the_tools(
    web: Web, rows: psycopg.Connection, task: TaskRow, way: str
) -> None:
    path = f"{web.url}/api/v1/approvals/{own_run(rows, task, way)}/pay"

    told = httpx.post(path, json=WHY | {"approved": True}, headers=web.as_("approve"))
    other = httpx.post(path, json=WHY | {"approved": True}, headers=web.as_("admin"))

    assert (told.status_code, told.json()["code"]) == (403, "ORD418")
    assert other.status_code == 200, other.text


@pytest.mark.parametrize(
    ("scope", "tool", "arguments"),
    [
        ("operate", "run_now", {"task": "briefing", "idempotency_key": "k", "overlap": True}),
        ("operate", "cancel_run", {}),
        ("operate", "snooze_task", {"task": "briefing", "until": "2h"}),
        ("approve", "decide_approval", {"step": "pay", "approved": True}),
    ],
)
async def test_a_dry_run_tells_what_would_be_done_and_does_nothing(
    *,
    web: Web,
    rows: psycopg.Connection,
    queued: UUID,
    asking: UUID,
    scope: Scope,
    tool: str,
    arguments: dict[str, Any],
) -> None:
    wish = {"tool": tool, **arguments}
    if "task" not in wish:
        wish["run"] = str(asking if tool == "decide_approval" else queued)
    async with over_http(web.url, web.token_for(scope)) as agent:
        # That the token is used is noted, by the hour.
        await agent.names()
    before = tables(rows)

    told = await done(web, scope, **wish, dry_run=True)

    assert told["dry_run"] is True
    assert tables(rows) == before
    really = await done(web, scope, **wish)
    assert really["dry_run"] is False
    assert tables(rows) != before
    assert told.keys() == really.keys()


async def test_a_dry_run_is_refused_like_the_thing_itself(web: Web, queued: UUID) -> None:
    for dry_run in (True, False):
        told = await refusal(web, "operate", tool="run_now", task="briefing", params={"town": 1}, dry_run=dry_run)  # fmt: skip
        assert told.startswith("ORD310: task briefing has no parameter town"), queued


async def test_whoever_waits_is_told_when_the_run_is_over(
    web: Web, rows: psycopg.Connection, queued: UUID
) -> None:
    async with over_http(web.url, web.token_for("read")) as agent:
        short = await agent.call("wait_run", run=str(queued), seconds=0)
        await done(web, "operate", tool="cancel_run", run=str(queued))
        long = await agent.call("wait_run", run=str(queued), seconds=20)

    assert (short["is_over"], short["run"]["state"]) == (False, "queued")
    assert (long["is_over"], long["run"]["state"]) == (True, "cancelled")
    assert [one["step"] for one in long["steps"]]


@pytest.mark.parametrize("wish", [{"reason": ""}, {"reason": " "}, {"reason": 1}, {"why": "x"}, {"reason": "x" * 2000}])  # fmt: skip
async def test_what_is_done_needs_a_reason_and_takes_nothing_else(
    web: Web, rows: psycopg.Connection, wish: dict[str, Any]
) -> None:
    async with over_http(web.url, web.token_for("operate")) as agent:
        told = await agent.refused("run_now", task="briefing", **wish)

    assert told.startswith("ORD007")
    assert audited(rows) == []
