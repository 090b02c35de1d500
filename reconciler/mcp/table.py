"""Every tool, in the order in which they are listed."""

from __future__ import annotations

from typing import Final

from reconciler.mcp import reading
from reconciler.mcp.offering import Tool

TOOLS: Final[tuple[Tool, ...]] = (
    reading.list_tasks,
    reading.get_status,
)
