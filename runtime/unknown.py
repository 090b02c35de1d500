"""Calls that may have happened and must not be repeated: what their step does about it.

A call is in doubt when its answer was lost or never came, or when its runtime was. `fail` ends it as `unknown`, and so
does every policy where the run is over anyway. `ask` puts it to people, and the run waits without slot and lease until
somebody settles it. `verify` asks another tool: if the call happened, that tool's answer is the step's result; if it did
not, it is tried again as the step's `retry` says, but once at least. The doubt itself is on record as an intent without a
result, so whoever claims the run next is in the same doubt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from runtime.core.calls import Call
from runtime.core.expressions import Context
from runtime.core.outcomes import UNKNOWN_OUTCOMES, CallError, CallOutcome
from runtime.core.program import ProgramStep, Verification
from runtime.errors import OrdinautError
from runtime.progress import Progress
from runtime.store.recorded import Intent, Place
from runtime.underway import Landed

_CUT_OFF: Final = CallOutcome(
    "lost",
    error=CallError(
        "ORD406", "the runtime was lost when it was about to make the call, or had made it"
    ),
    sent=True,
)
_TRIES_WHEN_VERIFIED: Final = 2


@dataclass(frozen=True, slots=True)
class Asked:
    """People are asked; nothing can be done before one has answered."""


@dataclass(frozen=True, slots=True)
class Verify:
    """A tool is to be asked with these arguments."""

    verification: Verification
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Again:
    """The call did not happen, and is tried again: at once, or as its step's retry says."""

    landed: Landed
    at_once: bool


@dataclass(frozen=True, slots=True)
class Over:
    """The call has its result."""

    landed: Landed


Verdict = Asked | Verify | Again | Over


def is_unknown(step: ProgramStep, outcome: CallOutcome) -> bool:
    """Whether nobody knows if a call happened that must not be repeated."""
    return step.effect == "once" and outcome.kind in UNKNOWN_OUTCOMES


class Unknowns:
    """The doubts of one claim of one run."""

    def __init__(self, intents: Mapping[Place, Intent], progress: Progress) -> None:
        self._intents = dict(intents)
        self._doubts: dict[Place, Landed] = {}
        self._asked: set[Place] = set()
        self._progress = progress

    @property
    def is_asking(self) -> bool:
        """Whether people are asked about a call."""
        return bool(self._asked)

    def open(self) -> Iterable[Landed]:
        """Every call in doubt as it is recorded if the run ends now, and none afterwards."""
        doubts, self._doubts = list(self._doubts.values()), {}
        return [as_unknown(landed) for landed in doubts]

    def begin(self, landed: Landed) -> None:
        """The call is in doubt from now on."""
        self._doubts[_place(landed.call)] = landed

    def look(self, call: Call, shown: Any, context: Context) -> Verdict | None:
        """What is to be done about a call before it may be made; None if there is no doubt about it."""
        place = _place(call)
        if call.step.effect != "once":
            # By the revision that is run again it must not be repeated; by this one it may.
            return None
        if place not in self._doubts and place in self._intents:
            self.begin(Landed(call, shown, _CUT_OFF, 0.0))
        landed = self._doubts.get(place)
        if landed is None:
            return None
        intent = self._intents.get(place, Intent())
        if intent.answer is not None:
            return self._settled(landed, intent.answer)
        match call.step.on_unknown:
            case "fail":
                return self._over(as_unknown(landed))
            case "ask":
                if not intent.is_asked and place not in self._asked:
                    self._progress.call_in_doubt(landed.tried)
                self._asked.add(place)
                return Asked()
            case verification:
                return self._verify(landed, verification, context)

    def checked(self, check: Landed, context: Context) -> Verdict:
        """What another tool's answer says of a call in doubt."""
        landed = self._doubts[_place(check.call)]
        verification = check.call.step.on_unknown
        assert isinstance(verification, Verification)  # noqa: S101 - nothing else is checked
        if check.outcome.kind != "ok":
            return self._over(_untold(landed, check.outcome.error))
        try:
            happened = verification.when.test(replace(context, result=check.outcome.value))
        except OrdinautError as error:
            return self._over(_untold(landed, CallError(error.code, error.message)))
        if happened:
            return self._over(replace(landed, outcome=check.outcome))
        if landed.call.tries < max(landed.call.step.retry.attempts, _TRIES_WHEN_VERIFIED):
            return self._again(landed, at_once=False)
        denied = CallError("ORD416", f"{verification.uses} says that the call did not happen")
        return self._over(_failed(landed, denied))

    def _settled(self, landed: Landed, answer: Mapping[str, Any]) -> Verdict:
        match answer["settled"]:
            case "happened":
                known = CallOutcome("ok", value=answer["result"], sent=True)
                return self._over(replace(landed, outcome=known))
            case "try_again":
                return self._again(landed, at_once=True)
            case _:
                reason = f": {answer['reason']}" if answer["reason"] else ""
                error = CallError("ORD416", f"{answer['by']} settled that it failed{reason}")
                return self._over(_failed(landed, error))

    def _verify(self, landed: Landed, verification: Verification, context: Context) -> Verdict:
        try:
            return Verify(verification, verification.arguments.render(context))
        except OrdinautError as error:
            return self._over(_untold(landed, CallError(error.code, error.message)))

    def _over(self, landed: Landed) -> Over:
        self._forget(landed)
        return Over(landed)

    def _again(self, landed: Landed, *, at_once: bool) -> Again:
        self._forget(landed)
        return Again(as_unknown(landed), at_once)

    def _forget(self, landed: Landed) -> None:
        place = _place(landed.call)
        self._doubts.pop(place, None)
        self._intents.pop(place, None)
        self._asked.discard(place)


def _place(call: Call) -> Place:
    return call.step.name, call.iteration


def as_unknown(landed: Landed, more: str = "") -> Landed:
    """The call as it is recorded where nobody finds out whether it happened."""
    cause = landed.outcome.error or CallError("ORD406", landed.outcome.kind)
    message = f"nobody knows whether the call happened: {cause.message}{more}"
    error = CallError("ORD415", message, cause.detail)
    return replace(landed, outcome=replace(landed.outcome, kind="unknown", error=error))


def _untold(landed: Landed, error: CallError | None) -> Landed:
    """The tool that should know does not say."""
    return as_unknown(
        landed, f"; `verify` could not tell: {error.message if error else 'no answer'}"
    )


def _failed(landed: Landed, error: CallError) -> Landed:
    return replace(landed, outcome=replace(landed.outcome, kind="tool_error", error=error))
