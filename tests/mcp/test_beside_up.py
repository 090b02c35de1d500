"""The MCP server beside `ordinaut up`: whichever of the two is started first, and over HTTP as `up` serves it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tests.support.agents import over_http, over_stdio
from tests.support.processes import ordinaut, started

_SPECS: Final = """\
apiVersion: ordinaut/v1
kind: Project
name: home
---
apiVersion: ordinaut/v1
kind: Task
name: tidy-up
schedule: {manual: true}
pipeline:
  - {id: rest, uses: ordinaut.sleep, with: {for: 1ms}}
"""


@pytest.mark.slow
async def test_a_server_finds_up_whenever_that_starts(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "all.yaml").write_text(_SPECS)
    state = ("--state-dir", str(tmp_path / ".ordinaut"))

    async with over_stdio("--scope", "read", "--scope", "operate", *state, env={}) as agent:
        before = await agent.refused("list_tasks")
        async with started("up", "--listen", "127.0.0.1:0", cwd=tmp_path) as up:
            await up.line("watching the specs")
            tasks = await agent.call("list_tasks")
            made = await agent.call("run_now", task="tidy-up", reason="a test")
            over = await agent.call("wait_run", run=made["run"]["run_id"], seconds=20)
            address = re.search(r"http://127\.0\.0\.1:\d+", up.stdout + up.stderr)
            token = await ordinaut("token", "create", "robot", "--scope", "read", cwd=tmp_path)
            assert address, up.stdout + up.stderr
            async with over_http(address[0], token.stdout.strip()) as other:
                elsewhere = await other.call("get_run", run=made["run"]["run_id"])
            up.terminate()
            await up.ended()
        between = await agent.refused("list_tasks")
        async with started("up", cwd=tmp_path) as again:
            await again.line("watching the specs")
            after = await agent.call("list_tasks")

    assert before.startswith("ORD301")
    assert between.startswith("ORD301")
    assert [one["task"] for one in tasks["tasks"]] == ["tidy-up"]
    assert (over["is_over"], over["run"]["state"]) == (True, "succeeded")
    assert elsewhere["run"]["state"] == "succeeded"
    assert after["tasks"][0]["last_run"]["run_id"] == made["run"]["run_id"]
