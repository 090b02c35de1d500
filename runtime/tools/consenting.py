"""Logging in at a tool server: somebody allows in a browser what Ordinaut may do there.

OAuth 2.1 with the authorization code and PKCE, as the SDK does it: discovery (RFC 9728, RFC 8414), registration (RFC 7591)
or a document that says who we are, the resource that tokens are for (RFC 8707), and the issuer of what comes back
(RFC 9207). Who the person is, and how the browser is reached, is up to the caller.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import httpx2
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider, OAuthFlowError
from mcp.client.auth.utils import is_valid_client_metadata_url, issuers_match
from mcp.shared.auth import (
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthMetadata,
    OAuthToken,
)

from runtime.clock import Clock
from runtime.errors import ToolServerError
from runtime.tools.definition import BrowserLogin, ServerDefinition
from runtime.tools.logins import Login, LoginFile, browser_login, expiry
from runtime.tools.redact import Redactor
from runtime.tools.tokens import Forgetful, asking_client, follow_flow, reason_of

Allow = Callable[[str], Awaitable[str]]
"""Shows a person an address to visit, and gives the address that the browser was then sent to."""

# With it the SDK says which resource a token is for, whatever the server speaks.
_REVISION: Final = {"mcp-protocol-version": "2025-11-25"}
_LONGEST_SAID: Final = 200


async def log_in(
    definition: ServerDefinition,
    file: LoginFile,
    *,
    redirect_to: str,
    allow: Allow,
    redact: Redactor,
    clock: Clock,
) -> Login:
    """Have a person allow us what the server wants, and keep it.

    Args:
        definition: the server; it is one that people log in at.
        file: where the login is kept, and how the server refused us.
        redirect_to: where the browser is sent in the end, on this machine.
        allow: the person.
        redact: learns every token.
        clock: tells when tokens expire.

    Raises:
        ToolServerError: ORD425, it came to nothing.
    """
    url, auth = browser_login(definition)
    challenge = file.challenge
    refused = httpx2.Response(
        challenge.status, headers={"www-authenticate": challenge.header}, content=b""
    )
    asked = httpx2.Request("POST", url, headers=_REVISION)
    provider = _Person(url, auth, file.login, redirect_to, allow, redact)
    try:
        async with asking_client() as client:
            await follow_flow(provider.async_auth_flow(asked), asked, refused, client)
            login = provider.login(clock)
    # Whatever it is: there is no end to what answers bring about.
    except Exception as error:
        raise ToolServerError(
            f"nobody was logged in at {definition.key}: {reason_of(error, redact)}", code="ORD425"
        ) from error
    async with file.locked(clock):
        file.write(login)
    return login


class _Person(OAuthClientProvider):
    """The SDK's way, with the checks that it leaves to others."""

    def __init__(  # noqa: PLR0917 - as for `log_in`
        self,
        url: str,
        auth: BrowserLogin,
        former: Login | None,
        redirect_to: str,
        allow: Allow,
        redact: Redactor,
    ) -> None:
        client_id = auth.client_id
        document = client_id if is_valid_client_metadata_url(client_id) else None
        super().__init__(
            url,
            OAuthClientMetadata.model_validate(
                {"redirect_uris": [redirect_to], "client_name": "Ordinaut"}
            ),
            _Former(auth, document, former),
            self._show,
            self._come_back,
            document,
        )
        self._auth = auth
        self._allow = allow
        self._redact = redact
        self._came_back = ""

    def login(self, clock: Clock) -> Login:
        """What came of it.

        Raises:
            OAuthFlowError: there is no token.
        """
        context = self.context
        metadata, token, client = self._metadata(), context.current_tokens, context.client_info
        if token is None or client is None or not token.access_token:
            raise OAuthFlowError("it gave no token")
        revocation = metadata.revocation_endpoint
        for secret in (token.access_token, token.refresh_token, client.client_secret):
            self._redact.learn(secret or "")
        return Login(
            issuer=str(metadata.issuer),
            token_endpoint=str(metadata.token_endpoint),
            revocation_endpoint=str(revocation or ""),
            resource=context.get_resource_url(),
            client=client.model_dump(mode="json", exclude_none=True),
            access_token=token.access_token,
            refresh_token=token.refresh_token or "",
            scope=token.scope or "",
            expires_at=expiry(token.expires_in, clock.now()),
        )

    def _select_authorization_server(self, advertised: list[str]) -> str:
        issuer = self._auth.issuer
        if issuer is None:
            return advertised[0]
        for server in advertised:
            if issuers_match(server, issuer):
                return server
        raise OAuthFlowError(f"the server sends people to {advertised[0]}, and not to {issuer}")

    async def _perform_authorization(self) -> httpx2.Request:
        metadata, client = self._metadata(), self.context.client_info
        if self._auth.scope is not None:
            self.context.client_metadata.scope = self._auth.scope
        ways = metadata.token_endpoint_auth_methods_supported
        if self._auth.client_secret is not None and client is not None:
            is_basic = ways is None or "client_secret_basic" in ways
            client.token_endpoint_auth_method = (
                "client_secret_basic" if is_basic else "client_secret_post"
            )
        return await super()._perform_authorization()

    def _metadata(self) -> OAuthMetadata:
        """What the authorization server says of itself; it is the one that was named, if one was."""
        metadata, issuer = self.context.oauth_metadata, self._auth.issuer
        if metadata is None:
            raise OAuthFlowError("its authorization server does not say what it is")
        if "S256" not in (metadata.code_challenge_methods_supported or ()):
            raise OAuthFlowError("its authorization server does not support PKCE with S256")
        if issuer is not None and not issuers_match(str(metadata.issuer), issuer):
            raise OAuthFlowError(f"the server sends people to {metadata.issuer}, not to {issuer}")
        return metadata

    async def _show(self, address: str) -> None:
        self._came_back = await self._allow(address)

    async def _come_back(self) -> AuthorizationCodeResult:
        said = dict(parse_qsl(urlsplit(self._came_back.strip()).query))
        self._redact.learn(said.get("code", ""))
        if "error" in said and "code" not in said:
            why = said.get("error_description", said["error"])
            raise OAuthFlowError(f"it was not allowed: {why[:_LONGEST_SAID]}")
        if "code" not in said:
            raise OAuthFlowError("the address that the browser was sent to has no code in it")
        return AuthorizationCodeResult(
            code=said["code"], state=said.get("state"), iss=said.get("iss")
        )


class _Former(Forgetful):
    """What there was before: who we are, where we were told, and what was allowed, beside which there may be more."""

    def __init__(self, auth: BrowserLogin, document: str | None, former: Login | None) -> None:
        self._auth = auth
        self._document = document
        self._former = former

    async def get_tokens(self) -> OAuthToken | None:
        if self._former is None:
            return None
        return OAuthToken(access_token=self._former.access_token, scope=self._former.scope or None)

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        auth = self._auth
        if auth.client_id is None or self._document is not None:
            return None
        return OAuthClientInformationFull(
            client_id=auth.client_id,
            client_secret=auth.client_secret,
            token_endpoint_auth_method="none" if auth.client_secret is None else None,
            issuer=auth.issuer,
        )
