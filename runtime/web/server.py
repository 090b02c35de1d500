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

from runtime.addresses import url_of
from runtime.logs import get_logger

_MAX_HEAD_BYTES: Final = 16 * 1024
_MAX_CONNECTIONS: Final = 512
_KEEP_ALIVE_SECONDS: Final = 20
_FAREWELL_SECONDS: Final = 3
_log = get_logger("web")


class Server(uvicorn.Server):
    """uvicorn, bounded and quiet; what ends it is for its owner to say, through `should_exit`."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        super().__init__(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                # Only a proxy on this machine may say whom it speaks for.
                forwarded_allow_ips=["127.0.0.1", "::1"],
                h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
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
