"""A task that says so is a tool of its own, with its params as arguments."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from mcp import MCPError

from tests.support.agents import over_http
from tests.support.factories import insert_task
from tests.support.web import Web

WHY = {"reason": "a test"}
PARAMS: dict[str, Any] = {"city": "Rome", "days": 3, "schema": {"a": 1}, "dry": False, "any": None}


@pytest.fixture(autouse=True)
def _tasks(rows: psycopg.Connection) -> None:
    shown = {"mcp.expose": "true"}
    insert_task(rows, "look-out", namespace="home", labels=shown, params=PARAMS, description="Looks.")  # fmt: skip
    insert_task(rows, "hidden")
    insert_task(rows, "task-now", labels={"mcp.expose": "false"})
    # One whose tool would be called like one that there is.
    insert_task(rows, "now", labels=shown)


async def test_a_labelled_task_is_a_tool_with_its_params(
    web: Web, rows: psycopg.Connection
) -> None:
    async with over_http(web.url, web.token_for("operate")) as agent:
        listed = {one.name: one for one in (await agent.client.list_tools()).tools}
        tried = await agent.call("run_home_look_out", **WHY, dry_run=True)
        made = await agent.call("run_home_look_out", **WHY, params={"city": "Oslo", "schema": {}})

    tool = listed["run_home_look_out"]
    properties = tool.input_schema["$defs"]["Params"]["properties"]
    assert {name: one.get("type") for name, one in properties.items()} == {
        "city": "string",
        "days": "integer",
        "schema": "object",
        "dry": "boolean",
        "any": None,
    }
    assert properties["days"]["default"] == 3
    assert "Looks." in (tool.description or "")
    assert set(listed) == {"run_now", "cancel_run", "snooze_task", "run_home_look_out"}
    assert (tried["dry_run"], made["dry_run"], made["run"]["task"]) == (True, False, "home/look-out")  # fmt: skip
    found = rows.execute("select params, requested_by from ordinaut.run").fetchall()
    assert found == [({"city": "Oslo", "schema": {}}, "operate")]


async def test_what_does_not_fit_the_params_is_refused(web: Web, rows: psycopg.Connection) -> None:
    async with over_http(web.url, web.token_for("operate")) as agent:
        deep = json.loads('{"a":' * 99 + "1" + "}" * 99)
        for params in ({"town": "Oslo"}, {"days": "3"}, {"param0": "Oslo"}, [], {"schema": deep}):
            told = await agent.refused("run_home_look_out", **WHY, params=params)
            assert told.startswith("ORD007: params"), params
        assert "reason" in await agent.refused("run_home_look_out")

    assert rows.execute("select count(*) from ordinaut.run").fetchone() == (0,)


async def test_whoever_may_not_run_tasks_sees_none_as_tools(web: Web) -> None:
    async with over_http(web.url, web.token_for("read")) as agent:
        assert "run_home_look_out" not in await agent.names()
        with pytest.raises(MCPError, match="there is no tool"):
            await agent.client.call_tool("run_home_look_out", WHY)
    async with over_http(web.url, web.token_for("operate")) as agent:
        with pytest.raises(MCPError, match="there is no tool"):
            await agent.client.call_tool("run_hidden", WHY)


async def test_a_row_that_somebody_broke_is_no_tool_and_hides_no_other(
    web: Web, rows: psycopg.Connection
) -> None:
    broken = insert_task(rows, "broken", labels={"mcp.expose": "true"})
    rows.execute(
        "update ordinaut.spec set body = jsonb_set(body, '{params}', '[1]') where uid = %s",
        [broken.uid],
    )

    async with over_http(web.url, web.token_for("operate")) as agent:
        names = await agent.names()

    assert ("run_broken" in names, "run_home_look_out" in names) == (False, True)


async def test_of_two_tasks_that_would_be_called_alike_neither_is_a_tool(
    web: Web, rows: psycopg.Connection
) -> None:
    insert_task(rows, "out", namespace="home-look", labels={"mcp.expose": "true"})

    async with over_http(web.url, web.token_for("operate")) as agent:
        assert "run_home_look_out" not in await agent.names()
        with pytest.raises(MCPError, match="there is no tool"):
            await agent.client.call_tool("run_home_look_out", WHY)
