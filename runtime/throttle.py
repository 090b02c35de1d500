"""Keeps the calls of one run within the rate limits of its agent, together with all other runs of that agent, and of tool
servers, together with everybody's.

A call asks for its turn before it is made, and before it is written down as made. Where its turn comes later the call is
held, as one that waits to be tried again: the run goes to sleep if nothing else of it is under way. A tool that asks for a
pause gets it from every run that a limit on it is for.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import psycopg
from psycopg_pool import PoolTimeout

from runtime.clock import Clock
from runtime.core.calls import Call
from runtime.core.outcomes import CallOutcome
from runtime.core.rates import RateLimit, holds_on, limits_on
from runtime.live import Live
from runtime.logs import get_logger
from runtime.store.due_work import Claim
from runtime.store.rates import Rates
from runtime.underway import Landed, Ready
from schemas.spec import POWERLESS_TOOLS

_log = get_logger("throttle")
_ASK_AGAIN_SECONDS: Final = 1.0
# Going to sleep for less costs more than the slot.
_WAIT_HERE_SECONDS: Final = 0.25
_Turn = tuple[str, int, int]


class Throttle:
    """The turns of one run's calls."""

    def __init__(
        self, limits: tuple[RateLimit, ...], rates: Rates, claim: Claim, clock: Clock
    ) -> None:
        self._limits = limits
        self._rates = rates
        self._run_id = claim.run_id
        self._clock = clock
        self._turns: set[_Turn] = set()
        self._waiting: set[_Turn] = set()

    @property
    def is_waiting(self) -> bool:
        """Whether some call waits for its turn."""
        return bool(self._waiting)

    def lets(self, call: Call) -> bool:
        """Whether a call may be made now: no limit is on its tool, or it has had its turn, which is used by that."""
        if not self._limits_on(call.step.uses):
            return True
        turn = _turn(call)
        if turn not in self._turns:
            return False
        self._turns.discard(turn)
        return True

    async def ask(self, ready: Ready) -> Landed:
        """Ask for the turn of a call: it may be made, or asks again after the seconds that come back."""
        turn_in = await self._turn_in(ready.call, ready.shown)
        return Landed(ready.call, ready.shown, CallOutcome("not_sent"), 0.0, turn_in=turn_in)

    async def _turn_in(self, call: Call, shown: Any) -> float:
        on_tool = self._limits_on(call.step.uses)
        # Buckets have names, and no secret stands in one.
        limits = (*(limit.of(shown) for limit in on_tool), *holds_on(on_tool, call.step.uses))
        turn = _turn(call)
        while True:
            try:
                seconds = await self._rates.take_turn(limits, self._run_id, *turn)
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("rate limits not asked: %s", " ".join(str(error).split()))
                seconds = _ASK_AGAIN_SECONDS
            if seconds == 0.0:
                self._turns.add(turn)
                self._waiting.discard(turn)
                return 0.0
            if seconds > _WAIT_HERE_SECONDS:
                self._waiting.add(turn)
                return seconds
            await self._clock.sleep(seconds)

    async def heed(self, uses: str, retry_after: float | None) -> None:
        """Keep all whom a limit on it is for from calling a tool that asked for a pause."""
        if not retry_after:
            return
        try:
            for hold in holds_on(self._limits_on(uses), uses):
                await self._rates.hold_back(hold, timedelta(seconds=retry_after))
        except (psycopg.OperationalError, PoolTimeout) as error:
            _log.warning("a pause of %s is not told: %s", uses, " ".join(str(error).split()))

    def _limits_on(self, uses: str) -> tuple[RateLimit, ...]:
        return () if uses in POWERLESS_TOOLS else limits_on(self._limits, uses)


def throttle_of(
    live: Live, agent: str | None, rates: Rates, claim: Claim, clock: Clock
) -> Throttle | None:
    """What keeps a run within the limits of its agent and of tool servers; None if there are none."""
    scope = None if agent is None else live.agents.get(agent)
    limits = (*(scope.limits if scope is not None else ()), *live.limits)
    return Throttle(limits, rates, claim, clock) if limits else None


def _turn(call: Call) -> _Turn:
    return call.step.name, call.iteration, call.attempt
