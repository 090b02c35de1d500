"""Calls that a server goes on with by itself: the Tasks extension (SEP-2663, `io.modelcontextprotocol/tasks`, 2026-07-28).

A server may answer a call with the handle of a task instead of a result. The result is asked for with `tasks/get`, what the
server asks meanwhile is answered with `tasks/update`, and `tasks/cancel` asks it to stop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from mcp import ClientSession, MCPError
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp_types import (
    INTERNAL_ERROR,
    CallToolResult,
    ErrorData,
    InputRequests,
    InputResponses,
    Request,
    RequestParams,
    Result,
    TextContent,
)
from pydantic import TypeAdapter

from runtime.core.leftopen import GoingOn
from runtime.tools.questions import AskedByTask

_SHORTEST_MS: Final = 100
_LONGEST_MS: Final = 300_000
_USUAL_MS: Final = 1_000
_RESPONSES: Final[TypeAdapter[InputResponses]] = TypeAdapter(InputResponses)


class TaskFailed(MCPError):
    """The call came to an error of the protocol while the server went on with it."""


@dataclass(frozen=True, slots=True)
class Working:
    """The server goes on with the call; there is no sense in asking again before `seconds` have passed."""

    task: str
    seconds: float


class TaskHandle(Result):
    """The answer to a call that the server goes on with by itself."""

    result_type: Literal["task"] = "task"
    task_id: str
    poll_interval_ms: int | None = None

    @property
    def working(self) -> Working:
        """The same in our words."""
        return Working(self.task_id, _pause(self.poll_interval_ms))


class _Task(Result):
    status: Literal["working", "input_required", "completed", "cancelled", "failed"]
    status_message: str | None = None
    poll_interval_ms: int | None = None
    input_requests: InputRequests | None = None
    result: dict[str, Any] | None = None
    error: ErrorData | None = None


class _TaskParams(RequestParams):
    task_id: str
    input_responses: InputResponses | None = None


class _Get(Request[_TaskParams, Literal["tasks/get"]]):
    method: Literal["tasks/get"] = "tasks/get"
    params: _TaskParams
    name_param = "taskId"


class _Update(Request[_TaskParams, Literal["tasks/update"]]):
    method: Literal["tasks/update"] = "tasks/update"
    params: _TaskParams
    name_param = "taskId"


class _Cancel(Request[_TaskParams, Literal["tasks/cancel"]]):
    method: Literal["tasks/cancel"] = "tasks/cancel"
    params: _TaskParams
    name_param = "taskId"


class Tasks(ClientExtension):
    """Says that we take handles of tasks; who follows them is not the SDK."""

    identifier = "io.modelcontextprotocol/tasks"

    def claims(self) -> Sequence[ResultClaim[Any]]:
        """The handle."""
        return [ResultClaim(result_type="task", model=TaskHandle, resolve=_never)]


async def ask_task(
    session: ClientSession, task: str, going_on: GoingOn, seconds: float
) -> CallToolResult | AskedByTask | Working:
    """What has become of a task, after its questions were answered; or ask it to stop.

    Raises:
        TaskFailed: the call came to an error of the protocol.
        MCPError: the server did not take the question; -32602 where it does not know the task.
    """
    plain = _TaskParams(task_id=task)
    if going_on.withdraws:
        await session.send_request(_Cancel(params=plain), Result, seconds)
        return Working(task, 0.0)
    if going_on.responses and not going_on.is_told:
        responses = _RESPONSES.validate_python(dict(going_on.responses))
        told = _TaskParams(task_id=task, input_responses=responses)
        await session.send_request(_Update(params=told), Result, seconds)
    found = await session.send_request(_Get(params=plain), _Task, seconds)
    return _became(task, found, going_on.responses)


def _became(
    task: str, found: _Task, answered: Mapping[str, Any]
) -> CallToolResult | AskedByTask | Working:
    match found.status:
        case "completed":
            return CallToolResult.model_validate(found.result or {}, by_name=False)
        case "failed":
            reason = found.status_message or "no reason given"
            error = found.error or ErrorData(code=INTERNAL_ERROR, message=reason)
            raise TaskFailed(error.code, error.message or reason, error.data)
        case "cancelled":
            reason = f"the server cancelled it: {found.status_message or 'no reason given'}"
            return CallToolResult(content=[TextContent(type="text", text=reason)], is_error=True)
        case "working" | "input_required":
            return _under_way(task, found, answered)


def _under_way(task: str, found: _Task, answered: Mapping[str, Any]) -> AskedByTask | Working:
    # A server may need a while to see an answer; it never asks another thing under the same key.
    requests = found.input_requests or {}
    asked = {key: request for key, request in requests.items() if key not in answered}
    if asked:
        return AskedByTask(input_requests=asked, task=task)
    return Working(task, _pause(found.poll_interval_ms))


def _pause(milliseconds: int | None) -> float:
    wanted = _USUAL_MS if milliseconds is None else milliseconds
    return min(max(wanted, _SHORTEST_MS), _LONGEST_MS) / 1000


async def _never(handle: TaskHandle, context: ClaimContext) -> CallToolResult:
    raise NotImplementedError(f"{context.tool_name}: {handle.task_id}")
