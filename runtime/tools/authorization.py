"""Access tokens for a tool server, from an OAuth 2.1 authorization server, by the credentials of a program.

The SDK knows the way (RFC 6749 section 4.4, RFC 7523, RFC 8414, RFC 9728): it is asked for it when a server refuses a
request, and only then, since its own client lets no second request begin while one waits for its answer. Credentials go
to the issuer that was named, and nowhere else, whatever the tool server says.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, Iterator
from typing import Final
from urllib.parse import quote

import httpx2
from mcp.client.auth import OAuthClientProvider, OAuthFlowError, TokenStorage, oauth2
from mcp.client.auth.extensions.client_credentials import (
    ClientCredentialsOAuthProvider,
    PrivateKeyJWTOAuthProvider,
    SignedJWTParameters,
)
from mcp.client.auth.oauth2 import OAuthContext
from mcp.client.auth.utils import extract_field_from_www_auth
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import ValidationError

from runtime.tools.definition import ClientCredentials
from runtime.tools.faults import NoTokenError
from runtime.tools.redact import Redactor

_HEADER: Final = "authorization"
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_LONGEST_REASON: Final = 200
# A way that never ends must not be followed for ever; the longest that is known has five requests.
_MOST_REQUESTS: Final = 20
_SECONDS: Final = 10.0
# All of it: calls wait for that, and notifications, of which the next waits for the one before.
_MOST_SECONDS: Final = 20.0
_MOST_BYTES: Final = 1_048_576


# It tells the whole way to a token with what was answered on it; what went wrong, we say ourselves.
oauth2.logger.disabled = True


class Tokens:
    """The token for one tool server. It is asked for when the server wants one, once for all calls.

    Args:
        url: the tool server.
        credentials: ours, and whose they are.
        redact: learns them, and every token.
    """

    def __init__(self, url: str, credentials: ClientCredentials, redact: Redactor) -> None:
        self._url = url
        self._credentials = credentials
        self._client = httpx2.AsyncClient(transport=_Bounded(), timeout=_SECONDS)
        self._redact = redact
        for proof in _proofs(credentials):
            redact.learn(proof)
        self._value = ""
        self._found: OAuthContext | None = None
        self._asking = asyncio.Lock()
        self._failures = 0
        self._failure = ""

    def authorize(self, request: httpx2.Request) -> str:
        """Put the token into a request, if there is one; what was put there."""
        if self._value:
            request.headers[_HEADER] = self._value
        return self._value

    def are_wanted(self, refused: httpx2.Response) -> bool:
        """Whether a request was refused for want of a token, or of a scope that we may ask for (RFC 6750 section 3.1)."""
        if refused.status_code == _FORBIDDEN and self._credentials.scope is None:
            return extract_field_from_www_auth(refused, "error") == "insufficient_scope"
        return refused.status_code == _UNAUTHORIZED

    async def renew(self, refused: httpx2.Response, request: httpx2.Request, used: str) -> bool:
        """Get a token that is not the one a request was refused with, unless somebody just did; whether we did.

        Raises:
            NoTokenError: the authorization server gives none, cannot be reached, or is not the one that was named. It is
                so for all who wait at this moment.
        """
        failures = self._failures
        async with self._asking:
            if self._value != used:
                return False
            if self._failures != failures:
                raise NoTokenError(self._failure)
            try:
                self._value = await self._ask(refused, request)
            except NoTokenError as error:
                self._failures, self._failure = self._failures + 1, str(error)
                raise
            # A tool may repeat what it was called with.
            self._redact.learn(self._value.rpartition(" ")[2])
            return True

    async def aclose(self) -> None:
        """Ask for no more."""
        await self._client.aclose()

    async def _ask(self, refused: httpx2.Response, request: httpx2.Request) -> str:
        asked = httpx2.Request(request.method, request.url, headers=request.headers)
        asked.headers.pop(_HEADER, None)
        try:
            async with asyncio.timeout(_MOST_SECONDS):
                await self._go(asked, refused)
            return asked.headers[_HEADER]
        # Whatever it is: there is no end to what answers and broken keys bring about, and the session would end by it.
        except Exception as error:
            reason = self._redact(" ".join(_said(error).split()))[:_LONGEST_REASON]
            issuer = self._credentials.issuer
            raise NoTokenError(
                f"no access token from {issuer}: {reason or type(error).__name__}"
            ) from error

    async def _go(self, asked: httpx2.Request, refused: httpx2.Response) -> None:
        provider = _provider(self._url, self._credentials)
        context, found = provider.context, self._found
        if refused.status_code == _FORBIDDEN and found is not None:
            # A scope more: of the same server, and beside those that there are.
            context.oauth_metadata = found.oauth_metadata
            context.protected_resource_metadata = found.protected_resource_metadata
            context.client_metadata.scope = found.client_metadata.scope
        flow = provider.async_auth_flow(asked)
        try:
            await self._follow(flow, asked, refused)
        finally:
            await flow.aclose()
        if _HEADER not in asked.headers:
            raise OAuthFlowError("it gave none")
        self._found = context

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
        return _BySecret(
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
    return _ByKey(
        url, _Forgetful(), credentials.client_id, assertion, credentials.scope, credentials.issuer
    )


def _proofs(credentials: ClientCredentials) -> Iterator[str]:
    """Ours, in every form in which they are sent: an authorization server may repeat what it was asked."""
    if credentials.private_key is not None:
        yield credentials.private_key
    if secret := credentials.client_secret:
        pair = f"{quote(credentials.client_id, safe='')}:{quote(secret, safe='')}"
        yield from (secret, quote(secret, safe=""), base64.b64encode(pair.encode()).decode())


def _said(error: Exception) -> str:
    """What went wrong, without the answer itself where there may be a token in it."""
    if isinstance(error.__context__, ValidationError):
        error = error.__context__
    if not isinstance(error, ValidationError):
        return str(error)
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return "Invalid token response: " + "; ".join(
        " ".join((*map(str, fault["loc"]), fault["msg"])) for fault in faults
    )


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


class _Bounded(httpx2.AsyncHTTPTransport):
    """Reads no more of an answer than any needs."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        body = b""
        try:
            # As it is meant, and not as it comes: a small answer that is compressed may be a huge one.
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _MOST_BYTES:
                    raise httpx2.ReadError(f"{request.url} answers with more than a megabyte")
        finally:
            await response.aclose()
        response.headers.pop("content-encoding", None)
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
