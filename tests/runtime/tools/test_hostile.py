"""Tools that mean no good, by every transport: the right outcome each time, and the next call is served."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from runtime.clock import SYSTEM_CLOCK
from runtime.core.outcomes import OutcomeClass
from runtime.tools.definition import HttpTransport, ServerDefinition
from tests.runtime.tools.conftest import OpenToolbox
from tests.runtime.tools.http_server import RawHttp, RawSse, Reply, event, reply
from tests.runtime.tools.servers import http, raw
from tests.support.probes import within

HUNDRED_MEGABYTES: Final = 100_000_000
SHORT: Final = timedelta(seconds=0.5)
LONG: Final = timedelta(seconds=30)
LATE: Final = 0.8

OUTCOMES: Final[dict[str, OutcomeClass]] = {
    "hangs": "timeout",
    "floods": "timeout",
    "answers 100 MB": "contract_error",
    "answers invalid JSON": "contract_error",
    "closes mid-answer": "lost",
    "answers twice": "ok",
    "answers too late": "timeout",
}
BY_STDIO: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "hangs": ("silent", {}),
    "floods": ("torrent", {}),
    "answers 100 MB": ("huge", {"bytes": HUNDRED_MEGABYTES}),
    "answers invalid JSON": ("garble", {}),
    "closes mid-answer": ("half", {}),
    "answers twice": ("twice", {}),
    "answers too late": ("slow", {"seconds": LATE}),
}


def patience(hostility: str) -> timedelta:
    return SHORT if OUTCOMES[hostility] == "timeout" else LONG


@pytest.mark.parametrize("hostility", OUTCOMES)
async def test_by_stdio(open_toolbox: OpenToolbox, hostility: str) -> None:
    box = await open_toolbox(raw())
    await box.tools("raw")
    tool, arguments = BY_STDIO[hostility]

    outcome = await box.call(f"raw.{tool}", arguments, patience(hostility))
    after = await within(box.call("raw.echo", {"still": "here"}), "the next call", seconds=60)

    assert (outcome.kind, outcome.sent) == (OUTCOMES[hostility], True)
    assert after.value == {"still": "here"}


class Hostile:
    """What a server over HTTP does, by hand; `streams` makes it answer by events where it was asked.

    Attributes:
        server: the server.
        streams: whether it does.
    """

    def __init__(self, server: RawHttp, *, streams: bool) -> None:
        self.server = server
        self.streams = streams
        self._tasks: list[asyncio.Task[None]] = []

    def act(self, hostility: str) -> None:
        """From now on calls are answered like that."""
        self.server.answer = self._answers()[hostility]
        if isinstance(self.server, RawSse):
            self.server.event = lambda text: text.encode()

    def behave(self) -> None:
        """From now on calls are answered as they should be."""
        self.server.answer = lambda message: self._reply(_result(message, "fine"))
        if isinstance(self.server, RawSse):
            self.server.event = lambda text: text.encode()

    async def stop(self) -> None:
        """Do nothing any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _answers(self) -> dict[str, Callable[[dict[str, Any]], Reply | None]]:
        return {
            "hangs": lambda message: self._nothing(),
            "floods": lambda message: self._begin(self._pour(b": noise\r\n\r\n" * 1000)),
            "answers 100 MB": lambda message: self._begin(self._huge(message)),
            "answers invalid JSON": lambda message: self._reply(
                f'{{"jsonrpc": "2.0", "id": {message["id"]}, "result": oops}}'
            ),
            "closes mid-answer": lambda message: self._begin(self._half(message)),
            "answers twice": lambda message: self._reply(
                _result(message, "first"), _result(message, "second")
            ),
            "answers too late": lambda message: self._begin(self._late(message)),
        }

    def _reply(self, *texts: str) -> Reply:
        if isinstance(self.server, RawSse):
            return reply("".join(event(text).decode() for text in texts))
        if not self.streams:
            return reply(texts[0])
        body = b"".join(event(text) for text in texts)
        return self._head(len(body)) + body, False

    def _nothing(self) -> Reply | None:
        return reply("") if isinstance(self.server, RawSse) else None

    def _begin(self, rest: Coroutine[Any, Any, None]) -> Reply | None:
        self._tasks.append(asyncio.create_task(rest))
        return self._nothing()

    def _head(self, length: int | None) -> bytes:
        size = "" if length is None else f"content-length: {length}\r\n"
        kind = "text/event-stream" if self.streams else "application/json"
        return f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{size}\r\n".encode()

    def _open(self, length: int | None = None) -> asyncio.StreamWriter:
        """Where an answer is written to, with what stands before it."""
        if isinstance(self.server, RawSse):
            assert self.server.stream is not None
            return self.server.stream
        writer = self.server.asking
        writer.write(self._head(length))
        return writer

    async def _pour(self, chunk: bytes) -> None:
        writer = self._open()
        try:
            while True:
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            pass  # the other side has had enough

    async def _huge(self, message: dict[str, Any]) -> None:
        begin, end = _result(message, "@").split("@")
        opening, closing = (b"data: ", b"\r\n\r\n") if self.streams else (b"", b"")
        whole = HUNDRED_MEGABYTES + len(opening + closing) + len(begin + end)
        writer = self._open(whole)
        try:
            writer.write(opening + begin.encode())
            for _ in range(100):
                writer.write(b"x" * (HUNDRED_MEGABYTES // 100))
                await writer.drain()
            writer.write(end.encode() + closing)
        except ConnectionError:
            pass  # likewise

    async def _half(self, message: dict[str, Any]) -> None:
        writer = self._open(10_000)
        writer.write(b'data: {"jsonrpc": "2.0", ' if self.streams else b'{"jsonrpc": "2.0", ')
        await writer.drain()
        writer.close()

    async def _late(self, message: dict[str, Any]) -> None:
        asked = self.server.asking
        await SYSTEM_CLOCK.sleep(LATE)
        answer = _result(message, "late")
        if isinstance(self.server, RawSse):
            self._open().write(event(answer))
        elif not asked.is_closing():
            asked.write(self._reply(answer)[0])


def _result(message: dict[str, Any], text: str) -> str:
    result = {"content": [{"type": "text", "text": text}]}
    return json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result})


@pytest.fixture(params=["JSON", "events where it was asked", "events on one stream"])
async def hostile(request: pytest.FixtureRequest) -> AsyncIterator[Hostile]:
    """A server over HTTP, of each kind."""
    on_one_stream = request.param == "events on one stream"
    server = RawSse() if on_one_stream else RawHttp()
    hostile = Hostile(server, streams=request.param != "JSON")
    async with server:
        yield hostile
        await hostile.stop()


def reached(server: RawHttp) -> ServerDefinition:
    definition = http(server.url, protocol="legacy")
    if isinstance(server, RawSse):
        return replace(definition, transport=HttpTransport(server.url, form="sse"))
    return definition


@pytest.mark.parametrize("hostility", OUTCOMES)
async def test_by_http(open_toolbox: OpenToolbox, hostile: Hostile, hostility: str) -> None:
    box = await open_toolbox(reached(hostile.server))
    await box.tools("web")
    hostile.act(hostility)

    outcome = await within(box.call("web.act", {}, patience(hostility)), "the outcome", seconds=40)
    hostile.behave()
    after = await within(box.call("web.act", {}), "the next call", seconds=60)

    expected = OUTCOMES[hostility]
    if hostility == "floods" and not hostile.streams:
        expected = "contract_error"  # a body without end is too long before it is too late
    assert (outcome.kind, outcome.sent) == (expected, True)
    assert (after.kind, after.value) == ("ok", "fine")
