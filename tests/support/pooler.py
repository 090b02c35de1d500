"""A pooler in transaction mode, as unkind as one may be: consecutive transactions of a client meet different sessions.

It speaks PostgreSQL's protocol, refuses what a session begins with unless it is told to drop it, and tells clients of a
process that does not exist, all as PgBouncer does. It stands in for PgBouncer where that is not there; what it leaves out
is cancelling and copying.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections import deque
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import psycopg

_SSL, _GSS, _VERSION = 80877103, 80877104, 196608
_PARAMETERS = {
    "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY",
    "integer_datetimes": "on",
    "standard_conforming_strings": "on",
}

Message = tuple[bytes, bytes]


@dataclass(slots=True)
class _Session:
    """A connection to the server, and what of it was taken over."""

    owner: psycopg.Connection
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Pooler:
    """Use as an async context manager.

    Args:
        url: the server.
        drops_options: let clients in that ask for settings, and forget these; else they are refused.
    """

    def __init__(self, url: str, *, drops_options: bool = True) -> None:
        self._upstream = url
        self._drops_options = drops_options
        self._idle: deque[_Session] = deque()
        self._owners = ExitStack()
        self._freed = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._version = ""
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The same database through the pooler."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        parts = urlsplit(self._upstream)
        address = f"{parts.username}:any@127.0.0.1:{port}"
        query = "sslmode=disable&gssencmode=disable"
        return urlunsplit(parts._replace(netloc=address, query=query))

    async def __aenter__(self) -> Self:
        for _ in range(3):
            self._idle.append(await self._session())
        self._version = self._idle[0].owner.info.parameter_status("server_version") or ""
        self._server = await asyncio.start_server(self._begin, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for session in self._idle:
            session.writer.close()
        self._owners.close()

    async def _session(self) -> _Session:
        # Without a thread: whoever waits for one may be cancelled, and the session that it opens is then nobody's.
        owner = self._owners.enter_context(
            closing(psycopg.connect(self._upstream, autocommit=True))
        )
        end = socket.socket(fileno=os.dup(owner.fileno()))
        end.setblocking(False)
        return _Session(owner, *await asyncio.open_connection(sock=end))

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await self._greet(reader, writer):
                await self._pass_on(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # clients leave as they like
        finally:
            writer.close()

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        while True:
            (length,) = struct.unpack("!i", await reader.readexactly(4))
            body = await reader.readexactly(length - 4)
            (code,) = struct.unpack("!i", body[:4])
            if code not in {_SSL, _GSS}:
                break
            writer.write(b"N")
        if code != _VERSION:
            return False
        if b"options" in body[4:].split(b"\0")[::2] and not self._drops_options:
            text = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0"
            writer.write(_message(b"E", text))
            await writer.drain()
            return False
        writer.write(_message(b"R", struct.pack("!i", 0)))
        for name, value in {**_PARAMETERS, "server_version": self._version}.items():
            writer.write(_message(b"S", f"{name}\0{value}\0".encode()))
        writer.write(_message(b"K", struct.pack("!ii", 1, 1)))
        writer.write(_message(b"Z", b"I"))
        return True

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            first = await _read(reader)
            if first[0] == b"X":
                return
            async with self._freed:
                await self._freed.wait_for(lambda: self._idle)
                # The one that has rested longest, so never the same again.
                session = self._idle.popleft()
            try:
                await _transaction(first, reader, writer, session)
            except BaseException:
                session.writer.close()
                session.owner.close()
                session = await self._session()
                raise
            finally:
                async with self._freed:
                    self._idle.append(session)
                    self._freed.notify()


async def _transaction(
    message: Message,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    session: _Session,
) -> None:
    """Pass requests on, and their answers back, until the session is outside of any transaction."""
    while True:
        session.writer.write(_message(*message))
        if message[0] in {b"Q", b"S"}:
            await session.writer.drain()
            if await _answer(session, writer) == b"I":
                return
        message = await _read(reader)


async def _answer(session: _Session, writer: asyncio.StreamWriter) -> bytes:
    """Pass everything back that answers a request; what state the session is in then."""
    while True:
        kind, body = await _read(session.reader)
        writer.write(_message(kind, body))
        if kind == b"Z":
            await writer.drain()
            return body


async def _read(reader: asyncio.StreamReader) -> Message:
    head = await reader.readexactly(5)
    (length,) = struct.unpack("!i", head[1:])
    return head[:1], await reader.readexactly(length - 4)


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body
