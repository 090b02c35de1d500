"""What the executions of one process share."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from runtime.calling import Tools
from runtime.clock import Clock
from runtime.recorder import Told
from runtime.store.due_work import Report
from runtime.store.pool import Pool
from runtime.store.rates import Rates


class Recording(Protocol):
    """Whoever commits reports."""

    async def record(self, report: Report) -> None:
        """Commit a report, or raise LeaseLost."""
        ...

    def hand_over(self, reports: Iterable[tuple[Report, Told]]) -> None:
        """Commit reports, and tell what became of each once that is known."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every execution of a process shares.

    Attributes:
        tools: calls tools.
        recorder: commits reports.
        statements: connections for the statements of steps, and for nothing else.
        rates: the rate limits that all runtimes share.
        clock: the clock.
        draw: spreads retries.
    """

    tools: Tools
    recorder: Recording
    statements: Pool
    rates: Rates
    clock: Clock
    draw: random.Random
