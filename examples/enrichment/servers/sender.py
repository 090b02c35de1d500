"""The sender: marks rows as in progress, asks the provider, and returns. Whoever answers, and when, is none of its business."""

from __future__ import annotations

import os
from typing import Any

import httpx
from database import rows
from mcp.server.mcpserver import MCPServer

PROVIDER = os.environ["PROVIDER_URL"]

server = MCPServer("sender")


@server.tool()
def request_companies(
    chunk: str, client: str, items: list[dict[str, Any]], callback: str
) -> dict[str, Any]:
    """Ask the provider for the companies of `items` by their `domain`; it answers at the `callback`, under the chunk's name."""
    rows("mark_in_progress", chunk=chunk)
    asked = {"request": chunk, "reference": client, "callback": callback, "rows": items}
    httpx.post(f"{PROVIDER}/requests", json=asked, timeout=10).raise_for_status()
    return {"asked": len(items)}


if __name__ == "__main__":
    server.run()
