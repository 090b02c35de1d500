"""`ordinaut mcp` and `/mcp`: real clients of both revisions' ways, over real processes and real HTTP."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import psycopg
import pytest
import yaml
from mcp import MCPError

from runtime.actor import Actor
from runtime.store.tokens import revoke_token
from runtime.web.limits import GUESSES_AT_ONCE
from tests.support.agents import ERAS, over_http, over_stdio
from tests.support.factories import insert_run, insert_task
from tests.support.installed import install, task
from tests.support.web import Web, bearer, make_token


async def installed(database: str, *names: str) -> None:
    """Tasks of these names."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        for name in names:
            await install(connection, task(name))


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_over_stdio_is_answered(database: str, era: str) -> None:
    await installed(database, "briefing")

    async with over_stdio(env={"ORDINAUT_DATABASE_URL": database}, era=era) as agent:
        assert "list_tasks" in await agent.names()
        found = await agent.call("list_tasks")

    assert [one["task"] for one in found["tasks"]] == ["briefing"]


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_over_http_is_answered(web: Web, era: str) -> None:
    await installed(web.database, "briefing")

    async with over_http(web.url, web.token_for("read"), era) as agent:
        found = await agent.call("list_tasks")

    assert [one["task"] for one in found["tasks"]] == ["briefing"]


async def test_a_server_that_is_started_before_the_database_says_what_to_do(
    tmp_path: Path,
) -> None:
    async with over_stdio("--state-dir", str(tmp_path / "none"), env={}) as agent:
        assert "list_tasks" in await agent.names()
        told = await agent.refused("list_tasks")
        with pytest.raises(MCPError, match="ORD301"):
            await agent.client.read_resource("ordinaut://tasks/default/briefing")

    assert told.startswith("ORD301: no server runs in ")
    assert "`ordinaut up`" in told


async def test_a_person_may_look_unless_more_is_asked_for(database: str) -> None:
    await installed(database, "briefing")
    env = {"ORDINAUT_DATABASE_URL": database}

    async with over_stdio(env=env) as agent:
        looking = await agent.names()
    async with over_stdio("--scope", "operate", env=env) as agent:
        operating = await agent.names()
        made = await agent.call("run_now", task="briefing", reason="a test")

    assert not {"run_now", "decide_approval"} & set(looking)
    assert operating == ["run_now", "cancel_run", "snooze_task"]
    assert made["is_new"]


async def test_a_token_over_stdio_is_who_acts_and_what_may_be_done(
    database: str, rows: psycopg.Connection
) -> None:
    await installed(database, "briefing")
    token = make_token(database, "robot", ("operate",))
    env = {"ORDINAUT_DATABASE_URL": database, "ORDINAUT_MCP_TOKEN": token}

    async with over_stdio("--scope", "read", env=env) as agent:
        assert await agent.names() == []
    async with over_stdio(env=env) as agent:
        assert await agent.names() == ["run_now", "cancel_run", "snooze_task"]
        await agent.call("run_now", task="briefing", reason="a test")
        revoke_token(rows, "robot", actor=Actor("tester"))
        assert (await agent.refused("run_now", task="briefing", reason="no")).startswith("ORD319")
        with pytest.raises(MCPError, match="ORD319"):
            await agent.client.list_resources()

    found = rows.execute(
        "select actor, origin, token from ordinaut.audit where action = 'task.run'"
    )
    assert found.fetchall() == [("robot", "mcp", "robot")]


async def test_resources_are_read_by_their_addresses(web: Web, rows: psycopg.Connection) -> None:
    task = insert_task(rows, namespace="home")
    run_id = insert_run(rows, task)

    async with over_http(web.url, web.token_for("read")) as agent:
        listed = [one.uri for one in (await agent.client.list_resources()).resources]
        templates = (await agent.client.list_resource_templates()).resource_templates
        text = {}
        for uri in (*listed, "ordinaut://tasks/home/briefing", f"ordinaut://runs/{run_id}"):
            [content] = (await agent.client.read_resource(uri)).contents
            text[uri] = content.text

    assert [one.uri_template for one in templates] == [
        "ordinaut://tasks/{namespace}/{name}",
        "ordinaut://runs/{run_id}",
    ]
    assert yaml.safe_load(text["ordinaut://tasks/home/briefing"])["namespace"] == "home"
    assert json.loads(text[f"ordinaut://runs/{run_id}"])["run"]["run_id"] == str(run_id)
    assert "Task" in json.loads(text["ordinaut://schema/task.json"])["title"]
    assert text["ordinaut://guides/change-flow"].startswith("# How schedules are changed")


