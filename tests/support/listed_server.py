"""A tool server that offers what a file lists: `python listed_server.py FILE`. No SDK, so it starts in milliseconds.

The file holds `{"version": ..., "tools": [...]}`, with tools as the protocol lists them. A call answers its arguments.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def answer_to(message: dict[str, Any]) -> dict[str, Any]:
    """The result of a request, or its error."""
    match message["method"]:
        case "initialize":
            listed = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
            info = {"name": "listed", "version": listed["version"]}
            capabilities = {"tools": {"listChanged": True}}
            return {"result": {"protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": info}}  # fmt: skip
        case "tools/list":
            listed = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
            return {"result": {"tools": listed["tools"]}}
        case "tools/call":
            given = json.dumps(message["params"].get("arguments", {}))
            return {"result": {"content": [{"type": "text", "text": given}]}}
        case _:
            return {"error": {"code": -32601, "message": "Method not found"}}


def main() -> None:
    """Serve until the end of the input."""
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message:
            whole = {"jsonrpc": "2.0", "id": message["id"], **answer_to(message)}
            sys.stdout.write(json.dumps(whole) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
