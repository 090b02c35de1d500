"""The server: which tools a caller is shown, and how they are called. It keeps nothing between requests.

Whoever lacks a scope is not shown the tools that take it, and to them these do not exist.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any, Final

import orjson
from mcp import MCPError
from mcp.server import Server
from mcp.server.caching import CacheableMethod, CacheHint
from mcp.server.context import ServerRequestContext
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    TextContent,
    TextResourceContents,
)
from starlette.concurrency import run_in_threadpool

from reconciler.mcp.bounding import MAX_ANSWER_BYTES
from reconciler.mcp.calling import Call
from reconciler.mcp.exposed import exposed_tools
from reconciler.mcp.offering import Tool
from reconciler.mcp.prompts import prompt, prompts_for
from reconciler.mcp.resources import read_resource, resources_for, templates_for
from reconciler.mcp.table import TOOLS
from runtime.core.identity import KEY_META
from runtime.core.tracing import TRACEPARENT, kept_link
from runtime.errors import OrdinautError, StoreError
from runtime.logs import get_logger

NAME: Final = "ordinaut"
ERROR_META: Final = "dev.ordinaut/error"
_FRESH: Final = CacheHint(ttl_ms=60_000, scope="private")
_KEY: Final = re.compile("[0-9a-f]{32}")
_NAMES: Final = frozenset(one.name for one in TOOLS)
_WRONG: Final = frozenset({"ORD007", "ORD310"})
"""What is said of what was asked for; everything else is the matter here."""
_LISTS: Final[tuple[CacheableMethod, ...]] = (
    "tools/list",
    "resources/list",
    "resources/templates/list",
    "prompts/list",
)
_INSTRUCTIONS: Final = """\
Ordinaut runs tasks by schedules that are kept in git. Look with list_tasks, get_task and list_runs; when something failed, ask
explain_failure first. What you may do depends on your token: tools that it does not allow are not listed. Every tool that writes
takes a reason, which is kept in the audit log, and `dry_run`, which tells what would be done and does nothing. Schedules are never
changed from here: a change is proposed, reviewed and applied; see the resource ordinaut://guides/change-flow.
"""
_log = get_logger("mcp")

Context = ServerRequestContext[Any, Any]
Page = PaginatedRequestParams | None
Here = Callable[[], Awaitable[Call]]
"""Says who calls now, and over which database. Raises OrdinautError."""


def server_for(here: Here) -> Server[Any]:
    """A server for whoever calls.

    Args:
        here: asked for each request.
    """
    desk = _Answering(here)
    return Server(
        NAME,
        title="Ordinaut",
        description="Schedules as code for AI agents",
        version=version("ordinaut"),
        instructions=_INSTRUCTIONS,
        # No argument of a tool is told in a header, too, so none is looked for among all tools at each call.
        get_tool_input_schema=lambda _: None,
        cache_hints=dict.fromkeys(_LISTS, _FRESH),
        on_list_tools=desk.list_tools,
        on_call_tool=desk.call_tool,
        on_list_resources=desk.list_resources,
        on_list_resource_templates=desk.list_templates,
        on_read_resource=desk.read_resource,
        on_list_prompts=desk.list_prompts,
        on_get_prompt=desk.get_prompt,
    )


class _Answering:
    """Answers each kind of request; nothing is remembered from one to the next."""

    def __init__(self, here: Here) -> None:
        self._here = here

    async def _look(self) -> Call:
        try:
            return await self._here()
        except OrdinautError as error:
            raise _refusal(error) from None

    async def list_tools(self, _: Context, __: Page) -> ListToolsResult:
        call = await self._look()
        shown = [one for one in TOOLS if call.caller.may(one.scope)]
        shown += [one for one in await run_in_threadpool(_tasks, call) if one.name not in _NAMES]
        return ListToolsResult(tools=[one.listed for one in shown])

    async def call_tool(self, context: Context, params: CallToolRequestParams) -> CallToolResult:
        try:
            call = await _asked(self._here, context)
        except OrdinautError as error:
            return _failed(error)
        among = TOOLS if params.name in _NAMES else await run_in_threadpool(_tasks, call)
        tool = next((one for one in among if one.name == params.name), None)
        if tool is None or not call.caller.may(tool.scope):
            raise MCPError(
                INVALID_PARAMS, f"there is no tool {params.name[:64]!r} for this caller"
            )
        return await _called(tool, call, params.arguments or {})

    async def list_resources(self, _: Context, __: Page) -> ListResourcesResult:
        return ListResourcesResult(resources=resources_for(await self._look()))

    async def list_templates(self, _: Context, __: Page) -> ListResourceTemplatesResult:
        found = templates_for(await self._look())
        return ListResourceTemplatesResult(resource_templates=found)

    async def read_resource(
        self, _: Context, params: ReadResourceRequestParams
    ) -> ReadResourceResult:
        call = await self._look()
        try:
            page = await run_in_threadpool(read_resource, call, params.uri)
        except OrdinautError as error:
            raise _refusal(error, uri=params.uri) from None
        text = TextResourceContents(uri=params.uri, mime_type=page.mime_type, text=page.text)
        return ReadResourceResult(contents=[text])

    async def list_prompts(self, _: Context, __: Page) -> ListPromptsResult:
        return ListPromptsResult(prompts=prompts_for(await self._look()))

    async def get_prompt(self, _: Context, params: GetPromptRequestParams) -> GetPromptResult:
        call = await self._look()
        try:
            return prompt(call, params.name, params.arguments or {})
        except OrdinautError as error:
            raise _refusal(error) from None


async def _asked(here: Here, context: Context) -> Call:
    """Who calls, from which trace, and with which key."""
    call, meta = await here(), context.meta or {}
    parent, key = meta.get(TRACEPARENT), meta.get(KEY_META)
    link = kept_link([parent]) if isinstance(parent, str) else None
    is_ours = isinstance(key, str) and _KEY.fullmatch(key)
    return Call(call.desk, call.caller, link, str(key) if is_ours else None)


def _tasks(call: Call) -> list[Tool]:
    """Tasks that are tools; none while there is no database, which a call is told of and a list is not."""
    try:
        return list(exposed_tools(call))
    except StoreError as error:
        _log.warning("tasks are not listed as tools: %s", error.message)
        return []


def _refusal(error: OrdinautError, **more: str) -> MCPError:
    """A failure where there is no result of a tool that could hold it."""
    code = INVALID_PARAMS if error.code in _WRONG else INTERNAL_ERROR
    return MCPError(code, str(error), _told(error) | more)


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
                code="ORD331",
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
