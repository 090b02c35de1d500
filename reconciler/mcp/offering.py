"""What a tool is: a function of a call and of what is wished for, with the scope that it takes and what it promises.

Its description is its docstring; its schemas are those of its models, so they cannot differ from what is taken and given.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_type_hints

from mcp_types import Tool as Listed
from mcp_types import ToolAnnotations
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from reconciler.mcp.calling import Call
from runtime.errors import OrdinautError
from schemas.base import Model
from schemas.printed import opened
from schemas.token import Scope
from schemas.wishes import Wish

Act = Callable[[Call, Any], Model] | Callable[[Call, Any], Awaitable[Model]]


class UnfitArguments(OrdinautError):
    """The arguments of a call do not fit the tool's schema."""

    default_code = "ORD007"


@dataclass(frozen=True)
class Tool:
    """A tool.

    Attributes:
        name: what it is called.
        title: what people see.
        scope: what a caller must have.
        act: does it: in a thread, unless it is a coroutine function.
        wish: the model of its arguments.
        answer: the model of its result.
        is_reading: it changes nothing.
        is_idempotent: doing it again with the same arguments changes nothing more.
        is_destructive: it may end or undo something.
    """

    name: str
    title: str
    scope: Scope
    act: Act
    wish: type[Wish]
    answer: type[Model]
    is_reading: bool
    is_idempotent: bool
    is_destructive: bool

    @property
    def description(self) -> str:
        """What it does, for whoever chooses among tools."""
        return inspect.cleandoc(self.act.__doc__ or "")

    @cached_property
    def listed(self) -> Listed:
        """How it is listed."""
        return Listed(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=_untitled(self.wish.model_json_schema(mode="validation")),
            output_schema=opened(self.answer.model_json_schema(mode="serialization")),
            annotations=ToolAnnotations(
                title=self.title,
                read_only_hint=self.is_reading,
                destructive_hint=self.is_destructive,
                idempotent_hint=self.is_reading or self.is_idempotent,
                open_world_hint=False,
            ),
        )

    async def run(self, call: Call, arguments: Mapping[str, Any]) -> Model:
        """Do it.

        Raises:
            UnfitArguments: ORD007, the arguments are not those that it takes.
            OrdinautError: what it raises.
        """
        try:
            wish = self.wish.model_validate(dict(arguments))
        except ValidationError as error:
            raise UnfitArguments(_said(error), hint=self._hint()) from None
        if inspect.iscoroutinefunction(self.act):
            answer: Model = await self.act(call, wish)
            return answer
        return await run_in_threadpool(self.act, call, wish)  # type: ignore[arg-type]  # it is no coroutine function

    def _hint(self) -> str:
        names = ", ".join(self.wish.model_fields)
        return f"{self.name} takes {names}" if names else f"{self.name} takes no arguments"


def offers(
    scope: Scope,
    *,
    title: str,
    idempotent: bool = False,
    destructive: bool = False,
    reads: bool = False,
) -> Callable[[Act], Tool]:
    """Make a tool of a function; its name, description and schemas are those of the function.

    Args:
        scope: what a caller must have.
        title: what people see.
        idempotent: doing it again with the same arguments changes nothing more.
        destructive: it may end or undo something.
        reads: it changes nothing; so does whatever takes the scope `read`.
    """

    def make(act: Act) -> Tool:
        hints = get_type_hints(act)
        return Tool(
            name=act.__name__,
            title=title,
            scope=scope,
            act=act,
            wish=hints["wish"],
            answer=hints["return"],
            is_reading=reads or scope == "read",
            is_idempotent=idempotent,
            is_destructive=destructive,
        )

    return make


def _untitled(schema: Any) -> Any:
    """A schema without the titles that only repeat names."""
    match schema:
        case dict():
            return {
                key: {name: _untitled(inner) for name, inner in value.items()}
                if key in {"properties", "$defs"}
                else _untitled(value)
                for key, value in schema.items()
                if key != "title"
            }
        case list():
            return [_untitled(inner) for inner in schema]
        case _:
            return schema


def _said(error: ValidationError) -> str:
    """Every misfit with its place, without what was given: that may be anything."""
    found = [
        f"{'.'.join(map(str, one['loc'])) or 'arguments'}: {one['msg']}"
        for one in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return "; ".join(each[:_LONGEST] for each in found[:_SHOWN]) + more


_SHOWN = 5
_LONGEST = 300
