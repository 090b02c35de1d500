"""What every call of a tool shares, whoever makes it: who may call what, and that no secret comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Protocol

from runtime.core.leftopen import GoingOn
from runtime.core.llm.definition import FindModel
from runtime.core.outcomes import CallError, CallOutcome
from runtime.errors import OrdinautError
from runtime.live import Live
from runtime.secrets import Secrets
from runtime.tools.questions import redact_left_open
from runtime.tools.reading import Parse
from schemas.spec import POWERLESS_TOOLS


class Tools(Protocol):
    """Whoever calls tools."""

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any],
        timeout: timedelta | None = None,  # noqa: ASYNC109 - what follows a send must become an outcome
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
        """Call `server.tool`; failures are outcomes, never exceptions. Without a timeout the server's own limits hold,
        and `at_most`; with `stall` a call is given up as well that tells of no progress for so long. Unless it
        `may_destroy`, a tool that destroys something is not called. `llm.*` ask the models that `find_model` gives, or
        none. With `going_on` it is the same call that the server left open.
        `parse` says how the text of the answer is read.
        """
        ...

    def only_computes(self, name: str) -> bool:
        """Whether a tool gives its result on the spot, does nothing else, and gives it again if it is asked again."""
        ...

    def compute(self, name: str, arguments: Mapping[str, Any]) -> CallOutcome:
        """Call a tool that only computes."""
        ...

    def end_run(self, run: str) -> None:
        """Stop what lives for this run alone."""
        ...


def refusal(live: Live, agent: str | None, uses: str) -> CallOutcome | None:
    """Why a tool must not, or cannot, be called on behalf of an agent; None if nothing is in the way."""
    if agent is not None and uses not in POWERLESS_TOOLS:
        scope = live.agents.get(agent)
        if scope is None or not scope.permits(uses):
            error = CallError("ORD409", f"agent {agent} may not call {uses}")
            broken = None if scope is None else scope.broken
            return CallOutcome("denied", error=error if broken is None else told(broken))
    broken = live.broken.get(uses.partition(".")[0])
    if broken is not None:
        return CallOutcome("not_sent", error=CallError(broken.code, broken.message, broken.hint))
    return None


def may_destroy(live: Live, agent: str | None) -> bool:
    """Whether tools that destroy something may be called on behalf of an agent though nobody approved."""
    scope = None if agent is None else live.agents.get(agent)
    return agent is None or (scope is not None and scope.may_destroy)


def redacted(outcome: CallOutcome, secrets: Secrets) -> CallOutcome:
    """The outcome without any secret that was used for the call, should the tool have echoed one."""
    if not secrets.known:
        return outcome
    redact = secrets.redact
    error = outcome.error
    if error is not None:
        error = CallError(error.code, redact(error.message), redact(error.detail))
    usage = outcome.usage and replace(outcome.usage, model=redact(outcome.usage.model))
    outcome = replace(outcome, value=redact.within(outcome.value), error=error, usage=usage)
    return outcome if outcome.left_open is None else redact_left_open(outcome, redact)


def told(error: OrdinautError) -> CallError:
    """An error of ours as the reason why a call did not succeed."""
    return CallError(error.code, error.message, error.hint)
