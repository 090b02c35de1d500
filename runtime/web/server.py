"""The process around the application: a socket, uvicorn, and the signals that end it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from fastapi import FastAPI

from runtime.addresses import joined, parse_address
from runtime.errors import ConfigError
from runtime.logs import get_logger

DEFAULT_LISTEN: Final = "127.0.0.1:8470"
_MAX_HEAD_BYTES: Final = 16 * 1024
_MAX_CONNECTIONS: Final = 512
_KEEP_ALIVE_SECONDS: Final = 20
_FAREWELL_SECONDS: Final = 3
_BACKLOG: Final = 512
_log = get_logger("web")


def listening(address: str) -> socket.socket:
    """A socket that listens there; port 0 takes any that is free.

    Raises:
        ConfigError: ORD306, the address is none, or cannot be listened on.
    """
    host, port = parse_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {joined(host, port)}: {error.strerror or error}",
            hint="set ORDINAUT_LISTEN to a free port, and an address of this machine",
        ) from error


def url_of(listener: socket.socket) -> str:
    """Where a browser of this machine finds what listens there."""
    host, port = listener.getsockname()[:2]
    return f"http://{joined(host, port)}"


class Server(uvicorn.Server):
    """uvicorn, bounded and quiet; what ends it is for its owner to say, through `should_exit`."""

    def __init__(self, app: FastAPI) -> None:
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

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_until_asked(
    app: FastAPI, listener: socket.socket, *, ready: Callable[[], None] = lambda: None
) -> None:
    """Serve until SIGTERM or Ctrl-C; a second one ends what is under way.

    Args:
        app: what is served.
        listener: where; it is closed at the end.
        ready: called when requests are taken.
    """
    server = Server(app)
    loop = asyncio.get_running_loop()

    def ask() -> None:
        server.force_exit = server.should_exit
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask)
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    try:
        _log.info("listening", extra={"url": url_of(listener)})
        ready()
        await serving
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(ValueError):
                loop.remove_signal_handler(number)
    _log.info("stopped")
