"""The process around the application: a socket, uvicorn, and the signals that end it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from runtime.addresses import url_of
from runtime.logs import get_logger
from runtime.web.boundary import MAX_HEAD_BYTES

HEAD_SECONDS = 10.0
_MAX_CONNECTIONS: Final = 512
_KEEP_ALIVE_SECONDS: Final = 20
_FAREWELL_SECONDS: Final = 3
_log = get_logger("web")


class _Impatient(H11Protocol):
    """A connection on which a head has to arrive within seconds; bodies have their own time, at the boundary."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the base has it
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._is_idle():
            self._forget()
        elif self._timer is None:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if self._is_idle():
            self.transport.close()

    def _is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete


class Server(uvicorn.Server):
    """uvicorn, bounded and quiet; what ends it is for its owner to say, through `should_exit`."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        super().__init__(
            uvicorn.Config(
                app,
                http=_Impatient,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                # Only a proxy on this machine may say whom it speaks for.
                forwarded_allow_ips=["127.0.0.1", "::1"],
                h11_max_incomplete_event_size=MAX_HEAD_BYTES,
                limit_concurrency=_MAX_CONNECTIONS,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_FAREWELL_SECONDS,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Open pages would be waited for as long as their streams last.
        self._app.state.live.close()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_until_asked(app: FastAPI, listener: socket.socket, *, quiet: bool = False) -> None:
    """Serve until SIGTERM or Ctrl-C; a second one ends what is under way.

    Args:
        app: what is served.
        listener: where; it is closed at the end.
        quiet: the program around it tells of itself.
    """
    server, told = Server(app), logging.DEBUG if quiet else logging.INFO
    loop = asyncio.get_running_loop()

    def ask() -> None:
        server.force_exit = server.should_exit
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask)
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    try:
        _log.log(told, "listening", extra={"url": url_of(listener)})
        await serving
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(ValueError):
                loop.remove_signal_handler(number)
    _log.log(told, "stopped")
