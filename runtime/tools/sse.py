"""A tool server over HTTP as the protocol had it before 2025-03-26: it tells everything on one stream of events, and is
told everything by requests to an address that this stream names.

Not the SDK's: there, a request that fails stops every later one for good, and an answer that is too long, or not JSON,
ends the session. Here a request that fails is its own call's fault, and says whether it can have reached the server; the
end of the stream is the end of the session, as that of a process is: calls under way are lost, and the next begins a new
one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Final
from urllib.parse import urljoin

import anyio
import httpx2
from mcp.shared.message import SessionMessage
from mcp_types import INVALID_REQUEST, JSONRPCRequest

from runtime.errors import ToolServerError
from runtime.tools.definition import HttpTransport, ServerDefinition
from runtime.tools.framing import EDGE_BYTES, Framer, Line
from runtime.tools.hardened_http import refused_with
from runtime.tools.messages import error_answer, error_of, fault_of, message_of
from runtime.tools.over_http import http_client
from runtime.tools.transports import Streams, Surroundings
from runtime.tools.waiting import cancel_all, time_limit

_EVENTS: Final = "text/event-stream"
_OK: Final = 200
_FIRST_REFUSAL: Final = 300
_NO_SUCH_SESSION: Final = frozenset({404, 410})
# A server says at once that it has a request; what it makes of it comes on the stream, however late.
_HEARD_SECONDS: Final = 30.0
_MOST_SAID_BYTES: Final = 65_536


class SseConnection:
    """The stream of events, and the requests."""

    def __init__(
        self,
        transport: HttpTransport,
        definition: ServerDefinition,
        surroundings: Surroundings,
        *,
        limit: int,
        on_gone: Callable[[], None],
    ) -> None:
        self.pid: int | None = None
        self._transport = transport
        self._definition = definition
        self._surroundings = surroundings
        self._limit = limit
        self._on_gone = on_gone
        self._open = False
        self._endpoint = ""
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._requests: set[asyncio.Task[None]] = set()
        incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        outgoing = anyio.create_memory_object_stream[SessionMessage](0)
        self._to_session, self._session_reads = incoming
        self._session_writes, self._from_session = outgoing

    async def __aenter__(self) -> Streams:
        """Open the stream, and wait until it names the address for requests.

        Raises:
            ToolServerError: ORD401, there is no such stream, or its TLS options cannot be used.
        """
        try:
            async with AsyncExitStack() as stack:
                client = await stack.enter_async_context(self._client())
                events = await self._listen(client, stack)
                self._endpoint = await self._named(events)
                self._stack = stack.pop_all()
        except BaseException:
            self._close_streams()
            raise
        self._open = True
        self._tasks = [
            asyncio.create_task(self._read(events)),
            asyncio.create_task(self._write(client)),
        ]
        return self._session_reads, self._session_writes

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        """Close the stream, by which the server forgets the session."""
        self._open = False
        try:
            with anyio.CancelScope(shield=True):
                await cancel_all(*self._tasks, *self._requests)
                await self._stack.aclose()
        finally:
            self._close_streams()

    def alive(self) -> bool:
        """Whether the stream is open."""
        return self._open

    def last_words(self) -> str:
        """Nothing: a remote server's stderr is its own."""
        return ""

    def _client(self) -> httpx2.AsyncClient:
        return http_client(self._transport, self._definition, self._surroundings, self._limit)

    async def _listen(
        self, client: httpx2.AsyncClient, stack: AsyncExitStack
    ) -> AsyncGenerator[tuple[str, Line]]:
        asked = client.build_request("GET", self._transport.url, headers={"accept": _EVENTS})
        response = await client.send(asked, stream=True)
        stack.push_async_callback(response.aclose)
        kind = response.headers.get("content-type", "")
        if response.status_code != _OK or not kind.lower().startswith(_EVENTS):
            raise ToolServerError(await _said(response))
        events = _events(response.aiter_bytes(), self._limit)
        stack.push_async_callback(events.aclose)
        return events

    async def _named(self, events: AsyncGenerator[tuple[str, Line]]) -> str:
        async for kind, data in events:
            if kind == "endpoint":
                named = urljoin(self._transport.url, data.text.decode(errors="replace"))
                if _origin(named) != _origin(self._transport.url):
                    raise ToolServerError(
                        f"the server wants requests to go elsewhere: {named}",
                        hint="Only to the address that it has itself, where headers and tokens are at home.",
                    )
                return named
        raise ToolServerError("the stream of events ended before it named an address for requests")

    async def _read(self, events: AsyncGenerator[tuple[str, Line]]) -> None:
        try:
            async for kind, data in events:
                if kind == "message" and (data.text.strip() or data.oversize):
                    message = message_of(data) or fault_of(data, self._limit)
                    if message is not None:
                        await self._to_session.send(message)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, httpx2.HTTPError):
            pass  # the session is being left, or the stream broke off
        finally:
            self._to_session.close()
            if self._open:
                self._open = False
                self._on_gone()

    async def _write(self, client: httpx2.AsyncClient) -> None:
        async for message in self._from_session:
            if isinstance(message.message, JSONRPCRequest):
                # Nobody waits for the other's answer. What is only told goes in order: some of it is told first.
                task = asyncio.create_task(self._post(client, message, message.message.id))
                self._requests.add(task)
                task.add_done_callback(self._requests.discard)
            else:
                await self._post(client, message, None)

    async def _post(
        self, client: httpx2.AsyncClient, message: SessionMessage, asked: int | str | None
    ) -> None:
        """Send a message; if it asks for something and cannot have been heard, that is its answer."""
        body = message.message.model_dump_json(by_alias=True, exclude_unset=True)
        headers = {"content-type": "application/json"}
        try:
            async with time_limit(self._surroundings.clock, _HEARD_SECONDS):
                response = await client.post(self._endpoint, content=body, headers=headers)
        except TimeoutError:
            return  # it may have been heard all the same: whoever asked has a limit of their own
        if asked is not None and response.status_code >= _FIRST_REFUSAL:
            # What is sent while the session is being left is for nobody any more.
            with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                await self._to_session.send(error_answer(asked, _refusal(response)))

    def _close_streams(self) -> None:
        for stream in (
            self._to_session,
            self._session_reads,
            self._session_writes,
            self._from_session,
        ):
            stream.close()


