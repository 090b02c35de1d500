"""Access tokens for a tool server, from an OAuth 2.1 authorization server, by the credentials of a program.

RFC 6749 section 4.4, RFC 7523, RFC 8414, RFC 9728. Credentials go to the issuer that was named, and nowhere else, whatever
the tool server says.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

import httpx2
from mcp.client.auth import OAuthClientProvider, OAuthFlowError
from mcp.client.auth.extensions.client_credentials import (
    ClientCredentialsOAuthProvider,
    PrivateKeyJWTOAuthProvider,
    SignedJWTParameters,
)
from mcp.client.auth.oauth2 import OAuthContext

from runtime.tools.definition import ClientCredentials
from runtime.tools.faults import NoTokenError
from runtime.tools.redact import Redactor
from runtime.tools.tokens import FORBIDDEN, HEADER, Forgetful, Tokens, follow_flow, reason_of

# All of it: calls wait for that, and notifications, of which the next waits for the one before.
_MOST_SECONDS: Final = 20.0


class CredentialTokens(Tokens):
    """The token that a program gets by itself.

    Args:
        url: the tool server.
        credentials: ours, and whose they are.
        redact: learns them, and every token.
    """

    def __init__(self, url: str, credentials: ClientCredentials, redact: Redactor) -> None:
        super().__init__(url, credentials.scope, redact)
        self._url = url
        self._credentials = credentials
        for proof in _proofs(credentials):
            redact.learn(proof, (url, "proof"))
        self._found: OAuthContext | None = None

    async def _ask(self, refused: httpx2.Response, request: httpx2.Request) -> str:
        asked = httpx2.Request(request.method, request.url, headers=request.headers)
        asked.headers.pop(HEADER, None)
        try:
            async with asyncio.timeout(_MOST_SECONDS):
                await self._go(asked, refused)
            return asked.headers[HEADER]
        # Whatever it is: there is no end to what answers and broken keys bring about, and the session would end by it.
        except Exception as error:
            reason = reason_of(error, self._redact)
            raise NoTokenError(
                f"no access token from {self._credentials.issuer}: {reason}"
            ) from error

    async def _go(self, asked: httpx2.Request, refused: httpx2.Response) -> None:
        provider = _provider(self._url, self._credentials)
        context, found = provider.context, self._found
        if refused.status_code == FORBIDDEN and found is not None:
            # A scope more: of the same server, and beside those that there are.
            context.oauth_metadata = found.oauth_metadata
            context.protected_resource_metadata = found.protected_resource_metadata
            context.client_metadata.scope = found.client_metadata.scope
        await follow_flow(provider.async_auth_flow(asked), asked, refused, self._client)
        if HEADER not in asked.headers:
            raise OAuthFlowError("it gave none")
        self._found = context


def _provider(url: str, credentials: ClientCredentials) -> OAuthClientProvider:
    if credentials.private_key is None:
        return _BySecret(
            url,
            Forgetful(),
            credentials.client_id,
            credentials.client_secret or "",
            "client_secret_basic"
            if credentials.credentials_in == "header"
            else "client_secret_post",
            credentials.scope,
            credentials.issuer,
        )
    assertion = SignedJWTParameters(
        issuer=credentials.client_id,
        subject=credentials.client_id,
        signing_key=credentials.private_key,
        signing_algorithm=credentials.algorithm,
    ).create_assertion_provider()
    return _ByKey(
        url, Forgetful(), credentials.client_id, assertion, credentials.scope, credentials.issuer
    )


def _proofs(credentials: ClientCredentials) -> Iterator[str]:
    """Ours, in every form in which they are sent: an authorization server may repeat what it was asked."""
    if credentials.private_key is not None:
        yield credentials.private_key
    if secret := credentials.client_secret:
        pair = f"{quote(credentials.client_id, safe='')}:{quote(secret, safe='')}"
        yield from (secret, quote(secret, safe=""), base64.b64encode(pair.encode()).decode())


class _Asks(OAuthClientProvider):
    """Asks for the scope that was named, if one was, and not for what the tool server says."""

    async def _perform_authorization(self) -> httpx2.Request:
        if (client := self.context.client_info) is not None and client.scope is not None:
            self.context.client_metadata.scope = client.scope
        return await super()._perform_authorization()


class _BySecret(_Asks, ClientCredentialsOAuthProvider):
    """With a secret."""


class _ByKey(_Asks, PrivateKeyJWTOAuthProvider):
    """With a key."""
