"""Where a browser comes back to after a login: one address of this machine, that nobody else can reach, for one visit."""

from __future__ import annotations

import asyncio
from typing import Final, Self
from urllib.parse import parse_qsl, urlsplit

_HEARD_SECONDS: Final = 5.0
_TEXT: Final = (
    b"Ordinaut has heard of it. You can close this page; the terminal says what came of it.\n"
)
_PAGE: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncache-control: no-store\r\n"
    b"referrer-policy: no-referrer\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s"
    % (len(_TEXT), _TEXT)
)


class Loopback:
    """Waits on this machine for the browser to come back. Enter it to listen; nobody else can reach it.

    Attributes:
        address: where the browser is to be sent.
    """

    def __init__(self) -> None:
        self.address = ""
        self._state = ""
        self._came: asyncio.Queue[str] = asyncio.Queue(1)
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=65_536)
        self.address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/callback"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()

    async def came_back(self, address: str) -> str:
        """The address that the browser was sent to after a visit of `address`; others that call here are sent away."""
        self._state = dict(parse_qsl(urlsplit(address).query)).get("state", "")
        return await self._came.get()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_HEARD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                method, _, target = head.decode("latin-1").partition(" ")
                writer.write(self._page(method, target.partition(" ")[0]))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    def _page(self, method: str, target: str) -> bytes:
        path, _, query = target.partition("?")
        is_awaited = bool(self._state) and dict(parse_qsl(query)).get("state") == self._state
        if method != "GET" or path != "/callback" or not is_awaited:
            return b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        if not self._came.full():
            self._came.put_nowait(target)
        return _PAGE
