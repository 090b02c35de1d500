"""A tool server that asks back in the middle of its calls: `python asking_server.py DIARY [KEY]`.

Whatever it does it notes in the file DIARY. With a KEY, of 32 letters, it knows its own state again after a restart.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.request_state import RequestStateSecurity
from mcp_types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitRequestURLParams,
    ElicitResult,
    InputRequiredResult,
)
from pydantic import BaseModel

_DIARY = Path(sys.argv[1])
_SECURITY = RequestStateSecurity(keys=[sys.argv[2]]) if len(sys.argv) > 2 else None
server = MCPServer("asking", version="1", request_state_security=_SECURITY)

_SEATS = {
    "type": "object",
    "properties": {
        "day": {"type": "string", "description": "As year-month-day"},
        "seats": {"type": "integer", "minimum": 1, "default": 2},
        "outside": {"type": "boolean"},
    },
    "required": ["day"],
}


def note(text: str) -> None:
    """A line in the diary."""
    with _DIARY.open("a") as diary:
        diary.write(text + "\n")


def form(message: str, schema: dict[str, Any]) -> ElicitRequest:
    """Asks for the fields of a form."""
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


@server.tool()
async def book(place: str, context: Context[Any]) -> str | InputRequiredResult:
    """Asks when and for how many, and whether that is meant; then it books."""
    answers = context.input_responses or {}
    match context.request_state, answers.get("seats"), answers.get("sure"):
        case None, _, _:
            note(f"asked when {place}")
            asked = form(f"When do you come to {place}?", _SEATS)
            return InputRequiredResult(input_requests={"seats": asked}, request_state="when")
        case "when", ElicitResult(content=content), _:
            note(f"asked whether {place}")
            asked = ElicitRequest(
                params=ElicitRequestURLParams(message="Pay first", url="https://pay.example/1")
            )
            state = f"{content['day']} for {content['seats']}" if content else ""
            return InputRequiredResult(input_requests={"sure": asked}, request_state=state)
        case state, _, ElicitResult(action="accept"):
            note(f"booked {place} {state}")
            return f"{place} {state}"
    raise ValueError("nobody wants to come")


class Amount(BaseModel):
    """How many."""

    count: int = 1


class Colour(BaseModel):
    """Which."""

    colour: str


@server.tool()
async def order(item: str, context: Context[Any]) -> str:
    """Asks how many and which while it is under way, as servers of older revisions do."""
    note(f"asked how many {item}")
    amount = await context.elicit(f"How many {item}?", Amount)
    if amount.action != "accept":
        return "nothing"
    note(f"asked which {item}")
    colour = await context.elicit(f"Which {item}?", Colour)
    if colour.action != "accept":
        raise MCPError(-32603, "no colour")
    note(f"ordered {amount.data.count} {colour.data.colour} {item}")
    return "ordered"


@server.tool()
async def think() -> str | InputRequiredResult:
    """Asks for the words of a model."""
    asked = CreateMessageRequest(params=CreateMessageRequestParams(messages=[], max_tokens=1))
    return InputRequiredResult(input_requests={"words": asked})


if __name__ == "__main__":
    server.run("stdio")
