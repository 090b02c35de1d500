"""The tools of a rehearsed run: built-in ones compute as ever, the others answer what is given; every call is noted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

from runtime.clock import Clock
from runtime.core.calls import Call
from runtime.core.leftopen import GoingOn
from runtime.core.letters import SENDING
from runtime.core.llm.definition import FindModel
from runtime.core.llm.tools import SERVER
from runtime.core.outcomes import CallError, CallOutcome
from runtime.core.played import Called, NotGiven
from runtime.core.waits import WAITING_TOOLS
from runtime.rehearsal.given import Scene, outcome_of
from runtime.secrets import MASK
from runtime.tools.builtin import builtin_tools, call_builtin
from runtime.tools.catalogue import ToolInfo
from runtime.tools.reading import Parse
from runtime.underway import Ready
from schemas.spec import POWERLESS_TOOLS

_BUILTINS: Final = builtin_tools()
_STAND_IN: Final = f"{MASK[:-1]} "
_NOT_COMPUTED: Final = frozenset({*WAITING_TOOLS, *SENDING, "ordinaut.sql"})

AskModel = Callable[[str, Mapping[str, Any]], CallOutcome]
"""What calls a tool of `llm.*` for good, by its address and arguments."""


@dataclass(slots=True)
class GivenTools:
    """A `runtime.calling.Tools` that calls nobody. A call is made within `at`, which says whose it is.

    Attributes:
        scene: gives the answers.
        clock: by which they take their time.
        promised: tools whose contract is known, by address: calls and answers are held against it.
        ask_model: calls `llm.*` for good, in the place of every answer that is given for it but failures; None for nobody.
        called: the calls so far.
    """

    scene: Scene
    clock: Clock
    promised: Mapping[str, ToolInfo]
    ask_model: AskModel | None = None
    called: list[Called] = field(default_factory=list)
    _ready: ContextVar[Ready] = field(default_factory=lambda: ContextVar("ready"))

    @contextmanager
    def at(self, ready: Ready) -> Iterator[None]:
        """The calls within are made for this."""
        token = self._ready.set(ready)
        try:
            yield
        finally:
            self._ready.reset(token)

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any],
        timeout: timedelta | None = None,  # noqa: ASYNC109 - the signature of every toolbox
        meta: Mapping[str, Any] | None = None,  # noqa: ARG002 - as above
        *,
        at_most: timedelta | None = None,
        stall: timedelta | None = None,  # noqa: ARG002 - as above
        run: str = "",  # noqa: ARG002 - as above
        may_destroy: bool = True,
        find_model: FindModel | None = None,  # noqa: ARG002 - no model is asked here
        going_on: GoingOn | None = None,  # noqa: ARG002 - as above
        parse: Parse = "auto",  # noqa: ARG002 - what is given is what was read
    ) -> CallOutcome:
        """What is given for the call.

        Raises:
            NotGiven: ORD701, nothing is.
        """
        ready = self._ready.get()
        call = ready.call
        promised = self.promised.get(name)
        if promised is not None and not may_destroy:
            denied = promised.destruction_error(None)
            if denied is not None:
                return CallOutcome("denied", error=denied)
        tool = _builtin(name) or promised
        refused = tool.argument_error(arguments, _is_stand_in) if tool is not None else None
        if refused is not None:
            return CallOutcome("contract_error", error=refused)
        self.note(ready, name)
        own = self._own(call, name) if ready.verification is None else None
        if own is not None:
            return own(name, arguments)
        answer = self.scene.answer(call)
        if ready.verification is not None:
            if answer.verified is None:
                raise NotGiven(
                    f"step {call.step.name} asks {name} whether its call happened, and nothing is given for that",
                    step=call.step.name,
                    hint="add what that tool answers as `verified:` beside the `outcome:`",
                )
            return CallOutcome("ok", value=answer.verified, sent=True)
        limits = [span for span in (timeout, at_most) if span is not None]
        await self.clock.sleep(min([answer.takes, *limits]).total_seconds())
        if any(span < answer.takes for span in limits):
            error = CallError("ORD405", f"{name} did not answer within {min(limits)}")
            return CallOutcome("timeout", error=error, sent=True)
        return _kept_to(self.promised.get(name), outcome_of(answer))

    def only_computes(self, name: str) -> bool:
        """Whether the call at hand is of a built-in tool, and nothing else is given for it."""
        return self.is_computed(self._ready.get().call.step.name, name)

    def compute(self, name: str, arguments: Mapping[str, Any]) -> CallOutcome:
        """Call a built-in tool."""
        self.note(self._ready.get(), name)
        return self._computed(name, arguments)

    def end_run(self, run: str) -> None:
        """Nothing lives for a run."""

    def is_computed(self, step: str, name: str) -> bool:
        """Whether a step's tool is a built-in one that gives its own answer."""
        server = name.partition(".")[0]
        is_builtin = server in _BUILTINS and name not in _NOT_COMPUTED
        if server == SERVER and self.ask_model is not None:
            return False
        return is_builtin and not self.scene.has_answers(step)

    def _own(self, call: Call, name: str) -> AskModel | None:
        """What answers the call in the place of the scene: a model, but for a failure that is given, or a built-in tool."""
        if self.ask_model is not None and name.partition(".")[0] == SERVER:
            given = self.scene.has_answers(call.step.name)
            is_asked = not given or self.scene.answer(call).outcome is None
            return self.ask_model if is_asked else None
        return self._computed if self.is_computed(call.step.name, name) else None

    def note(self, ready: Ready, name: str) -> None:
        """The call is made."""
        if name in POWERLESS_TOOLS:
            return
        call = ready.call
        shown = ready.arguments if ready.verification is not None else ready.shown
        self.called.append(Called(call.step.name, call.iteration, call.attempt, name, shown))

    def note_once(self, ready: Ready) -> None:
        """The run that a step asks for is started, unless it was before."""
        call = ready.call
        if not any(
            (one.step, one.item) == (call.step.name, call.iteration) for one in self.called
        ):
            self.note(ready, call.step.uses)

    def _computed(self, name: str, arguments: Mapping[str, Any]) -> CallOutcome:
        server, _, tool = name.partition(".")
        return call_builtin(_BUILTINS[server][tool], arguments)


def stand_in(name: str) -> str:
    """What stands for a secret."""
    return f"{_STAND_IN}{name}]"


def _is_stand_in(value: object) -> bool:
    """Whether nobody knows the value, because a secret is in it: that it fits is for a run to see."""
    return isinstance(value, str) and _STAND_IN in value


def _builtin(name: str) -> ToolInfo | None:
    server, _, tool = name.partition(".")
    builtin = _BUILTINS.get(server, {}).get(tool)
    return None if builtin is None else builtin.info


def _kept_to(tool: ToolInfo | None, outcome: CallOutcome) -> CallOutcome:
    """The outcome, unless a tool of which more is known promised another."""
    if tool is None or outcome.kind != "ok":
        return outcome
    broken = tool.result_error(outcome.value, given=True)
    return (
        outcome
        if broken is None
        else replace(outcome, kind="contract_error", value=None, error=broken)
    )
