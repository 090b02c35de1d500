"""Keeps one run within the budget of its agent, together with all other runs of that agent in all runtimes.

A run that may not begin today any more is skipped. A call asks before it is made: it goes, is refused, or waits for calls
of the agent that are under way and may take all that is left.
"""

from __future__ import annotations

import asyncio
import math
from typing import Final
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout

from runtime.clock import Clock
from runtime.core.budgets import Budget, Exceeded, is_known_to_spend
from runtime.core.calls import Call
from runtime.core.outcomes import CallError, CallOutcome
from runtime.core.poll import Poll
from runtime.core.prices import priced
from runtime.core.program import Program
from runtime.live import Live
from runtime.logs import get_logger
from runtime.store.budgets import Budgets
from runtime.store.conditions import PollClaim
from runtime.store.due_work import Claim, Skipped
from runtime.store.recorded import Place, Recorded
from runtime.surroundings import Surroundings

_log = get_logger("budgets")
_ASK_AGAIN_SECONDS: Final = 0.5
# Then the slot is better given to another run.
_MOST_ASKED: Final = 20
_LATER_SECONDS: Final = 5.0


class Purse:
    """The budget of one run's calls.

    Attributes:
        held: the calls that count as under way; whoever records a result takes it out.
    """

    def __init__(
        self, budget: Budget, budgets: Budgets, claim: Claim, clock: Clock, held: set[Place]
    ) -> None:
        self._budget = budget
        self._budgets = budgets
        self._claim = claim
        self._clock = clock
        self.held = held
        self._asking = asyncio.Lock()
        self._later_at = -math.inf

    async def ask(self, call: Call) -> CallOutcome | float:
        """What becomes of a call that may not be made; else in how many seconds it may ask again, 0 if it may be made now.

        One call of the run asks at a time: where it waits in vain, the others need not try.
        """
        async with self._asking:
            later = self._later_at - self._clock.monotonic()
            return later if later > 0 else await self._ask(call)

    async def _ask(self, call: Call) -> CallOutcome | float:
        place = call.step.name, call.iteration
        uses = call.step.uses
        is_known = is_known_to_spend(uses, tells=bool(call.step.usage))
        for _ in range(_MOST_ASKED):
            try:
                verdict = await self._budgets.reserve(
                    self._budget, self._claim, place, uses, is_known=is_known
                )
            except (psycopg.OperationalError, PoolTimeout) as error:
                _log.warning("budget not asked: %s", " ".join(str(error).split()))
                verdict = "wait"
            match verdict:
                case Exceeded():
                    return _refusal(self._budget, verdict)
                case "wait":
                    await self._clock.sleep(_ASK_AGAIN_SECONDS)
                case "go" | "free":
                    if verdict == "go":
                        self.held.add(place)
                    return 0.0
        self._later_at = self._clock.monotonic() + _LATER_SECONDS
        return _LATER_SECONDS


def _refusal(budget: Budget, exceeded: Exceeded) -> CallOutcome:
    limit = exceeded.limit
    spent = f"{exceeded.spent.normalize():,f}"
    message = f"the budget of agent {budget.agent} is used up: {spent} of {limit}"
    again = (
        "the day begins anew at 00:00 UTC; `ordinaut spend --by task` tells who spent it"
        if limit.per == "day"
        else "let the run use up less, or raise the budget"
    )
    return CallOutcome("budget", error=CallError("ORD420", message, again))


class PollPurse:
    """What a poll of a condition may spend, and spent."""

    def __init__(
        self, budgets: Budgets, live: Live, claim: PollClaim, poll: Poll, run_id: UUID
    ) -> None:
        self._budgets = budgets
        self._live = live
        self._claim = claim
        self._poll = poll
        self._run_id = run_id

    async def refusal(self) -> CallOutcome | None:
        """Why the poll must not be made; None if nothing is in the way.

        Raises:
            OperationalError: the database cannot be asked.
        """
        scope = None if self._poll.agent is None else self._live.agents.get(self._poll.agent)
        budget = None if scope is None else scope.budget
        if budget is None or not budget.limits:
            return None
        exceeded = await self._budgets.exceeded(budget, self._run_id, self._poll.uses)
        return None if exceeded is None else _refusal(budget, exceeded)

    async def pay(self, outcome: CallOutcome) -> None:
        """Record what the poll used up, if it told of it.

        Raises:
            OperationalError: the database cannot be asked.
        """
        if outcome.usage is None:
            return
        prices = self._live.prices.get(self._claim.project, ())
        usage = priced(outcome.usage, prices, self._claim.now)
        await self._budgets.record_poll(self._claim, self._run_id, self._poll, usage)


def run_budget(live: Live, agent: str | None) -> Budget | None:
    """The budget of a run's agent, if that bounds how many runs begin."""
    scope = None if agent is None else live.agents.get(agent)
    budget = None if scope is None else scope.budget
    return None if budget is None or budget.runs is None else budget


async def skipped_for_budget(
    live: Live, around: Surroundings, claim: Claim, program: Program, recorded: Recorded
) -> Skipped | None:
    """What follows from a run that may not begin today any more, and is skipped; None if it begins, or has begun before."""
    budget = run_budget(live, program.agent)
    if budget is None or _is_begun(claim, recorded):
        return None
    while True:
        try:
            if await around.budgets.begins(budget, claim):
                return None
            detail = f"agent {budget.agent} may begin {budget.runs:,} runs a day, in UTC"
            return await around.budgets.skip(claim, detail)
        except (psycopg.OperationalError, PoolTimeout) as error:
            _log.warning("budget not asked: %s", " ".join(str(error).split()))
        await around.clock.sleep(_ASK_AGAIN_SECONDS)


def _is_begun(claim: Claim, recorded: Recorded) -> bool:
    """Whether a run has begun before: what an earlier run left it does not count."""
    left = (recorded.results, recorded.tries, recorded.waits, recorded.intents)
    return claim.lease_epoch > 1 and any(left)
