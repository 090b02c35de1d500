"""The tools a server listed, and whether a call's arguments and result keep to their schemas.

A catalogue is a value made at one instant from one `tools/list`; the actor replaces it when the server says that its
tools changed. Nothing here talks to a server or imports `mcp`.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import orjson

from runtime.core.binding import canonical, claims_destructive, contract_digest
from runtime.core.contracts import UnusableSchema, contract
from runtime.core.outcomes import CallError
from runtime.tools.definition import Locked

_STRICT_JSON: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
# Ten times as fast, but NaN becomes null, and much that is no JSON is written as text.
_PLAIN: Final = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


@dataclass(frozen=True, slots=True)
class ToolInfo:
    """One tool as its server describes it.

    Attributes:
        server: key of the server.
        name: the tool's own name, without the server's.
        description: what the server says about it; empty if nothing.
        input_schema: JSON Schema of the arguments.
        output_schema: JSON Schema of the structured result, or None if the server promises none.
        annotations: the server's hints (`readOnlyHint`, `idempotentHint`, …): claims, not facts.
        digest: sha256 (hex) of both schemas as canonical JSON.
    """

    server: str
    name: str
    description: str
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any] | None = None
    annotations: Mapping[str, Any] = field(default_factory=dict)
    digest: str = field(init=False)
    _input: str = field(init=False, repr=False)
    _output: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Assigned the long way because the class is frozen; as texts, so that a call looks them up without rendering.
        object.__setattr__(self, "_input", canonical(self.input_schema))
        object.__setattr__(self, "_output", canonical(self.output_schema))
        both = f'{{"input":{self._input},"output":{self._output}}}'.encode(errors="replace")
        object.__setattr__(self, "digest", hashlib.sha256(both).hexdigest())

    def keeps_to(self, locked: Locked) -> bool:
        """Whether a call of it means what it meant when the tool was locked."""
        destroys_more = claims_destructive(self.annotations) and not locked.destructive
        digest = contract_digest(self.input_schema, self.output_schema)
        return digest == locked.contract and not destroys_more

    def destruction_error(self, locked: Locked | None) -> CallError | None:
        """Why a call that nobody approved must not be made (ORD422): by what the server says now, or said when it was locked."""
        was = locked is not None and locked.destructive
        if not was and not claims_destructive(self.annotations):
            return None
        return CallError(
            "ORD422",
            f"{self.server}.{self.name} may destroy something, and nobody approved",
            "give the step an `approval`, or the agent `destructive: granted`",
        )

    def argument_error(
        self, arguments: Mapping[str, Any], excused: Callable[[object], bool] = lambda _: False
    ) -> CallError | None:
        """Why these arguments must not be sent (ORD403), or None; of what is `excused` only names and places count."""
        try:
            _refuse_what_json_cannot_carry(arguments)
            schema = contract(self._input)
            if schema.certainly_fits(arguments):
                return None
            problems = schema.unknown_names(arguments) + schema.problems(dict(arguments), excused)
        except UnusableSchema as error:
            problems = [f"the tool's input schema cannot be used: {error}"]
        except (TypeError, ValueError, RecursionError) as error:
            problems = [f"not JSON: {error}"]
        return self._error("ORD403", "cannot be called like this", problems)

    def result_error(self, structured: object, *, given: bool) -> CallError | None:
        """Why this structured result breaks the tool's output schema (ORD407), or None.

        Args:
            structured: the structured result as the server sent it.
            given: whether the server sent one at all; one that is promised must come.
        """
        if self.output_schema is None:
            return None
        problems = ["it promises a structured result and sent none"]
        if given:
            try:
                schema = contract(self._output)
                problems = [] if schema.certainly_fits(structured) else schema.problems(structured)
            except UnusableSchema as error:
                problems = [f"its output schema cannot be used: {error}"]
        return self._error("ORD407", "broke its output schema", problems)

    def _error(self, code: str, what: str, problems: list[str]) -> CallError | None:
        if not problems:
            return None
        return CallError(code, f"{self.server}.{self.name} {what}: {'; '.join(problems)}")


class Catalogue:
    """What one server offers.

    Attributes:
        changed: names of the tools that are not what they were locked to.
    """

    def __init__(
        self,
        server: str,
        tools: Iterable[ToolInfo] = (),
        hidden: Iterable[str] = (),
        locked: Mapping[str, Locked] = MappingProxyType({}),
    ) -> None:
        """Args:
        server: key of the server.
        tools: those that may be called; of two with one name the first counts.
        hidden: names of those that the definition's patterns exclude.
        locked: what tools must keep to, by name.
        """
        self._server = server
        self._tools: dict[str, ToolInfo] = {}
        for tool in tools:
            self._tools.setdefault(tool.name, tool)
        self._hidden = frozenset(hidden)
        # Compared once for each listing, so that a call pays for no more than a look at who broke with it.
        self.changed = frozenset(
            tool.name
            for tool in self._tools.values()
            if tool.name in locked and not tool.keeps_to(locked[tool.name])
        )

    def tools(self) -> tuple[ToolInfo, ...]:
        """Every tool, in the order the server listed them."""
        return tuple(self._tools.values())

    def find(self, name: str) -> ToolInfo | None:
        """The tool of this name."""
        return self._tools.get(name)

    def contract_error(self, name: str) -> CallError | None:
        """Why a tool must not be called for what it was locked to (ORD419), or None."""
        if name not in self.changed:
            return None
        return CallError(
            "ORD419",
            f"{self._server}.{name} no longer keeps to the tool lock, so it was not called; "
            f"`ordinaut tools lock --check {self._server}` tells what changed",
        )

    def missing(self, name: str) -> CallError:
        """Why there is no such tool (ORD402)."""
        if name in self._hidden:
            return CallError(
                "ORD402",
                f"{self._server}.{name} is excluded by the server's allow and deny patterns",
            )
        close = difflib.get_close_matches(name, self._tools, n=1)
        hint = (
            f"did you mean {close[0]}?" if close else f"it has {', '.join(self._tools) or 'none'}"
        )
        return CallError("ORD402", f"{self._server} has no tool {name}: {hint}")


def _refuse_what_json_cannot_carry(arguments: Mapping[str, Any]) -> None:
    """It would reach the tool as something else: NaN as null.

    Raises:
        TypeError, ValueError, RecursionError: what it is.
    """
    try:
        if b"null" not in orjson.dumps(arguments, option=_PLAIN):
            return
    except TypeError:
        pass  # it has narrower bounds: the other one says
    _STRICT_JSON.encode(arguments).encode()
