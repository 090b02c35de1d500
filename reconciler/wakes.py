"""Service: an HTTP listener whose only effect is to wake whoever polls git, so that a push is seen at once.

    wakes = WakeListener("127.0.0.1:8090", [secret], bell.ring)
    print(await wakes.begin())      # http://127.0.0.1:8090/wake
    await wakes.run()               # until cancelled; or put it into a ServiceGroup

A forge sends `POST /wake` with an HMAC over the body (`runtime.core.authenticity` says which forms are understood).
Nothing of a request is used but whether its signature is right, and its body is not even kept: what there is to apply is
for the poller to find out, and to verify. So repeating a captured request does no harm, and the poller is woken at most
once a second however many come; the poller's own interval makes up for every request that is lost.

Answers: 202 for a right signature, 403 for a wrong one or none, 404 for other paths, 405 for other methods, 408 for whoever
takes longer than ten seconds in all, 413 for a body above 25 MiB (GitHub sends no larger one), 503 beyond 32 connections at
once. One request a connection. There is no TLS: beyond this machine, put a proxy that has it in front.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection
from email.utils import format_datetime
from http import HTTPStatus
from typing import Final

import h11

from runtime.addresses import joined, parse_address
from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.core.authenticity import Signatures, secret_of
from runtime.errors import ConfigError
from runtime.logs import get_logger
from runtime.service import end_tasks, stop_if_cancelled
from runtime.tools.waiting import time_limit

PATH: Final = "/wake"
MAX_BODY_BYTES: Final = 25 * 1024 * 1024
MAX_CONNECTIONS: Final = 32
PATIENCE_SECONDS: Final = 10.0
PAUSE_SECONDS: Final = 1.0
TOLD_EVERY_SECONDS: Final = 60.0

_MAX_HEAD_BYTES: Final = 16 * 1024
_PIECE_BYTES: Final = 64 * 1024

_log = get_logger("wakes")


class WakeListener:
    """Service: listens from `begin` on, or else from `run` on.

    Args:
        address: `HOST:PORT`, or a `PORT` on 127.0.0.1; port 0 takes any that is free.
        secrets: any of which may have signed a request: one, or the new and the old one while they are exchanged.
        wake: called on the event loop that runs the service, after an authentic request; it returns at once and raises
            nothing. `runtime.wake.Bell.ring` is one.
        clock: for waiting.

    Raises:
        ConfigError: ORD306, the address is none, or there is no secret, or one that can be guessed.
    """

    name = "wakes"

    def __init__(
        self,
        address: str,
        secrets: Collection[str],
        wake: Callable[[], None],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        if not secrets:
            raise ConfigError(
                "wake-ups are taken from nobody without a secret",
                hint="make one with `openssl rand -hex 32` and give it to the forge and to Ordinaut",
            )
        self._host, self._port = parse_address(address)
        self._secrets = tuple(map(secret_of, secrets))
        self._wake = wake
        self._clock = clock
        self._woken = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()
        self._refused = 0
        self._told_at: float | None = None

    async def begin(self) -> str:
        """Listen from now on; the URL to which forges post.

        Raises:
            ConfigError: ORD306, the address cannot be listened on.
        """
        try:
            self._server = await asyncio.start_server(self._accept, self._host, self._port)
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {joined(self._host, self._port)}: {error.strerror or error}",
                hint="name a free port, and an address of this machine",
            ) from error
        port = self._server.sockets[0].getsockname()[1]
        return f"http://{joined(self._host, port)}{PATH}"

    async def run(self) -> None:
        """Wake for every authentic request, several at once being one, until cancelled."""
        if self._server is None:
            _log.info("listening", extra={"url": await self.begin()})
        try:
            while True:
                stop_if_cancelled()
                await self._woken.wait()
                self._woken.clear()
                self._wake()
                await self._clock.sleep(PAUSE_SECONDS)
        finally:
            await self._end()

    async def _end(self) -> None:
        assert self._server is not None  # noqa: S101 - begun
        self._server.close()
        await end_tasks(self._talks)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(reader, writer)
        if len(self._talks) >= MAX_CONNECTIONS:
            connection.answer(HTTPStatus.SERVICE_UNAVAILABLE, self._clock)
            writer.close()
            return
        talk = asyncio.create_task(self._talk(connection))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)

    async def _talk(self, connection: _Connection) -> None:
        """One connection from its first byte to its last."""
        with contextlib.suppress(OSError):
            try:
                async with time_limit(self._clock, PATIENCE_SECONDS):
                    status = await self._judged(connection)
                    connection.answer(status, self._clock)
                    await connection.drop_rest()
            except TimeoutError:
                connection.answer(HTTPStatus.REQUEST_TIMEOUT, self._clock)
            finally:
                await connection.close()

    async def _judged(self, connection: _Connection) -> HTTPStatus:
        """What a request is answered with; an authentic one has its effect."""
        try:
            status = await self._checked(connection)
        except h11.RemoteProtocolError as error:
            return HTTPStatus(error.error_status_hint)
        if status is HTTPStatus.ACCEPTED:
            self._woken.set()
        elif status is HTTPStatus.FORBIDDEN:
            self._tell_refusal(connection.peer)
        return status

    def _tell_refusal(self, peer: str) -> None:
        """Count, and tell at most once a minute: strangers must not be able to fill the log."""
        self._refused += 1
        now = self._clock.monotonic()
        if self._told_at is None or now - self._told_at >= TOLD_EVERY_SECONDS:
            told = {"peer": peer, "count": self._refused}
            _log.warning("wake-ups without a right signature", extra=told)
            self._refused, self._told_at = 0, now

    async def _checked(self, connection: _Connection) -> HTTPStatus:
        request = await connection.event()
        if not isinstance(request, h11.Request):
            return HTTPStatus.BAD_REQUEST
        signatures = Signatures(list(request.headers), self._secrets)
        if (refusal := _refusal(request, signatures)) is not None:
            return refusal
        left = MAX_BODY_BYTES
        while isinstance(piece := await connection.event(), h11.Data):
            left -= len(piece.data)
            if left < 0:
                return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            signatures.update(piece.data)
        return HTTPStatus.ACCEPTED if signatures.hold() else HTTPStatus.FORBIDDEN


def _refusal(request: h11.Request, signatures: Signatures) -> HTTPStatus | None:
    """Why the rest of a request is of no interest."""
    if request.target.partition(b"?")[0] != PATH.encode():
        return HTTPStatus.NOT_FOUND
    if request.method != b"POST":
        return HTTPStatus.METHOD_NOT_ALLOWED
    if int(dict(request.headers).get(b"content-length", 0)) > MAX_BODY_BYTES:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return None if signatures else HTTPStatus.FORBIDDEN


class _Connection:
    """One request and its answer over a socket; h11 knows HTTP."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD_BYTES)
        # Nobody, if the other side has gone already.
        self.peer = (writer.get_extra_info("peername") or ("",))[0]

    async def event(self) -> object:
        """The next part of the request.

        Raises:
            RemoteProtocolError: it is no HTTP, or ends too early.
        """
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                self._send(h11.InformationalResponse(status_code=HTTPStatus.CONTINUE, headers=[]))
            self._http.receive_data(await self._reader.read(_PIECE_BYTES))
        return event

    def answer(self, status: HTTPStatus, clock: Clock) -> None:
        """Answer, if that has not been done; there is nothing to say but the status."""
        if self._http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return
        headers = {
            "Date": format_datetime(clock.now(), usegmt=True),
            "Content-Length": "0",
            "Connection": "close",
        }
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = "POST"
        self._send(
            h11.Response(status_code=status, reason=status.phrase, headers=list(headers.items()))
        )
        self._send(h11.EndOfMessage())

    async def drop_rest(self) -> None:
        """Read on past an answer that was given early: closed at once, the system would take the answer back."""
        if self._http.their_state in {h11.SEND_BODY, h11.ERROR}:
            self._writer.write_eof()
            left = MAX_BODY_BYTES
            while left > 0 and (piece := await self._reader.read(_PIECE_BYTES)):
                left -= len(piece)

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    def _send(self, event: h11.Response | h11.InformationalResponse | h11.EndOfMessage) -> None:
        self._writer.write(self._http.send(event) or b"")
