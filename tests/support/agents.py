"""An agent: a real MCP client of Ordinaut's own server, over a real process or over HTTP."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx2
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult

from tests.support.web import bearer

ORDINAUT = str(Path(sys.executable).parent / "ordinaut")
ERAS = ("2026-07-28", "legacy")


@dataclass(frozen=True)
class Agent:
    """A connected client."""

    client: Client

    async def names(self) -> list[str]:
        """What tools it is shown."""
        return [one.name for one in (await self.client.list_tools()).tools]

    async def call(self, name: str, **arguments: Any) -> Any:
        """What a call gives that succeeds; its two forms say the same."""
        result = await self.result(name, **arguments)
        assert not result.is_error, result.content[0].text
        assert json.loads(result.content[0].text) == result.structured_content
        return result.structured_content

    async def refused(self, name: str, **arguments: Any) -> str:
        """What a call says that fails."""
        result = await self.result(name, **arguments)
        assert result.is_error, result.structured_content
        return str(result.content[0].text)

    async def result(self, name: str, **arguments: Any) -> CallToolResult:
        """What a call gives."""
        result = await self.client.call_tool(name, arguments)
        assert isinstance(result, CallToolResult)
        return result


@asynccontextmanager
async def over_stdio(
    *arguments: str, env: Mapping[str, str], era: str = "auto", errlog: IO[str] = sys.stderr
) -> AsyncIterator[Agent]:
    """A client of `ordinaut mcp` with these arguments, in this environment alone."""
    server = StdioServerParameters(command=ORDINAUT, args=["mcp", *arguments], env=dict(env))
    async with Client(
        stdio_client(server, errlog=errlog), mode=era, read_timeout_seconds=20
    ) as client:
        yield Agent(client)


@asynccontextmanager
async def over_http(url: str, token: str | None, era: str = "auto") -> AsyncIterator[Agent]:
    """A client of `/mcp` of a web side, with this token."""
    headers = bearer(token) if token else {}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=20) as http,
        Client(
            streamable_http_client(f"{url}/mcp", http_client=http),
            mode=era,
            read_timeout_seconds=20,
        ) as client,
    ):
        yield Agent(client)
