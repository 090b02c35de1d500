"""What a line of a server says: a message, or a fault in its place."""

from __future__ import annotations

from typing import Any

from mcp.shared.message import SessionMessage
from mcp_types import ErrorData, JSONRPCError, jsonrpc_message_adapter

from runtime.tools.faults import Fault, fault_error
from runtime.tools.framing import Line


def message_of(line: Line) -> SessionMessage | None:
    """The message that a line is; None if it is none, or too long to tell."""
    if line.oversize:
        return None
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line.text, by_name=False))
    except ValueError:
        return None


def fault_of(line: Line, limit: int) -> SessionMessage | None:
    """For whoever waits for what this line should have been, why it is not; None if it does not tell who that is.

    Args:
        line: one that is no message.
        limit: how many bytes of a line are read.
    """
    answered = line.answered_id()
    if answered is None:
        return None
    if line.oversize:
        reason = f"the answer has {line.size:,} bytes; at most {limit:,} are read"
        return error_answer(answered, fault_error(Fault.OVERSIZE, reason))
    return error_answer(answered, fault_error(Fault.GARBLED, "the answer is not valid JSON-RPC"))


def error_of(body: bytes) -> dict[str, Any] | None:
    """The JSON-RPC error that a refusal holds; None for any other, as those of gateways, which may look alike."""
    try:
        message = jsonrpc_message_adapter.validate_json(body, by_name=False)
    except ValueError:
        return None
    return message.error.model_dump() if isinstance(message, JSONRPCError) else None


def error_answer(answered: int | str, error: dict[str, Any]) -> SessionMessage:
    """A JSON-RPC answer in the server's place."""
    told = ErrorData.model_validate(error)
    return SessionMessage(JSONRPCError(jsonrpc="2.0", id=answered, error=told))
