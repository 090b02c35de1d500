"""Which connection a tool server needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from runtime.tools.definition import HttpTransport, ServerDefinition, StdioTransport
from runtime.tools.over_http import HttpConnection
from runtime.tools.sse import SseConnection
from runtime.tools.transports import Connection, StdioConnection, Surroundings

# A tool list is not bounded by what a single result may have, and a result comes twice: as text and as structure.
_SMALLEST_MESSAGE_LIMIT: Final = 4_194_304
_MESSAGE_TO_RESULT: Final = 4


def connection_to(
    definition: ServerDefinition, surroundings: Surroundings, on_gone: Callable[[], None]
) -> Connection:
    """A connection that was not opened yet.

    Args:
        definition: the server.
        surroundings: where we are.
        on_gone: called once when the server has gone by itself.
    """
    limit = max(_SMALLEST_MESSAGE_LIMIT, _MESSAGE_TO_RESULT * definition.result_bytes)
    match definition.transport:
        case StdioTransport() as stdio:
            return StdioConnection(stdio, surroundings, limit=limit, on_gone=on_gone)
        case HttpTransport(form="sse") as http:
            return SseConnection(http, definition, surroundings, limit=limit, on_gone=on_gone)
        case HttpTransport() as http:
            return HttpConnection(http, definition, surroundings, limit=limit)
