"""What every execution of a process shares: who calls tools, who commits reports, and who knows what has arrived."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from runtime.calling import Tools
from runtime.clock import Clock
from runtime.core.calls import Call
from runtime.core.outcomes import CallOutcome
from runtime.recorder import Told
from runtime.store.answers import Answers
from runtime.store.budgets import Budgets
from runtime.store.due_work import Claim, Report
from runtime.store.pool import Pool
from runtime.store.rates import Rates
from runtime.store.recorded import Place, Waiting


class Recording(Protocol):
    """Whoever commits reports."""

    async def record(self, report: Report) -> None:
        """Commit a report, or raise LeaseLost."""
        ...

    def hand_over(self, reports: Iterable[tuple[Report, Told]]) -> None:
        """Commit reports, and tell what became of each once that is known."""
        ...


class Looking(Protocol):
    """Whoever knows what has arrived."""

    async def look(self, claim: Claim, *, is_heeded: bool) -> Mapping[Place, Waiting]:
        """Where the waits of a run stand, those ended whose event has come or whose run is over; or raise LeaseLost.

        `is_heeded` says that all that waits goes by it; else the mark stays that something was answered.
        """
        ...

    async def start(
        self, claim: Claim, call: Call, arguments: Mapping[str, Any]
    ) -> CallOutcome | None:
        """Start the run that a step asks for, once; why not, or None if there is one. Or raise LeaseLost."""
        ...


class Listening(Protocol):
    """Whoever tells runs of answers."""

    def listen(self, claim: Claim, hear: Callable[[], None]) -> None:
        """Call `hear` whenever something of a run was answered while this claim holds it, until `forget`."""
        ...

    def forget(self, claim: Claim) -> None:
        """The run listens no more under this claim."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every execution of a process shares.

    Attributes:
        tools: calls tools.
        recorder: commits reports.
        statements: connections for the statements of steps, and for nothing else.
        rates: the rate limits that all runtimes share.
        budgets: what agents spend, in all runtimes.
        clock: the clock.
        draw: spreads retries.
        arrivals: knows what has arrived.
        attention: tells of answers.
        callback_key: what callback tokens are made with, and the keys of answers that may be reused.
        answers: what tools answered, for steps that may reuse it.
        web_url: where tools reach the web side, for callbacks.
    """

    tools: Tools
    recorder: Recording
    statements: Pool
    rates: Rates
    budgets: Budgets
    clock: Clock
    draw: random.Random
    arrivals: Looking
    attention: Listening
    callback_key: bytes
    answers: Answers
    web_url: str = "http://127.0.0.1:8470"
