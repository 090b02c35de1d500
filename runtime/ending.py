"""How the steps of a run ended, before those of `finally` begin.

It goes on record first: whoever goes on with the run goes on after that, and neither makes a call of the steps again nor
judges them anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from runtime.core.course import Failure
from runtime.core.outcomes import CallError
from runtime.store.due_work import OVER
from runtime.store.recorded import Recorded

CANCELLED: Final = "ORD510"
"""Of the failure of steps that somebody ended; whoever did has written it."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How the steps of a run ended.

    Attributes:
        failure: why the run fails, or was cancelled; None if it does not.
        seconds: how long the run had taken.
        cancelled: where somebody cancelled it, `reason`, `actor` and `detail`, as far as there are such.
    """

    failure: Failure | None
    seconds: float
    cancelled: Mapping[str, str] | None = None

    @property
    def told(self) -> dict[str, Any]:
        """What the steps of `finally` find under `run`."""
        if self.failure is None:
            return {"outcome": "succeeded", "error": None}
        outcome = "cancelled" if self.failure.error.code == CANCELLED else "failed"
        return {"outcome": outcome, "error": error_of(self.failure)}


def recorded_ending(recorded: Recorded) -> Ending | None:
    """How the steps ended, if that is on record."""
    result = recorded.results.get((OVER, 0))
    if result is None:
        return None
    failure = None
    if result.error is not None:
        error = dict(result.error)
        step = error.pop("step", None)
        failure = Failure(CallError(**error), step)
    return Ending(failure, result.output["seconds"], result.output.get("cancelled"))


def error_of(failure: Failure) -> dict[str, str]:
    """The reason as it is recorded and told."""
    told = {name: text for name, text in asdict(failure.error).items() if text}
    return told | ({"step": failure.step} if failure.step else {})
