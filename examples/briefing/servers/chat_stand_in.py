"""A stand-in for a chat service: appends each message to a file, one JSON object a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import MCPServer

# In the project folder, which is where Ordinaut starts tool servers.
MESSAGES = Path("messages.jsonl")

server = MCPServer("chat-stand-in")


@server.tool()
def send_message(chat_id: int, text: str) -> dict[str, Any]:
    """Keep a message for a chat."""
    with MESSAGES.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"chat_id": chat_id, "text": text}, ensure_ascii=False) + "\n")
    return {"delivered_to": str(MESSAGES), "characters": len(text)}


if __name__ == "__main__":
    server.run()
