"""An HTTP transport under which one bad answer spoils one call, and never the session.

The SDK lets an `httpx2.TransportError` escape into the task group of the whole session: one dropped connection would
end every later call and cancel the task that owns the client. This transport raises none. It answers in the server's
place with a JSON-RPC error that says what happened (`runtime.tools.faults`), above all whether the request can have
reached the server. JSON bodies are read here, within a limit; event streams pass through, because the SDK copes with
those that break off.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import httpx2

from runtime.core.identity import HEADER_META, KEY_META
from runtime.core.tracing import TRACEPARENT
from runtime.tools.faults import Fault, NoTokenError, fault_error
from runtime.tools.messages import error_of

if TYPE_CHECKING:
    from runtime.tools.tokens import Tokens

NOT_SENT: Final = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
)
"""What goes wrong before anything can have arrived."""
_STATUS: Final = "refused_with"
_SESSION_HEADER: Final = "mcp-session-id"
_NOT_FOUND: Final = 404
_TOO_MANY_REQUESTS: Final = 429
_FIRST_ERROR: Final = 400
# What servers of HTTP+SSE say to a handshake over streamable HTTP.
_OTHER_TRANSPORT: Final = frozenset({400, 404, 405})
_FIRST_SERVER_ERROR: Final = 500
_CHORE_SECONDS: Final = 5.0
# A token that somebody else has just got may lack the scope that this request needs.
_MOST_TRIES: Final = 3
# One wrong answer must not keep all runs of an agent from a tool for ever.
_LONGEST_PAUSE_SECONDS: Final = 86_400.0


class HardenedTransport(httpx2.AsyncHTTPTransport):
    """The transport of one tool server.

    Args:
        connect_timeout: the longest time to open a connection.
        limit: the largest JSON body, in bytes.
        tokens: what gets access tokens for the server, if it wants any.
        tls: how connections are encrypted; None leaves that to the system.
    """

    def __init__(
        self,
        *,
        connect_timeout: timedelta,
        limit: int,
        tokens: Tokens | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(verify=True if tls is None else tls)
        self._connect_seconds = connect_timeout.total_seconds()
        self._limit = limit
        self._tokens = tokens
        self._denied: NoTokenError | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; every failure comes back as an answer."""
        message = _json(request.content) if request.method == "POST" else None
        request.extensions["timeout"] = self._timeout(request, message)
        request.headers.update(_own_headers(message))
        try:
            response = await self._send(request)
            if (
                self._denied is not None
                and response.status_code >= _FIRST_ERROR
                and _begins(request)
            ):
                # It was asked for the older revision because it had refused to talk of the newer: that is why.
                await response.aclose()
                raise self._denied
            if request.method != "POST" or _is_stream(response):
                return response
            return await self._whole(request, response)
        except httpx2.TransportError as error:
            reached = not isinstance(error, NOT_SENT)
            reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            return _answer(Fault.CUT if reached else Fault.UNREACHABLE, reason)
        except httpx2.DecodingError as error:
            return _answer(Fault.GARBLED, f"the answer cannot be decompressed: {error}")
        except NoTokenError as error:
            self._denied = error
            return _answer(error.fault, str(error))

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        """Close all connections."""
        if self._tokens is not None:
            await self._tokens.aclose()
        await super().__aexit__(kind, error, trace)

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request, with a token where the server wants one: it has refused it then, and done nothing else."""
        if self._tokens is None:
            return await super().handle_async_request(request)
        for _ in range(_MOST_TRIES):
            used = self._tokens.authorize(request)
            response = await super().handle_async_request(request)
            if not self._tokens.are_wanted(response):
                return response
            await response.aclose()
            try:
                # Nobody waits longer than for an answer: what comes next may wait for this.
                async with asyncio.timeout(request.extensions["timeout"]["read"]):
                    is_asked_for = await self._tokens.renew(response, request, used)
            except TimeoutError:
                raise NoTokenError("no access token came in time") from None
            if is_asked_for:
                break
        self._tokens.authorize(request)
        return await super().handle_async_request(request)

    def _timeout(self, request: httpx2.Request, message: Any) -> dict[str, float | None]:
        """No limit on waiting for a call's answer, which has its own; a short one on what nobody waits for.

        The SDK sends notifications and the farewell one at a time: a server that does not answer one would stop every
        later message.
        """
        seconds = None if request.method == "GET" or _expects_answer(message) else _CHORE_SECONDS
        connect = self._connect_seconds
        return {"connect": connect, "read": seconds, "write": seconds, "pool": connect}

    async def _whole(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        """The answer with its body read, or a fault in its place."""
        body = b""
        try:
            # As it is meant, and not as it comes: some compress what nobody asked them to, and it may be huge.
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self._limit:
                    return _answer(
                        Fault.OVERSIZE, f"the answer has more than {self._limit:,} bytes"
                    )
        finally:
            await response.aclose()
        if response.status_code >= _FIRST_ERROR and not _explains_itself(request, response, body):
            return _refusal(request, response)
        response.headers.pop("content-encoding", None)
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=httpx2.ByteStream(body),
            extensions=response.extensions,
        )


def refused_with(response: httpx2.Response) -> int:
    """The status of an answer as the server gave it, also where there is another in its place."""
    return int(response.extensions.get(_STATUS, response.status_code))


def _refusal(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
    status, pause = response.status_code, retry_after_seconds(response)
    reason = f"HTTP {status} {response.reason_phrase}".strip()
    # A 5xx may come from a gateway that had already passed the call on.
    fault = Fault.REFUSED if status < _FIRST_SERVER_ERROR else Fault.CUT
    if status == _TOO_MANY_REQUESTS:
        fault = Fault.THROTTLED
    elif status in _OTHER_TRANSPORT and _begins(request):
        reason += "; a server of the protocol before 2025-03-26 is reached by `transport: sse`"
    answer = _answer(fault, reason, retry_after=pause)
    answer.extensions[_STATUS] = status
    return answer


def _begins(request: httpx2.Request) -> bool:
    match _json(request.content):
        case {"method": "initialize"}:
            return True
        case _:
            return False


def _answer(fault: Fault, message: str, *, retry_after: float | None = None) -> httpx2.Response:
    error = fault_error(fault, message, retry_after=retry_after)
    return httpx2.Response(503, json={"jsonrpc": "2.0", "id": None, "error": error})


def _explains_itself(request: httpx2.Request, response: httpx2.Response, body: bytes) -> bool:
    """Whether the SDK can make more of this error answer than we can.

    It can of a JSON-RPC error, and of a 404 inside a session, which says that the session is over.
    """
    if response.status_code == _NOT_FOUND and _SESSION_HEADER in request.headers:
        return True
    is_json = response.headers.get("content-type", "").lower().startswith("application/json")
    return is_json and error_of(body) is not None


def _expects_answer(message: Any) -> bool:
    return isinstance(message, dict) and "id" in message and "method" in message


def _own_headers(message: Any) -> dict[str, str]:
    """The headers of one call: the context of its trace, and its idempotency key where its step wants it in one. Only the
    call itself knows them."""
    match message:
        case {"params": {"_meta": dict(meta)}}:
            pass
        case _:
            return {}
    headers = {TRACEPARENT: meta[TRACEPARENT]} if TRACEPARENT in meta else {}
    if HEADER_META in meta:
        headers[meta[HEADER_META]] = meta[KEY_META]
    return headers


def _is_stream(response: httpx2.Response) -> bool:
    kind = str(response.headers.get("content-type", "")).lower()
    return response.status_code < _FIRST_ERROR and kind.startswith("text/event-stream")


def retry_after_seconds(response: httpx2.Response) -> float | None:
    """Retry-After, when it is a number of seconds (RFC 9110 section 10.2.3), and a day at most; dates are not used."""
    text = str(response.headers.get("retry-after", ""))
    if not (text.isascii() and text.isdigit()):
        return None
    return min(float(text), _LONGEST_PAUSE_SECONDS)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
