"""Tools whose answers a test writes down; what they were asked is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from runtime.core.leftopen import GoingOn
from runtime.core.llm.definition import FindModel
from runtime.core.outcomes import CallError, CallOutcome
from runtime.tools.reading import Parse

Answer = CallOutcome | Callable[[Mapping[str, Any]], CallOutcome | Awaitable[CallOutcome]]


def ok(value: Any = None) -> CallOutcome:
    """The tool answered."""
    return CallOutcome("ok", value=value, sent=True, generation=1, schema_digest="d1")


def failed(kind: Any = "tool_error", *, retry_after: float | None = None) -> CallOutcome:
    """The call did not succeed."""
    return CallOutcome(
        kind, error=CallError("ORD404", f"it was {kind}"), sent=True, retry_after=retry_after
    )


class Busy:
    """An answer that comes when the test lets it go."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.gate = asyncio.Event()

    async def __call__(self, _: Mapping[str, Any]) -> CallOutcome:
        self.entered.set()
        await self.gate.wait()
        return ok()


class ScriptedTools:
    """Answers by tool name; a list is answered one by one, its last answer for ever."""

    def __init__(self, **answers: Answer | list[Answer]) -> None:
        self._answers = {name.replace("__", "."): answer for name, answer in answers.items()}
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        self.timeouts: list[tuple[timedelta | None, timedelta | None]] = []
        self.stalls: list[timedelta | None] = []
        self.metas: list[Mapping[str, Any] | None] = []
        self.ended: list[str] = []
        self.parses: list[Parse] = []
        self.may_destroy: list[bool] = []
        self.find_model: FindModel | None = None
        self.going_on: list[GoingOn | None] = []
        self.called = asyncio.Event()

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any],
        timeout: timedelta | None = None,  # noqa: ASYNC109 - the product's own signature
        meta: Mapping[str, Any] | None = None,
        *,
        at_most: timedelta | None = None,
        stall: timedelta | None = None,
        run: str = "",
        may_destroy: bool = True,
        find_model: FindModel | None = None,
        going_on: GoingOn | None = None,
        parse: Parse = "auto",
    ) -> CallOutcome:
        self.going_on.append(going_on)
        self.parses.append(parse)
        self.calls.append((name, arguments))
        self.timeouts.append((timeout, at_most))
        self.stalls.append(stall)
        self.metas.append(meta)
        self.find_model = find_model
        self.may_destroy.append(may_destroy)
        self.called.set()
        answer = self._answers[name]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer):
            made = answer(arguments)
            return await made if isinstance(made, Awaitable) else made
        return answer

    def only_computes(self, name: str) -> bool:
        """Each of them is to be waited for."""
        return False

    def compute(self, name: str, arguments: Mapping[str, Any]) -> CallOutcome:
        raise AssertionError(f"{name} is no tool that only computes")

    def end_run(self, run: str) -> None:
        self.ended.append(run)
