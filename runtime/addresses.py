"""Addresses to listen on, as people write them, and sockets that do."""

from __future__ import annotations

import errno
import socket
from typing import Final

from runtime.errors import ConfigError

DEFAULT_LISTEN: Final = "127.0.0.1:8470"
"""Where the web side listens unless it is told otherwise."""
_BACKLOG: Final = 512
_MAX_PORT: Final = 65_535
_LOOPBACK: Final = "127.0.0.1"


def parse_address(text: str) -> tuple[str, int]:
    """The host and the port of `HOST:PORT`, `[HOST]:PORT` or `PORT`, which is one of 127.0.0.1.

    Raises:
        ConfigError: ORD306, it is none of these.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if colon else _LOOPBACK
    if not host or not (port.isascii() and port.isdecimal()) or int(port) > _MAX_PORT:
        raise ConfigError(
            f"{text!r} is no address to listen on",
            hint="write a port of this machine alone, such as 8090, or HOST:PORT",
        )
    return host, int(port)


def joined(host: str, port: int) -> str:
    """`HOST:PORT`, with brackets around the host where it has colons."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


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


def listening_somewhere(address: str | None) -> socket.socket:
    """A socket that listens there; where nobody said where, at the default, or if that is taken, at any free port beside it.

    Raises:
        ConfigError: as `listening`.
    """
    try:
        return listening(address or DEFAULT_LISTEN)
    except ConfigError as error:
        cause = error.__cause__
        if address or not isinstance(cause, OSError) or cause.errno != errno.EADDRINUSE:
            raise
        return listening("0")
