"""An endpoint that speaks OpenAI's chat completions, by hand: each request gets the next of the answers a test wrote down."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Asked:
    """One request: its first line, its headers by lower-case names, and its body."""

    line: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def system(self) -> str:
        """What the model is told to do."""
        return str(self.body["messages"][0]["content"])

    @property
    def last(self) -> str:
        """The last message."""
        return str(self.body["messages"][-1]["content"])


Answer = bytes | None
"""What is written as it is, and then closed; None leaves a request without an answer."""


def response(body: object, status: str = "200 OK", *, headers: str = "") -> bytes:
    """A JSON answer."""
    text = (body if isinstance(body, str) else json.dumps(body)).encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n{headers}"
    return f"{head}content-length: {len(text)}\r\n\r\n".encode() + text


def says(content: Any, *, finish: str = "stop", **message: Any) -> bytes:
    """What a model answers; it used up 100 tokens and then 20, of which 40 came from a cache and 5 were thoughts."""
    return response(completion(content, finish=finish, **message))


def completion(content: Any, *, finish: str = "stop", **message: Any) -> dict[str, Any]:
    """The body of that."""
    return {
        "id": "c1",
        "object": "chat.completion",
        "model": "small-2026-01-07",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "message": {"role": "assistant", "content": content, **message},
            }
        ],
        "usage": {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 40},
            "completion_tokens_details": {"reasoning_tokens": 5},
        },
    }


def refuses(status: str, message: str = "", *, headers: str = "") -> bytes:
    """An error as these endpoints tell it."""
    return response({"error": {"message": message, "type": "x"}}, status, headers=headers)


class ModelServer:
    """The endpoint.

    Attributes:
        answers: what is answered, one after another; the last one for ever.
        asked: the requests so far.
        came: is set when a request has come.
        connections: those that are open.
        tls: how connections to it are encrypted, if they are.
    """

    def __init__(self) -> None:
        self.answers: list[Answer | Callable[[Asked], Answer]] = []
        self.asked: list[Asked] = []
        self.came = asyncio.Event()
        self.port = 0
        self.tls: ssl.SSLContext | None = None
        self._server: asyncio.Server | None = None
        self.connections: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for connection in list(self.connections):
            connection.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.add(writer)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().strip()
            line, *rest = head.split("\r\n")
            headers = {name.lower(): value for name, value in (one.split(": ", 1) for one in rest)}
            body = json.loads(await reader.readexactly(int(headers.get("content-length", 0))))
            self.asked.append(Asked(line, headers, body))
            self.came.set()
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if callable(answer):
                answer = answer(self.asked[-1])
            if answer is None:
                await reader.read()
                return
            writer.write(answer)
            await writer.drain()
            if b"keep-alive" in answer:
                await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.connections.discard(writer)
            writer.close()