@pytest.mark.parametrize(
    "uri",
    [
        "ordinaut://tasks/default/none",
        "ordinaut://runs/last",
        "ordinaut://runs/00000000-0000-8000-8000-000000000000",
        "ordinaut://tasks/../../etc/passwd",
        "ordinaut://tasks/default/%00",
        "ordinaut://none",
        "file:///etc/passwd",
        "ordinaut://tasks/default/" + "x" * 5000,
    ],
)
async def test_an_address_that_leads_nowhere_is_refused(web: Web, uri: str) -> None:
    async with over_http(web.url, web.token_for("read")) as agent:
        with pytest.raises(MCPError, match="ORD310") as refused:
            await agent.client.read_resource(uri)

    assert refused.value.error.code == -32602


async def test_prompts_lead_to_tools_that_there_are(web: Web) -> None:
    given = {"diagnose_task": {"task": "home/{wish}"}, "draft_task": {"wish": "a {task}"}}

    async with over_http(web.url, web.token_for("read")) as agent:
        names = [one.name for one in (await agent.client.list_prompts()).prompts]
        texts = {}
        for name in names:
            found = await agent.client.get_prompt(name, given.get(name, {}))
            texts[name] = found.messages[0].content.text
        with pytest.raises(MCPError, match="takes task"):
            await agent.client.get_prompt("diagnose_task", {})

    assert names == ["diagnose_task", "draft_task", "daily_review"]
    assert "the task home/{wish} of" in texts["diagnose_task"]
    assert "a {task}" in texts["draft_task"]


async def test_whoever_may_not_look_sees_neither_resources_nor_prompts(web: Web) -> None:
    async with over_http(web.url, web.token_for("operate")) as agent:
        assert (await agent.client.list_resources()).resources == []
        assert (await agent.client.list_resource_templates()).resource_templates == []
        assert (await agent.client.list_prompts()).prompts == []
        with pytest.raises(MCPError, match="ORD310"):
            await agent.client.read_resource("ordinaut://guides/change-flow")
        with pytest.raises(MCPError, match="ORD310"):
            await agent.client.get_prompt("daily_review")


def test_whoever_shows_no_token_is_not_answered(web: Web) -> None:
    for headers in ({}, bearer("ord_" + "a" * 43), {"Authorization": "Basic YTpi"}):
        refused = httpx.post(f"{web.url}/mcp", json={"jsonrpc": "2.0"}, headers=headers)

        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")


def test_a_page_elsewhere_has_nothing_sent(web: Web) -> None:
    foreign = web.as_("read") | {"Origin": "https://evil.example"}

    assert httpx.post(f"{web.url}/mcp", json={}, headers=foreign).status_code == 403
    assert httpx.get(f"{web.url}/mcp", headers=web.as_("read")).status_code == 405


def test_requests_are_measured_and_counted_like_any_other(web: Web) -> None:
    for _ in range(2):
        httpx.post(f"{web.url}/mcp", json={}, headers=web.as_("read"))

    scraped = httpx.get(f"{web.url}/metrics", headers=web.as_("read")).text
    assert 'method="POST",route="/mcp",status="4xx"' in scraped


def test_who_guesses_tokens_is_put_off(web: Web) -> None:
    with httpx.Client(base_url=web.url) as client:
        # On a slow machine some may be guessed anew meanwhile.
        answers = [
            client.post("/mcp", json={}, headers=bearer(f"ord_{number}"))
            for number in range(3 * GUESSES_AT_ONCE)
        ]

    assert answers[0].status_code == 401
    refused = [one for one in answers if one.status_code == 429]
    assert {one.json()["code"] for one in refused} == {"ORD321"}


def test_a_host_that_is_not_ours_is_no_way_in(web: Web) -> None:
    headers = web.as_("read") | {"Host": "rebound.example"}

    assert httpx.post(f"{web.url}/mcp", json={}, headers=headers).status_code == 421
