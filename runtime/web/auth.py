"""Who asks: a bearer token with scopes. There is no other way in, and no token that was there from the start.

    @router.get("/runs")
    def list_runs(here: Here, principal: Annotated[Principal, needs("read")]) -> RunList: ...

Who a token is for is remembered for a second, so revoking one takes effect within that. Only the sha256 of a token is kept and compared, through an index. A token has 256 random bits, so whoever measures how long
a comparison takes learns of digests that they cannot choose, and nothing of tokens.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from runtime.errors import StoreError
from runtime.store.tokens import PREFIX, KnownToken, digest_of, find_token, note_token_use
from runtime.web.limits import require_turn
from runtime.web.problems import Refused
from runtime.web.site import Here, Site
from runtime.web.strict import refuse_unknown
from schemas.token import Scope

ORIGIN: Final = "api"
_MAX_TOKEN: Final = 128
_MAX_KNOWN: Final = 1_000
KNOWN_SECONDS: Final = 1.0
_BEARER: Final = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    description="A token of `ordinaut token create`, with the scopes that an operation asks for.",
)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    Attributes:
        name: what their actions are attributed to.
        scopes: what they may do.
        token_id: the token that they showed.
    """

    name: str
    scopes: frozenset[Scope]
    token_id: int

    def may(self, scope: Scope) -> bool:
        """Whether they may do what takes this scope; `admin` is all of them."""
        return scope in self.scopes or "admin" in self.scopes


def identify(site: Site, token: str, address: str = "") -> Principal:
    """Whose token this is; its use is noted, and counted.

    Args:
        site: where it is shown.
        token: the token.
        address: who shows it.

    Raises:
        Refused: 401 ORD319, it is none that is in force; 429 ORD321, of these there were too many, or of requests with this one.
        StoreError: the database does not answer.
    """
    found = _find(site, token)
    if found is None:
        require_turn(site.limits.guesses, address)
        raise unknown()
    if found.is_stale:
        # A copy of the database that only reads notes nothing, and may be asked all the same.
        with suppress(StoreError), site.lender.writing() as connection:
            note_token_use(connection, found.token_id)
    if len(site.known) >= _MAX_KNOWN:
        site.known.clear()
    site.known[digest_of(token)] = (found, site.clock.monotonic() + KNOWN_SECONDS)
    return _counted(site, found)


def recall(site: Site, token: str) -> Principal | None:
    """Whose token this is, if that was asked for a moment ago; it is counted likewise.

    Raises:
        Refused: 429 ORD321.
    """
    found, until = site.known.get(digest_of(token), (None, 0.0))
    if found is None or until < site.clock.monotonic():
        return None
    return _counted(site, found)


def _counted(site: Site, found: KnownToken) -> Principal:
    require_turn(site.limits.requests, str(found.token_id))
    return Principal(found.name, found.scopes, found.token_id)


def _find(site: Site, token: str) -> KnownToken | None:
    if not token.startswith(PREFIX) or len(token) > _MAX_TOKEN:
        return None
    with site.lender.reading() as connection:
        return find_token(connection, token)


def needs(scope: Scope) -> Any:
    """The parameter of a route that only those may use whose token has this scope; it receives the `Principal`."""

    async def admit(
        request: Request,
        here: Here,
        bearer: HTTPAuthorizationCredentials | None = Security(_BEARER),  # noqa: B008 - how FastAPI is told
    ) -> Principal:
        principal = await recognise(request, here, bearer.credentials if bearer else None)
        request.state.principal = principal
        require(principal, scope)
        # Only now: whoever is nobody learns nothing of what there is.
        refuse_unknown(request)
        return principal

    return Security(admit, scopes=[scope])


async def recognise(request: Request, site: Site, token: str | None) -> Principal:
    """Who shows this token with a request.

    Raises:
        Refused: 401 ORD319, there is none, or none that is in force; 429 ORD321.
    """
    if token is None:
        raise unknown("a token is needed")
    address = request.client.host if request.client else ""
    principal = recall(site, token)
    if principal is None:
        principal = await run_in_threadpool(identify, site, token, address)
    return principal


def require(principal: Principal, scope: Scope) -> None:
    """Refuse whoever lacks a scope.

    Raises:
        Refused: 403 ORD320.
    """
    if not principal.may(scope):
        raise Refused(
            403,
            f"the token {principal.name} lacks the scope {scope}",
            hint=f"`ordinaut token create NAME --scope {scope}` makes one that has it",
            code="ORD320",
            headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
        )


def unknown(message: str = "the token is unknown, was revoked, or has expired") -> Refused:
    """The refusal of a request without a token that is in force."""
    return Refused(
        401,
        message,
        hint="`ordinaut token create` makes one; send it as `Authorization: Bearer TOKEN`",
        code="ORD319",
        headers={"WWW-Authenticate": "Bearer"},
    )
