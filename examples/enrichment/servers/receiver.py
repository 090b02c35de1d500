"""The receiver: keeps what the provider answers, and moves the rows on. It shares the database with the sender, and nothing else."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

from database import row
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

PAUSE = timedelta(seconds=1)

server = MCPServer("receiver")


@server.tool()
def receive(
    request: str, answers: list[dict[str, Any]], price: str, currency: str
) -> dict[str, Any]:
    """Keep the answers to a request; those that came before change nothing, and are not paid for again."""
    paid = Decimal(price)
    if not paid.is_finite() or paid < 0:
        raise ToolError(f"{price} is no price")
    about = row("chunk_facts", chunk=request)
    moved = row(
        "record_answers",
        chunk=request,
        answers=json.dumps(answers),
        cost=paid,
        pause=PAUSE,
    )
    cost = {"amount": str(moved["done"] * paid), "currency": currency}
    return {**about, **moved, "cost": cost}


if __name__ == "__main__":
    server.run()
