"""Stands between the code under test and PostgreSQL or Redis, and behaves as badly as a test asks.

It listens on loopback TCP and forwards to whatever the URL names, TCP or Unix socket. Times and bytes are real; nothing
here sleeps.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qs, unquote, urlencode, urlsplit, urlunsplit

_CHUNK = 1 << 16
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Proxy:
    """A network that a test can break. Use as an async context manager; it begins by passing everything on.

    Args:
        url: the server, as a `postgresql://`, `redis://` or `unix://` URL.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._links: set[_Link] = set()
        self._server: asyncio.Server | None = None
        self._port = 0
        self._swallowing = False
        self._requests_flow = asyncio.Event()
        self._answers_flow = asyncio.Event()
        self._answer_held = asyncio.Event()
        self._answers_left: int | None = None

    @property
    def url(self) -> str:
        """The same database and credentials, through this proxy."""
        return _through(self._url, self._port)

    @property
    def connections(self) -> int:
        """How many connections are open through it."""
        return len(self._links)

    async def resume(self) -> None:
        """Pass everything on, first of all what was held back. Connections that lost bytes are cut."""
        self._swallowing = False
        for link in [link for link in self._links if link.is_lossy]:
            link.cut()
        self._requests_flow.set()
        self._answers_flow.set()
        self._answer_held.clear()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Refuse new connections, as a stopped server does; open ones live on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def cut(self) -> None:
        """Reset all open connections; new ones are accepted."""
        for link in list(self._links):
            link.cut()

    def blackhole(self) -> None:
        """Accept, read and forget everything, as a network does that drops packets."""
        self._swallowing = True
        for link in self._links:
            link.is_lossy = True

    def abandon(self) -> None:
        """Leave the open connections half open: nothing comes through them any more, and nobody is told. New ones are sound."""
        for link in self._links:
            link.is_mute = True

    def stall(self) -> None:
        """Hold back every byte in both directions until `resume`."""
        self._requests_flow.clear()
        self._answers_flow.clear()

    def stall_answers(self) -> None:
        """Let requests through and hold back what the server says: done, and nobody knows."""
        self._answer_held.clear()
        self._answers_flow.clear()

    def cut_after(self, answers: int) -> None:
        """Let so many pieces of what the server says through; the next one is lost, and every connection with it."""
        self._answers_left = answers

    @property
    def has_cut(self) -> bool:
        """Whether nothing is left of `cut_after`."""
        return self._answers_left is None

    async def answer_held(self) -> None:
        """Wait until the server has answered something that is held back."""
        await self._answer_held.wait()

    async def __aenter__(self) -> Self:
        await self.resume()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.refuse()
        links = list(self._links)
        self.cut()
        await asyncio.gather(*(link.task for link in links), return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        link = _Link(task, self._swallowing, [writer])
        self._links.add(link)
        try:
            await self._forward(reader, writer, link)
        except (OSError, asyncio.CancelledError):
            pass  # the end of a connection is what this proxy is for
        finally:
            self._links.discard(link)
            link.abort()

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: _Link
    ) -> None:
        server_reader, server_writer = await _connect(self._url)
        link.writers.append(server_writer)
        pumps = (
            asyncio.ensure_future(self._send_requests(reader, server_writer, link)),
            asyncio.ensure_future(self._send_answers(server_reader, writer, link)),
        )
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _send_requests(
        self, client: asyncio.StreamReader, server: asyncio.StreamWriter, link: _Link
    ) -> None:
        while data := await client.read(_CHUNK):
            await self._requests_flow.wait()
            if not (self._swallowing or link.is_mute):
                server.write(data)
                await server.drain()

    async def _send_answers(
        self, server: asyncio.StreamReader, client: asyncio.StreamWriter, link: _Link
    ) -> None:
        while data := await server.read(_CHUNK):
            if self._answers_left == 0:
                self._answers_left = None
                self.cut()
                return
            if self._answers_left is not None:
                self._answers_left -= 1
            if not self._answers_flow.is_set():
                self._answer_held.set()
                await self._answers_flow.wait()
            if not (self._swallowing or link.is_mute):
                client.write(data)
                await client.drain()


@dataclass(eq=False, slots=True)
class _Link:
    """One connection through the proxy: both its ends."""

    task: asyncio.Task[None]
    is_lossy: bool
    writers: list[asyncio.StreamWriter]
    is_mute: bool = False

    def cut(self) -> None:
        self.abort()
        self.task.cancel()

    def abort(self) -> None:
        for writer in self.writers:
            if not writer.transport.is_closing():
                end = writer.get_extra_info("socket")
                # Closing without lingering sends a reset instead of a polite end.
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                writer.transport.abort()


async def _connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return await asyncio.open_unix_connection(unquote(parts.path))
    options = parse_qs(parts.query)
    folder = options.get("host", [""])[0]
    if folder.startswith("/"):
        port = options.get("port", ["5432"])[0]
        return await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{port}")
    return await asyncio.open_connection(parts.hostname, parts.port)


def _through(url: str, port: int) -> str:
    parts = urlsplit(url)
    credentials = f"{parts.username or ''}:{parts.password or ''}@"
    options = {name: values[0] for name, values in parse_qs(parts.query).items()}
    if parts.scheme == "unix":
        return f"redis://{credentials}127.0.0.1:{port}/{options.get('db', '0')}"
    kept = {name: value for name, value in options.items() if name not in {"host", "port"}}
    query = urlencode(
        {**kept, "sslmode": "disable", "gssencmode": "disable"}
        if "postgres" in parts.scheme
        else kept
    )
    return urlunsplit(parts._replace(netloc=f"{credentials}127.0.0.1:{port}", query=query))
