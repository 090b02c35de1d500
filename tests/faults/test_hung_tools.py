"""A tool that never answers, and heeds no request to stop: its call ends in time, and its server is replaced."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.faults.site import Site
from tests.support import raw_server
from tests.support.installed import HEAD, install, queue_run, task


def call(tool: str, **fields: Any) -> dict[str, Any]:
    return {"id": "only", "uses": f"mule.{tool}", "with": {}, **fields}


async def test_a_hung_tool_frees_its_slot_in_time_and_takes_nobody_along(site: Site) -> None:
    """Asserts: the one slot of a server is held by a tool that hangs, in a process that reads no more. The call ends with its
    timeout, the process is replaced, and the next call, made by another run, is served by the new one.
    """
    stdio = {"command": sys.executable, "args": [str(Path(raw_server.__file__))]}
    server = {"kind": "ToolServer", "name": "mule", "protocol": "legacy", "max_concurrency": 1}
    await install(site.connection, {**HEAD, **server, "stdio": stdio})
    hung = await queue_run(
        site.connection, await install(site.connection, task("hung", pipeline=[call("hang", timeout="1s")]))
    )  # fmt: skip
    async with site.runtime(lease="30s") as runtime:
        assert await site.ended(hung) == ["failed"]
        sound = await site.queue(
            await install(site.connection, task("sound", pipeline=[call("echo")]))
        )
        assert await site.ended(sound) == ["succeeded"]
        runtime.kill()

    assert await site.rows(
        "select outcome, server_generation from ordinaut.step_result order by finished_at"
    ) == [("timeout", 1), ("ok", 2)]
