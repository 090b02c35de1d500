"""An authorization server by hand: it publishes what it is, and gives tokens for credentials."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from tests.runtime.tools.http_server import HttpByHand, RawHttp, Reply, reply


class TokenServer(HttpByHand):
    """The server, for one tool server, which it makes ask for tokens.

    Attributes:
        tools: the tool server; it takes the last token that was given.
        asked: the requests for tokens so far: their fields, and the credentials of their header.
        answer: what a request for a token gets.
        claims: what it says of itself beside the usual.
    """

    def __init__(self, tools: RawHttp) -> None:
        super().__init__()
        self.tools = tools
        self.asked: list[tuple[dict[str, str], str]] = []
        self.answer: Callable[[dict[str, str]], Reply] = self.give
        self.claims: dict[str, Any] = {}

    async def start(self) -> None:
        """Listen, and have the tool server send everybody here."""
        await super().start()
        self.tools.challenge = f'Bearer resource_metadata="{self.issuer}/resource"'
        self.tools.token = "nobody has it yet"

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def give(self, fields: dict[str, str]) -> Reply:
        """Give a new token; those before it are worth nothing."""
        self.tools.token = f"token-{len(self.asked)}"
        token = {"access_token": self.tools.token, "token_type": "Bearer", "expires_in": 3600}
        return reply(token)

    def respond(self, line: str, headers: dict[str, str], body: str) -> Reply:
        path = line.split()[1]
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
