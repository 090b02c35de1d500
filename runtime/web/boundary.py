"""What every request passes before any route sees it, and every answer on its way out.

A request gets an id, which its answer and its lines in the log carry. It is refused where it comes under a strange name, is
larger than anything that is asked for here, or takes too long to arrive. Answers say that they are no pages of anybody else's.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime.errors import OrdinautError
from runtime.logs import get_logger
from runtime.web.problems import Refused, defect, refusal
from runtime.web.site import Site

MAX_HEAD_BYTES: Final = 16 * 1024
MAX_BODY_BYTES: Final = 1024 * 1024
BODY_SECONDS = 20.0
_DROPPED_BYTES: Final = 16 * MAX_BODY_BYTES
_DROPPED_SECONDS: Final = 0.2
"""How long the rest of what is refused may be silent until it counts as all there is."""
REQUEST_ID: Final = "x-request-id"
BODY_LIMIT: Final = "ordinaut.body_limit"
"""The name in the scope under which a route that takes larger bodies says so; before it reads any of it."""
_SAFE: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
"""Headers of every answer that does not say otherwise itself."""
_log = get_logger("web")


class Boundary:
    """ASGI middleware, the outermost.

    Args:
        app: what is inside.
        site: whose boundary it is.
    """

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self._app = app
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope["ordinaut.request_id"] = secrets.token_hex(8)
        outward = _Outward(send, request_id)
        try:
            self._admit(scope)
            await self._app(scope, _Body(scope, receive), outward)
        except OrdinautError as error:
            if outward.has_begun:
                raise
            await refusal(request_id, error)(scope, receive, outward)
        except Exception as error:
            if outward.has_begun:
                raise
            await defect(request_id, _shown(scope["path"]), error)(scope, receive, outward)
        _log.debug(
            "%s %s",
            scope["method"],
            _shown(scope["path"]),
            extra={"request": request_id, "status": outward.status},
        )

    def _admit(self, scope: Scope) -> None:
        size = len(scope["raw_path"]) + len(scope["query_string"])
        if size + sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEAD_BYTES:
            # One that arrives at once is read whole, whatever its size.
            raise Refused(
                431,
                f"the head of the request is larger than {MAX_HEAD_BYTES:,} bytes",
                headers=_LAST,
            )
        if not self._site.knows(Headers(scope=scope).get("host", "")):
            raise Refused(
                421,
                "this is not the host that was asked for",
                hint="set ORDINAUT_PUBLIC_URL to the address that people use",
            )


def _shown(path: str) -> str:
    """A path as logs have it: without the token of a callback, which is all that it takes to answer."""
    head, found, _ = path.partition("/callbacks/")
    return f"{head}{found}[token]" if found else path


class _Body:
    """The way of a body inward: bounded in size and in time."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope = scope
        self._receive = receive
        self._read = 0
        self._is_over = False
        self._until: float | None = None

    async def __call__(self) -> Message:
        if self._is_over:
            # Whoever asks on waits for the end of the connection, which may be long.
            return await self._receive()
        limit = int(self._scope.get(BODY_LIMIT, MAX_BODY_BYTES))
        length = Headers(scope=self._scope).get("content-length", "0")
        if length.isascii() and length.isdecimal() and int(length) > limit:
            await self._drop_rest()
            raise _too_large(limit)
        message = await self._next()
        if self._read > limit:
            await self._drop_rest()
            raise _too_large(limit)
        return message

    async def _next(self) -> Message:
        self._until = self._until or asyncio.get_running_loop().time() + BODY_SECONDS
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            raise Refused(408, "the request took too long to arrive", headers=_LAST) from None
        self._read += len(message.get("body", b""))
        self._is_over = not message.get("more_body", False)
        return message

    async def _drop_rest(self) -> None:
        """Read on past what is refused, and not for ever: closed at once, the system would take the answer back.

        Whoever announces more than it sends hears that it was too much, and not that it was slow.
        """
        with suppress(TimeoutError):
            while not self._is_over and self._read < _DROPPED_BYTES:
                await asyncio.wait_for(self._next(), _DROPPED_SECONDS)


_LAST: Final = {"connection": "close"}


def _too_large(limit: int) -> Refused:
    return Refused(413, f"the request is larger than {limit:,} bytes", headers=_LAST)


class _Outward:
    """The way of an answer outward: with its id and with what is safe."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 0

    @property
    def has_begun(self) -> bool:
        """Whether anything was answered yet."""
        return self.status != 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers[REQUEST_ID] = self._request_id
            for name, value in _SAFE.items():
                headers.setdefault(name, value)
        await self._send(message)
