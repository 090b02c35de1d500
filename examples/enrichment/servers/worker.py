"""What the workers have in common: an MCP server over HTTP without a state, so that any number of it may answer.

A worker knows nothing of batches, databases or the next step. It takes rows, each with its number and its inputs, and gives an
answer for each number: an `output`, or an `error` that may pass (or, if it is `permanent`, will not).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

Row = dict[str, Any]


def answers(chunk: str, rows: list[Row], work: Callable[..., Row]) -> dict[str, Any]:
    """An answer for every row of a chunk; one that cannot be worked out takes no other with it."""
    return {"chunk": chunk, "answers": [_answer(row, work) for row in rows]}


def _answer(row: Row, work: Callable[..., Row]) -> Row:
    inputs = {name: value for name, value in row.items() if name != "row"}
    try:
        return {"row": row["row"], "output": work(**inputs)}
    except (AttributeError, TypeError, ValueError) as problem:
        return {"row": row["row"], "error": str(problem), "permanent": True}


def application(server: MCPServer, *, is_public: bool = False) -> Starlette:
    """The worker as an ASGI application, for whatever serves those.

    Args:
        server: its tools.
        is_public: whether it is reached by other names than this machine's, behind a proxy that asks who calls.
    """

    async def health(_: Request) -> Response:
        return PlainTextResponse("well")

    server.custom_route("/health", methods=["GET"])(health)
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    return server.streamable_http_app(
        stateless_http=True, json_response=True, transport_security=security if is_public else None
    )


def serve(server: MCPServer) -> None:
    """Serve the worker at `--port` of this machine."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    uvicorn.run(application(server), host="127.0.0.1", port=port, log_level="warning")
