"""Connections to tool servers over HTTP, as the SDK makes them, over a hardened one of ours."""

from __future__ import annotations

from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING

import httpx2
from mcp.client.streamable_http import streamable_http_client

from runtime.tools.definition import (
    BrowserLogin,
    ClientCredentials,
    HttpTransport,
    ServerDefinition,
)
from runtime.tools.hardened_http import HardenedTransport
from runtime.tools.logins import LoginFile
from runtime.tools.tls import tls_context
from runtime.tools.transports import Streams, Surroundings

if TYPE_CHECKING:
    from runtime.tools.tokens import Tokens


def http_client(
    transport: HttpTransport, definition: ServerDefinition, surroundings: Surroundings, limit: int
) -> httpx2.AsyncClient:
    """What sends requests to a server, and never raises because of one.

    Raises:
        ToolServerError: ORD401, its TLS options cannot be used.
    """
    tls = transport.tls
    return httpx2.AsyncClient(
        transport=HardenedTransport(
            connect_timeout=definition.connect_timeout,
            limit=limit,
            tokens=_tokens(transport, definition, surroundings),
            tls=None if tls is None else tls_context(tls, surroundings.project),
        ),
        # Compressed bodies could not be bounded by their length on the wire.
        headers={"accept-encoding": "identity", **transport.headers},
        timeout=None,
    )


def _tokens(
    transport: HttpTransport, definition: ServerDefinition, surroundings: Surroundings
) -> Tokens | None:
    """What gets the server's access tokens; imported where it is needed, since it costs more than all the rest."""
    match transport.auth:
        case None:
            return None
        case ClientCredentials() as credentials:
            from runtime.tools.authorization import CredentialTokens  # noqa: PLC0415 - as above

            return CredentialTokens(transport.url, credentials, surroundings.redact)
        case BrowserLogin() as login:
            from runtime.tools.allowed import AllowedTokens  # noqa: PLC0415 - as above

            file = LoginFile(surroundings.logins, definition.key, transport.url, login.issuer)
            return AllowedTokens(
                definition.key, file, login.scope, surroundings.redact, surroundings.clock
            )


class HttpConnection:
    """A server reached over streamable HTTP. There is nothing that could be gone: every call may find it anew."""

    def __init__(
        self,
        transport: HttpTransport,
        definition: ServerDefinition,
        surroundings: Surroundings,
        *,
        limit: int,
    ) -> None:
        self.pid: int | None = None
        self._transport = transport
        self._definition = definition
        self._surroundings = surroundings
        self._limit = limit
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Streams:
        """Prepare to connect; nothing is sent yet.

        Raises:
            ToolServerError: ORD401, its TLS options cannot be used.
        """
        client = http_client(self._transport, self._definition, self._surroundings, self._limit)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(client)
            streams = await stack.enter_async_context(
                streamable_http_client(
                    self._transport.url, http_client=client, max_sse_event_size=self._limit
                )
            )
            self._stack = stack.pop_all()
        return streams

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        """End the session, if the server keeps one."""
        await self._stack.__aexit__(kind, error, trace)

    def alive(self) -> bool:
        """Always: only a call can find out."""
        return True

    def last_words(self) -> str:
        """Nothing: a remote server's stderr is its own."""
        return ""
