"""Keeps the calls of one run within the rate limits of its agent, together with all other runs of that agent, and of tool
servers, together with everybody's; and within the agent's budget, which `budgets` asks for once a call has its turn.

A call asks for its turn before it is made, and before it is written down as made. Where its turn comes later the call is
held, as one that waits to be tried again: the run goes to sleep if nothing else of it is under way. A tool that asks for a
pause gets it from every run that a limit on it is for.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import psycopg
from psycopg_pool import PoolTimeout

from runtime.budgets import Purse
from runtime.clock import Clock
from runtime.core.calls import Call
from runtime.core.outcomes import CallOutcome
from runtime.core.rates import RateLimit, holds_on, limits_on
from runtime.live import Live
from runtime.logs import get_logger
from runtime.store.due_work import Claim
from runtime.store.rates import Rates
from runtime.store.recorded import Place
from runtime.surroundings import Surroundings
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
        self,
        limits: tuple[RateLimit, ...],
        rates: Rates,
        claim: Claim,
        clock: Clock,
        purse: Purse | None = None,
    ) -> None:
        self._limits = limits
        self._rates = rates
        self._run_id = claim.run_id
        self._clock = clock
        self._purse = purse
        self._turns: set[_Turn] = set()
        self._in_time: set[_Turn] = set()
        self._waiting: dict[_Turn, str] = {}

    @property
    def waits_for(self) -> str | None:
        """What some call waits for: `rate_limit`, or `budget`; None if none does."""
        return next(iter(self._waiting.values()), None)

    def lets(self, call: Call) -> bool:
        """Whether a call may be made now: it was made, and its result is asked for; nothing limits its tool; or it has had its turn, which is used by that."""
        if call.task is not None or not (self._limits_on(call.step.uses) or self._is_paid(call)):
            return True
        turn = _turn(call)
        if turn not in self._turns:
            return False
        self._turns.discard(turn)
        return True

    async def ask(self, ready: Ready) -> Landed:
        """Ask for the turn of a call: it may be made, asks again after the seconds that come back, or is refused."""
        call, turn = ready.call, _turn(ready.call)
        turn_in: float | CallOutcome = 0.0
        if turn not in self._in_time and self._limits_on(call.step.uses):
            turn_in = await self._turn_in(call, ready.shown)
        waits_for = "rate_limit"
        if turn_in == 0.0 and self._purse is not None and self._is_paid(call):
            self._in_time.add(turn)
            turn_in, waits_for = await self._purse.ask(call), "budget"
        self._waiting.pop(turn, None)
        if isinstance(turn_in, CallOutcome):
            return Landed(call, ready.shown, turn_in, 0.0)
        if turn_in == 0.0:
            self._in_time.discard(turn)
            self._turns.add(turn)
        else:
            self._waiting[turn] = waits_for
        return Landed(call, ready.shown, CallOutcome("not_sent"), 0.0, turn_in=turn_in)

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
            if seconds == 0.0 or seconds > _WAIT_HERE_SECONDS:
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

    def _is_paid(self, call: Call) -> bool:
        return self._purse is not None and call.step.uses not in POWERLESS_TOOLS

    def _limits_on(self, uses: str) -> tuple[RateLimit, ...]:
        return () if uses in POWERLESS_TOOLS else limits_on(self._limits, uses)


def throttle_of(
    live: Live, agent: str | None, around: Surroundings, claim: Claim, held: set[Place]
) -> Throttle | None:
    """What keeps a run within the limits of its agent and of tool servers; None if there are none.

    `held` is where calls stand that the agent's budget waits for until their results are on record.
    """
    scope = None if agent is None else live.agents.get(agent)
    limits = (*(scope.limits if scope is not None else ()), *live.limits)
    budget = None if scope is None else scope.budget
    if not limits and (budget is None or not budget.limits):
        return None
    clock = around.clock
    purse = None
    if budget is not None and budget.limits:
        purse = Purse(budget, around.budgets, claim, clock, held)
    return Throttle(limits, around.rates, claim, clock, purse)


def _turn(call: Call) -> _Turn:
    return call.step.name, call.iteration, call.attempt
