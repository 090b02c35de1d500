"""Access tokens for a tool server that wants them (RFC 6750): what all ways of getting one have in common.

The SDK knows the ways: it is asked for one when a server refuses a request, and only then, since its own client lets no
second request begin while one waits for its answer.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from typing import Final

import httpx2
from mcp.client.auth import OAuthFlowError, TokenStorage, oauth2
from mcp.client.auth.utils import extract_field_from_www_auth
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import ValidationError

from runtime.tools.faults import Fault, NoTokenError
from runtime.tools.redact import Redactor

HEADER: Final = "authorization"
FORBIDDEN: Final = 403
_UNAUTHORIZED: Final = 401
_LONGEST_REASON: Final = 200
# A way that never ends must not be followed for ever; the longest that is known has five requests.
_MOST_REQUESTS: Final = 20
_SECONDS: Final = 10.0
_MOST_BYTES: Final = 1_048_576


# It tells the whole way to a token with what was answered on it; what went wrong, we say ourselves.
oauth2.logger.disabled = True


class Tokens(ABC):
    """The token for one tool server. It is asked for when the server wants one, once for all calls.

    Args:
        of: whose they are: one takes the place of another.
        scope: what alone may be asked for; None is whatever the server wants.
        redact: learns every token.
    """

    def __init__(self, of: str, scope: str | None, redact: Redactor) -> None:
        self._of = of
        self._scope = scope
        self._redact = redact
        self._client = asking_client()
        self._value = ""
        self._asking = asyncio.Lock()
        self._failures = 0
        self._failure = NoTokenError("")

    def authorize(self, request: httpx2.Request) -> str:
        """Put the token into a request, if there is one; what was put there."""
        if self._value:
            request.headers[HEADER] = self._value
        return self._value

    def are_wanted(self, refused: httpx2.Response) -> bool:
        """Whether a request was refused for want of a token, or of a scope that we may ask for (RFC 6750 section 3.1)."""
        if refused.status_code == FORBIDDEN and self._scope is None:
            return extract_field_from_www_auth(refused, "error") == "insufficient_scope"
        return refused.status_code == _UNAUTHORIZED

    async def renew(self, refused: httpx2.Response, request: httpx2.Request, used: str) -> bool:
        """Get a token that is not the one a request was refused with, unless somebody just did; whether we did.

        Raises:
            NoTokenError: there is none to be had. It is so for all who wait at this moment.
        """
        failures = self._failures
        async with self._asking:
            if self._value != used:
                return False
            if self._failures != failures:
                raise NoTokenError(
                    str(self._failure), wants_login=self._failure.fault is Fault.LOGIN
                )
            try:
                self._hold(await self._ask(refused, request))
            except NoTokenError as error:
                self._failures, self._failure = self._failures + 1, error
                raise
            return True

    async def aclose(self) -> None:
        """Ask for no more."""
        await self._client.aclose()

    @abstractmethod
    async def _ask(self, refused: httpx2.Response, request: httpx2.Request) -> str:
        """The header with a token that is not the one we have.

        Raises:
            NoTokenError: there is none to be had.
        """

    def _hold(self, value: str) -> None:
        # A tool may repeat what it was called with.
        self._redact.learn(value.rpartition(" ")[2], self._of)
        self._value = value


def asking_client() -> httpx2.AsyncClient:
    """What asks authorization servers."""
    return httpx2.AsyncClient(transport=_Bounded(), timeout=_SECONDS)


async def follow_flow(
    flow: AsyncGenerator[httpx2.Request, httpx2.Response],
    asked: httpx2.Request,
    refused: httpx2.Response,
    client: httpx2.AsyncClient,
) -> None:
    """Go the way from the refused request until it would be sent again."""
    try:
        await anext(flow)
        answer = refused
        for _ in range(_MOST_REQUESTS):
            step = await flow.asend(answer)
            if step is asked:
                return
            answer = await client.send(step)
        raise OAuthFlowError("it asks for ever more requests")
    finally:
        await flow.aclose()


def reason_of(error: Exception, redact: Redactor) -> str:
    """What went wrong, short, without the answer itself where there may be a token in it."""
    said = redact(" ".join(_said(error).split()))[:_LONGEST_REASON]
    return said or type(error).__name__


def _said(error: Exception) -> str:
    if isinstance(error.__context__, ValidationError):
        error = error.__context__
    if not isinstance(error, ValidationError):
        return str(error)
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return "Invalid token response: " + "; ".join(
        " ".join((*map(str, fault["loc"]), fault["msg"])) for fault in faults
    )


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


class Forgetful(TokenStorage):
    """Keeps nothing: tokens live in this process, and no longer."""

    async def get_tokens(self) -> OAuthToken | None:
        return None

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """It is in the request."""

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """It was given to us."""
