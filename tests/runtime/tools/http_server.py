"""A tool server over HTTP by hand, answering each request as a test wants it, on a port that stays its own."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

Reply = tuple[bytes, bool]
"""What is written, and whether the connection is cut off right after it."""


def reply(body: object, status: str = "200 OK", *, headers: str = "", cut: bool = False) -> Reply:
    """A JSON answer; with `cut`, it breaks off in the middle."""
    text = body if isinstance(body, str) else json.dumps(body)
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}"
    whole = f"{head}content-length: {len(text)}\r\n\r\n{text}".encode()
    return (whole[: -len(text) // 2], True) if cut else (whole, False)


def compressed(body: object) -> Reply:
    """A JSON answer, compressed though nobody asked for that."""
    packed = gzip.compress(json.dumps(body).encode())
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: {len(packed)}\r\n\r\n"
    return head.encode() + packed, False


def stream(*events: str, whole: bool = True) -> Reply:
    """An event stream; not `whole`, it breaks off."""
    text = "".join(f"event: message\r\ndata: {event}\r\n\r\n" for event in events)
    length = len(text) + (0 if whole else 1)
    head = (
        f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {length}\r\n\r\n"
    )
    return (head + text).encode(), not whole


def ok(message: dict[str, Any], result: object) -> Reply:
    """A JSON-RPC answer."""
    return reply({"jsonrpc": "2.0", "id": message["id"], "result": result})


class HttpByHand(ABC):
    """A server that answers request after request.

    Attributes:
        port: where it listens.
        tls: how connections to it are encrypted, if they are.
        asking: the connection of the newest request.
    """

    asking: asyncio.StreamWriter

    def __init__(self) -> None:
        self.port = 0
        self.tls: ssl.SSLContext | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    @abstractmethod
    def respond(self, line: str, headers: dict[str, str], body: str) -> Reply | None:
        """What a request gets, by its first line; None leaves it without an answer."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def start(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, ssl=self.tls
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Cut off everybody and listen no more."""
        assert self._server is not None
        self._server.close()
        for connection in self._connections:
            connection.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                request, *lines = head.decode().strip().split("\r\n")
                headers = {
                    name.lower(): value for name, value in (line.split(": ", 1) for line in lines)
                }
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.asking = writer
                answer = self.respond(request, headers, body.decode())
                if answer is None:
                    continue
                writer.write(answer[0])
                await writer.drain()
                if answer[1]:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._connections.discard(writer)
            writer.close()


class RawHttp(HttpByHand):
    """The server. Speaks the 2025-11-25 revision; `tools/call` is answered by `answer`.

    Attributes:
        answer: what a call gets; None leaves it without an answer.
        requests: method and headers of all requests so far.
        session: the session id that it hands out, if any; a request with another one is told that there is no such.
        token: what every request must be authorized by, if anything; others are told where to ask for it.
        challenge: what they are told.
    """

    def __init__(self) -> None:
        super().__init__()
        self.answer: Callable[[dict[str, Any]], Reply | None] = lambda message: ok(
            message, {"content": []}
        )
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.session = ""
        self.token = ""
        self.challenge = "Bearer"

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/mcp"

    def calls(self) -> int:
        """How many calls arrived."""
        return sum(method == "tools/call" for method, _ in self.requests)

    def respond(self, line: str, headers: dict[str, str], body: str) -> Reply | None:
        message = json.loads(body or "null")
        method = message["method"] if message else line.split(maxsplit=1)[0]
        self.requests.append((method, headers))
        if self.token and headers.get("authorization") != f"Bearer {self.token}":
            told = f"www-authenticate: {self.challenge}\r\n"
            return reply("who?", "401 Unauthorized", headers=told)
        if "mcp-session-id" in headers and headers["mcp-session-id"] != self.session:
            return reply("gone", "404 Not Found")
        if message is None or "id" not in message:
            return reply("", "405 Method Not Allowed" if message is None else "202 Accepted")
        return self.answer(message) if method == "tools/call" else self._set_up(message)

    def _set_up(self, message: dict[str, Any]) -> Reply:
        match message["method"]:
            case "initialize":
                handshake = {
                    "protocolVersion": "2025-11-25",
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "http", "version": "1"},
                }
                body = {"jsonrpc": "2.0", "id": message["id"], "result": handshake}
                return reply(
                    body, headers=f"mcp-session-id: {self.session}\r\n" if self.session else ""
                )
            case "tools/list":
                tool = {"name": "act", "inputSchema": {"type": "object"}}
                return ok(message, {"tools": [tool]})
        return reply("never heard of it", "400 Bad Request")


class RawSse(RawHttp):
    """The same server as it would have been before 2025-03-26: what it answers comes as an event of a stream.

    Attributes:
        post: what a request gets at once.
        event: what its answer comes as; None leaves it out.
        opening: what the stream begins with.
        stream: where events are written to, once there is somebody who listens.
    """

    def __init__(self) -> None:
        super().__init__()
        self.post: Callable[[dict[str, Any]], Reply | None] = lambda message: reply(
            "Accepted", "202 Accepted"
        )
        self.event: Callable[[str], bytes | None] = event
        self.opening = event("/messages?session=1", "endpoint")
        self.stream: asyncio.StreamWriter | None = None

    @property
    def url(self) -> str:
        return super().url.replace("/mcp", "/sse")

    def hang_up(self) -> None:
        """End the stream."""
        assert self.stream is not None
        self.stream.close()

    def respond(self, line: str, headers: dict[str, str], body: str) -> Reply | None:
        if line.startswith("GET"):
            self.stream = self.asking
            head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
            return head.encode() + self.opening, False
        message = json.loads(body)
        is_call = message["method"] == "tools/call"
        answer = super().respond(line, headers, body)
        if answer is not None and "id" in message and self.stream is not None:
            told = answer[0].partition(b"\r\n\r\n")[2].decode()
            written = self.event(told) if is_call else event(told)
            self.stream.write(written or b"")
        return self.post(message) if is_call else reply("Accepted", "202 Accepted")


def event(data: str, kind: str = "message") -> bytes:
    """An event of a stream."""
    return f"event: {kind}\r\ndata: {data}\r\n\r\n".encode()
