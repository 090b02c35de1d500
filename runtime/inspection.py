"""Asks tool servers what they are and what they offer, and calls a tool once: for people who write specs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from runtime.clock import Clock
from runtime.core.llm.definition import FindModel
from runtime.errors import OrdinautError
from runtime.tools.actor import ServerStatus
from runtime.tools.catalogue import ToolInfo
from runtime.tools.toolbox import Toolbox
from runtime.tools.wear import memory_of
from schemas.event import Failure
from schemas.tools import CallReport, ServerReport, ToolReport


async def inspect_servers(
    toolbox: Toolbox, servers: Iterable[str], clock: Clock
) -> tuple[ServerReport, ...]:
    """Start servers side by side and ask each for its tools; what goes wrong is part of its report."""
    return tuple(
        await asyncio.gather(*(_inspect(toolbox, server, clock) for server in sorted(servers)))
    )


async def call_tool(
    toolbox: Toolbox,
    address: str,
    arguments: Mapping[str, Any],
    clock: Clock,
    limit: timedelta | None,
    *,
    find_model: FindModel | None = None,
) -> CallReport:
    """Call one tool once, as a step would."""
    began = clock.monotonic()
    outcome = await toolbox.call(address, arguments, timeout=limit, find_model=find_model)
    error = outcome.error
    return CallReport(
        tool=address,
        outcome=outcome.kind,
        value=outcome.value,
        error=error
        and Failure(code=error.code, message=error.message, detail=error.detail or None),
        sent=outcome.sent,
        seconds=clock.monotonic() - began,
    )


def unusable(server: str, error: OrdinautError) -> ServerReport:
    """The report of a server that cannot even be defined, for example because a secret is missing."""
    return ServerReport(server=server, ok=False, seconds=0.0, error=_failure(error))


async def _inspect(toolbox: Toolbox, server: str, clock: Clock) -> ServerReport:
    began = clock.monotonic()
    try:
        tools = await toolbox.tools(server)
    except OrdinautError as error:
        seconds = clock.monotonic() - began
        return ServerReport(server=server, ok=False, seconds=seconds, error=_failure(error))
    # A built-in server has no process, and so no status.
    status = next((status for status in toolbox.status() if status.key == server), None)
    return ServerReport(
        server=server,
        ok=True,
        protocol=status.protocol if status else "",
        version=status.server if status else "",
        seconds=clock.monotonic() - began,
        memory_bytes=await _memory(status),
        tools=tuple(_tool(tool) for tool in tools),
    )


async def _memory(status: ServerStatus | None) -> int | None:
    if status is None or status.pid is None:
        return None
    return await asyncio.to_thread(memory_of, status.pid)


def _tool(tool: ToolInfo) -> ToolReport:
    return ToolReport(
        tool=f"{tool.server}.{tool.name}",
        description=tool.description,
        input_schema=dict(tool.input_schema),
        output_schema=dict(tool.output_schema) if tool.output_schema is not None else None,
        annotations=dict(tool.annotations),
        digest=tool.digest,
    )


def _failure(error: OrdinautError) -> Failure:
    return Failure(code=error.code, message=error.message, detail=error.hint or None)
