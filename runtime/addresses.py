"""Addresses to listen on, as people write them."""

from __future__ import annotations

from typing import Final

from runtime.errors import ConfigError

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
