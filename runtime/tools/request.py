"""One call of a tool as it is sent, in the protocol's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp_types import CallToolRequestParams

from runtime.core.leftopen import GoingOn
from runtime.tools.reading import Parse


@dataclass(frozen=True, slots=True)
class Request:
    """One call as it is sent.

    Attributes:
        tool: its name without the server's.
        arguments: any JSON object.
        meta: `_meta` of the request.
        going_on: what a call goes on with that was left open; nothing yet, for one that begins; None where nobody can go on.
        may_destroy: whether it may be a tool that destroys something.
        parse: how the text of its answer is read.
    """

    tool: str
    arguments: Mapping[str, Any]
    meta: Mapping[str, Any] | None = None
    going_on: GoingOn | None = None
    may_destroy: bool = True
    parse: Parse = "auto"

    @property
    def has_answers(self) -> bool:
        """Whether it goes on with a call that was left open."""
        going_on = self.going_on
        return going_on is not None and bool(going_on.state is not None or going_on.responses)

    @property
    def is_of_task(self) -> bool:
        """Whether the server is only asked for the result of a call that became a task."""
        return self.going_on is not None and self.going_on.task is not None

    def params(self, *, goes_on: bool) -> CallToolRequestParams:
        """The same in the protocol's words; of a revision that knows of calls that go on, or of one that does not."""
        params: dict[str, Any] = {"name": self.tool, "arguments": dict(self.arguments)}
        if self.meta:
            params["_meta"] = dict(self.meta)
        if goes_on and self.going_on is not None:
            params["requestState"] = self.going_on.state
            params["inputResponses"] = dict(self.going_on.responses) or None
        return CallToolRequestParams.model_validate(params)
