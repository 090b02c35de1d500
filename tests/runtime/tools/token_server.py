"""An authorization server by hand: it publishes what it is, and gives tokens for credentials, or for what a person allows."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode

from tests.runtime.tools.http_server import HttpByHand, RawHttp, Reply, reply


class TokenServer(HttpByHand):
    """The server, for one tool server, which it makes ask for tokens.

    Attributes:
        tools: the tool server; it takes the last token that was given.
        asked: the requests for tokens so far: their fields, and the credentials of their header.
        answer: what a request for a token gets.
        claims: what it says of itself beside the usual.
        visits: what browsers came with.
        registered: who registered.
        sends_back: what a browser takes back to whoever sent it, beside or in the place of the usual.
        refresh_token: the only one that is worth anything.
        revoked: what was to be taken back.
    """

    def __init__(self, tools: RawHttp) -> None:
        super().__init__()
        self.tools = tools
        self.asked: list[tuple[dict[str, str], str]] = []
        self.answer: Callable[[dict[str, str]], Reply] = self.give
        self.claims: dict[str, Any] = {}
        self.visits: list[dict[str, str]] = []
        self.registered: list[dict[str, Any]] = []
        self.sends_back: dict[str, str] = {}
        self.refresh_token = ""
        self.revoked: list[str] = []

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
        if fields["grant_type"] == "client_credentials":
            return reply(token)
        if not self._is_due(fields):
            return reply({"error": "invalid_grant"}, "400 Bad Request")
        self.refresh_token = f"refresh-{len(self.asked)}"
        return reply(token | {"refresh_token": self.refresh_token})

    def refreshes(self) -> int:
        """How often a refresh token was used."""
        return sum(fields["grant_type"] == "refresh_token" for fields, _ in self.asked)

    def _is_due(self, fields: dict[str, str]) -> bool:
        """Whether a token is due for what a person allowed (RFC 7636), or for the refresh token, which is good once."""
        if fields["grant_type"] == "refresh_token":
            return fields["refresh_token"] == self.refresh_token
        visit = self.visits[-1]
        digest = hashlib.sha256(fields["code_verifier"].encode()).digest()
        same = all(
            fields[each] == visit[each] for each in ("client_id", "redirect_uri", "resource")
        )
        proof = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        return (
            same and proof == visit["code_challenge"] and visit["code_challenge_method"] == "S256"
        )

    def _meet_person(self, path: str, query: str, body: str) -> Reply:
        match path:
            case "/register":
                return self._register(body)
            case "/authorize":
                return self._allow(query)
        self.revoked.append(dict(parse_qsl(body))["token"])
        return reply({})

    def _register(self, body: str) -> Reply:
        wanted = json.loads(body)
        self.registered.append(wanted)
        client = {"client_id": f"client-{len(self.registered)}", **wanted}
        return reply(client | {"token_endpoint_auth_method": "none"}, "201 Created")

    def _allow(self, query: str) -> Reply:
        visit = dict(parse_qsl(query))
        self.visits.append(visit)
        taken = {"code": "the-code-of-it", "state": visit["state"], "iss": self.issuer}
        back = f"{visit['redirect_uri']}?{urlencode(taken | self.sends_back)}"
        return reply("", "302 Found", headers=f"location: {back}\r\n")

    def respond(self, line: str, headers: dict[str, str], body: str) -> Reply:
        path, _, query = line.split()[1].partition("?")
        if path in {"/register", "/authorize", "/revoke"}:
            return self._meet_person(path, query, body)
        match path:
            case "/resource":
                resource = self.claims.get("resource", self.tools.url)
                return reply({"resource": resource, "authorization_servers": [self.issuer]})
            case "/.well-known/oauth-authorization-server":
                return reply(
                    {
                        "issuer": self.issuer,
                        "authorization_endpoint": f"{self.issuer}/authorize",
                        "token_endpoint": f"{self.issuer}/token",
                        "response_types_supported": ["code"],
                        "grant_types_supported": ["client_credentials", "authorization_code"],
                        "registration_endpoint": f"{self.issuer}/register",
                        "revocation_endpoint": f"{self.issuer}/revoke",
                        "code_challenge_methods_supported": ["S256"],
                        "authorization_response_iss_parameter_supported": True,
                    }
                    | self.claims
                )
            case "/token":
                fields = dict(parse_qsl(body))
                _, _, basic = headers.get("authorization", "").partition(" ")
                self.asked.append((fields, base64.b64decode(basic).decode()))
                return self.answer(fields)
        return reply(json.dumps("what?"), "404 Not Found")
