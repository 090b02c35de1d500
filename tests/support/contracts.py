"""What tools promise, for tests: tools as a server lists them, and the tool lock that holds them."""

from __future__ import annotations

from typing import Any

from reconciler.core.tool_lock import locked_server
from schemas.tool_lock import ToolLock
from schemas.tools import ServerReport, ToolReport


def listed(name: str, **more: Any) -> dict[str, Any]:
    """A tool as a server lists it."""
    return {"name": name, "description": f"Does {name}.", "inputSchema": {"type": "object"}} | more


def taking(name: str, *needed: str, **properties: Any) -> dict[str, Any]:
    """A tool with arguments, of which some are needed."""
    schema = {"type": "object", "properties": properties, "required": list(needed)}
    return listed(name, inputSchema=schema)


def locked(version: str = "listed 1", **servers: list[dict[str, Any]]) -> ToolLock:
    """The tool lock of servers that list these tools."""
    reports = [
        ServerReport(
            server=server,
            ok=True,
            protocol="2025-11-25",
            version=version,
            seconds=0.0,
            tools=tuple(_report(server, tool) for tool in tools),
        )
        for server, tools in servers.items()
    ]
    return ToolLock(servers={report.server: locked_server(report) for report in reports})


def _report(server: str, tool: dict[str, Any]) -> ToolReport:
    return ToolReport(
        tool=f"{server}.{tool['name']}",
        description=tool.get("description", ""),
        input_schema=tool["inputSchema"],
        output_schema=tool.get("outputSchema"),
        annotations=tool.get("annotations", {}),
        digest="",
    )