async def _events(chunks: AsyncIterator[bytes], limit: int) -> AsyncGenerator[tuple[str, Line]]:
    """The kind and the data of each event (HTML, section 9.2.6); of data longer than `limit` only the edges are kept."""
    framer = Framer(limit)
    kind, parts, size = "message", list[Line](), 0
    async for chunk in chunks:
        for line in framer.feed(chunk):
            text = line.text.removesuffix(b"\r")
            name, _, value = text.partition(b":")
            if name == b"event":
                kind = value.strip().decode(errors="replace")
            elif name == b"data":
                parts.append(Line(value.removeprefix(b" "), line.size, line.oversize))
                size += line.size
            elif not text and parts:
                yield kind, _joined(parts, size, limit)
            if not text:
                kind, parts, size = "message", [], 0
            elif size > limit:
                parts = [_joined(parts, size, limit)]


def _joined(parts: list[Line], size: int, limit: int) -> Line:
    if len(parts) == 1:
        return parts[0]
    text = b"\n".join(part.text for part in parts)
    if size <= limit:
        return Line(text, size)
    return Line(text[:EDGE_BYTES] + text[-EDGE_BYTES:], size, oversize=True)


def _refusal(response: httpx2.Response) -> dict[str, Any]:
    """The error that a request ended in."""
    if refused_with(response) in _NO_SUCH_SESSION:
        return {"code": INVALID_REQUEST, "message": "Session not found"}
    return error_of(response.content) or {
        "code": INVALID_REQUEST,
        "message": f"HTTP {response.status_code}",
    }


async def _said(response: httpx2.Response) -> str:
    """Why there is no stream of events."""
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _MOST_SAID_BYTES:
            break
    kind = response.headers.get("content-type", "nothing")
    plain = f"HTTP {response.status_code} and {kind}, where a stream of events should be"
    return str((error_of(body) or {}).get("message", plain))


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = httpx2.URL(url)
    return parts.scheme, parts.host, parts.port
