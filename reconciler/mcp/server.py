"""The server: which tools a caller is shown, and how they are called. It keeps nothing between requests.

Whoever lacks a scope is not shown the tools that take it, and to them these do not exist.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any, Final

import orjson
from mcp import MCPError
from mcp.server import Server
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
)

from reconciler.mcp.calling import Call
from reconciler.mcp.offering import Tool
from reconciler.mcp.table import TOOLS
from runtime.core.tracing import TRACEPARENT, kept_link
from runtime.errors import OrdinautError
from runtime.logs import get_logger

NAME: Final = "ordinaut"
MAX_ANSWER_BYTES: Final = 256 * 1024
ERROR_META: Final = "dev.ordinaut/error"
_FRESH: Final = CacheHint(ttl_ms=60_000, scope="private")
_INSTRUCTIONS: Final = """\
Ordinaut runs tasks by schedules that are kept in git. Look with list_tasks, get_task and list_runs; when something failed, ask
explain_failure first. What you may do depends on your token: tools that it does not allow are not listed. Every tool that writes
takes a reason, which is kept in the audit log, and `dry_run`, which tells what would be done and does nothing. Schedules are never
changed from here: a change is proposed, reviewed and applied; see the resource ordinaut://guides/change-flow.
"""
_log = get_logger("mcp")

Context = ServerRequestContext[Any, Any]
Here = Callable[[], Awaitable[Call]]
"""Says who calls now, and over which database. Raises OrdinautError."""


def server_for(here: Here) -> Server[Any]:
    """A server for whoever calls.

    Args:
        here: asked for each request.
    """

    async def tools_for(call: Call) -> dict[str, Tool]:
        return {one.name: one for one in TOOLS if call.caller.may(one.scope)}

    async def list_tools(_: Context, __: PaginatedRequestParams | None) -> ListToolsResult:
        call = await _asked(here)
        return ListToolsResult(tools=[one.listed for one in (await tools_for(call)).values()])

    async def call_tool(context: Context, params: CallToolRequestParams) -> CallToolResult:
        call = await _asked(here, context)
        tool = (await tools_for(call)).get(params.name)
        if tool is None:
            raise MCPError(
                INVALID_PARAMS, f"there is no tool {params.name[:64]!r} for this caller"
            )
        return await _called(tool, call, params.arguments or {})

    return Server(
        NAME,
        title="Ordinaut",
        description="Schedules as code for AI agents",
        version=version("ordinaut"),
        instructions=_INSTRUCTIONS,
        cache_hints={"tools/list": _FRESH},
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


async def _asked(here: Here, context: Context | None = None) -> Call:
    """Who calls; refused as a request, as without that nothing can be said of any tool."""
    try:
        call = await here()
    except OrdinautError as error:
        raise MCPError(INVALID_PARAMS, str(error), _told(error)) from None
    given = ((context and context.meta) or {}).get(TRACEPARENT)
    link = kept_link([given]) if isinstance(given, str) else None
    return Call(call.desk, call.caller, link)


async def _called(tool: Tool, call: Call, arguments: dict[str, Any]) -> CallToolResult:
    try:
        answer = (await tool.run(call, arguments)).model_dump_json()
    except OrdinautError as error:
        return _failed(error)
    except Exception:  # noqa: BLE001 - a defect in one tool is told, and ends nothing else
        _log.exception("a defect in the tool %s", tool.name)
        return _failed(
            OrdinautError(
                f"{tool.name} failed for a defect of the program",
                hint="the log of the server has the traceback",
                code="ORD323",
            )
        )
    if len(answer) > MAX_ANSWER_BYTES:
        return _failed(
            OrdinautError(
                f"the answer of {tool.name} has {len(answer):,} bytes, more than {MAX_ANSWER_BYTES:,}",
                hint="ask for less: a smaller limit, or one step of a run",
                code="ORD506",
            )
        )
    text = TextContent(type="text", text=answer)
    return CallToolResult(content=[text], structured_content=orjson.loads(answer))


def _failed(error: OrdinautError) -> CallToolResult:
    """A failure as models read it: the code, what is the matter, and what to do."""
    text = TextContent(type="text", text=str(error))
    return CallToolResult(content=[text], is_error=True, _meta={ERROR_META: _told(error)})


def _told(error: OrdinautError) -> dict[str, str]:
    return {"code": error.code, "message": error.message, "hint": error.hint}
