"""A stand-in for a mail server: reads the mailbox data/inbox.mbox, as mail programs keep it on disk."""

from __future__ import annotations

import mailbox
from email.utils import parseaddr, parsedate_to_datetime
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import MCPServer

INBOX = Path(__file__).parent.parent / "data" / "inbox.mbox"

server = MCPServer("mail-stand-in")


@server.tool()
def list_unread(limit: int = 10) -> dict[str, Any]:
    """The newest messages that nobody has read."""
    unread = [message for message in mailbox.mbox(INBOX) if "R" not in message.get_flags()]
    unread.sort(key=lambda message: parsedate_to_datetime(message["Date"]), reverse=True)
    newest = [
        {"sender": parseaddr(message["From"])[0], "subject": message["Subject"]}
        for message in unread[:limit]
    ]
    return {"unread": len(unread), "newest": newest}


if __name__ == "__main__":
    server.run()
