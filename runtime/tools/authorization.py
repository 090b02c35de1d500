"""Access tokens for a tool server, from an OAuth 2.1 authorization server, by the credentials of a program.

The SDK knows the way (RFC 6749 section 4.4, RFC 7523, RFC 8414, RFC 9728): it is asked for it when a server refuses a
request, and only then, since its own client lets no second request begin while one waits for its answer. Credentials go
to the issuer that was named, and nowhere else, whatever the tool server says.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

import httpx2
from mcp.client.auth import OAuthClientProvider, OAuthFlowError, TokenStorage, oauth2
from mcp.client.auth.extensions.client_credentials import (
    ClientCredentialsOAuthProvider,
    PrivateKeyJWTOAuthProvider,
    SignedJWTParameters,
)
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

from runtime.tools.definition import ClientCredentials
from runtime.tools.faults import NoTokenError

_HEADER: Final = "authorization"
_LONGEST_REASON: Final = 200
# A way that never ends must not be followed for ever; the longest that is known has five requests.
_MOST_REQUESTS: Final = 20
_SECONDS: Final = 10.0
_MOST_BYTES: Final = 1_048_576


# It tells the whole way to a token with what was answered on it; what went wrong, we say ourselves.
oauth2.logger.disabled = True


class Tokens:
    """The token for one tool server. It is asked for when the server wants one, once for all calls.

    Args:
        url: the tool server.
        credentials: ours, and whose they are.
    """

    def __init__(self, url: str, credentials: ClientCredentials) -> None:
        self._url = url
        self._credentials = credentials
        self._client = httpx2.AsyncClient(transport=_Bounded(), timeout=_SECONDS)
        self._value = ""
        self._asking = asyncio.Lock()

    def authorize(self, request: httpx2.Request) -> str:
        """Put the token into a request, if there is one; what was put there."""
        if self._value:
            request.headers[_HEADER] = self._value
        return self._value

    async def renew(self, refused: httpx2.Response, request: httpx2.Request, used: str) -> None:
        """Get a token that is not the one a request was refused with, unless somebody just did.

        Raises:
            NoTokenError: the authorization server gives none, cannot be reached, or is not the one that was named.
        """
        async with self._asking:
            if self._value == used:
                self._value = await self._ask(refused, request)

    async def aclose(self) -> None:
        """Ask for no more."""
        await self._client.aclose()

    async def _ask(self, refused: httpx2.Response, request: httpx2.Request) -> str:
        asked = httpx2.Request(request.method, request.url, headers=request.headers)
        flow = _provider(self._url, self._credentials).async_auth_flow(asked)
        try:
            await self._follow(flow, asked, refused)
        except (OAuthFlowError, httpx2.HTTPError, ValueError, StopAsyncIteration) as error:
            reason = " ".join(str(error).split())[:_LONGEST_REASON] or type(error).__name__
            issuer = self._credentials.issuer
            raise NoTokenError(f"no access token from {issuer}: {reason}") from error
        finally:
            await flow.aclose()
        return asked.headers[_HEADER]

    async def _follow(
        self,
        flow: AsyncGenerator[httpx2.Request, httpx2.Response],
        asked: httpx2.Request,
        refused: httpx2.Response,
    ) -> None:
        """Go the way from the refused request until it would be sent again."""
        await anext(flow)
        answer = refused
        for _ in range(_MOST_REQUESTS):
            step = await flow.asend(answer)
            if step is asked:
                return
            answer = await self._client.send(step)
        raise OAuthFlowError("it asks for ever more requests")


def _provider(url: str, credentials: ClientCredentials) -> OAuthClientProvider:
    if credentials.private_key is None:
        return ClientCredentialsOAuthProvider(
            url,
            _Forgetful(),
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
    return PrivateKeyJWTOAuthProvider(
        url, _Forgetful(), credentials.client_id, assertion, credentials.scope, credentials.issuer
    )


class _Bounded(httpx2.AsyncHTTPTransport):
    """Reads no more of an answer than any needs."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        body = b""
        try:
            async for chunk in response.stream:  # type: ignore[union-attr]  # responses of this class stream
                body += chunk
                if len(body) > _MOST_BYTES:
                    raise httpx2.ReadError(f"{request.url} answers with more than a megabyte")
        finally:
            await response.aclose()
        return httpx2.Response(response.status_code, headers=response.headers, content=body)


class _Forgetful(TokenStorage):
    """Keeps nothing: tokens live in this process, and no longer."""

    async def get_tokens(self) -> OAuthToken | None:
        return None

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """It is in the request."""

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """It was given to us."""
