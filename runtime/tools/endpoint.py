"""Requests to the endpoints of language models: sent once, to the address that was named, and read within a limit.

No redirect is followed, no cookie kept, and neither a proxy nor credentials are taken from the environment: what a request
carries goes where the specs say, and nowhere else. It is known of every failure whether the request can have arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2

from runtime.core.tls import Tls
from runtime.errors import ToolServerError
from runtime.tools.hardened_http import NOT_SENT, retry_after_seconds
from runtime.tools.tls import tls_context

_MOST_BYTES: Final = 4_194_304
_CONNECT_SECONDS: Final = 10.0
# Whoever waits for the answer says how long.
_TIMEOUT: Final = {"connect": _CONNECT_SECONDS, "pool": _CONNECT_SECONDS, "read": None, "write": None}  # fmt: skip

_HEADERS: Final = {
    "accept": "application/json",
    # Compressed bodies could not be bounded by their length on the wire.
    "accept-encoding": "identity",
    "content-type": "application/json",
}


@dataclass(frozen=True, slots=True)
class Response:
    """What came back: the status of HTTP, the body, and the seconds to wait, if we were told to."""

    status: int
    body: bytes
    retry_after: float | None


class Unanswered(Exception):
    """Nothing came back, or too much.

    Attributes:
        was_sent: whether the request can have arrived.
        is_oversize: whether the answer was too large.
    """

    def __init__(self, message: str, *, was_sent: bool, is_oversize: bool = False) -> None:
        super().__init__(message)
        self.was_sent = was_sent
        self.is_oversize = is_oversize


class Endpoints:
    """The connections to all endpoints, made when they are first needed.

    Args:
        project: the folder that relative paths of TLS options start from; their files are read once.
    """

    def __init__(self, project: Path) -> None:
        self._project = project
        self._transports: dict[Tls | None, httpx2.AsyncHTTPTransport] = {}

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        on_sent: Callable[[], None],
        tls: Tls | None = None,
    ) -> Response:
        """Send a request and read the answer.

        Args:
            url: where to.
            headers: beside our own.
            body: JSON.
            on_sent: called before the first byte leaves.
            tls: how the endpoint is known; None leaves that to the system.

        Raises:
            Unanswered: there is none that can be used.
        """
        transport = self._transport(tls)

        async def trace(event: str, _: object) -> None:
            if event.endswith("send_request_headers.started"):
                on_sent()

        try:
            request = httpx2.Request(
                "POST",
                url,
                headers={**_HEADERS, **headers},
                content=body,
                extensions={"timeout": _TIMEOUT, "trace": trace},
            )
            return await _read(await transport.handle_async_request(request))
        except (httpx2.LocalProtocolError, httpx2.InvalidURL, UnicodeError) as error:
            # In its own words it may quote the header that carries the key.
            reason = "no request can be made of its address and headers"
            raise Unanswered(reason, was_sent=False) from error
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise Unanswered(reason, was_sent=not isinstance(error, NOT_SENT)) from error

    async def aclose(self) -> None:
        """Close all connections; the next request opens new ones."""
        transports, self._transports = self._transports, {}
        for transport in transports.values():
            await transport.aclose()

    def _transport(self, tls: Tls | None) -> httpx2.AsyncHTTPTransport:
        if tls not in self._transports:
            try:
                verify = True if tls is None else tls_context(tls, self._project)
            except ToolServerError as error:
                raise Unanswered(error.message, was_sent=False) from error
            self._transports[tls] = httpx2.AsyncHTTPTransport(verify=verify)
        return self._transports[tls]


async def _read(response: httpx2.Response) -> Response:
    body = bytearray()
    try:
        # As it is meant, and not as it comes: a small answer that is compressed may be a huge one.
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > _MOST_BYTES:
                reason = f"its answer has more than {_MOST_BYTES:,} bytes"
                raise Unanswered(reason, was_sent=True, is_oversize=True)
    finally:
        await response.aclose()
    return Response(response.status_code, bytes(body), retry_after_seconds(response))
