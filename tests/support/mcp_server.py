"""A well-behaved tool server on the official SDK: `python mcp_server.py stdio`, or with `http PORT` or `sse PORT`."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp_types import ElicitRequest, ElicitRequestFormParams, InputRequiredResult, ToolAnnotations

server = MCPServer("good", version="7")


@server.tool(annotations=ToolAnnotations(readOnlyHint=True))
async def add(a: int, b: int) -> int:
    """The sum."""
    return a + b


@server.tool()
async def echo(value: str) -> dict[str, Any]:
    """What it is given, and who answers."""
    return {"value": value, "pid": os.getpid()}


@server.tool()
async def slow(seconds: float, file: str) -> str:
    """Writes what happens to it into a file."""
    enter(file, "started")
    try:
        await asyncio.sleep(seconds)  # noqa: TID251 - a program of its own, without our clock
    except asyncio.CancelledError:
        enter(file, "withdrawn")
        raise
    enter(file, "finished")
    return "done"


@server.tool()
async def stride(steps: int, seconds: float, context: Context[Any]) -> str:
    """Tells of its progress after each step."""
    for done in range(steps):
        await asyncio.sleep(seconds)  # noqa: TID251 - a program of its own, without our clock
        await context.report_progress(done + 1, steps)
    return "there"


def enter(file: str, what: str) -> None:
    """A line in the diary."""
    with Path(file).open("a") as diary:
        diary.write(what + "\n")


@server.tool()
async def fail(reason: str) -> str:
    """Raises."""
    raise ValueError(reason)


@server.tool(structured_output=False)
async def big(size: int) -> str:
    """A long text."""
    return "x" * size


@server.tool()
async def ask() -> str | InputRequiredResult:
    """Asks back."""
    schema = {"type": "object", "properties": {"sure": {"type": "boolean"}}}
    form = ElicitRequestFormParams(message="Are you sure?", requested_schema=schema)
    return InputRequiredResult(input_requests={"sure": ElicitRequest(params=form)})


@server.tool()
async def grow(name: str, context: Context[Any]) -> str:
    """Has one more tool from now on, and says so."""
    server.add_tool(echo, name=name)
    await context.notify_tools_changed()
    return name


def main() -> None:
    """Serve until told to stop."""
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        server.run({"http": "streamable-http", "sse": "sse"}[sys.argv[1]], port=int(sys.argv[2]))


if __name__ == "__main__":
    main()
