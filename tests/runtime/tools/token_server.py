"""An authorization server by hand: it publishes what it is, and gives tokens for credentials."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

from tests.runtime.tools.http_server import RawHttp, Reply, reply


class TokenServer:
    """The server, for one tool server, which it makes ask for tokens.

    Attributes:
        tools: the tool server; it takes the last token that was given.
        issuer: what it calls itself.
        asked: the requests for tokens so far: their fields, and the credentials of their header.
        answer: what a request for a token gets.
        claims: what it says of itself beside the usual.
    """

    def __init__(self, tools: RawHttp) -> None:
        self.tools = tools
        self.issuer = ""
        self.asked: list[tuple[dict[str, str], str]] = []
        self.answer: Callable[[dict[str, str]], Reply] = self.give
        self.claims: dict[str, Any] = {}
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.issuer = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self.tools.challenge = f'Bearer resource_metadata="{self.issuer}/resource"'
        self.tools.token = "nobody has it yet"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self._connections:
            connection.transport.abort()

    def give(self, fields: dict[str, str]) -> Reply:
        """Give a new token; those before it are worth nothing."""
        self.tools.token = f"token-{len(self.asked)}"
        token = {"access_token": self.tools.token, "token_type": "Bearer", "expires_in": 3600}
        return reply(token)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                request, *lines = head.decode().strip().split("\r\n")
                headers = {
                    name.lower(): value for name, value in (line.split(": ", 1) for line in lines)
                }
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                writer.write(self._reply(request.split()[1], headers, body.decode())[0])
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._connections.discard(writer)
            writer.close()

    def _reply(self, path: str, headers: dict[str, str], body: str) -> Reply:
        match path:
            case "/resource":
                return reply({"resource": self.tools.url, "authorization_servers": [self.issuer]})
            case "/.well-known/oauth-authorization-server":
                return reply(
                    {
                        "issuer": self.issuer,
                        "authorization_endpoint": f"{self.issuer}/authorize",
                        "token_endpoint": f"{self.issuer}/token",
                        "response_types_supported": ["code"],
                        "grant_types_supported": ["client_credentials"],
                    }
                    | self.claims
                )
            case "/token":
                fields = dict(parse_qsl(body))
                _, _, basic = headers.get("authorization", "").partition(" ")
                self.asked.append((fields, base64.b64decode(basic).decode()))
                return self.answer(fields)
        return reply(json.dumps("what?"), "404 Not Found")
