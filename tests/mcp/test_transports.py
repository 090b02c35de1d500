"""`ordinaut mcp` and `/mcp`: real clients of both revisions' ways, over real processes and real HTTP."""

from __future__ import annotations

from pathlib import Path

import httpx
import psycopg
import pytest
from mcp import MCPError

from tests.support.agents import ERAS, over_http, over_stdio
from tests.support.installed import install, task
from tests.support.web import Web, bearer


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
        with pytest.raises(MCPError, match=r"ORD301: no server runs in .*\n.*`ordinaut up`"):
            await agent.names()


def test_whoever_shows_no_token_is_not_answered(web: Web) -> None:
    for headers in ({}, bearer("ord_" + "a" * 43), {"Authorization": "Basic YTpi"}):
        refused = httpx.post(f"{web.url}/mcp", json={"jsonrpc": "2.0"}, headers=headers)

        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")


def test_a_page_elsewhere_has_nothing_sent(web: Web) -> None:
    foreign = web.as_("read") | {"Origin": "https://evil.example"}

    assert httpx.post(f"{web.url}/mcp", json={}, headers=foreign).status_code == 403
    assert httpx.get(f"{web.url}/mcp", headers=web.as_("read")).status_code == 405
