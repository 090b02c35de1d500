"""The MCP server at `/mcp` of the web side: streamable HTTP, every request on its own, with a bearer token of `ordinaut token`.

There are neither streams nor sessions. What the web side asks of every request holds here too: its names, its limits of size, time and number.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Match, Route
from starlette.types import Receive, Send
from starlette.types import Scope as Asked

from runtime.web.auth import Principal, recognise
from runtime.web.boundary import MAX_BODY_BYTES
from runtime.web.pages.viewer import own_names
from runtime.web.problems import Refused
from runtime.web.site import Site

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

PATH: Final = "/mcp"
_BEARER: Final = "bearer"


class OverHttp:
    """ASGI application to which messages are posted."""

    async def __call__(self, scope: Asked, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        site: Site = request.app.state.site
        _require_own_origin(request, site)
        principal = await recognise(request, site, _token(request))
        # The SDK takes a second to import, and most who serve the dashboard are never asked for this.
        served = await run_in_threadpool(_served, request, site, principal)
        async with served.run():
            await served.handle_request(scope, receive, send)


class McpRoute(Route):
    """The one route of it, which tells what measures requests that it serves them."""

    def __init__(self) -> None:
        super().__init__(PATH, OverHttp(), methods=["POST"])

    def matches(self, scope: Asked) -> tuple[Match, Asked]:
        match, found = super().matches(scope)
        return match, {**found, "route": self}


def _require_own_origin(request: Request, site: Site) -> None:
    """Refuse what a page elsewhere has a browser send."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc not in own_names(request, site):
        raise Refused(403, "this did not come from a page of ours", code="ORD320")


def _token(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == _BEARER else None


def _served(request: Request, site: Site, principal: Principal) -> StreamableHTTPSessionManager:
    """A server of its own for the request: so nothing of one caller is left for another."""
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager  # noqa: PLC0415 - see above

    from reconciler.mcp.calling import Call, Caller, Desk  # noqa: PLC0415 - see above
    from reconciler.mcp.server import server_for  # noqa: PLC0415 - see above

    # It tells of every server that it starts, and each request has one.
    logging.getLogger(StreamableHTTPSessionManager.__module__).setLevel(logging.WARNING)
    address = request.client.host if request.client else None
    call = Call(
        Desk(site.config, lambda: site.lender, site.clock, site.recent.forget),
        Caller(principal.name, principal.scopes, principal.name, address),
    )

    async def here() -> Call:
        return call

    return StreamableHTTPSessionManager(
        server_for(here), json_response=True, stateless=True, max_request_body_size=MAX_BODY_BYTES
    )
