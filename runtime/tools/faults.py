"""How a transport tells the actor what went wrong: a JSON-RPC error of our own, in place of the answer that never came.

The SDK hands an error answer to exactly the call it belongs to and keeps the session alive, which is what an exception
out of a transport would not do. `data` carries the fault, so that an error that a server really sent is never mistaken
for one of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from secrets import token_hex
from typing import Any, Final

FAULT_CODE: Final = -32010
# Of this process alone: no server can pretend that its call was never sent.
_KEY: Final = f"dev.ordinaut/fault-{token_hex(16)}"


class NoTokenError(Exception):
    """There is no access token to be had; the reason is for whoever called the tool.

    Attributes:
        fault: whether somebody has to log in, or the authorization server is not to be had.
    """

    def __init__(self, message: str, *, wants_login: bool = False) -> None:
        super().__init__(message)
        self.fault = Fault.LOGIN if wants_login else Fault.UNREACHABLE


class Fault(StrEnum):
    """What a transport can find out by itself."""

    UNREACHABLE = "unreachable"
    """No connection: the call cannot have reached the server."""
    LOGIN = "login"
    """Nobody is logged in: the server refused the request before it looked at the call."""
    THROTTLED = "throttled"
    """HTTP 429: refused for now, before the tool saw it."""
    REFUSED = "refused"
    """Another HTTP 4xx: refused before the tool saw it."""
    CUT = "cut"
    """The connection or a gateway failed after the call was sent."""
    GARBLED = "garbled"
    """The answer is not valid JSON-RPC."""
    OVERSIZE = "oversize"
    """The answer is larger than is accepted."""


def fault_error(fault: Fault, message: str, *, retry_after: float | None = None) -> dict[str, Any]:
    """The `error` member of a JSON-RPC answer that carries a fault."""
    data = {_KEY: fault.value, "retry_after": retry_after}
    return {"code": FAULT_CODE, "message": message, "data": data}


def read_fault(code: int, data: object) -> tuple[Fault, float | None] | None:
    """The fault that an error answer carries, with the seconds to wait; None for what a server sent itself."""
    if code != FAULT_CODE or not isinstance(data, Mapping) or _KEY not in data:
        return None
    return Fault(data[_KEY]), data.get("retry_after")
