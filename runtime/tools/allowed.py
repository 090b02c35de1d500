"""Access tokens for a tool server that a person has allowed: read from the login, and renewed by its refresh token.

Here is never a browser: where neither does, somebody has to log in (`runtime.tools.consenting`).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

import httpx2
from mcp.client.auth import OAuthClientProvider, OAuthTokenError
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

from runtime.clock import Clock
from runtime.tools.faults import NoTokenError
from runtime.tools.logins import Challenge, Login, LoginFile, expiry
from runtime.tools.redact import Redactor
from runtime.tools.tokens import FORBIDDEN, Forgetful, Tokens, asking_client, reason_of

# As with credentials: calls wait for that.
_MOST_SECONDS: Final = 20.0
_OK: Final = 200
# What is said of a refresh token that is worth nothing (RFC 6749 section 5.2), and of a client that is no more.
_REFUSALS: Final = frozenset({400, 401})


class AllowedTokens(Tokens):
    """The token of a login.

    Args:
        server: its key.
        file: the login.
        scope: what alone may be asked for; None is whatever the server wants.
        redact: learns every token.
        clock: tells when tokens expire.
    """

    def __init__(
        self, server: str, file: LoginFile, scope: str | None, redact: Redactor, clock: Clock
    ) -> None:
        super().__init__(server, scope, redact)
        self._server = server
        self._file = file
        self._clock = clock
        self._renewing: set[asyncio.Task[str]] = set()
        if (login := file.login) is not None:
            self._hold(bearer(login, redact))

    async def _ask(self, refused: httpx2.Response, request: httpx2.Request) -> str:  # noqa: ARG002 - credentials need it
        # Whoever waits may give up: what was given for a refresh token, which may be worth nothing now, must be kept.
        task = asyncio.create_task(self._renew_alone(refused))
        self._renewing.add(task)
        task.add_done_callback(self._let_go)
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """Ask for no more, once what is under way is kept."""
        await asyncio.gather(*self._renewing, return_exceptions=True)
        await super().aclose()

    def _let_go(self, task: asyncio.Task[str]) -> None:
        self._renewing.discard(task)
        if not task.cancelled():
            # If nobody waits for it any more, it is told to the next who asks.
            task.exception()

    async def _renew_alone(self, refused: httpx2.Response) -> str:
        """As no other process does meanwhile."""
        try:
            async with asyncio.timeout(_MOST_SECONDS), self._file.locked(self._clock):
                return await self._renewed(refused)
        except (TimeoutError, OSError) as error:
            raise NoTokenError(f"no access token: {reason_of(error, self._redact)}") from error

    async def _renewed(self, refused: httpx2.Response) -> str:
        login = self._file.login
        if login is not None and bearer(login, self._redact) != self._value:
            return bearer(login, self._redact)
        why = "nobody is logged in"
        if refused.status_code == FORBIDDEN:
            why = "it wants a scope that nobody allowed"
        elif login is not None and login.refresh_token:
            fresh = await refreshed(login, self._redact, self._clock, self._client)
            if fresh is not None:
                self._file.write(fresh)
                return bearer(fresh, self._redact)
            why = f"the login at {login.issuer} is over"
        elif login is not None:
            why = f"the login at {login.issuer} is over, and it gave nothing to renew it by"
        header = refused.headers.get("www-authenticate", "")
        self._file.note(Challenge(refused.status_code, header))
        raise NoTokenError(f"{why}: `ordinaut tools login {self._server}`", wants_login=True)


def bearer(login: Login, redact: Redactor) -> str:
    """The header of a login, whose secrets are blotted out from now on."""
    for secret in (login.access_token, login.refresh_token, login.client.get("client_secret")):
        if secret:
            redact.learn(secret, (login.resource, "login"))
    return f"Bearer {login.access_token}"


async def refreshed(
    login: Login, redact: Redactor, clock: Clock, client: httpx2.AsyncClient
) -> Login | None:
    """The login with a new token; None if it is over.

    Raises:
        NoTokenError: the authorization server gives no answer, or none that makes sense: later it may.
    """
    fields = {
        "grant_type": "refresh_token",
        "refresh_token": login.refresh_token,
        "resource": login.resource,
    }
    try:
        token = _token(await client.send(_request(login, login.token_endpoint, fields)))
    # As with credentials: whatever an answer brings about.
    except Exception as error:
        reason = reason_of(error, redact)
        raise NoTokenError(f"no access token from {login.issuer}: {reason}") from error
    if token is None:
        return None
    return replace(
        login,
        access_token=token.access_token,
        refresh_token=token.refresh_token or login.refresh_token,
        scope=login.scope if token.scope is None else token.scope,
        expires_at=expiry(token.expires_in, clock.now()),
    )


async def revoked(login: Login) -> bool:
    """Have the authorization server take back what it gave (RFC 7009); whether it did."""
    if not login.revocation_endpoint:
        return False
    fields = {"token": login.refresh_token or login.access_token}
    async with asking_client() as client:
        try:
            response = await client.send(_request(login, login.revocation_endpoint, fields))
        except (httpx2.HTTPError, httpx2.InvalidURL):
            return False
    return response.status_code == _OK


def _token(response: httpx2.Response) -> OAuthToken | None:
    if response.status_code in _REFUSALS:
        return None
    if response.status_code != _OK:
        raise OAuthTokenError(f"it answers with HTTP {response.status_code}")
    return OAuthToken.model_validate_json(response.content)


def _request(login: Login, url: str, fields: dict[str, str]) -> httpx2.Request:
    """A request to the authorization server, as who we are there."""
    metadata = OAuthClientMetadata.model_validate({"redirect_uris": ["http://127.0.0.1/"]})
    provider = OAuthClientProvider(login.resource, metadata, Forgetful())
    provider.context.client_info = OAuthClientInformationFull.model_validate(login.client)
    who = {"client_id": provider.context.client_info.client_id}
    data, headers = provider.context.prepare_token_auth(
        {**fields, **who}, {"content-type": "application/x-www-form-urlencoded"}
    )
    return httpx2.Request("POST", url, data=data, headers=headers)
